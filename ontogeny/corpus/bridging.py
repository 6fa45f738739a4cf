"""Where a stage's books can be bridged: passages of two sections that share a rare term and never meet in training.

A term is a word of MIN_LETTERS letters or more; it is rare where from two to MAX_HOLDERS training passages of the stage
have it, of two sections at least; it weighs ln(1 + passages / passages that have it). Two sections touch by the weight
of the rare terms of both, as a share: w(a and b) / sqrt(w(a) w(b)). The audit measures the same against shuffled
libraries; here the order is enough: the pairs that touch least, its voids, are bridged first."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ontogeny.corpus.difficulty import words_of
from ontogeny.corpus.passages import rank_of
from ontogeny.corpus.shelf import OpenBook
from ontogeny.corpus.spoken import label_of
from ontogeny.corpus.triggers import Reading
from ontogeny.scenes.bridge import holds
from ontogeny.scenes.gap import linking_sentences, split_sentences
from ontogeny.scenes.language import TABLES

MIN_LETTERS, MAX_HOLDERS = 5, 4
MAX_USES = 3  # a passage that uses a term so often is about it; more tells no more
MIN_USES = 3  # in the two passages together: one of them at least comes back to the term
SURE_USES = 4  # those of so many come before the others
TOUCH_STEPS = 8  # touches this near to each other (1 / TOUCH_STEPS) rank alike
FAR_CHARS = (40, 240)
APART_PACKS = 4  # of text between the two, so that no pack and no neighbouring passage holds both
_WHOLE = re.compile(r"[A-ZА-ЯЁ][^\n\"'“”‘«»„\[\]{}_*|]*[.!?]")  # a sentence that can be quoted as it stands
_ROMAN = re.compile(r"[ivxlcdm]+")


@dataclass(frozen=True, slots=True)
class Held:
    """A training passage: which book of the stage, which passage of it, its section, the characters read before it."""

    number: int
    index: int
    section: int
    book: str
    at: int
    end: int


@dataclass(frozen=True)
class Crossing:
    """A term, the passage that is read later and gives the repair, the one read before, and its rank: least first."""

    term: str
    near: Held
    far: Held
    rank: tuple[int, int, bytes]


@dataclass(frozen=True)
class Far:
    """The sentence of the other book."""

    book: str
    start: int
    end: int
    text: str


class Bridges:
    """The crossings of a stage by their later passage, in reading order; each term and far sentence serves once."""

    def __init__(
        self,
        crossings: Iterable[Crossing],
        open_book: Callable[[int], OpenBook],
        language: str,
        max_paragraph_chars: int,
    ):
        self.of: dict[Held, list[Crossing]] = {}
        for crossing in sorted(crossings, key=lambda one: (one.near.at, one.rank)):
            self.of.setdefault(crossing.near, []).append(crossing)
        self.passages = list(self.of)
        self.open_book, self.language, self.max_paragraph_chars = open_book, language, max_paragraph_chars
        self.used: set[object] = set()

    def ahead(self, read: int, until: float) -> Held | None:
        """The later passage to bridge next, of those that begin at `read` characters or behind, and before `until`: of
        the sections that touch least, the first."""
        first, last = (bisect_left(self.passages, place, key=lambda held: held.at) for place in (read, until))
        best = [fresh[0] for held in self.passages[first:last] if (fresh := self.fresh(held))]
        best.sort(key=lambda one: (one.rank[0], one.rank[1] > -SURE_USES, one.near.at))
        return next((one.near for one in best if any(map(self._fits, self.fresh(one.near)))), None)

    def _fits(self, crossing: Crossing) -> bool:
        """Whether the later passage has a sentence with the term that can be taken out, and the other one to quote."""
        book = self.open_book(crossing.near.number)
        passage = book.passages[crossing.near.index]
        return self.far_of(crossing) is not None and any(
            holds(sentence.text, crossing.term)
            for start, end in book.paragraphs(passage)
            if end - start <= self.max_paragraph_chars
            for _, sentence, _ in linking_sentences(book.text[start:end], self.language, any_sentence=True)
        )

    def fresh(self, near: Held) -> list[Crossing]:
        """What can still be made of a passage, the best first."""
        return [] if near in self.used else [one for one in self.of[near] if one.term not in self.used]

    def far_of(self, crossing: Crossing) -> Far | None:
        """The shortest sentence with the term in the far passage that can be quoted; None where there is none."""
        book = self.open_book(crossing.far.number)
        passage, found = book.passages[crossing.far.index], []
        low, high = FAR_CHARS
        for start, end in book.paragraphs(passage):
            for sentence in split_sentences(book.text[start:end]):
                quotable = low <= len(sentence.text) <= high and _WHOLE.fullmatch(sentence.text)
                if quotable and label_of(sentence.text) is None and holds(sentence.text, crossing.term):
                    found.append((len(sentence.text), start + sentence.start, start + sentence.end))
        found = [place for place in sorted(found) if (crossing.far.book, place[1]) not in self.used]
        if not found:
            return None
        _, start, end = found[0]
        return Far(crossing.far.book, start, end, book.text[start:end])

    def use(self, crossing: Crossing, far: Far) -> None:
        """A scene was made of it."""
        self.used |= {crossing.term, (far.book, far.start)}

    def refuse(self, near: Held) -> None:
        """No scene could be made of a passage."""
        self.used.add(near)


def find_crossings(
    reading: Reading, sections: Sequence[int], language: str, *, apart_chars: float
) -> Iterator[Crossing]:
    """The crossings of a stage's training passages; `sections`: of each book of the stage.

    The far passage is read first, so that it is known, and `apart_chars` at least before the other."""
    holders: dict[str, list[tuple[Held, int]]] = defaultdict(list)
    passages = read = 0
    small = TABLES[language].small_words if language in TABLES else frozenset()
    for number, book, indices in reading():
        for passage_index in indices:
            passage = book.passages[passage_index]
            end = read + passage.end - passage.start
            held = Held(number, passage_index, sections[number], book.record.id, read, end)
            for term, uses in Counter(_terms(book.text[passage.start : passage.end], small)).items():
                if len(holders[term]) <= MAX_HOLDERS:  # one too many is kept: it tells that the term is not rare
                    holders[term].append((held, uses))
            passages, read = passages + 1, end
    rare = {
        term: some
        for term, some in holders.items()
        if 2 <= len(some) <= MAX_HOLDERS and len({held.section for held, _ in some}) > 1
    }
    touches = _touches(rare, passages)
    for term, some in rare.items():
        for near, near_uses in some:
            for far, far_uses in some:
                uses = min(MAX_USES, near_uses) + min(MAX_USES, far_uses)
                apart = far.section != near.section and near.at - far.end >= apart_chars
                if apart and far.book != near.book and uses >= MIN_USES:
                    touch = touches[min(near.section, far.section), max(near.section, far.section)]
                    rank = (round(touch * TOUCH_STEPS), -uses, rank_of(f"{term}|{far.book}", far.index))
                    yield Crossing(term, near, far, rank)


def _terms(text: str, small: frozenset[str]) -> Iterator[str]:
    for word in words_of(text):
        plain = word.removesuffix("'s").removesuffix("’s")
        if len(plain) >= MIN_LETTERS and plain.isalpha() and plain not in small and not _ROMAN.fullmatch(plain):
            yield plain


def _touches(rare: Mapping[str, Sequence[tuple[Held, int]]], passages: int) -> dict[tuple[int, int], float]:
    """How much two sections touch, 0 to 1, of every pair that shares a rare term."""
    alone: dict[int, list[float]] = defaultdict(list)
    both: dict[tuple[int, int], list[float]] = defaultdict(list)
    for some in rare.values():
        weight = math.log1p(passages / len(some))
        found = sorted({held.section for held, _ in some})
        for at, section in enumerate(found):
            alone[section].append(weight)
            for other in found[at + 1 :]:
                both[section, other].append(weight)
    return {
        (a, b): math.fsum(weights) / math.sqrt(math.fsum(alone[a]) * math.fsum(alone[b]))
        for (a, b), weights in both.items()
    }
