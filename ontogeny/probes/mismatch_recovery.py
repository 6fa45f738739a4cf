"""Mismatch and recovery: how much a sentence that breaks in costs, and how soon the cost is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ontogeny.probes.conditions import Ids, encode_items, whole_rows
from ontogeny.probes.intervals import interval_of_mean, interval_of_sums
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked, items_of, result_row

PROBE = "mismatch_recovery"


@dataclass(frozen=True)
class MismatchSet:
    """Items of one stage and split, three rows each, of sentences s1 s2 s3 (s4) and m that breaks in for s2.

    Rows: s1 with the ends s2 and m; s1 s2, then s1 m, with the ends s3 and (where there is an s4) s3 s4.
    `bytes_of`: UTF-8 bytes of s2, m, s3, s4 (0 where there is none)."""

    on: str
    split: str
    rows: tuple[Row, ...]
    bytes_of: tuple[tuple[int, int, int, int], ...]
    templates: tuple[str, ...]
    probe: str = PROBE

    def results(self, nats: Mapping[int, Sequence[float]], seed: int) -> list[dict[str, Any]]:
        """shock, cost, late_cost (nats a byte) and recovery (a share), from S(x | y), the surprise of x after y.

        shock: the mean over items of S(m | s1) / bytes(m) - S(s2 | s1) / bytes(s2); higher: the break is noticed.
        cost: the sum over items of S(s3 | s1 m) - S(s3 | s1 s2), divided by the sum of bytes(s3); late_cost: the same
        of s4 after s3, over the items that have one. recovery = 1 - late_cost / cost, both over the items that have an
        s4: 0 where the damage stays. It is told only where the interval of that cost lies above 0, for of no cost
        nothing can be gone. A model that uses no context has no shock and no cost: read them together."""
        shocks, next_costs, late = [], [], []
        for i, (true_bytes, odd_bytes, next_bytes, late_bytes) in enumerate(self.bytes_of):
            (true, odd), clean, broken = (nats[3 * i + k] for k in range(3))
            shocks.append(odd / odd_bytes - true / true_bytes)
            next_costs.append((broken[0] - clean[0], next_bytes))
            if late_bytes:
                here = (broken[1] - broken[0]) - (clean[1] - clean[0])
                late.append((*next_costs[-1], here, late_bytes, self.templates[i]))
        found = [self._row("shock", sum(shocks) / len(shocks), len(shocks), True, self._of_mean(shocks, seed))]
        found.append(self._ratio("cost", next_costs, self.templates, seed))
        if late:
            *columns, templates = zip(*late, strict=True)
            found.append(self._ratio("late_cost", list(zip(*columns[2:], strict=True)), templates, seed))
            if self._ratio("cost", list(zip(*columns[:2], strict=True)), templates, seed)["ci95"][0] > 0:
                value = float(_recovery(*map(sum, columns)))
                interval = interval_of_sums(columns, _recovery, seed, templates)
                found.append(result_row(self, "recovery", value, "fraction", 0.0, len(late), interval, True))
        return found

    def _of_mean(self, values: Sequence[float], seed: int) -> list[float]:
        return interval_of_mean(values, seed, self.templates)

    def _ratio(
        self, form: str, pairs: Sequence[tuple[float, float]], templates: Sequence[str], seed: int
    ) -> dict[str, Any]:
        """Nats of extra surprise over bytes, summed over items; the interval resamples items, or whole passages."""
        columns = list(zip(*pairs, strict=True))
        interval = interval_of_sums(columns, lambda extra, size: extra / size, seed, templates)
        return self._row(form, sum(columns[0]) / sum(columns[1]), len(pairs), False, interval)

    def _row(self, form: str, value: float, n: int, higher: bool, interval: Sequence[float]) -> dict[str, Any]:
        return result_row(self, form, value, "nats/byte", 0.0, n, interval, higher)


def _recovery(next_extra: Any, next_bytes: Any, late_extra: Any, late_bytes: Any) -> Any:
    return 1 - (late_extra / late_bytes) / (next_extra / next_bytes)


def make_mismatch_sets(asked: Asked) -> list[MismatchSet]:
    """A set for each stage and split; an item that does not fit a row whole, its later sentence apart, is left out."""
    found = []
    for on, split, lines in items_of(asked, PROBE):
        texts = [
            (line["context"], line["answer"], line["foils"][0], line["more"]["next"], line["more"]["later"] or "")
            for line in lines
        ]
        coded = encode_items(asked, texts, f"{PROBE} items of {on}")
        rows: list[Row] = []
        sizes, templates = [], []
        for line, some, ids in zip(lines, texts, coded, strict=True):
            for later in (True, False) if some[4] else (False,):
                if (made := whole_rows(asked, _conditions(ids, later))) is not None:
                    rows += made
                    true, odd, following, last = (len(text.encode()) for text in some[1:])
                    sizes.append((true, odd, following, last if later else 0))
                    templates.append(line["template"])
                    break
        if rows:
            found.append(MismatchSet(on, split, tuple(rows), tuple(sizes), tuple(templates)))
    return found


def _conditions(ids: Sequence[Ids], later: bool) -> list[tuple[Ids, list[Ids]]]:
    first, true, odd, following, last = ids
    ends: list[Ids] = [following, [*following, *last]] if later else [following]
    return [(first, [true, odd]), ([*first, *true], ends), ([*first, *odd], ends)]
