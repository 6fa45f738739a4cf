"""Passages partition a cleaned book; five percent of them are held out, chosen by hash."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

TARGET_CHARS = 800
LONG_PARAGRAPH_CHARS = 1500
OPEN_CHARS = 8 * TARGET_CHARS  # of a passage that ends wherever it may
HELD_OUT_FRAC = 0.05
MIN_PASSAGES_TO_HOLD_OUT = 8
SPLITS = ("test", "gate", "search")
DEALT = ("test", "gate", "test", "search")  # what is reported gets most
NEAR_CHARS = 16  # before a paragraph's end, where its last sentence is seen to end
_OPEN = re.compile(r"[,;:—–-]\s*\Z")
_CLOSED = re.compile(r"[.!?…][\"'”’»)\]_*=]*(?: ?[\[(]\d{1,4}[\])])*\s*\Z")  # a mark of a note may follow
_BEFORE_FORMULA = re.compile(r"[^\W\d_]\s*\Z")
_FORMULA_STARTS = ("\\", "$", "&", "=", "(")


class Passage(NamedTuple):
    """A run of whole paragraphs, [start, end) in the cleaned book; `chapter` counts the chapters, -1 before any."""

    start: int
    end: int
    chapter: int


def iterate_paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(start, end) of each paragraph in text[start:end], its blank line included."""
    while start < end:
        found = text.find("\n\n", start, end)
        stop = end if found < 0 else found + 2
        while stop < end and text[stop] == "\n":
            stop += 1
        yield start, stop
        start = stop


def make_passages(text: str, starts: Sequence[int]) -> list[Passage]:
    """Passages of about TARGET_CHARS that never run over a chapter's end; together they are the book, exactly.

    None ends in mid-sentence, where the book lets a paragraph, a stanza or an item end so: it goes on until a sentence
    ends, or, where none does, until a paragraph that the next does not go on from in small letters or with a formula,
    or OPEN_CHARS.
    `starts`: where the chapters of the cleaned book begin."""
    edges = sorted({0, len(text), *starts})
    passages: list[Passage] = []
    for first, last in pairwise(edges):
        chapter = bisect_right(starts, first) - 1
        begun = first
        closed = False  # whether a passage may end where this paragraph begins
        for start, end in iterate_paragraphs(text, first, last):
            alone = end - start > LONG_PARAGRAPH_CHARS
            if alone and closed and begun < start and start - begun > TARGET_CHARS // 4:
                passages.append(Passage(begun, start, chapter))
                begun = start
            closed = may_end(text, end, end - begun)
            if end - begun >= TARGET_CHARS and closed:
                passages.append(Passage(begun, end, chapter))
                begun = end
        if begun < last:
            passages.append(Passage(begun, last, chapter))
    return passages


def may_end(text: str, end: int, chars: int) -> bool:
    """Whether a passage of so many characters may end behind the paragraph that ends at `end`."""
    near = max(0, end - NEAR_CHARS)
    if chars > OPEN_CHARS or _CLOSED.search(text, near, end):
        return True
    if text[end : end + 1].islower() or _OPEN.search(text, near, end):
        return False
    goes_on = text.startswith(_FORMULA_STARTS, end) and _BEFORE_FORMULA.search(text, near, end)
    return chars > LONG_PARAGRAPH_CHARS and not goes_on


def hold_out(passages: list[Passage], fingerprint: str) -> list[int]:
    """Indices of the passages held out: the least by SHA-256(fingerprint, offset), never the first."""
    count = int(HELD_OUT_FRAC * len(passages) + 0.5)
    if len(passages) >= MIN_PASSAGES_TO_HOLD_OUT:
        count = max(1, count)
    ranked = sorted(range(1, len(passages)), key=lambda index: rank_of(fingerprint, passages[index].start))
    return sorted(ranked[:count])


def rank_of(fingerprint: str, offset: int) -> bytes:
    """Where a passage stands in every choice by hash."""
    return hashlib.sha256(f"{fingerprint}|{offset}".encode()).digest()


def split_held_out(keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """(fingerprint, offset) -> test, gate or search, dealt in turn by hash: half of them test, a quarter each other.

    The hash is salted: the choice of who is held out must not decide the split."""
    ranked = sorted(set(keys), key=lambda key: rank_of("split|" + key[0], key[1]))
    return {key: DEALT[index % len(DEALT)] for index, key in enumerate(ranked)}
