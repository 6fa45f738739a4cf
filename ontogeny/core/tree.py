"""A genome as a tree: stages, sections, books; with what decides how each is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ontogeny.core.genome import LoadedGenome
from ontogeny.core.nodes import flow
from ontogeny.core.schema import Section, Stage
from ontogeny.core.units import counted


def genome_tree(loaded: LoadedGenome, size_of: Callable[[str], int | None]) -> dict[str, Any]:
    """Stages > sections > books as plain values."""
    genome = loaded.genome
    return {
        "name": genome.name,
        "language": genome.language,
        "stages": [_stage(stage, loaded, size_of) for stage in genome.stages],
    }


def _stage(stage: Stage, loaded: LoadedGenome, size_of: Callable[[str], int | None]) -> dict[str, Any]:
    return {
        "name": stage.name,
        "use": stage.use,
        "span": stage.span.model_dump(exclude_none=True),
        "reading": stage.reading,
        "scenes": stage.scenes.model_dump() if stage.scenes else None,
        "gate": stage.gate.model_dump(exclude_none=True) if stage.gate else None,
        "trunk_learning_rate": stage.trunk.learning_rate,
        "sections": [_section(section, loaded, size_of) for section in stage.sections],
    }


def _section(section: Section, loaded: LoadedGenome, size_of: Callable[[str], int | None]) -> dict[str, Any]:
    books = []
    for book in section.book_ids:
        entry = loaded.library.entries[book]
        told = {"id": book, "title": entry.title, "author": entry.author, "level": entry.level, "field": entry.field}
        books.append({**told, "language": entry.language, "bytes": size_of(book)})
    slot = section.slot.model_dump(exclude_none=True) if section.slot else None
    return {"name": section.name, "slot": slot, "books": books}


def told_tree(tree: dict[str, Any]) -> str:
    """The tree for a person."""
    lines = [f"{tree['name']}   language {tree['language']}, {len(tree['stages'])} stages"]
    for number, stage in enumerate(tree["stages"], 1):
        lines += ["", f"{number:02d} {stage['name']}   {', '.join(_told_stage(stage))}"]
        for section in stage["sections"]:
            slot = f"   slot {flow(section['slot'])}, filled by `ontogeny library lock`" if section["slot"] else ""
            lines.append(f"   {section['name']}{slot}")
            lines += [f"      {_told_book(book, tree['language'])}" for book in section["books"]]
    return "\n".join(lines)


def _told_stage(stage: dict[str, Any]) -> list[str]:
    ((unit, amount),) = stage["span"].items()
    told = [f"span {unit} {amount if isinstance(amount, str) else counted(amount)}", stage["reading"]]
    if stage["use"]:
        told.insert(0, f"from {stage['use']}")
    if stage["scenes"]:
        scenes = stage["scenes"]
        rhythm = "" if scenes["rhythm"] == "interleaved" else f", {scenes['rhythm']}"
        told.append(f"{_told_kinds(scenes['kinds'])} scenes every {counted(scenes['every_tokens'])} tokens{rhythm}")
    else:
        told.append("no scenes")
    if stage["gate"]:
        told.append(f"gate {flow(stage['gate'])}")
    books = [book for section in stage["sections"] for book in section["books"]]
    sizes = [book["bytes"] for book in books]
    known = f", {counted(sum(size or 0 for size in sizes))} bytes" if books and None not in sizes else ""
    return [*told, f"{len(books)} book{'' if len(books) == 1 else 's'}{known}"]


def _told_kinds(kinds: list[str]) -> str:
    return " and ".join([", ".join(kinds[:-1]), kinds[-1]] if len(kinds) > 1 else kinds)


def _told_book(book: dict[str, Any], language: str) -> str:
    size = "" if book["bytes"] is None else f"   {counted(book['bytes'])} bytes"
    foreign = "" if book["language"] == language else f"   language {book['language']}"
    return f"{book['id']}   {book['title']}, {book['author']}   {book['level']}, {book['field']}{size}{foreign}"
