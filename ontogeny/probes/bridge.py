"""Bridge: does a sentence that two books share a rare term with get easier by either of them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ontogeny.probes.choices import preferred
from ontogeny.probes.conditions import encode_items, whole_rows
from ontogeny.probes.intervals import interval_of_mean, interval_of_share
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked, items_of, result_row

PROBE = "bridge"


@dataclass(frozen=True)
class BridgeSet:
    """Items of one stage and split, three rows each: after both books (answer and foil), without A, without B (answer
    alone); `bytes_of` are the UTF-8 bytes of answer and foil."""

    on: str
    split: str
    rows: tuple[Row, ...]
    bytes_of: tuple[tuple[int, int], ...]
    templates: tuple[str, ...]
    probe: str = PROBE

    def results(self, nats: Mapping[int, Sequence[float]], seed: int) -> list[dict[str, Any]]:
        """The answer against its foil after both books: by sum, by byte (chance 1/2), and the margin in nats a byte.

        need_a and need_b: the surprise of the answer without that book less that with both, nats a byte of the answer;
        synergy: the lesser of the two, item by item. Chance is 0: what was put in a book's place serves as well. Where
        needs only scatter around 0, the mean of the lesser lies below it: synergy errs on the safe side. need_a counts
        also what the term itself gives a model that repeats words."""
        both = [nats[3 * i] for i in range(len(self.bytes_of))]
        by_byte = [[one / size for one, size in zip(*of, strict=True)] for of in zip(both, self.bytes_of, strict=True)]
        needs = [
            [(nats[3 * i + k][0] - nats[3 * i][0]) / size for i, (size, _) in enumerate(self.bytes_of)] for k in (1, 2)
        ]
        shares = (("sum", [preferred(ends) for ends in both]), ("per_byte", [preferred(ends) for ends in by_byte]))
        means = (
            ("margin", [foil - answer for answer, foil in by_byte]),
            ("need_a", needs[0]),
            ("need_b", needs[1]),
            ("synergy", [min(two) for two in zip(*needs, strict=True)]),
        )
        n = len(both)
        return [
            result_row(
                self, form, sum(some) / n, "fraction", 0.5, n, interval_of_share(some, seed, self.templates), True
            )
            for form, some in shares
        ] + [
            result_row(
                self, form, sum(some) / n, "nats/byte", 0.0, n, interval_of_mean(some, seed, self.templates), True
            )
            for form, some in means
        ]


def make_bridge_sets(asked: Asked) -> list[BridgeSet]:
    """A set for each stage and split; an item of which one condition does not fit a row whole is left out."""
    found = []
    for on, split, lines in items_of(asked, PROBE):
        texts = [
            (line["context"], line["more"]["without_a"], line["more"]["without_b"], line["answer"], line["foils"][0])
            for line in lines
        ]
        coded = encode_items(asked, texts, f"{PROBE} items of {on}")
        wanted = [
            [(both, (answer, foil)), (without_a, (answer,)), (without_b, (answer,))]
            for both, without_a, without_b, answer, foil in coded
        ]
        made = [(line, rows) for line, one in zip(lines, wanted, strict=True) if (rows := whole_rows(asked, one))]
        if made:
            sizes = tuple((len(line["answer"].encode()), len(line["foils"][0].encode())) for line, _ in made)
            templates = tuple(line["template"] for line, _ in made)
            found.append(BridgeSet(on, split, tuple(row for _, rows in made for row in rows), sizes, templates))
    return found
