"""Items of bridge: a sentence that leans on two books which never met in training, tied by a rare term.

A term is a word of MIN_LETTERS letters or more; it is rare where from two to MAX_HOLDERS held-out passages have it, of
two books at least, and MAX_NEAR at most have it in themselves or in the text beside them; it weighs
ln(1 + passages / passages that have it). Two books touch by the weight of the rare terms that the held-out passages of
both have, as a share: w(a and b) / sqrt(w(a) w(b))."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.difficulty import words_of
from ontogeny.corpus.heldout import HeldOut
from ontogeny.corpus.items.sentences import (
    ITEMS_PER_SPLIT,
    Quote,
    by_length,
    byte_length,
    cheap_first,
    matched,
    near_in_length,
    runs_of,
    sound_passages,
)
from ontogeny.corpus.items.shape import Item, Material
from ontogeny.corpus.passages import SPLITS
from ontogeny.scenes.language import TABLES

PROBE = "bridge"
MIN_LETTERS, MAX_HOLDERS, MAX_NEAR = 5, 3, 4
SENTENCE_CHARS = (25, 240)
BEFORE_CHARS = (10, 240)
TOUCH_STEPS = 4  # touches this near to each other (1 / TOUCH_STEPS) rank alike
MAX_USES = 3  # a passage that uses a term so often is about it; more tells no more
NEAREST = 100  # sentences on each side of a length, of which those that hold the term are left out
ANY = ""
_ROMAN = re.compile(r"[ivxlcdm]+")


@dataclass(frozen=True)
class _Pair:
    """A sentence with a term and the one before it, of a passage of the stage; a sentence with it of another book."""

    term: str
    far: Quote
    before: Quote
    answer: Quote
    uses: int  # of the term in the passage of the two that uses it more, MAX_USES at most


@dataclass(frozen=True)
class _Shelf:
    """All sound passages at hand by (book, start): who holds each rare term, what it weighs, and the runs of whole
    sentences of each passage, a sentence with its rare terms."""

    holders: Mapping[str, list[HeldOut]]
    weights: Mapping[str, float]
    runs: Mapping[tuple[str, int], list[list[tuple[Quote, set[str]]]]]
    terms: Mapping[str, set[str]]  # of each book
    ordered: Mapping[tuple[str, bool], Sequence[Quote]]  # by length: of a book or ANY; True: those with a rare term


def make_bridge_items(material: Material, earlier: Sequence[Material] = ()) -> list[Item]:
    """Items whose answer is of this stage and whose other book is of it or of an earlier one.

    context: a sentence of book A with the term, a blank line, and the sentence before the answer in book B, which lacks
    the term; answer: the sentence of B with the term; foil: a sentence of another passage with a rare term of its own,
    near in length. more: `term`, `far` (book and offset of A's sentence), and the contexts `without_a`, `without_b`, in
    which A's or B's sentence gives its place to one of another passage, near in length, that lacks the term, of the
    same book where it offers one. Books that hardly touch come first, and of those, terms that one of the passages is
    about; a term serves once a split."""
    shelf = _shelf_of(material, earlier)
    pairs = list(_pairs(material, shelf))
    touches = _touches(shelf, {(pair.far.passage.book, pair.answer.passage.book) for pair in pairs})
    found: list[Item] = []
    for split in SPLITS:
        mine = [pair for pair in pairs if pair.answer.passage.split == split]
        mine.sort(key=lambda pair: _order(pair, touches))
        used: set[object] = set()
        count = 0
        for pair in mine:
            place = (pair.answer.passage.book, pair.answer.offset)
            if count == ITEMS_PER_SPLIT or used & {pair.term, place}:
                continue
            if (item := _item(pair, shelf, material)) is not None:
                found.append(item)
                used |= {pair.term, place}
                count += 1
    return found


def _order(pair: _Pair, touches: Mapping[tuple[str, str], float]) -> tuple[int, int, int, bytes, int]:
    touch = touches[pair.far.passage.book, pair.answer.passage.book]
    cost = sum(byte_length(quote.text) for quote in (pair.far, pair.before, pair.answer))
    step, rank = cheap_first(cost, pair.answer.passage.book, pair.answer.offset)
    return round(touch * TOUCH_STEPS), -pair.uses, step, rank, pair.far.offset


def _shelf_of(material: Material, earlier: Sequence[Material]) -> _Shelf:
    language = material.language
    passages = {_key(one): one for stage in (*earlier, material) for one in sound_passages(stage)}
    said = {key: frozenset(_terms_in(one.text, language)) for key, one in passages.items()}
    near = Counter(
        term for one in passages.values() for term in set(_terms_in(f"{one.above} {one.text} {one.below}", language))
    )
    spread: dict[str, list[HeldOut]] = {}
    for key, terms in said.items():
        for term in terms:
            spread.setdefault(term, []).append(passages[key])
    holders = {
        term: some
        for term, some in spread.items()
        if 2 <= len(some) <= MAX_HOLDERS and len({one.book for one in some}) > 1 and near[term] <= MAX_NEAR
    }
    of_books: dict[str, set[str]] = {}
    for term, some in holders.items():
        for one in some:
            of_books.setdefault(one.book, set()).add(term)
    runs = {
        key: [[(quote, holders.keys() & set(_terms_in(quote.text, language))) for quote in run] for run in runs_of(one)]
        for key, one in passages.items()
    }
    weights = {term: math.log1p(len(passages) / len(some)) for term, some in holders.items()}
    quotes: dict[tuple[str, bool], list[Quote]] = {}
    for quote, its in (told for some in runs.values() for run in some for told in run):
        for book in (quote.passage.book, ANY):
            quotes.setdefault((book, False), []).append(quote)
            quotes.setdefault((book, True), []).extend([quote] if its else [])
    return _Shelf(holders, weights, runs, of_books, {key: by_length(some) for key, some in quotes.items()})


def _key(passage: HeldOut) -> tuple[str, int]:
    return passage.book, passage.start


def _terms_in(text: str, language: str) -> Iterator[str]:
    small = TABLES[language].small_words if language in TABLES else frozenset()
    for word in words_of(text):
        plain = word.removesuffix("'s").removesuffix("’s")
        if len(plain) >= MIN_LETTERS and plain.isalpha() and plain not in small and not _ROMAN.fullmatch(plain):
            yield plain


def _touches(shelf: _Shelf, pairs: set[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """How much two books touch, 0 (no rare term in common) to 1 (all)."""

    def weight(some: set[str]) -> float:
        return math.fsum(shelf.weights[term] for term in some)

    terms = shelf.terms
    return {(a, b): weight(terms[a] & terms[b]) / math.sqrt(weight(terms[a]) * weight(terms[b])) for a, b in pairs}


def _pairs(material: Material, shelf: _Shelf) -> Iterator[_Pair]:
    """The shortest fitting sentences of each rare term and each pair of its passages of two books; a sentence that both
    books have is no bridge."""
    here = {_key(one) for one in sound_passages(material)}
    for term in sorted(shelf.holders):
        for near in (one for one in shelf.holders[term] if _key(one) in here):
            answers = _answers(shelf.runs[_key(near)], term)
            for far in (one for one in shelf.holders[term] if answers and one.book != near.book):
                quotes = [
                    quote
                    for run in shelf.runs[_key(far)]
                    for quote, terms in run
                    if term in terms and SENTENCE_CHARS[0] <= len(quote.text) <= SENTENCE_CHARS[1]
                ]
                quote = min(quotes, key=lambda one: (len(one.text), one.offset), default=None)
                if quote is not None and quote.text not in (answers[0][0].text, answers[0][1].text):
                    uses = max(list(_terms_in(one.text, material.language)).count(term) for one in (far, near))
                    yield _Pair(term, quote, *answers[0], min(uses, MAX_USES))


def _answers(runs: Sequence[Sequence[tuple[Quote, set[str]]]], term: str) -> list[tuple[Quote, Quote]]:
    """(the sentence before, which lacks the term, the sentence that holds it) in a passage, the shortest first."""
    found = [
        (before, answer)
        for run in runs
        for (before, its), (answer, terms) in pairwise(run)
        if SENTENCE_CHARS[0] <= len(answer.text) <= SENTENCE_CHARS[1]
        and BEFORE_CHARS[0] <= len(before.text) <= BEFORE_CHARS[1]
        and term in terms - its
    ]
    return sorted(found, key=lambda two: (len(two[0].text) + len(two[1].text), two[1].offset))


def _item(pair: _Pair, shelf: _Shelf, material: Material) -> Item | None:
    book, offset = pair.answer.passage.book, pair.answer.offset
    far, before, answer = pair.far, pair.before, pair.answer
    rng = random.Random(f"{seed_of(material.seed, material.stage, 'bridges')}|{pair.term}|{book}|{offset}")
    without = {_key(one) for one in shelf.holders[pair.term]}
    foil = _instead(answer, shelf, without, rng, rare=True)
    other_far, other_before = (_instead(quote, shelf, without, rng) for quote in (far, before))
    if foil is None or other_far is None or other_before is None:
        return None
    more = {
        "term": pair.term,
        "far": [far.passage.book, far.offset],
        "without_a": f"{other_far}\n\n{before.text}",
        "without_b": f"{far.text}\n\n{other_before}",
    }
    name = f"bridge-{far.passage.book}-{far.offset}-{book}-{offset}"
    context, kind = f"{far.text}\n\n{before.text}", "across" if _of_earlier(far, material) else "within"
    ends = answer.lead + answer.text, (answer.lead + foil,)
    return Item(name, PROBE, kind, material.stage, answer.passage.split, pair.term, context, *ends, book, more=more)


def _of_earlier(quote: Quote, material: Material) -> bool:
    return quote.passage.book not in {passage.book for passage in material.passages}


def _instead(
    true: Quote, shelf: _Shelf, without: set[tuple[str, int]], rng: random.Random, rare: bool = False
) -> str | None:
    """A sentence to stand in for another: of no passage in `without`, of the same book where it offers one near in
    length; with `rare`, one that holds a rare term."""
    pools = []
    for book in (true.passage.book, ANY):
        near = near_in_length(true.text, shelf.ordered[book, rare], NEAREST)
        pools.append([quote.text for quote in near if _key(quote.passage) not in without])
    found = matched(true.text, pools, 1, rng)
    return found[0] if found else None
