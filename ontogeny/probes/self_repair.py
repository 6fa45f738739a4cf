"""Self-repair: is the answer right at first, and right after a wrong attempt and an objection to it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ontogeny.probes.choices import preferred
from ontogeny.probes.conditions import encode_items, whole_rows
from ontogeny.probes.intervals import interval_of_mean, interval_of_share
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked, items_of, result_row

PROBE = "self_repair"


@dataclass(frozen=True)
class _Answers:
    """Item by item: right at first, at second (1, 0, one half for a tie), and the margins of both."""

    first: list[float]
    second: list[float]
    margins: list[list[float]]
    templates: list[str]


@dataclass(frozen=True)
class RepairSet:
    """Items of one stage and split, two rows each: after the question alone, and after attempt and objection.

    Both rows end in the answer, the foil (which is the attempt) and, where there is one, a wrong end that nobody has
    said; `bytes_of` are their UTF-8 bytes."""

    on: str
    split: str
    rows: tuple[Row, ...]
    bytes_of: tuple[tuple[int, ...], ...]
    templates: tuple[str, ...]
    probe: str = PROBE

    def results(self, nats: Mapping[int, Sequence[float]], seed: int) -> list[dict[str, Any]]:
        """Right (answer cheaper than foil; a tie is half) at first and second, by byte and by sum; and what changed.

        With f and s for right at first and second, by byte: gain is the mean of s - f, lost of f (1 - s), won of
        (1 - f) s; gain = won - lost. Margins: foil less answer, nats a byte. Chance is that of a fair coin tossed
        anew at each question: f and s 1/2, so gain 0, lost and won 1/4. The foil stands in the second context, and a
        model that repeats what it read falls below chance there. The forms `fresh_...` ask the same with a wrong end
        that stands in neither context, over the items that have one: what objection and attempt teach beside that."""
        foil, fresh = self._against(1, nats), self._against(2, nats)
        sums = self._against(1, nats, by_byte=False)
        told = [
            *(("first", 0.5, foil.first), ("second", 0.5, foil.second)),
            *(("first_sum", 0.5, sums.first), ("second_sum", 0.5, sums.second)),
            ("lost", 0.25, [f * (1 - s) for f, s in zip(foil.first, foil.second, strict=True)]),
            ("won", 0.25, [(1 - f) * s for f, s in zip(foil.first, foil.second, strict=True)]),
        ]
        rows = [self._share(form, chance, some, foil.templates, seed) for form, chance, some in told]
        rows.append(self._mean("gain", "fraction", foil.first, foil.second, foil.templates, seed))
        none = [0.0] * len(foil.templates)
        rows.append(self._mean("margin_first", "nats/byte", none, foil.margins[0], foil.templates, seed))
        rows.append(self._mean("margin_second", "nats/byte", none, foil.margins[1], foil.templates, seed))
        rows.append(self._mean("margin_gain", "nats/byte", *foil.margins, foil.templates, seed))
        if fresh.templates:
            rows.append(self._share("fresh_first", 0.5, fresh.first, fresh.templates, seed))
            rows.append(self._share("fresh_second", 0.5, fresh.second, fresh.templates, seed))
            rows.append(self._mean("fresh_margin_gain", "nats/byte", *fresh.margins, fresh.templates, seed))
        return rows

    def _against(self, end: int, nats: Mapping[int, Sequence[float]], by_byte: bool = True) -> _Answers:
        """The answer against one of the other ends, over the items that have it."""
        mine = [i for i, sizes in enumerate(self.bytes_of) if len(sizes) > end]
        sizes = [self.bytes_of[i] if by_byte else (1,) * (end + 1) for i in mine]
        costs = [
            [
                (nats[2 * i + k][0] / size[0], nats[2 * i + k][end] / size[end])
                for i, size in zip(mine, sizes, strict=True)
            ]
            for k in (0, 1)
        ]
        first, second = ([preferred(two) for two in some] for some in costs)
        margins = [[other - answer for answer, other in some] for some in costs]
        return _Answers(first, second, margins, [self.templates[i] for i in mine])

    def _share(
        self, form: str, chance: float, values: Sequence[float], templates: Sequence[str], seed: int
    ) -> dict[str, Any]:
        n, interval = len(values), interval_of_share(values, seed, templates)
        return result_row(self, form, sum(values) / n, "fraction", chance, n, interval, form != "lost")

    def _mean(
        self,
        form: str,
        unit: str,
        first: Sequence[float],
        second: Sequence[float],
        templates: Sequence[str],
        seed: int,
    ) -> dict[str, Any]:
        """The mean of second less first, item by item."""
        values = [s - f for f, s in zip(first, second, strict=True)]
        interval = interval_of_mean(values, seed, templates)
        return result_row(self, form, sum(values) / len(values), unit, 0.0, len(values), interval, True)


def make_repair_sets(asked: Asked) -> list[RepairSet]:
    """A set for each stage and split; an item whose second context and ends do not fit a row whole is left out: cut,
    the question would be gone from it alone."""
    found = []
    for on, split, lines in items_of(asked, PROBE):
        texts = [
            (
                line["context"],
                line["more"]["second"],
                line["answer"],
                line["foils"][0],
                *filter(None, [line["more"]["fresh"]]),
            )
            for line in lines
        ]
        coded = encode_items(asked, texts, f"{PROBE} items of {on}")
        asked_of = [[(first, ends), (second, ends)] for first, second, *ends in coded]
        sizes = [tuple(len(text.encode()) for text in some[2:]) for some in texts]
        made = [(i, rows) for i, one in enumerate(asked_of) if (rows := whole_rows(asked, one)) is not None]
        if made:
            rows = tuple(row for _, some in made for row in some)
            templates = tuple(lines[i]["template"] for i, _ in made)
            found.append(RepairSet(on, split, rows, tuple(sizes[i] for i, _ in made), templates))
    return found
