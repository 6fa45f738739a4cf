"""Sentences and turns of held-out passages as makers of items take them, and foils that length does not give away."""

from __future__ import annotations

import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ontogeny.corpus.heldout import HeldOut
from ontogeny.corpus.items.gaps import ENDS
from ontogeny.corpus.items.shape import Material
from ontogeny.corpus.passages import iterate_paragraphs, rank_of
from ontogeny.scenes.gap import BLANKS, split_sentences

ITEMS_PER_SPLIT = 40
NEAR_FRAC, NEAR_BYTES = 0.25, 8  # how far a foil's length may be from the answer's: the larger of the two
MORE_BYTES = 40  # contexts are asked for by cost, in steps of so many bytes
LABEL = re.compile(r"(?P<name>[^\W\d_a-zа-яё][^\n:.,;!?\"“”«»]{0,40}):(?= )")


@dataclass(frozen=True)
class Quote:
    """A whole sentence of a held-out passage; `offset` is its place in the cleaned book."""

    passage: HeldOut
    text: str
    lead: str  # the blank or the line's end between it and the sentence before; empty where a run begins
    offset: int


def sound_passages(material: Material) -> list[HeldOut]:
    """The passages that items are made of: those that do not stand in training text."""
    return [passage for passage in material.passages if not passage.contaminated]


def runs_of(passage: HeldOut) -> list[list[Quote]]:
    """Runs of whole sentences of a passage, within paragraphs, parted by single blanks or (in verse) line ends."""
    runs: list[list[Quote]] = []
    for start, end in iterate_paragraphs(passage.text, 0, len(passage.text)):
        paragraph, run, reached = passage.text[start:end], [], 0
        for sentence in split_sentences(paragraph):
            lead = paragraph[reached : sentence.start]
            if sentence.text[-1] not in ENDS or (run and lead not in BLANKS):
                runs.append(run)
                run = []
            if sentence.text[-1] in ENDS:
                offset = passage.start + start + sentence.start
                run.append(Quote(passage, sentence.text, lead if run else "", offset))
            reached = sentence.end
        runs.append(run)
    return [run for run in runs if run]


def byte_length(text: str) -> int:
    """UTF-8 bytes: the length by which ends are matched, as it is by bytes that scores are compared."""
    return len(text.encode())


def matched(true: str, pools: Sequence[Sequence[str]], count: int, rng: random.Random) -> tuple[str, ...] | None:
    """`count` texts near in length to the true one, of the first pool that will do; None where none offers so many.

    How many of them are shorter is drawn evenly from 0 to `count`, so that no rank of length tells the true one; of
    each side they are drawn from the nearest. A pool that has `count` on both sides comes before those that have not,
    where the draw yields to what is there."""
    sides = [_sides(true, pool, rng) for pool in pools]
    even = [both for both in sides if min(map(len, both)) >= count]
    enough = [both for both in sides if sum(map(len, both)) >= count]
    if not enough:
        return None
    shorter, longer = (even or enough)[0]
    wanted = min(max(rng.randint(0, count), count - len(longer)), len(shorter))
    chosen = rng.sample(shorter[: wanted + count], wanted) + rng.sample(longer[: 2 * count - wanted], count - wanted)
    rng.shuffle(chosen)
    return tuple(chosen)


def _sides(true: str, pool: Sequence[str], rng: random.Random) -> tuple[list[str], list[str]]:
    """The texts of a pool near in length to the true one, the shorter and the longer, the nearest first."""
    size, reach = byte_length(true), _reach(true)
    others = dict.fromkeys(text.strip() for text in pool)
    off = {text: byte_length(text) - size for text in others if text != true.strip()}
    near = sorted((text for text in off if abs(off[text]) <= reach), key=lambda text: (abs(off[text]), text))
    equal = [text for text in near if off[text] == 0]
    rng.shuffle(equal)
    shorter = equal[::2] + [text for text in near if off[text] < 0]
    return shorter, equal[1::2] + [text for text in near if off[text] > 0]


def _reach(true: str) -> float:
    return max(NEAR_BYTES, NEAR_FRAC * byte_length(true))


def by_length(quotes: Iterable[Quote]) -> list[Quote]:
    """The quotes that can take another's place, the shortest first: those that do not begin with a speaker's label."""
    return sorted((one for one in quotes if LABEL.match(one.text) is None), key=_size)


def near_in_length(true: str, ordered: Sequence[Quote], most: int | None = None) -> Sequence[Quote]:
    """Those of `by_length` that `matched` could take for the true text; at most `most` shorter and `most` longer ones,
    the nearest."""
    size, reach = byte_length(true), _reach(true)
    first, last = bisect_left(ordered, size - reach, key=_size), bisect_right(ordered, size + reach, key=_size)
    if most is not None:
        first = max(first, bisect_left(ordered, size, key=_size) - most)
        last = min(last, bisect_right(ordered, size, key=_size) + most)
    return ordered[first:last]


def _size(quote: Quote) -> int:
    return byte_length(quote.text)


def cheap_first(cost_bytes: int, book: str, offset: int) -> tuple[int, bytes]:
    """Where an item stands in the order in which a split is filled: in steps of what it costs, by hash within a step.

    Every token of an item is fed at every measure of a life, so the shorter ones are asked."""
    return cost_bytes // MORE_BYTES, rank_of("item|" + book, offset)
