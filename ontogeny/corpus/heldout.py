"""The held-out passages of every stage: their splits, and which of them stand in training text after all."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ontogeny.corpus.layout import merge_ranges
from ontogeny.corpus.passages import split_held_out
from ontogeny.corpus.reading import BookReading
from ontogeny.corpus.shelf import Shelf

SHINGLE_WORDS = 8
BESIDE_CHARS = 400
CONTAMINATED_FRAC = 0.2
_WORD = re.compile(r"\w+")
_POWERS = np.array([pow(0x9E3779B97F4A7C15, k + 1, 1 << 64) for k in range(SHINGLE_WORDS)], dtype=np.uint64)


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
    stages: list[list[HeldOut]], readings: list[list[BookReading]], scene_texts: Iterable[str], shelf: Shelf
) -> list[list[HeldOut]]:
    """Marks held-out passages that stand, wholly or by more than a fifth of their 8-word shingles, in the
    training text of any stage: books (moved sentences too) and authored scenes. They stay out of training."""
    shingles = [[np.unique(shingles_of(passage.text)) for passage in stage] for stage in stages]
    everything = [array for stage in shingles for array in stage]
    wanted = np.unique(np.concatenate(everything)) if everything else np.empty(0, dtype=np.uint64)
    seen = np.zeros(len(wanted), dtype=bool)
    texts = {passage.text.strip() for stage in stages for passage in stage}
    repeated: set[str] = set()
    for text in scene_texts:
        _look(text, wanted, seen)
    for book_id in dict.fromkeys(reading.id for stage in readings for reading in stage):
        read_to = max(reading.read_to for stage in readings for reading in stage if reading.id == book_id)
        if read_to == 0:
            continue
        book = shelf.open(book_id)
        passages = [passage for _, passage in book.training() if passage.start < read_to]
        repeated.update(texts & {book.text[p.start : p.end].strip() for p in passages})
        for start, end in merge_ranges((p.start, p.end) for p in passages):
            _look(book.text[start:end], wanted, seen)
    found = wanted[seen]
    marked = []
    for passages, arrays in zip(stages, shingles, strict=True):
        marked.append(
            [
                replace(
                    passage,
                    contaminated=passage.text.strip() in repeated
                    or bool(len(array) and np.isin(array, found, assume_unique=True).mean() > CONTAMINATED_FRAC),
                )
                for passage, array in zip(passages, arrays, strict=True)
            ]
        )
    return marked


def shingles_of(text: str) -> np.ndarray:
    """A 64-bit number for each run of eight words, case and punctuation aside."""
    words = _WORD.findall(text.lower())
    if len(words) < SHINGLE_WORDS:
        return np.empty(0, dtype=np.uint64)
    coded = np.fromiter((zlib.crc32(word.encode()) + 1 for word in words), dtype=np.uint64, count=len(words))
    count = len(words) - SHINGLE_WORDS + 1
    total = np.zeros(count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for k in range(SHINGLE_WORDS):
            mixed = coded * _POWERS[k]
            total += (mixed ^ (mixed >> np.uint64(29)))[k : k + count]
    return total


def _look(text: str, wanted: np.ndarray, seen: np.ndarray) -> None:
    """Notes which of the wanted shingles a training text holds."""
    if not len(wanted):
        return
    present = np.unique(shingles_of(text))
    at = np.searchsorted(wanted, present)
    at[at == len(wanted)] = 0
    seen[at[wanted[at] == present]] = True
