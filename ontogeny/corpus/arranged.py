"""What the arms of a genome that keep its text, or its sentences, read, and in which order. Pure: made from the ranges
and the scenes that a corpus declares, so that whoever packs an arm and whoever proves it come to the same.

A step is a run of ranges of books, and perhaps the scene that follows it; a unit is a passage as it was read: its steps
in order. Both as in `reading`, but for scenes named by (stage, number in scenes.jsonl of the genome's corpus)."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from ontogeny.core.arms import LIFE
from ontogeny.core.errors import CorpusError, Fault
from ontogeny.core.hashes import seed_of
from ontogeny.corpus.passages import iterate_paragraphs, rank_of
from ontogeny.corpus.shelf import OpenBook, Shelf
from ontogeny.corpus.turns import clipped
from ontogeny.scenes.gap import split_sentences

SHUFFLES = 100
ENDS = tuple(".!?…\"'”’»)")
Range = tuple[int, int, int]  # book of the manifest, start, end
SceneKey = tuple[int, int]  # stage, number of the scene in it, both of the genome's corpus


@dataclass(frozen=True)
class Step:
    """Ranges of books in order, and the scene after them."""

    ranges: tuple[Range, ...]
    scene: SceneKey | None


Unit = tuple[Step, ...]


def units_of(stage: int, entry: Mapping[str, Any], scenes: Sequence[Mapping[str, Any]], shelf: Shelf) -> list[Unit]:
    """The passages of a stage of the genome's corpus with their scenes, in the order read. Raises: CorpusError where a
    scene follows no paragraph that was read."""
    units, placed = [], 0
    for book, passage, ranges in _passages_read(entry, shelf):
        steps: list[Step] = []
        begun = passage[0]
        for start, end in iterate_paragraphs(book.text, *passage):
            while placed < len(scenes) and _stands_at(scenes[placed], book, start):
                before = scenes[placed].get("before", False)
                steps += _steps(book, ranges, begun, start, None)
                steps.append(Step(() if before else _within(book, ranges, start, end), (stage, placed)))
                begun, placed = start if before else end, placed + 1
                if not before:
                    break
        steps += _steps(book, ranges, begun, passage[1], None)
        units.append(tuple(steps))
    if placed < len(scenes):
        where, got = f"stage '{entry['name']}', scene {placed}", f"characters from {scenes[placed]['offset']}"
        fix = "prepare the corpus again"
        raise CorpusError(Fault("a scene follows no paragraph that was read.", where, got, "a paragraph's start", fix))
    return units


def _stands_at(scene: Mapping[str, Any], book: OpenBook, start: int) -> bool:
    return (scene["book"], scene["offset"]) == (book.record.id, start)


def _passages_read(
    entry: Mapping[str, Any], shelf: Shelf
) -> Iterator[tuple[OpenBook, tuple[int, int], list[tuple[int, int]]]]:
    """(book, passage, ranges of it that were read) in the order read; a passage read twice comes twice, and one that
    was moved into scenes as a whole comes with none."""
    training = [[(start, end) for start, end in book["training"]] for book in entry["books"]]
    moved = [[(start, end) for start, end, _ in book["moved"]] for book in entry["books"]]
    declared = [sorted(two) for two in ([*a, *b] for a, b in zip(training, moved, strict=True))]
    turns = entry["turns"] or [(number, 0, ranges[-1][1]) for number, ranges in enumerate(declared) if ranges]
    met: tuple[int, int] | None = None
    gathered: list[tuple[int, int]] = []
    taken = 0
    book = None
    for number, start, end in clipped(turns, declared):
        opened = shelf.open(entry["books"][number]["id"])
        for passage in opened.passages_in(start, end):
            here = (passage.start, passage.end)
            piece = (max(start, passage.start), min(end, passage.end))
            read = [] if _is_moved(start, end, moved[number]) else [piece]
            if book is not None and (book.index, met) == (opened.index, here) and taken <= piece[0]:
                gathered += read
                taken = piece[1]
                continue
            if book is not None and met is not None:
                yield book, met, gathered
            book, met, gathered, taken = opened, here, read, piece[1]
    if book is not None and met is not None:
        yield book, met, gathered


def _is_moved(start: int, end: int, moved: Sequence[tuple[int, int]]) -> bool:
    """Whether a range lies in one that was moved into a scene; `moved` in order."""
    at = bisect_right(moved, (start, end)) - 1
    return any(first <= start and end <= last for first, last in moved[max(0, at) : at + 2])


def _within(book: OpenBook, ranges: Iterable[tuple[int, int]], start: int, end: int) -> tuple[Range, ...]:
    cut = ((max(first, start), min(last, end)) for first, last in ranges)
    return tuple((book.index, first, last) for first, last in cut if first < last)


def _steps(
    book: OpenBook, ranges: Iterable[tuple[int, int]], start: int, end: int, scene: SceneKey | None
) -> Iterator[Step]:
    if within := _within(book, ranges, start, end):
        yield Step(within, scene)


# shuffle --------------------------------------------------------------------------------------------------------------


def shuffled_life(
    tokens: Sequence[int], wanted: Sequence[int], rooms: Sequence[int], seed: int
) -> tuple[list[int], list[int]]:
    """(the numbers of a life's units in a seeded order, behind how many of them each stage ends).

    `tokens`: of each unit; `wanted`: of each stage of the genome; `rooms`: what its packs could hold. Of the first
    SHUFFLES orders that one counts in which no stage has more than its packs hold; where there is none, the first."""
    for draw in range(SHUFFLES):
        order = _order(len(tokens), seed, draw)
        ends = ends_of([tokens[number] for number in order], wanted, rooms)
        if ends is not None:
            return order, ends
    order = _order(len(tokens), seed, 0)
    ends = ends_of([tokens[number] for number in order], wanted, [sum(tokens)] * len(wanted))
    assert ends is not None
    return order, ends


def _order(count: int, seed: int, draw: int) -> list[int]:
    order = list(range(count))
    random.Random(seed_of(seed, LIFE, f"shuffle|{draw}" if draw else "shuffle")).shuffle(order)
    return order


def ends_of(tokens: Sequence[int], wanted: Sequence[int], rooms: Sequence[int]) -> list[int] | None:
    """Behind which unit each stage ends: where the tokens read come nearest to the sum of those the stages wanted, and
    no stage has more than its room; None where no units are so.

    `tokens`: of each unit; `wanted`, `rooms`: of each stage. The last stage reads what is left."""
    sums = [0, *accumulate(tokens)]
    left = [sum(rooms[number:]) for number in range(1, len(rooms))]
    ends, before = [], 0
    for goal, room, after in zip(accumulate(wanted[:-1]), rooms, left, strict=False):
        first = bisect_left(sums, max(before, sums[-1] - after))
        last = bisect_right(sums, before + room) - 1
        if first > last:
            return None
        near = bisect_left(sums, goal)
        if near == len(sums) or (near and goal - sums[near - 1] < sums[near] - goal):
            near -= 1
        near = bisect_right(sums, sums[near]) - 1  # a unit without tokens stays with those before it
        ends.append(min(max(near, first), last))
        before = sums[ends[-1]]
    return [*ends, len(tokens)] if sums[-1] - before <= rooms[-1] else None


# sentence_shuffle -----------------------------------------------------------------------------------------------------


def with_mixed_sentences(
    stage: str, units: Sequence[Unit], sections: Sequence[tuple[str, Sequence[int]]], shelf: Shelf, seed: int
) -> list[Unit]:
    """The units of a stage with the sentences of each section's books in a seeded order; scenes stay where they are.

    `sections`: (name, books of the manifest). A sentence keeps the blank before it, or the line's or paragraph's end,
    and goes where another with the same stood, a heading where a heading stood: so paragraphs keep their number of
    sentences, no word touches another, and the tokens are the same."""
    section_of = {book: number for number, (_, books) in reversed(list(enumerate(sections))) for book in books}
    cut = [[[_sentences(shelf, one) for one in step.ranges] for step in unit] for unit in units]
    pieces: dict[tuple[int, str, str, bool], list[Range]] = defaultdict(list)
    for part in (part for unit in cut for step in unit for part in step):
        for key, piece in part:
            pieces[section_of[piece[0]], *key].append(piece)
    for key in sorted(pieces):
        rng = random.Random("|".join(map(str, (seed_of(seed, stage, "sentence_shuffle"), *key))))
        rng.shuffle(pieces[key])
    order = {key: iter(mixed) for key, mixed in pieces.items()}
    return [
        tuple(
            Step(tuple(next(order[section_of[piece[0]], *key]) for part in parts for key, piece in part), step.scene)
            for step, parts in zip(unit, steps, strict=True)
        )
        for unit, steps in zip(units, cut, strict=True)
    ]


def _sentences(shelf: Shelf, one: Range) -> list[tuple[tuple[str, str, bool], Range]]:
    """((blanks before, blanks after, whether it ends as sentences do), range) of each sentence; together the range."""
    source, start, end = one
    text = shelf.open(shelf.records[source].id).text
    ends = [
        first + sentence.end
        for first, last in iterate_paragraphs(text, start, end)
        for sentence in split_sentences(text[first:last])
    ]
    cuts = [start, *[at for at in ends[:-1] if start < at < end], end]
    found = []
    for first, last in pairwise(cuts):
        piece = text[first:last]
        lead, tail = piece[: len(piece) - len(piece.lstrip())], piece[len(piece.rstrip()) :]
        found.append(((lead, tail, piece.rstrip()[-1:] in ENDS), (source, first, last)))
    return found


# sham_scenes, bridges_apart -------------------------------------------------------------------------------------------


def own_repair(scene: Mapping[str, Any]) -> str | None:
    """The repair that a scene was written with: of a scene that bears another's, what it had."""
    return _own(scene, "repair")


def _own(scene: Mapping[str, Any], span: str) -> str | None:
    return scene.get(f"own_{span}") or next((turn[2] for turn in reversed(scene["turns"]) if turn[1] == span), None)


def swapped_repairs(
    scenes: Sequence[Mapping[str, Any]], tokens_of: Callable[[list[str]], list[int]]
) -> list[dict[str, Any]]:
    """A stage's scenes, each with the last repair of another, the nearest in tokens; `own_repair` keeps its own."""
    return _swapped(scenes, tokens_of, "repair", None)


def parted_bridges(
    scenes: Sequence[Mapping[str, Any]], tokens_of: Callable[[list[str]], list[int]]
) -> list[dict[str, Any]]:
    """The scenes of a stage, each bridge with the question of another bridge, so that what it quotes of the other book
    is not what is spoken of here; `own_question` keeps its own."""
    return _swapped(scenes, tokens_of, "question", "bridge")


def _swapped(
    scenes: Sequence[Mapping[str, Any]], tokens_of: Callable[[list[str]], list[int]], span: str, kind: str | None
) -> list[dict[str, Any]]:
    """Computes: sorted by tokens of their last turn of `span`, neighbours change these in twos; of an odd number the
    last three change in a ring. A stage's only scene keeps its own."""
    own = [_own(scene, span) if kind is None or scene["kind"] == kind else None for scene in scenes]
    there = [number for number, text in enumerate(own) if text is not None]
    sizes = dict(zip(there, tokens_of([own[number] or "" for number in there]), strict=True))
    there.sort(key=lambda number: (sizes[number], rank_of(scenes[number]["id"], number)))
    given = {}
    while len(there) > 1:
        ring = there[:3] if len(there) == 3 else there[:2]
        given |= dict(zip(ring, [*ring[1:], ring[0]], strict=True))
        there = there[len(ring) :]
    found = []
    for number, scene in enumerate(scenes):
        record = dict(scene)
        if number in given:
            turns = [list(turn) for turn in scene["turns"]]
            last = max(at for at, turn in enumerate(turns) if turn[1] == span)
            turns[last][2] = own[given[number]]
            record |= {"turns": turns, f"own_{span}": own[number]}
        found.append(record)
    return found
