"""What differs between two genomes, told by stage, section, book, order and number: not by line."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from ontogeny.core.nodes import flow
from ontogeny.core.schema import Genome, Section, Stage

SAME_BOOKS = 0.5  # share of common books above which a stage or section of another name is the same one, renamed
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class Change:
    """One difference. `kind` is value, added, removed, moved, order or renamed; `what` names the key, stage or book."""

    where: str
    kind: str
    what: str
    before: Any
    after: Any
    told: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Place:
    """Where a book stands: numbers of its stage and section (those of the first genome where they are matched)."""

    stage: Any
    section: Any
    told_stage: str
    told_section: str


def diff_genomes(before: Genome, after: Genome) -> list[Change]:
    """Every difference of two composed genomes, the whole first, then stage by stage."""
    a, b = _plain(before), _plain(after)
    found: list[Change] = []
    for key in ("name", "seed", "language"):
        found += _values("genome", key, a[key], b[key])
    for key in ("model", "trunk", "cleaning", "machine"):
        found += _values(key, "", a[key], b[key])
    found += _role_changes(a["roles"], b["roles"])
    pairs = _matched(
        [stage.name for stage in before.stages],
        [stage.name for stage in after.stages],
        [_books(stage) for stage in before.stages],
        [_books(stage) for stage in after.stages],
    )
    found += _list_changes("stages", before.stages, after.stages, pairs)
    for one, other in pairs:
        found += _stage_changes(before.stages[one], after.stages[other], a, b, one, other)
    return [*found, *_book_changes(before, after, pairs)]


def told_changes(changes: Sequence[Change]) -> str:
    """The changes for a person, each group under where it is."""
    lines: list[str] = []
    for where in dict.fromkeys(change.where for change in changes):
        lines += [where, *(f"  {change.told}" for change in changes if change.where == where)]
    return "\n".join(lines) or "no difference"


def _plain(genome: Genome) -> dict[str, Any]:
    return genome.model_dump(mode="json", exclude_none=True)


def _values(where: str, key: str, before: Any, after: Any) -> Iterator[Change]:
    """What differs below a key, number by number."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _values(where, f"{key}.{name}" if key else name, before.get(name), after.get(name))
        return
    if before == after and type(before) is type(after):
        return
    if (None in (before, after)) and isinstance(before or after, dict) and not (before or after):
        return
    factor = ""
    numbers = [value for value in (before, after) if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(numbers) == 2 and all(numbers) and key not in ("seed",):
        factor = f"   (x {numbers[1] / numbers[0]:.3g})"
    yield Change(where, "value", key, before, after, f"{key}: {_said(before)} -> {_said(after)}{factor}")


def _said(value: Any) -> str:
    return "nothing" if value is None else flow(value)


def _role_changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for name in after:
        if name not in before:
            yield Change("roles", "added", name, None, after[name], f"+ {name}: {flow(after[name])}")
    for name in before:
        if name not in after:
            yield Change("roles", "removed", name, before[name], None, f"- {name}")
        else:
            yield from _values(f"role {name}", "", before[name], after[name])
    yield from _order("roles", list(before), list(after))


def _stage_changes(
    before: Stage, after: Stage, a: dict[str, Any], b: dict[str, Any], one: int, other: int
) -> Iterator[Change]:
    """Numbers and sections of a stage; what it inherits is told where it is inherited from."""
    where = f"stage {before.name}"
    x, y = a["stages"][one], b["stages"][other]
    yield from _span(where, x["span"], y["span"])
    for key in ("use", "reading", "scenes", "loop_loss", "journal", "probes", "gate"):
        yield from _values(where, key, x.get(key), y.get(key))
    yield from _own(where, "trunk", (x["trunk"], y["trunk"]), (a["trunk"], b["trunk"]))
    for name in x["roles"].keys() & y["roles"].keys():
        yield from _own(
            where, f"roles.{name}", (x["roles"][name], y["roles"][name]), (a["roles"].get(name), b["roles"].get(name))
        )
    pairs = _section_pairs(before, after)
    yield from _list_changes(where, before.sections, after.sections, pairs)
    for here, there in pairs:
        slots = [
            section.slot.model_dump(exclude_none=True) if section.slot else None
            for section in (before.sections[here], after.sections[there])
        ]
        yield from _values(f"{where}, section {before.sections[here].name}", "slot", *slots)


def _span(where: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    if before.keys() == after.keys():
        yield from _values(where, "span", before, after)
    else:
        yield Change(where, "value", "span", before, after, f"span: {flow(before)} -> {flow(after)}")


def _own(where: str, key: str, stage: tuple[Any, Any], genome: tuple[Any, Any]) -> Iterator[Change]:
    """Differences of a stage's values that are not those of the genome's."""
    inherited = {(one.what, str(one.before), str(one.after)) for one in _values("", key, *genome)}
    for change in _values(where, key, *stage):
        if (change.what, str(change.before), str(change.after)) not in inherited:
            yield change


def _books(part: Stage | Section) -> list[str]:
    sections = part.sections if isinstance(part, Stage) else [part]
    return [book for section in sections for book in section.book_ids]


def _section_pairs(before: Stage, after: Stage) -> list[tuple[int, int]]:
    return _matched(
        [section.name for section in before.sections],
        [section.name for section in after.sections],
        [_books(section) for section in before.sections],
        [_books(section) for section in after.sections],
    )


def _matched(
    names: list[str], others: list[str], books: list[list[str]], other_books: list[list[str]]
) -> list[tuple[int, int]]:
    """Pairs of numbers: of one name (the first with the first, ...), then of mostly the same books."""
    pairs: list[tuple[int, int]] = []
    free = list(range(len(others)))
    for one, name in enumerate(names):
        if (same := next((other for other in free if others[other] == name), None)) is not None:
            pairs.append((one, same))
            free.remove(same)
    for one in set(range(len(names))) - {one for one, _ in pairs}:
        near = [(_share(books[one], other_books[other]), -other) for other in free]
        if near and max(near)[0] > SAME_BOOKS:
            other = -max(near)[1]
            pairs.append((one, other))
            free.remove(other)
    return sorted(pairs)


def _share(books: list[str], others: list[str]) -> float:
    union = set(books) | set(others)
    return len(set(books) & set(others)) / len(union) if union else 0.0


def _list_changes(
    where: str, before: Sequence[Stage | Section], after: Sequence[Stage | Section], pairs: list[tuple[int, int]]
) -> Iterator[Change]:
    """Stages or sections that came, went, moved or have another name."""
    word = "stage" if where == "stages" else "section"
    old, new = {one for one, _ in pairs}, {other for _, other in pairs}
    for number, part in enumerate(after):
        if number not in new:
            place = f"after {after[number - 1].name}" if number else "first"
            yield Change(
                where, "added", part.name, None, _counted(part), f"+ {word} {part.name} ({place}): {_told(part)}"
            )
    for number, part in enumerate(before):
        if number not in old:
            yield Change(where, "removed", part.name, _counted(part), None, f"- {word} {part.name}: {_told(part)}")
    for one, other in pairs:
        if before[one].name != after[other].name:
            names = before[one].name, after[other].name
            yield Change(where, "renamed", names[0], *names, f"{word} {names[0]} is now called {names[1]}")
    called = {other: before[one].name for one, other in pairs}
    yield from _order(where, [before[one].name for one, _ in pairs], [called[other] for other in sorted(called)], word)


def _counted(part: Stage | Section) -> dict[str, Any]:
    slots = [section.slot for section in (part.sections if isinstance(part, Stage) else [part]) if section.slot]
    told: dict[str, Any] = {"books": _books(part)}
    return {**told, "slots": [slot.model_dump(exclude_none=True) for slot in slots]} if slots else told


def _told(part: Stage | Section) -> str:
    counted = _counted(part)
    slots = [f"slot {flow(slot)}" for slot in counted.get("slots", ())]
    return ", ".join([*counted["books"], *slots])


def _order(where: str, before: list[T], after: list[T], word: str = "") -> Iterator[Change]:
    """The fewest that moved among what both lists hold."""
    before, after = list(dict.fromkeys(before)), list(dict.fromkeys(after))
    common = [item for item in after if item in before]
    stay = _longest_rising([before.index(item) for item in common])
    kept = {before[index] for index in stay}
    for number, item in enumerate(common):
        if item not in kept:
            place = f"now after {common[number - 1]}" if number else f"now before {common[1]}"
            was = [one for one in before if one in common].index(item)
            told = f"{word} {item}: {place}".strip()
            yield Change(where, "order", str(item), was, number, told)


def _longest_rising(numbers: Sequence[int]) -> list[int]:
    """A longest rising subsequence."""
    best: list[list[int]] = []
    for number in numbers:
        longest = max((run for run in best if run[-1] < number), key=len, default=[])
        best.append([*longest, number])
    return max(best, key=len, default=[])


def _book_changes(before: Genome, after: Genome, pairs: list[tuple[int, int]]) -> Iterator[Change]:
    """Books that moved between stages or sections, came, went, or changed their place in a section."""
    stages = {other: one for one, other in pairs}
    sections = {
        (other, there): (one, here)
        for one, other in pairs
        for here, there in _section_pairs(before.stages[one], after.stages[other])
    }
    old, new = _places(before, None, None), _places(after, stages, sections)
    whole = set(sections.values())  # the books of other sections are told with these
    for book in [*old, *(book for book in new if book not in old)]:
        yield from _moves(book, list(old.get(book, ())), list(new.get(book, ())), whole)
    for (other, there), (one, here) in sorted(sections.items(), key=lambda pair: pair[1]):
        section = before.stages[one].sections[here]
        where = f"stage {before.stages[one].name}, section {section.name}"
        yield from _order(where, section.book_ids, after.stages[other].sections[there].book_ids)


def _places(
    genome: Genome, stages: dict[int, int] | None, sections: dict[tuple[int, int], tuple[int, int]] | None
) -> dict[str, list[_Place]]:
    """Where each book stands, in the first genome's numbers if a matching is given."""
    found: dict[str, list[_Place]] = {}
    for number, stage in enumerate(genome.stages):
        ours = number if stages is None else stages.get(number, f"new {number}")
        for position, section in enumerate(stage.sections):
            here = (number, position)
            place = here if sections is None else sections.get(here, f"new {number}.{position}")
            for book in section.book_ids:
                found.setdefault(book, []).append(_Place(ours, place, stage.name, section.name))
    return found


def _moves(book: str, old: list[_Place], new: list[_Place], whole: set[Any]) -> Iterator[Change]:
    """How the places of one book became its others; those that stayed are paired first."""
    moved: list[tuple[_Place, _Place]] = []
    for same in (lambda x, y: x.section == y.section, lambda x, y: x.stage == y.stage, lambda x, y: True):
        for place in list(old):
            if other := next((one for one in new if same(place, one)), None):
                old.remove(place)
                new.remove(other)
                moved.append((place, other))
    for place, other in moved:
        if place.section == other.section:
            continue
        if place.stage == other.stage:
            where, told = f"stage {place.told_stage}", f"from section {place.told_section} to {other.told_section}"
        else:
            where = "books between stages"
            told = f"from {place.told_stage} ({place.told_section}) to {other.told_stage} ({other.told_section})"
        before, after = ([one.told_stage, one.told_section] for one in (place, other))
        yield Change(where, "moved", book, before, after, f"{book}: moved {told}")
    for place in (one for one in old if one.section in whole):
        at = [place.told_stage, place.told_section]
        yield Change(f"stage {place.told_stage}", "removed", book, at, None, f"- {book} ({place.told_section})")
    for place in (one for one in new if one.section in whole):
        at = [place.told_stage, place.told_section]
        yield Change(f"stage {place.told_stage}", "added", book, None, at, f"+ {book} ({place.told_section})")
