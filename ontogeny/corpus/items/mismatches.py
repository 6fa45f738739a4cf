"""Items of mismatch_recovery: a sentence of another book breaks in, and the text goes on as if it had not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.items.sentences import (
    ITEMS_PER_SPLIT,
    Quote,
    by_length,
    byte_length,
    cheap_first,
    matched,
    near_in_length,
    runs_of,
    sound_passages,
)
from ontogeny.corpus.items.shape import Item, Material
from ontogeny.corpus.passages import SPLITS

PROBE = "mismatch_recovery"
SENTENCE_CHARS = (20, 240)


def make_mismatch_items(material: Material) -> list[Item]:
    """Sentences in sequence: context is the first, answer the second, the foil one of another book in its place.

    more: `next`, the third sentence, and `later`, the fourth or None, each with the blank or line's end before it; they
    are scored after the answer and after the foil. The foil is near in length to the answer, of another book where the
    stage offers one, else of another passage. Items of one passage may overlap
    and share a template."""
    passages = sound_passages(material)
    runs = [run for passage in passages for run in runs_of(passage)]
    pool = by_length(chain(*runs))
    found: list[Item] = []
    for split in SPLITS:
        starts = [
            (run, at)
            for run in runs
            if run[0].passage.split == split
            for at in range(len(run) - 2)
            if all(SENTENCE_CHARS[0] <= len(one.text) <= SENTENCE_CHARS[1] for one in run[at : at + 3])
        ]
        starts.sort(key=_order)
        count = 0
        for run, at in starts:
            if count < ITEMS_PER_SPLIT and (item := _item(run[at : at + 4], pool, material)) is not None:
                found.append(item)
                count += 1
    return found


def _order(start: tuple[list[Quote], int]) -> tuple[bool, int, bytes]:
    """Those that have a later sentence come first, the shorter before the longer."""
    run, at = start
    asked = run[at : at + 4]
    cost = sum(byte_length(quote.text) for quote in asked)
    return len(asked) < 4, *cheap_first(cost, asked[0].passage.book, asked[0].offset)


def _item(asked: Sequence[Quote], pool: Sequence[Quote], material: Material) -> Item | None:
    first, true, following, *later = asked
    book = first.passage.book
    rng = random.Random(f"{seed_of(material.seed, material.stage, 'mismatches')}|{book}|{true.offset}")
    near = near_in_length(true.text, pool)
    other_books = [one.text for one in near if one.passage.book != book]
    foil = matched(true.text, (other_books or [one.text for one in near if one.passage is not first.passage],), 1, rng)
    if foil is None:
        return None
    more = {"next": following.lead + following.text, "later": later[0].lead + later[0].text if later else None}
    ends = true.lead + true.text, (true.lead + foil[0],)
    name, template = f"mismatch-{book}-{true.offset}", f"{book}-{first.passage.start}"
    split = first.passage.split
    return Item(name, PROBE, "mismatch", material.stage, split, template, first.text, *ends, book, more=more)
