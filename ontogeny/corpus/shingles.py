"""Runs of words as 64-bit numbers, and looking many of them up in a great many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

SHINGLE_WORDS = 8
LONGEST_WORD = 64  # letters beyond it do not count
MAX_INDEX_BITS = 27
INDEXED_AT_ONCE = 1 << 20
GROUP_CHARS = 100_000  # taken at once: what they become stays in a core's own memory
_ODD = 0x9E3779B97F4A7C15
_POWERS = np.array([pow(_ODD, k + 1, 1 << 64) for k in range(LONGEST_WORD)], dtype=np.uint64)


def shingles_of(text: str, words: int = SHINGLE_WORDS) -> np.ndarray:
    """A 64-bit number for each run of so many words, case and punctuation aside.

    A word is a run of letters, digits and `_` of the basic plane; its number is sum_i (c_i + 1) O^(i+1) over its first
    LONGEST_WORD characters' code points c_i, a run's is sum_k mix(w_k O^(k+1)), mix(x) = x xor (x >> 29), all mod 2^64;
    O is the constant _ODD."""
    return shingles_within([text], words)


def shingles_within(texts: Sequence[str], words: int = SHINGLE_WORDS) -> np.ndarray:
    """The shingles of each text, one text after the other: no run of words goes on from one text to the next."""
    return np.concatenate([_shingles(group, words)[0] for group in _groups(texts)])


def shingles_each(texts: Iterable[str], words: int = SHINGLE_WORDS) -> list[np.ndarray]:
    """The different shingles of each text, in rising order."""
    found: list[np.ndarray] = []
    for group in _groups(texts):
        shingles, counts = _shingles(group, words)
        found += [different(one) for one in np.split(shingles, np.cumsum(counts[:-1]))[: len(group)]]
    return found


def different(numbers: np.ndarray) -> np.ndarray:
    """The different numbers of an array in rising order: np.unique, of many a tenth of its time."""
    ordered = np.sort(numbers)
    return ordered[np.concatenate((np.ones(min(1, len(ordered)), dtype=bool), ordered[1:] != ordered[:-1]))]


def _groups(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in small letters, GROUP_CHARS or a little more at once; the last group may be empty."""
    group: list[str] = []
    size = 0
    for text in texts:
        group.append(text.lower())
        size += len(text)
        if size >= GROUP_CHARS:
            yield group
            group, size = [], 0
    yield group


def _shingles(texts: list[str], words: int) -> tuple[np.ndarray, np.ndarray]:
    """The shingles of texts in small letters, one text after the other, and how many each has."""
    numbers, starts = _words("\n".join(texts))
    ends = np.searchsorted(starts, np.cumsum([len(text) + 1 for text in texts]))  # of each text's words
    sizes = np.diff(ends, prepend=0)
    count = max(0, len(numbers) - words + 1)
    total, mixed, shifted = np.zeros(count, np.uint64), np.empty(count, np.uint64), np.empty(count, np.uint64)
    for k in range(words):
        np.multiply(numbers[k : k + count], _POWERS[k], out=mixed)
        np.right_shift(mixed, np.uint64(29), out=shifted)
        total += np.bitwise_xor(mixed, shifted, out=mixed)
    within = np.arange(words, count + words) <= np.repeat(ends, sizes)[:count]
    return total.compress(within), np.maximum(0, sizes - words + 1)


def _words(text: str) -> tuple[np.ndarray, np.ndarray]:
    """The number of each word of a text in small letters, and where it begins."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    inside = _word_table().take(codes, mode="clip")
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    if not len(starts):
        return np.empty(0, dtype=np.uint64), starts
    letters = codes.compress(inside).astype(np.uint64)
    begins = np.cumsum(lengths) - lengths
    place = np.arange(len(letters)) - np.repeat(begins, lengths)
    letters += np.uint64(1)
    letters *= _POWERS.take(place, mode="clip")
    if lengths.max() > LONGEST_WORD:
        letters[place >= LONGEST_WORD] = 0
    return np.add.reduceat(letters, begins), starts


@lru_cache(maxsize=1)
def _word_table() -> np.ndarray:
    """Which characters of the basic plane stand in words; the last entry stands for all beyond, and does not."""
    table = np.array([chr(code).isalnum() for code in range(0x10000)])
    table[ord("_")], table[0xFFFF] = True, False
    return table


class Known:
    """A sorted array of different shingles with an index of their first bits, by which each is found in a few reads.

    `first[b]` is where those whose first bits are b begin: one more entry than there are such b."""

    def __init__(self, shingles: np.ndarray, first: np.ndarray):
        self.shingles = shingles
        self.first = first
        self.shift = np.uint64(65 - (len(first) - 1).bit_length())

    def find(self, some: np.ndarray) -> np.ndarray:
        """Where those of `some` stand that are known, in no order, as often as they come."""
        bits = (some >> self.shift).astype(np.int64)
        at, last = self.first[bits], self.first[bits + 1]
        found = []
        open_ = at < last
        while open_.any():
            some, at, last = some[open_], at[open_], last[open_]
            same = self.shingles[at] == some
            found.append(at[same])
            at = at + 1
            open_ = ~same & (at < last)
        return np.concatenate(found).astype(np.int64) if found else np.empty(0, dtype=np.int64)


def make_known(shingles: np.ndarray) -> Known:
    """The index of a sorted array of different shingles; it has about as many entries as they are."""
    bits = min(MAX_INDEX_BITS, max(1, len(shingles).bit_length()))
    first = np.zeros((1 << bits) + 1, dtype=np.uint32)
    for begin in range(0, len(shingles), INDEXED_AT_ONCE):
        begun_with = (shingles[begin : begin + INDEXED_AT_ONCE] >> np.uint64(64 - bits)).astype(np.int64)
        counts = np.bincount(begun_with - begun_with[0]).astype(np.uint32)
        first[begun_with[0] + 1 : begun_with[0] + 1 + len(counts)] += counts
    return Known(shingles, np.cumsum(first, dtype=np.uint32, out=first))


def write_known(folder: Path, known: Known) -> None:
    """Known shingles as files that several processes map into memory, and share."""
    np.save(folder / "shingles.npy", known.shingles, allow_pickle=False)
    np.save(folder / "first.npy", known.first, allow_pickle=False)


def read_known(folder: Path) -> Known:
    """What `write_known` wrote, mapped into memory."""
    return Known(np.load(folder / "shingles.npy", mmap_mode="r"), np.load(folder / "first.npy", mmap_mode="r"))
