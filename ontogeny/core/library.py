"""The catalogue: which books exist, where each comes from, under what licence."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ontogeny.core.address import source_fault
from ontogeny.core.cleaning import unknown_rules
from ontogeny.core.errors import Fault, LibraryError, closest
from ontogeny.core.positions import Document, load_yaml, model_faults

CATALOGUE = "stages/library.yaml"


class LibraryEntry(BaseModel):
    """One book of a catalogue. `sha256` is of the raw bytes and may be absent until locked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="the name genomes use")
    source: str = Field(
        description="package:DIST/PATH#SELECTOR, file:PATH, https://..., gutenberg:ID or hf:DATASET[:CONFIG]#SPLIT",
        pattern=r"^(package|file|https?|gutenberg|hf):.+",
    )
    title: str
    author: str
    language: str = Field(min_length=2, max_length=3, description="ISO 639 code")
    field: str = Field(description="field of knowledge")
    level: str = Field(description="the stage it suits")
    form: str = Field(description="reader, textbook, play, dialogue, ...")
    licence: str = Field(description="SPDX id where one exists")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    bytes: int | None = Field(default=None, ge=0, description="of the raw file, pinned by `library lock`")
    skip_rules: list[str] = Field(default=[], description="rules of cleaning that leave this book alone")


RESTRICTING = ("NC", "ND", "SA", "GFDL", "ODBL")


def restricts(licence: str) -> bool:
    """Whether a licence asks more than naming its author (share-alike, non-commercial, GPL, ...)."""
    parts = licence.upper().replace("(", " ").replace(")", " ").replace("-", " ").split()
    return any(part in RESTRICTING or "GPL" in part for part in parts)


@dataclass(frozen=True)
class Library:
    """Books by id, the folder their `file:` sources start from, where each book's entry stands, and the ids of the
    `general` books, which no stage should read: damage is measured on them."""

    entries: dict[str, LibraryEntry]
    root: Path
    places: dict[str, str] = field(default_factory=dict)
    general: tuple[str, ...] = ()

    def located(self, fault: Fault) -> Fault:
        """A fault of a book, with the place of its entry before it."""
        named = re.match(r"books\.(\S+?)(?:\.source)?(?:  |$)", fault.where)
        return (
            replace(fault, where=f"{self.places[named[1]]}  {fault.where}")
            if named and named[1] in self.places
            else fault
        )


def find_root(start: Path) -> Path | None:
    """The nearest folder at or above `start` that holds stages/library.yaml."""
    for folder in (start, *start.parents):
        if (folder / CATALOGUE).is_file():
            return folder
    return None


def load_library(root: Path, extra: tuple[Path, ...] = ()) -> Library:
    """The catalogue of `root`, with further ones over it.

    Raises: LibraryError with every fault of every catalogue; an id that stands twice is one."""
    entries: dict[str, LibraryEntry] = {}
    places: dict[str, str] = {}
    general: list[str] = []
    faults: list[Fault] = []
    for path in (root / CATALOGUE, *extra):
        document = load_yaml(path, LibraryError)
        books = document.value.get("books") if isinstance(document.value, dict) else None
        if not isinstance(books, dict):
            faults.append(
                Fault(
                    "a catalogue holds no books.",
                    document.at(()),
                    type(document.value).__name__,
                    "a mapping `books:` from id to book",
                    "write `books:` at the top",
                )
            )
            continue
        for book_id, fields in books.items():
            entry = _entry(document, book_id, fields, faults)
            if entry and book_id in entries:
                faults.append(
                    Fault(
                        f"two catalogues name a book '{book_id}'.",
                        document.at(("books", book_id)),
                        str(book_id),
                        "an id of its own for every book",
                        "rename one of them",
                    )
                )
            elif entry:
                entries[book_id] = entry
                places[book_id] = document.at(("books", book_id)).partition("  ")[0]
        general += _general(document, entries, faults)
    if faults:
        raise LibraryError(faults)
    return Library(entries, root, places, tuple(dict.fromkeys(general)))


def _general(document: Document, entries: dict[str, LibraryEntry], faults: list[Fault]) -> list[str]:
    """The ids under `general:`; each must be a book of the catalogue."""
    ids = document.value.get("general", [])
    if not isinstance(ids, list):
        faults.append(
            Fault(
                "`general` is not a list.", document.at(("general",)), repr(ids), "ids of books", "write [id, id, ...]"
            )
        )
        return []
    for position, book_id in enumerate(ids):
        if book_id not in entries:
            faults.append(
                Fault(
                    "a general book is not in the catalogue.",
                    document.at(("general", position)),
                    repr(book_id),
                    f"a book id{closest(str(book_id), entries)}",
                    "correct the id, or add the book",
                )
            )
    return [book_id for book_id in ids if book_id in entries]


def _entry(document: Document, book_id: str, fields: object, faults: list[Fault]) -> LibraryEntry | None:
    where = ("books", book_id)
    if not isinstance(fields, dict):
        faults.append(
            Fault(
                f"book '{book_id}' is not a mapping.",
                document.at(where),
                repr(fields),
                "its fields: source, title, author, ...",
                "indent the book's fields under its id",
            )
        )
        return None
    if "id" in fields:
        faults.append(
            Fault(
                "unknown key 'id'.",
                document.at((*where, "id")),
                repr(fields["id"]),
                "the id is the key that the book's fields stand under",
                "remove the key",
            )
        )
    for position, name, expected in unknown_rules(fields.get("skip_rules")):
        faults.append(
            Fault(
                f"book '{book_id}' switches off a rule of cleaning that does not exist.",
                document.at((*where, "skip_rules", position)),
                f"'{name}'",
                expected,
                "correct the name",
            )
        )
    source = fields.get("source")
    if isinstance(source, str) and (fault := source_fault(source, pinned=fields.get("sha256") is not None)):
        faults.append(replace(fault, what=f"book '{book_id}': {fault.what}", where=document.at((*where, "source"))))
        return None
    found, entry = model_faults(LibraryEntry, {**fields, "id": book_id}, document, where)
    faults.extend(found)
    return entry
