"""Books that say the same, wholly or in part: MinHash sketches of their shingles, and the pairs that share many.

A sketch keeps the SKETCH_HASHES least hashes of a book's shingles (a bottom-k MinHash, as an Apache DataSketches theta
sketch). Unlike signatures of fixed rows it estimates, besides resemblance, how much of one book stands in another a
hundred times as long: an abridged edition, a tale in an anthology."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from ontogeny.corpus.difficulty import WORD

SHINGLE_WORDS = 5
SKETCH_BITS = 12
SKETCH_HASHES = 1 << SKETCH_BITS
THRESHOLD = 0.15  # share of a book's shingles that stand in another; see docs/corpus.md for what it finds
COPY, MOST = 0.9, 0.5
MIN_SHARED = 8  # hashes in common, below which a share is an accident
COMMON_BOOKS = 64  # a shingle of more books than these makes pairs with the first of them alone
PIECE_CHARS = 1 << 20
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def sketch_of(text: str) -> bytes:
    """The sketch of a whole book, case and punctuation aside; its memory does not grow with the book."""
    from datasketches import update_theta_sketch

    sketch = update_theta_sketch(SKETCH_BITS)
    for hashes in _shingle_hashes(text):
        for value in np.unique(hashes).tolist():
            sketch.update(value)
    sketch.trim()
    return sketch.compact().serialize()


def _shingle_hashes(text: str) -> Iterator[np.ndarray]:
    """A 64-bit number for each run of SHINGLE_WORDS words, piece by piece."""
    carried: list[str] = []
    start = 0
    while start < len(text):
        end = _piece_end(text, start + PIECE_CHARS)
        words = carried + WORD.findall(text[start:end].lower())
        if len(words) >= SHINGLE_WORDS:
            yield _hashes(words)
        carried, start = words[len(words) - SHINGLE_WORDS + 1 :], end
        if len(words) < SHINGLE_WORDS:
            carried = words


def _piece_end(text: str, end: int) -> int:
    """The first blank at or after `end`, so that no word is cut; a text without blanks is cut anyhow."""
    while end < len(text) and not text[end].isspace() and end % PIECE_CHARS < PIECE_CHARS // 2:
        end += 1
    return min(end, len(text))


def _hashes(words: list[str]) -> np.ndarray:
    coded = np.fromiter((_coded(word) for word in words), dtype=np.uint64, count=len(words))
    count = len(words) - SHINGLE_WORDS + 1
    total = np.zeros(count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for k in range(SHINGLE_WORDS):
            total = (total ^ (total >> np.uint64(31))) * _MULTIPLIER + coded[k : k + count]
    return total.view(np.int64)


@lru_cache(maxsize=1 << 16)
def _coded(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


def find_duplicates(sketches: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """The pairs of which one stands in the other by THRESHOLD or more, most alike first.

    Each: {a, b, kind, resemblance, a_in_b, b_in_a, ci95: {...}, shared}. `kind` is copy (each has COPY of the other),
    edition (each has MOST of the other), contained (one has MOST of the other) or overlap."""
    from datasketches import compact_theta_sketch

    opened = {name: compact_theta_sketch.deserialize(raw) for name, raw in sorted(sketches.items())}
    names, kept = list(opened), [np.sort(_hashes_of(sketch)) for sketch in opened.values()]
    found = []
    for (first, second), shared in sorted(_candidates(kept).items()):
        if shared < MIN_SHARED or not _may_share_enough(kept[first], kept[second], shared):
            continue
        pair = _compared(names[first], names[second], opened, shared)
        if max(pair["a_in_b"], pair["b_in_a"]) >= THRESHOLD:
            found.append(pair)
    return sorted(found, key=lambda pair: (-max(pair["a_in_b"], pair["b_in_a"]), pair["a"], pair["b"]))


def _hashes_of(sketch: Any) -> np.ndarray:
    return np.fromiter(sketch, dtype=np.uint64, count=sketch.num_retained)


def _candidates(kept: list[np.ndarray]) -> Counter[tuple[int, int]]:
    """Pairs of positions, with how many kept hashes they share."""
    pairs: Counter[tuple[int, int]] = Counter()
    values = np.concatenate([*kept, np.empty(0, dtype=np.uint64)])
    owners = np.repeat(np.arange(len(kept)), [len(one) for one in kept])
    order = np.lexsort((owners, values))
    values, owners = values[order], owners[order]
    edges = np.flatnonzero(np.diff(values)) + 1
    starts, ends = np.concatenate(([0], edges)), np.concatenate((edges, [len(values)]))
    shared = ends - starts > 1
    for start, end in zip(starts[shared].tolist(), ends[shared].tolist(), strict=True):
        members = owners[start:end].tolist()
        firsts = members if len(members) <= COMMON_BOOKS else members[:1]
        pairs.update((first, later) for at, first in enumerate(firsts) for later in members[at + 1 :])
    return pairs


def _may_share_enough(first: np.ndarray, second: np.ndarray, shared: int) -> bool:
    """A cheap look at the hashes below both sketches' greatest, so that few pairs are compared in full."""
    bound = min(first[-1], second[-1])
    least = min(np.searchsorted(one, bound, side="right") for one in (first, second))
    return shared >= 0.8 * THRESHOLD * least


def _compared(a: str, b: str, opened: Mapping[str, Any], shared: int) -> dict[str, Any]:
    from datasketches import theta_intersection, theta_jaccard_similarity

    both = theta_intersection()
    both.update(opened[a])
    both.update(opened[b])
    common = both.get_result()
    low, resemblance, high = theta_jaccard_similarity.jaccard(opened[a], opened[b])
    shares = {}
    intervals = {"resemblance": _rounded(low, high)}
    for name, book in (("a_in_b", a), ("b_in_a", b)):
        size = opened[book].get_estimate()
        shares[name] = round(min(1.0, common.get_estimate() / size), 4)
        intervals[name] = _rounded(common.get_lower_bound(2) / size, min(1.0, common.get_upper_bound(2) / size))
    least, most = sorted(shares.values())
    kind = "copy" if least >= COPY else "edition" if least >= MOST else "contained" if most >= MOST else "overlap"
    told = {"a": a, "b": b, "kind": kind, "resemblance": round(resemblance, 4), **shares}
    return {**told, "ci95": intervals, "shared": shared}


def _rounded(low: float, high: float) -> list[float]:
    return [round(low, 4), round(high, 4)]
