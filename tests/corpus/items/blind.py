"""Scorers that do not read: they add up words or count letters. Items must leave them at chance."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable

from ontogeny.corpus.items.shape import Item

WORD = re.compile(r"\w+")


def right_share(items: Iterable[Item], score: Callable[[str], float]) -> float:
    """The share of items whose answer has the greatest score; of a tie, the part that guessing among the best gets."""
    shares = []
    for item in items:
        own = score(item.answer)
        others = [score(foil) for foil in item.foils]
        shares.append(0.0 if max(others) > own else 1 / (1 + others.count(own)))
    return sum(shares) / len(shares)


def chance(items: Iterable[Item]) -> float:
    shares = [1 / (1 + len(item.foils)) for item in items]
    return sum(shares) / len(shares)


def bag_of_words(salt: str) -> Callable[[str], float]:
    """Every word has a weight of its own, drawn by hash; an integer, so that sums are exact."""

    def score(text: str) -> float:
        return sum(
            int.from_bytes(hashlib.sha256(f"{salt}|{word}".encode()).digest()[:4], "big")
            for word in WORD.findall(text.lower())
        )

    return score


SCORERS = {
    "the longest in letters": len,
    "the shortest in letters": lambda text: -len(text),
    "the longest in words": lambda text: len(WORD.findall(text)),
    **{f"a bag of words {salt}": bag_of_words(str(salt)) for salt in range(12)},
}
