"""Slots: books by structure instead of by title, chosen from the catalogue.

A slot's candidates are the books of the catalogue that have the genome's language and every key the slot gives, less
those that the genome names anywhere and those that earlier slots took. They are ranked by
SHA-256("seed|stage|section|book id"); the first `count` are read, in that order. So a slot's choice hangs on the seed,
its own place and the catalogue; one book more in a slot leaves the others where they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from ontogeny.core.errors import Fault, GenomeError, closest
from ontogeny.core.hashes import sha256_hex
from ontogeny.core.library import Library, LibraryEntry
from ontogeny.core.schema import Genome, Slot

KEYS = ("field", "level", "form")


class FilledSlot(BaseModel):
    """The books a slot stands for, and why each was chosen. `slot` is what was asked when they were."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: dict[str, Any]
    books: list[str]
    reasons: dict[str, str]


def slot_key(stage: str, section: str) -> str:
    """The name of a slot in a lock. A stage's name holds no slash."""
    return f"{stage}/{section}"


def asked(slot: Slot) -> dict[str, Any]:
    """What a slot asks, as plain values; keys that leave it open are absent."""
    return slot.model_dump(exclude_none=True)


def described(slot: Mapping[str, Any]) -> str:
    """What a slot asks, in words: field botany, level primer."""
    return ", ".join(f"{key} {slot[key]}" for key in KEYS if slot.get(key) is not None) or "any book"


def choose_books(genome: Genome, library: Library) -> dict[str, FilledSlot]:
    """The books of every slot of a genome, by `slot_key`.

    Raises: GenomeError where fewer books fit than are asked for, for all such slots."""
    taken = {book for stage in genome.stages for section in stage.sections for book in section.book_ids}
    chosen: dict[str, FilledSlot] = {}
    faults: list[Fault] = []
    for index, stage in enumerate(genome.stages):
        for number, section in enumerate(stage.sections):
            slot = section.slot
            if slot is None:
                continue
            fits = [entry for entry in library.entries.values() if _fits(entry, slot, genome.language)]
            free = [entry.id for entry in fits if entry.id not in taken]
            if len(free) < slot.count:
                where = f"stages[{index}].sections[{number}].slot"
                faults.append(_too_few(stage.name, section.name, where, slot, fits, free, library))
                continue
            ranked = sorted(free, key=lambda book: sha256_hex(f"{genome.seed}|{stage.name}|{section.name}|{book}"))
            books = ranked[: slot.count]
            why = f"of {len(free)} by SHA-256(seed {genome.seed}, {stage.name}, {section.name}, id)"
            reasons = {book: f"{described(asked(slot))}; {rank} {why}" for rank, book in enumerate(books, 1)}
            chosen[slot_key(stage.name, section.name)] = FilledSlot(slot=asked(slot), books=books, reasons=reasons)
            taken.update(books)
    if faults:
        raise GenomeError(faults)
    return chosen


def _fits(entry: LibraryEntry, slot: Slot, language: str) -> bool:
    return entry.language == language and all(getattr(slot, key) in (None, getattr(entry, key)) for key in KEYS)


def _too_few(
    stage: str, section: str, where: str, slot: Slot, fits: list[LibraryEntry], free: list[str], library: Library
) -> Fault:
    told = f"{len(free)} of {slot.count}" + (f"; {len(fits) - len(free)} more are used elsewhere" if fits else "")
    near = ""
    for key in KEYS:
        known = {getattr(entry, key) for entry in library.entries.values()}
        if getattr(slot, key) is not None and getattr(slot, key) not in known:
            near += f"; no book has {key} '{getattr(slot, key)}'{closest(getattr(slot, key), known)}"
    return Fault(
        f"slot '{section}' of stage '{stage}' asks for more books than fit it.",
        where,
        told + near,
        f"{slot.count} books of {described(asked(slot))} that the genome does not use already",
        "lower `count`, ask for less (field, level, form), or bring a larger catalogue with --library",
    )
