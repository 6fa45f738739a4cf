"""In which order a stage's books are read: book by book, or its sections turn by turn. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heapify, heappop, heapreplace
from itertools import groupby

from ontogeny.corpus.passages import Passage

TURN_PASSAGES = 8


@dataclass(frozen=True, slots=True)
class Turn:
    """What is read of one book before another's turn: its training passages `first` to `last` (not included).

    `book` counts the stage's books, its sections through; `characters` are those of the passages."""

    book: int
    first: int
    last: int
    characters: int


def cut_turns(book: int, passages: Sequence[Passage]) -> Iterator[Turn]:
    """A book's training passages as turns: a chapter, or TURN_PASSAGES passages of one."""
    first = 0
    for _, chapter in groupby(passages, key=lambda passage: passage.chapter):
        mine = list(chapter)
        for at in range(0, len(mine), TURN_PASSAGES):
            part = mine[at : at + TURN_PASSAGES]
            yield Turn(book, first + at, first + at + len(part), sum(p.end - p.start for p in part))
        first += len(mine)


def interleaved(sections: Sequence[Sequence[Turn]]) -> Iterator[Turn]:
    """The turns of all sections in the order they are read, each section's own kept.

    Computes: the next turn is that of the section that has been read least, as a share (an exact fraction) of the
    characters of all its turns; of equals, that of the earlier section."""
    left = [iter(turns) for turns in sections]
    wholes = [sum(turn.characters for turn in turns) for turns in sections]
    read = [0] * len(sections)
    queue = [(Fraction(0), section) for section, turns in enumerate(sections) if turns]
    heapify(queue)
    while queue:
        section = queue[0][1]
        turn = next(left[section], None)
        if turn is None:
            heappop(queue)
            continue
        yield turn
        read[section] += turn.characters
        heapreplace(queue, (Fraction(read[section], wholes[section]), section))


def joined(runs: Iterable[tuple[int, int, int]]) -> list[list[int]]:
    """[book, start, end] runs in the order read, those that go on in the same book joined to one."""
    told: list[list[int]] = []
    for book, start, end in runs:
        if told and told[-1][0] == book:
            told[-1][2] = end
        else:
            told.append([book, start, end])
    return told


def clipped(turns: Iterable[Sequence[int]], training: Sequence[Sequence[Sequence[int]]]) -> list[tuple[int, int, int]]:
    """(book, start, end) of what is read, in order: each turn's part of its book's training ranges."""
    reached = [0] * len(training)
    read = []
    for book, start, end in turns:
        ranges = training[book]
        while reached[book] < len(ranges) and ranges[reached[book]][0] < end:
            first, last = ranges[reached[book]]
            if last > start:
                read.append((book, max(first, start), min(last, end)))
            if last > end:
                break
            reached[book] += 1
    return read
