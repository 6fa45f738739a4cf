"""The held-out passages of every stage: their splits, and which of them stand in training text after all."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ontogeny.corpus.layout import merge_ranges
from ontogeny.corpus.passages import split_held_out
from ontogeny.corpus.reading import BookReading
from ontogeny.corpus.shelf import Shelf
from ontogeny.corpus.workers import Workers

SHINGLE_WORDS = 8
BESIDE_CHARS = 400
CONTAMINATED_FRAC = 0.2
LONGEST_WORD = 64  # letters beyond it do not count
_ODD = 0x9E3779B97F4A7C15
_POWERS = np.array([pow(_ODD, k + 1, 1 << 64) for k in range(LONGEST_WORD)], dtype=np.uint64)


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
    book = shelf.open(reading.id)
    return merge_ranges((p.start, p.end) for _, p in book.training() if p.start >= reading.read_to)


def mark_contaminated(
    stages: list[list[HeldOut]],
    readings: list[list[BookReading]],
    scene_texts: Sequence[str],
    shelf: Shelf,
    workers: Workers,
) -> list[list[HeldOut]]:
    """Marks held-out passages that stand, wholly or by more than a fifth of their 8-word shingles, in the
    training text of any stage: books (moved sentences too) and authored scenes. They stay out of training."""
    shingles = [[np.unique(shingles_of(passage.text)) for passage in stage] for stage in stages]
    everything = [array for stage in shingles for array in stage]
    wanted = np.unique(np.concatenate(everything)) if everything else np.empty(0, dtype=np.uint64)
    short = frozenset(
        passage.text.strip()
        for stage, arrays in zip(stages, shingles, strict=True)
        for passage, array in zip(stage, arrays, strict=True)
        if not len(array)
    )
    seen = np.zeros(len(wanted), dtype=bool)
    for text in scene_texts:
        seen[_found_in(text, wanted)] = True
    repeated: set[str] = set()
    with tempfile.TemporaryDirectory(dir=shelf.folder) as folder:
        path = Path(folder) / "wanted.npy"
        np.save(path, wanted, allow_pickle=False)
        tasks = [(shelf.closed(), book, read_to, path, short) for book, read_to in _read_to(readings).items()]
        sizes = sum(shelf.records[shelf.index[book]].bytes for _, book, *_ in tasks)
        for _, (found, twice) in workers.each(_look, tasks, sizes):
            seen[found] = True
            repeated |= twice
    found = wanted[seen]

    def stands(passage: HeldOut, array: np.ndarray) -> bool:
        if not len(array):
            return passage.text.strip() in repeated
        return len(_places(array, found)) > CONTAMINATED_FRAC * len(array)

    return [
        [replace(p, contaminated=stands(p, array)) for p, array in zip(passages, arrays, strict=True)]
        for passages, arrays in zip(stages, shingles, strict=True)
    ]


def _read_to(readings: list[list[BookReading]]) -> dict[str, int]:
    """How far each book was read by the stage that read it furthest; books nobody opened left out."""
    furthest: dict[str, int] = {}
    for reading in (reading for stage in readings for reading in stage):
        furthest[reading.id] = max(furthest.get(reading.id, 0), reading.read_to)
    return {book: read_to for book, read_to in furthest.items() if read_to}


def _look(task: tuple[Shelf, str, int, Path, frozenset[str]]) -> tuple[np.ndarray, set[str]]:
    """In a worker: which of the wanted shingles, by index, and of the short texts the training text of a book holds."""
    shelf, book_id, read_to, path, short = task
    book = shelf.open(book_id)
    passages = [passage for _, passage in book.training() if passage.start < read_to]
    twice = short & {book.text[p.start : p.end].strip() for p in passages} if short else set()
    ranges = merge_ranges((p.start, p.end) for p in passages)
    found = [_found_in(book.text[start:end], _wanted(path)) for start, end in ranges]
    return np.unique(np.concatenate(found)), set(twice)


@lru_cache(maxsize=1)
def _wanted(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r")


def _found_in(text: str, wanted: np.ndarray) -> np.ndarray:
    """Indices of the wanted shingles that a text holds; `wanted` is sorted."""
    return _places(np.unique(shingles_of(text)), wanted)


def _places(some: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Indices in `known`, which is sorted, of those of `some` that it holds."""
    at = np.searchsorted(known, some)
    inside = at < len(known)
    at = at[inside]
    return at[known[at] == some[inside]]


def shingles_of(text: str) -> np.ndarray:
    """A 64-bit number for each run of eight words, case and punctuation aside.

    A word is a run of letters, digits and `_` of the basic plane; its number is sum_i (c_i + 1) O^(i+1) over its first
    LONGEST_WORD characters' code points c_i, a run's is sum_k mix(w_k O^(k+1)), mix(x) = x xor (x >> 29), all mod 2^64;
    O is the constant _ODD."""
    codes = np.frombuffer(text.lower().encode("utf-32-le", "surrogatepass"), dtype="<u4")
    inside = _word_table()[np.minimum(codes, 0xFFFF)]
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    count = len(starts) - SHINGLE_WORDS + 1
    if count <= 0:
        return np.empty(0, dtype=np.uint64)
    letters = codes[inside].astype(np.uint64) + np.uint64(1)
    begins = np.cumsum(lengths) - lengths
    place = np.arange(len(letters)) - np.repeat(begins, lengths)
    with np.errstate(over="ignore"):
        letters *= _POWERS[np.minimum(place, LONGEST_WORD - 1)]
        letters[place >= LONGEST_WORD] = 0
        words = np.add.reduceat(letters, begins)
        total = np.zeros(count, dtype=np.uint64)
        for k in range(SHINGLE_WORDS):
            mixed = words * _POWERS[k]
            total += (mixed ^ (mixed >> np.uint64(29)))[k : k + count]
    return total


@lru_cache(maxsize=1)
def _word_table() -> np.ndarray:
    """Which characters of the basic plane stand in words; the last entry stands for all beyond, and does not."""
    table = np.array([chr(code).isalnum() for code in range(0x10000)])
    table[ord("_")], table[0xFFFF] = True, False
    return table
