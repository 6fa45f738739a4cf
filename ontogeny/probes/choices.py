"""Choices: is the answer more likely than its foils? Most probes of the battery are such sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ontogeny.probes.intervals import interval_of_mean, interval_of_share
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked, items_of, result_row, row_of


@dataclass(frozen=True)
class ChoiceSet:
    """Items as rows: the stem is the context, the first end the answer, the others its foils.

    `bytes_of`: UTF-8 bytes of each end, whole; `templates`: what items share that are not independent; `rows_of`: the
    rows of each item, whose ends follow one another, where it is not one row an item."""

    probe: str
    on: str
    split: str | None
    rows: tuple[Row, ...]
    bytes_of: tuple[tuple[int, ...], ...]
    templates: tuple[str, ...]
    kinds: tuple[str, ...]
    rows_of: tuple[tuple[int, ...], ...] = ()

    def results(self, nats: Mapping[int, Sequence[float]], seed: int) -> list[dict[str, Any]]:
        """Three forms: the share of answers more likely than all foils, by sum and by byte; the margin in nats a byte.

        Chance is 1 / k for k ends (the mean of it where k differs from item to item)."""
        rows_of = self.rows_of or [(i,) for i in range(len(self.rows))]
        by_sum = [[one for i in its for one in nats[i]] for its in rows_of]
        by_byte = [
            [one / size for one, size in zip(some, sizes, strict=True)]
            for some, sizes in zip(by_sum, self.bytes_of, strict=True)
        ]
        margins = [min(foils) - answer for answer, *foils in by_byte]
        chance = sum(1 / len(some) for some in by_sum) / len(by_sum)
        found = []
        for form, unit, guess, interval, values in (
            ("sum", "fraction", chance, interval_of_share, [preferred(some) for some in by_sum]),
            ("per_byte", "fraction", chance, interval_of_share, [preferred(some) for some in by_byte]),
            ("margin", "nats/byte", 0.0, interval_of_mean, margins),
        ):
            value, n = sum(values) / len(values), len(values)
            row = result_row(self, form, value, unit, guess, n, interval(values, seed, self.templates), True)
            found.append(row | self._by_kind(values))
        return found

    def _by_kind(self, values: Sequence[float]) -> dict[str, Any]:
        """{"kinds": {kind: [mean, n]}} where there is more than one kind of item."""
        kinds = dict.fromkeys(sorted(set(self.kinds)))
        if len(kinds) < 2:
            return {}
        of = {kind: [one for one, its in zip(values, self.kinds, strict=True) if its == kind] for kind in kinds}
        return {"kinds": {kind: [sum(some) / len(some), len(some)] for kind, some in of.items()}}


def choices(probe: str) -> Callable[[Asked], list[ChoiceSet]]:
    """The maker of a probe's sets from its items; what an item must hold is in corpus.items.shape."""

    def make_sets(asked: Asked) -> list[ChoiceSet]:
        made = (make_choice_set(asked, probe, on, split, lines) for on, split, lines in items_of(asked, probe))
        return [one for one in made if one is not None]

    return make_sets


def make_choice_set(
    asked: Asked, probe: str, on: str, split: str | None, lines: Sequence[Mapping[str, Any]]
) -> ChoiceSet | None:
    """The items as rows; those that fit no row are left out. None: nothing is left.

    A line may have `contexts`, one for each end, in place of `context`: each end is a row of its own then."""
    where = f"{probe} items of {on}"
    texts = [[line["answer"], *line["foils"]] for line in lines]
    contexts = [line.get("contexts") or [line["context"]] for line in lines]
    ends = iter(asked.encoder.encode([text for some in texts for text in some], where))
    stems = iter(asked.encoder.encode([text for some in contexts for text in some], where))
    rows: list[Row] = []
    rows_of, kept = [], []
    for i, (some, before) in enumerate(zip(texts, contexts, strict=True)):
        its_ends, its_stems = [next(ends) for _ in some], [next(stems) for _ in before]
        if len(before) == 1:
            made = [row_of(asked, its_stems[0], its_ends)]
        else:
            made = [row_of(asked, stem, [end]) for stem, end in zip(its_stems, its_ends, strict=True)]
        found = [row for row in made if row is not None]
        if len(found) == len(made):
            rows_of.append(tuple(range(len(rows), len(rows) + len(found))))
            rows += found
            kept.append(i)
    if not kept:
        return None
    return ChoiceSet(
        probe,
        on,
        split,
        tuple(rows),
        tuple(tuple(len(text.encode()) for text in texts[i]) for i in kept),
        tuple(lines[i].get("template") or lines[i]["id"] for i in kept),
        tuple(lines[i]["kind"] for i in kept),
        () if len(rows) == len(kept) else tuple(rows_of),
    )


def preferred(costs: Sequence[float]) -> float:
    """1 for an answer cheaper than all foils, 0 where a foil is cheaper; a tie of m ends counts 1 / m."""
    answer, least = costs[0], min(costs)
    return 1 / list(costs).count(least) if answer == least else 0.0
