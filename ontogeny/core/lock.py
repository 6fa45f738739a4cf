"""The lock beside a genome, `<genome>.lock.yaml`: what its books were when fetched, and which fill its slots."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from ontogeny.core.address import is_remote
from ontogeny.core.errors import Fault, GenomeError, LibraryError
from ontogeny.core.library import Library, LibraryEntry
from ontogeny.core.positions import Document, load_yaml, model_faults, read_text
from ontogeny.core.run import write_atomic
from ontogeny.core.schema import Genome
from ontogeny.core.slots import FilledSlot, described, slot_key

HEAD = "# Pins what {name} reads: written by `ontogeny library lock`, which brings it up to date.\n"


class PinnedBook(BaseModel):
    """A book as it was: where from, the digest and number of its raw bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class LockFile(BaseModel):
    """What a lock holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    books: dict[str, PinnedBook] = {}
    slots: dict[str, FilledSlot] = {}


@dataclass(frozen=True)
class Lock:
    """A lock, and where each of its keys stands."""

    books: dict[str, PinnedBook]
    slots: dict[str, FilledSlot]
    document: Document

    def pin(self, library: Library) -> Library:
        """The library with the fingerprints and sizes that the lock knows.

        Raises: LibraryError where the catalogue says otherwise."""
        entries, faults = dict(library.entries), []
        for book, pin in self.books.items():
            entry = entries.get(book)
            if entry is None:
                continue
            for key in ("source", "sha256"):
                if getattr(entry, key) not in (None, getattr(pin, key)):
                    faults.append(self._disagreement(book, key, str(getattr(entry, key)), getattr(pin, key)))
            entries[book] = entry.model_copy(update={"sha256": pin.sha256, "bytes": pin.bytes})
        if faults:
            raise LibraryError(faults)
        return replace(library, entries=entries)

    def fill(self, raw: dict[str, Any], library: Library) -> dict[str, Any]:
        """A composed genome whose slots are replaced by their books; a slot that the lock no longer fits stays one."""
        stages = raw.get("stages")
        if not isinstance(stages, list):
            return raw
        return {**raw, "stages": [self._filled_stage(stage, library) for stage in stages]}

    def _filled_stage(self, stage: Any, library: Library) -> Any:
        sections = stage.get("sections") if isinstance(stage, dict) else None
        if not isinstance(sections, list):
            return stage
        return {**stage, "sections": [self._filled(section, str(stage.get("name")), library) for section in sections]}

    def _filled(self, section: Any, stage: str, library: Library) -> Any:
        if not isinstance(section, dict) or not isinstance(section.get("slot"), dict) or "books" in section:
            return section
        filled = self.slots.get(slot_key(stage, str(section.get("name"))))
        asked = {key: value for key, value in section["slot"].items() if value is not None}
        if filled is None or filled.slot != asked or not all(book in library.entries for book in filled.books):
            return section
        return {"name": section["name"], "books": list(filled.books)}

    def _disagreement(self, book: str, key: str, ours: str, pinned: str) -> Fault:
        return Fault(
            f"the catalogue and the lock disagree on book '{book}'.",
            self.document.at(("books", book, key)),
            f"{key} {pinned} in the lock",
            f"{key} {ours}, as in the catalogue",
            "run `ontogeny library lock` to take what the catalogue says, or bring the catalogue's entry back",
        )


def lock_path(genome: Path) -> Path:
    """Where the lock of a genome stands."""
    return genome.with_name(f"{genome.stem}.lock.yaml")


def load_lock(genome: Path) -> Lock | None:
    """The lock beside a genome; None without one.

    Raises: GenomeError with every fault of it."""
    path = lock_path(genome)
    if not path.is_file():
        return None
    document = load_yaml(path, GenomeError)
    faults, found = model_faults(LockFile, document.value, document)
    if found is None:
        raise GenomeError(
            [replace(fault, fix=f"{fault.fix}; or remove the lock and write it anew") for fault in faults]
        )
    return Lock(found.books, found.slots, document)


def unfilled_slots(genome: Genome) -> list[Fault]:
    """A fault for every slot of a genome that no lock fills."""
    return [
        Fault(
            f"slot '{section.name}' of stage '{stage.name}' has no books yet.",
            f"stages[{index}].sections[{number}].slot",
            f"{described(section.slot.model_dump())}, count {section.slot.count}",
            "a lock beside the genome that names them, made for this slot and these catalogues",
            "run `ontogeny library lock` on the genome",
        )
        for index, stage in enumerate(genome.stages)
        for number, section in enumerate(stage.sections)
        if section.slot is not None
    ]


def unpinned_books(genome: Genome, library: Library) -> list[Fault]:
    """A fault for every book of a genome that comes from outside and that nobody pinned."""
    return [
        Fault(
            f"book '{book}' comes from outside and has no fingerprint.",
            f"stages[{index}].sections[{number}].books[{position}]",
            library.entries[book].source,
            "a sha256 in the catalogue or in the lock beside the genome",
            "run `ontogeny library lock` on the genome",
        )
        for index, stage in enumerate(genome.stages)
        for number, section in enumerate(stage.sections)
        for position, book in enumerate(section.book_ids)
        if book in library.entries and is_unpinned(library.entries[book])
    ]


def provisional_counts(genome: Genome, library: Library | None) -> dict[str, int]:
    """How much a lock has yet to settle: slots, slot_books, remote_books; empty where it has all been."""
    sections = [section for stage in genome.stages for section in stage.sections]
    slots = [section.slot for section in sections if section.slot]
    entries = library.entries if library else {}
    books = {book for section in sections for book in section.book_ids if book in entries}
    unpinned = sum(is_unpinned(entries[book]) for book in books)
    told = {"slots": len(slots), "slot_books": sum(slot.count for slot in slots), "remote_books": unpinned}
    return told if any(told.values()) else {}


def is_unpinned(entry: LibraryEntry) -> bool:
    """Whether a book may still be another when it is fetched."""
    return is_remote(entry.source) and entry.sha256 is None


def write_lock(path: Path, genome: str, books: Mapping[str, PinnedBook], slots: Mapping[str, FilledSlot]) -> bool:
    """Writes a lock, keeping the comments and the order of one that is there. False if it is right already."""
    wanted: dict[str, Any] = {
        "version": 1,
        "books": {book: pin.model_dump() for book, pin in books.items()},
        "slots": {name: filled.model_dump() for name, filled in slots.items()},
    }
    yaml = YAML(typ="rt", pure=True)
    yaml.width, yaml.allow_unicode = 1 << 16, True
    if path.exists():
        if load_yaml(path, GenomeError).value == wanted:
            return False
        tree = yaml.load(read_text(path, GenomeError))
        tree = tree if isinstance(tree, CommentedMap) else CommentedMap()
    else:
        tree = yaml.load(HEAD.format(name=genome) + "version: 1\n")
    _bring(tree, wanted)
    text = io.StringIO()
    yaml.dump(tree, text)
    write_atomic(path, text.getvalue())
    return True


def _bring(tree: CommentedMap, wanted: Mapping[str, Any]) -> None:
    """Makes a tree say what is wanted; what already says it, and what stands around it, is left alone."""
    for key in [key for key in tree if key not in wanted]:
        _drop(tree, key)
    for key, value in wanted.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), CommentedMap):
            _bring(tree[key], value)
        elif key not in tree or tree[key] != value:
            tree[key] = value


def _drop(tree: CommentedMap, key: str) -> None:
    """Takes a key out; comment lines below it, which ruamel hangs on it, stay above the key that follows."""
    keys, leaf, last = list(tree), tree, key
    while isinstance(leaf.get(last), CommentedMap) and leaf[last]:
        leaf, last = leaf[last], list(leaf[last])[-1]
    hung = leaf.ca.items.get(last) or [None] * 4
    below = hung[2].value.partition("\n")[2] if hung[2] is not None else ""
    following = keys[keys.index(key) + 1 :][:1]
    column = tree.lc.col
    del tree[key]
    lines = [line.strip().removeprefix("#").strip() for line in below.splitlines() if line.strip()]
    if lines and following:
        tree.yaml_set_comment_before_after_key(following[0], before="\n".join(lines), indent=column)
