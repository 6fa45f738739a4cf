"""The held-out passages of every stage: their splits, and what of them, or of items, stands in training text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ontogeny.corpus.layout import merge_ranges
from ontogeny.corpus.passages import split_held_out
from ontogeny.corpus.reading import BookReading
from ontogeny.corpus.shelf import Shelf
from ontogeny.corpus.shingles import (
    SHINGLE_WORDS,
    Known,
    different,
    make_known,
    read_known,
    shingles_each,
    shingles_of,
    shingles_within,
    write_known,
)
from ontogeny.corpus.workers import Workers

BESIDE_CHARS = 400
CONTAMINATED_FRAC = 0.2
SENTENCE_WORDS = 5  # fewer in a row stand in any large text by chance


@dataclass(frozen=True)
class HeldOut:
    """A held-out passage of a stage; `above` and `below` are the book's text beside it, which may be training text."""

    book: str
    start: int
    end: int
    split: str
    text: str
    contaminated: bool = False
    above: str = ""
    below: str = ""
    tokens: int = 0


def held_out_of(readings: list[BookReading], shelf: Shelf) -> list[HeldOut]:
    """The held-out passages of the books that a stage opened, in reading order, each with its split."""
    found: dict[tuple[str, int], HeldOut] = {}
    for reading in readings:
        if reading.read_to == 0:
            continue
        book = shelf.open(reading.id)
        for index in sorted(book.held_out):
            passage = book.passages[index]
            key = (book.record.fingerprint, passage.start)
            start, end = passage.start, passage.end
            found.setdefault(
                key,
                HeldOut(
                    reading.id,
                    start,
                    end,
                    "",
                    book.text[start:end],
                    above=book.text[max(0, start - BESIDE_CHARS) : start],
                    below=book.text[end : end + BESIDE_CHARS],
                    tokens=book.tokens.count(index) if book.tokens else 0,
                ),
            )
    splits = split_held_out(found)
    return [replace(passage, split=splits[key]) for key, passage in found.items()]


def unread_of(reading: BookReading, shelf: Shelf) -> list[list[int]]:
    """What a span left unread of a book: all of a book never opened, else its training passages past the end."""
    if reading.read_to == 0:
        return [[0, shelf.records[shelf.index[reading.id]].characters]]
    rows = shelf.passage_rows(reading.id)
    return merge_ranges(rows[(rows[:, 0] >= reading.read_to) & (rows[:, 3] == 0), :2].tolist())


def mark_contaminated(
    stages: list[list[HeldOut]],
    readings: list[list[BookReading]],
    scene_texts: Sequence[str],
    shelf: Shelf,
    workers: Workers,
) -> list[list[HeldOut]]:
    """Marks held-out passages that stand, wholly or by more than a fifth of their 8-word shingles, in the
    training text of any stage: books (moved sentences too) and authored scenes. They stay out of training."""
    shingles = [shingles_each(passage.text for passage in stage) for stage in stages]
    wanted = _together([array for stage in shingles for array in stage])
    short = frozenset(
        passage.text.strip()
        for stage, arrays in zip(stages, shingles, strict=True)
        for passage, array in zip(stage, arrays, strict=True)
        if not len(array)
    )
    seen = np.zeros(len(wanted), dtype=bool)
    repeated: set[str] = set()
    for found, twice in _looked_for(wanted, SHINGLE_WORDS, short, readings, scene_texts, shelf, workers):
        seen[found] = True
        repeated |= twice
    stands = wanted[seen]

    def is_contaminated(passage: HeldOut, array: np.ndarray) -> bool:
        if not len(array):
            return passage.text.strip() in repeated
        at = np.minimum(np.searchsorted(stands, array), len(stands) - 1)
        return len(stands) > 0 and int((stands[at] == array).sum()) > CONTAMINATED_FRAC * len(array)

    return [
        [replace(p, contaminated=is_contaminated(p, array)) for p, array in zip(passages, arrays, strict=True)]
        for passages, arrays in zip(stages, shingles, strict=True)
    ]


def standing(
    sentences: Sequence[str],
    readings: list[list[BookReading]],
    scene_texts: Sequence[str],
    shelf: Shelf,
    workers: Workers,
) -> list[bool]:
    """Which sentences stand as a run of words, case and punctuation aside, in the training text of any stage.

    One of SENTENCE_WORDS words or more counts as standing in a book, or in a turn of a scene, that holds all its runs
    of so many words; a shorter one never does."""
    shingles = shingles_each(sentences, SENTENCE_WORDS)
    numbers = [number for number, array in enumerate(shingles) if len(array)]
    stands = np.zeros(len(sentences), dtype=bool)
    if not numbers:
        return stands.tolist()
    wanted = _together([shingles[number] for number in numbers])
    places = np.searchsorted(wanted, np.concatenate([shingles[number] for number in numbers]))
    begins = np.cumsum([0, *(len(shingles[number]) for number in numbers[:-1])])
    for found, _ in _looked_for(wanted, SENTENCE_WORDS, frozenset(), readings, scene_texts, shelf, workers):
        held = np.zeros(len(wanted), dtype=bool)
        held[found] = True
        stands[numbers] |= np.logical_and.reduceat(held[places], begins)
    return stands.tolist()


def _together(arrays: list[np.ndarray]) -> np.ndarray:
    return different(np.concatenate(arrays)) if arrays else np.empty(0, dtype=np.uint64)


def _looked_for(
    wanted: np.ndarray,
    words: int,
    short: frozenset[str],
    readings: list[list[BookReading]],
    scene_texts: Sequence[str],
    shelf: Shelf,
    workers: Workers,
) -> Iterator[tuple[np.ndarray, set[str]]]:
    """For each scene's text and each book read: which of the wanted shingles, by index, and of the short texts it
    holds. `wanted` is sorted; the workers map one copy of it."""
    with tempfile.TemporaryDirectory(dir=shelf.folder) as name:
        folder = Path(name)
        write_known(folder, make_known(wanted))
        known = read_known(folder)
        for text in scene_texts:
            yield known.find(shingles_of(text, words)), set()
        tasks = [
            (shelf.only(book), book, read_to, folder, words, short) for book, read_to in _read_to(readings).items()
        ]
        sizes = sum(shelf.records[shelf.index[book]].bytes for _, book, *_ in tasks)
        for _, found in workers.each(_look, tasks, sizes):
            yield found


def _read_to(readings: list[list[BookReading]]) -> dict[str, int]:
    """How far each book was read by the stage that read it furthest; books nobody opened left out."""
    furthest: dict[str, int] = {}
    for reading in (reading for stage in readings for reading in stage):
        furthest[reading.id] = max(furthest.get(reading.id, 0), reading.read_to)
    return {book: read_to for book, read_to in furthest.items() if read_to}


def _look(task: tuple[Shelf, str, int, Path, int, frozenset[str]]) -> tuple[np.ndarray, set[str]]:
    """In a worker: which of the wanted shingles, by index, and of the short texts the training text of a book holds."""
    shelf, book_id, read_to, folder, words, short = task
    book = shelf.open(book_id)
    passages = [passage for _, passage in book.training() if passage.start < read_to]
    twice = short & {book.text[p.start : p.end].strip() for p in passages} if short else set()
    ranges = merge_ranges((p.start, p.end) for p in passages)
    known = _known(folder)
    held = np.zeros(len(known.shingles), dtype=bool)
    held[known.find(shingles_within([book.text[start:end] for start, end in ranges], words))] = True
    return np.flatnonzero(held), set(twice)


@lru_cache(maxsize=1)
def _known(folder: Path) -> Known:
    return read_known(folder)
