"""Locking a genome: its slots chosen, its remote books fetched, every book's bytes pinned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ontogeny.core.errors import Fault, LibraryError
from ontogeny.core.genome import LoadedGenome
from ontogeny.core.lock import PinnedBook, write_lock
from ontogeny.core.slots import FilledSlot, choose_books, slot_key
from ontogeny.corpus.sources import fetch_books, raw_files


@dataclass(frozen=True)
class Locked:
    """What a lock pins. `changed` is False where the file said so already."""

    books: Mapping[str, PinnedBook]
    slots: Mapping[str, FilledSlot]
    changed: bool


def lock_genome(loaded: LoadedGenome, out: Path, tell: Callable[[str], None]) -> Locked:
    """Writes the lock of a genome that was loaded without one. All of it or nothing.

    Raises: GenomeError for slots that too few books fit, LibraryError for books that cannot be had."""
    slots = choose_books(loaded.genome, loaded.library)
    library = loaded.library
    entries = [library.entries[book] for book in _books_in_order(loaded, slots)]
    fetch_books(entries, lambda one, done, of: tell(f"fetch: {one.id}, {one.source} ({done + 1}/{of})"))
    books: dict[str, PinnedBook] = {}
    faults: list[Fault] = []
    for entry in entries:
        try:
            raw, digest = raw_files(entry, library.root)
        except LibraryError as problem:
            faults += problem.faults
            continue
        books[entry.id] = PinnedBook(source=entry.source, sha256=digest, bytes=sum(len(file.content) for file in raw))
    if faults:
        raise LibraryError(faults)
    return Locked(books, slots, write_lock(out, loaded.path.name, books, slots))


def _books_in_order(loaded: LoadedGenome, slots: Mapping[str, FilledSlot]) -> list[str]:
    """Every book of the genome once, as it is first read."""
    found: dict[str, None] = {}
    for stage in loaded.genome.stages:
        for section in stage.sections:
            filled = slots.get(slot_key(stage.name, section.name)) if section.slot else None
            found |= dict.fromkeys(filled.books if filled else section.book_ids)
    return list(found)
