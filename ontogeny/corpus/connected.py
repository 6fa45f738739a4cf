"""What ties the sections of a library together: rare terms they share; and the voids, pairs that hardly touch.

A term is a word of MIN_LETTERS letters or more that a book uses MIN_USES times or more. It is rare where from MIN_BOOKS
books to RARE_FRAC of all books have it; it weighs ln(1 + books / books that have it), as in TF-IDF. Two sections touch
by the weight of the rare terms that both have.

Shapes: B book, T rare term, S section, P sampled passage."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.difficulty import words_of

MIN_LETTERS, MIN_USES, MIN_BOOKS, RARE_FRAC = 4, 2, 2, 0.25
VOID_RATIO = 0.5
MIN_SHUFFLES, MAX_SHUFFLES, SHUFFLED_EDGES = 20, 100, 10_000_000
ROUNDS = 4
LINK_TERMS = 2
LINK_PASSAGES = 40  # a term of more sampled passages than these links none
TOP_TERMS = 8
SHOWN_PAIRS = 200  # of the least and of the most touching
BLOCK_ROWS = 2048
_ROMAN = re.compile(r"[ivxlcdm]+")


@dataclass(frozen=True)
class BookTerms:
    """The terms of a book's sample, how often each stands there, and which of them each sampled passage holds."""

    terms: list[str]
    uses: np.ndarray
    passages: np.ndarray
    held: list[np.ndarray]


def book_terms(words: Mapping[str, int], passages: Sequence[tuple[int, int]], texts: Sequence[str]) -> BookTerms:
    """The terms of a book: `words` counts those of its sample, `texts` are of the sampled passages."""
    uses: Counter[str] = Counter()
    for word, count in words.items():
        if term := _term_of(word):
            uses[term] += count
    terms = sorted(term for term, count in uses.items() if count >= MIN_USES)
    number = {term: index for index, term in enumerate(terms)}
    held = [{number[term] for word in words_of(text) if (term := _term_of(word)) in number} for text in texts]
    return BookTerms(
        terms,
        np.array([uses[term] for term in terms], dtype=np.int64),
        np.array(passages, dtype=np.int64).reshape(-1, 2),
        [np.array(sorted(one), dtype=np.int64) for one in held],
    )


def _term_of(word: str) -> str | None:
    plain = word.removesuffix("'s").removesuffix("’s")
    return plain if len(plain) >= MIN_LETTERS and plain.isalpha() and not _ROMAN.fullmatch(plain) else None


class RareTerms:
    """The rare terms of some books: which books have them and how often, and what they weigh."""

    def __init__(self, books: Mapping[str, BookTerms]):
        self.row = {book_id: row for row, book_id in enumerate(books)}
        spread = Counter(term for book in books.values() for term in book.terms)
        self.max_books = max(MIN_BOOKS, math.ceil(RARE_FRAC * len(books)))
        self.terms = sorted(term for term, count in spread.items() if MIN_BOOKS <= count <= self.max_books)
        self.number = {term: index for index, term in enumerate(self.terms)}
        self.weight_T = np.array([math.log1p(len(books) / spread[term]) for term in self.terms])
        self.uses_BT = _sparse(
            [
                {
                    self.number[term]: n
                    for term, n in zip(book.terms, book.uses.tolist(), strict=True)
                    if term in self.number
                }
                for book in books.values()
            ],
            len(self.terms),
        )

    def of_passages(self, book: BookTerms) -> list[dict[int, int]]:
        """The rare terms of each sampled passage of a book."""
        number_of = [self.number.get(term, -1) for term in book.terms]
        return [{number_of[at]: 1 for at in held.tolist() if number_of[at] >= 0} for held in book.held]


def _sparse(rows: Sequence[Mapping[int, int]], width: int) -> Any:
    from scipy.sparse import csr_matrix

    ends = np.cumsum([0, *(len(row) for row in rows)])
    columns = np.fromiter((column for row in rows for column in row), dtype=np.int64, count=ends[-1])
    values = np.fromiter((value for row in rows for value in row.values()), dtype=np.float64, count=ends[-1])
    return csr_matrix((values, columns, ends), shape=(len(rows), width))


def measure_connections(books: Mapping[str, BookTerms], sections: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """How much each pair of sections (name -> book ids) touches, the least first.

    A pair: {a, b, touch, expected, ci95, ratio, void, terms, links, links_expected, link}. `expected` and `ci95` are of
    shuffled libraries (`shuffled_touch`), `ratio` is touch / expected; a void has a ratio under VOID_RATIO and lies
    below the interval. `terms`: the weightiest that both have. `links`: pairs of sampled passages, one of each, that
    share LINK_TERMS rare terms or more; `link`: the strongest."""
    rare = RareTerms(books)
    members = {name: sorted({rare.row[book] for book in ids if book in rare.row}) for name, ids in sections.items()}
    members = {name: rows for name, rows in members.items() if rows}
    told = {
        "bounds": {
            "min_letters": MIN_LETTERS,
            "min_uses": MIN_USES,
            "min_books": MIN_BOOKS,
            "max_books": rare.max_books,
        },
        "books": len(books),
        "rare_terms": len(rare.terms),
        "passages": sum(len(book.passages) for book in books.values()),
    }
    if len(members) < 2 or not rare.terms:
        return {**told, "shuffles": 0, "pairs_total": 0, "voids": 0, "pairs": []}
    names, in_SB = list(members), _sparse([dict.fromkeys(rows, 1) for rows in members.values()], len(books))
    touch_SS = _touch(in_SB, rare.uses_BT, rare.weight_T)
    null_NSS = shuffled_touch(in_SB, rare)
    pairs = []
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            scored = _scored(float(touch_SS[a, b]), null_NSS[:, a, b])
            pairs.append((scored, a, b))
    pairs.sort(key=lambda one: (math.inf if one[0]["ratio"] is None else one[0]["ratio"], one[1], one[2]))
    shown = pairs if len(pairs) <= 2 * SHOWN_PAIRS else pairs[:SHOWN_PAIRS] + pairs[-SHOWN_PAIRS:]
    links = PassageLinks(books, rare)
    uses_ST = in_SB @ rare.uses_BT
    return {
        **told,
        "shuffles": len(null_NSS),
        "pairs_total": len(pairs),
        "voids": sum(scored["void"] for scored, _, _ in pairs),
        "pairs": [
            {
                "a": names[a],
                "b": names[b],
                **scored,
                "terms": _top_terms(rare, uses_ST, a, b),
                **links.between(members[names[a]], members[names[b]]),
            }
            for scored, a, b in shown
        ],
    }


def _touch(in_SB: Any, uses_BT: Any, weight_T: np.ndarray) -> np.ndarray:
    has_ST = ((in_SB @ uses_BT) > 0).astype(np.float64)
    return (has_ST.multiply(weight_T) @ has_ST.T).toarray()


def shuffled_touch(in_SB: Any, rare: RareTerms) -> np.ndarray:
    """touch_SS of libraries in which terms are dealt to books anew; [shuffles, S, S].

    Every book keeps its number of rare terms and every term its number of books: pairs of (book, term) exchange their
    books where neither has the other's term yet, ROUNDS times each between one library and the next."""
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(seed_of(0, "audit", "voids"))
    edges = rare.uses_BT.tocoo()
    owners, terms = edges.row.astype(np.int64), edges.col.astype(np.int64)
    has_BT = np.zeros(rare.uses_BT.shape, dtype=bool)
    has_BT[owners, terms] = True
    found = []
    for number in range(int(np.clip(SHUFFLED_EDGES // max(1, len(terms)), MIN_SHUFFLES, MAX_SHUFFLES))):
        for _ in range(ROUNDS if number else 2 * ROUNDS):
            exchange_owners(owners, terms, has_BT, rng)
        dealt_BT = csr_matrix((np.ones(len(terms)), (owners, terms)), shape=has_BT.shape)
        found.append(_touch(in_SB, dealt_BT, rare.weight_T))
    return np.array(found)


def exchange_owners(owners: np.ndarray, terms: np.ndarray, has_BT: np.ndarray, rng: np.random.Generator) -> None:
    """One round, in place: pairs of edges exchange their owners where that gives no owner a term twice."""
    order, half = rng.permutation(len(owners)), len(owners) // 2
    first, second = order[:half], order[half : 2 * half]
    wanted = np.concatenate((owners[second], owners[first])), np.concatenate((terms[first], terms[second]))
    slots = (wanted[0] * has_BT.shape[1] + wanted[1]) % (4 * len(owners) + 1)
    taken = np.empty(4 * len(owners) + 1, dtype=np.int64)
    taken[slots] = np.arange(len(slots))  # of several that want one place, one gets it
    free = ~has_BT[wanted] & (taken[slots] == np.arange(len(slots)))
    first, second = (side[free[:half] & free[half:]] for side in (first, second))
    has_BT[owners[first], terms[first]] = has_BT[owners[second], terms[second]] = False
    owners[first], owners[second] = owners[second], owners[first]
    has_BT[owners[first], terms[first]] = has_BT[owners[second], terms[second]] = True


def _scored(touch: float, null_N: np.ndarray) -> dict[str, Any]:
    expected = float(null_N.mean())
    low, high = (float(edge) for edge in np.quantile(null_N, (0.025, 0.975)))
    ratio = touch / expected if expected > 0 and high > low else None  # a null that cannot vary says nothing
    return {
        "touch": round(touch, 2),
        "expected": round(expected, 2),
        "ci95": [round(low, 2), round(high, 2)],
        "ratio": None if ratio is None else round(ratio, 4),
        "void": ratio is not None and ratio < VOID_RATIO and touch < low,
    }


def _top_terms(rare: RareTerms, uses_ST: Any, a: int, b: int) -> list[str]:
    both_T = np.minimum(uses_ST[[a]].toarray(), uses_ST[[b]].toarray()).ravel()
    scores_T = np.log1p(both_T) * rare.weight_T
    best = sorted(np.flatnonzero(both_T).tolist(), key=lambda number: (-scores_T[number], number))
    return [rare.terms[number] for number in best[:TOP_TERMS]]


class PassageLinks:
    """Pairs of sampled passages of two books that share LINK_TERMS rare terms or more."""

    def __init__(self, books: Mapping[str, BookTerms], rare: RareTerms):
        self.ids = list(books)
        self.places = [(row, *place) for row, book in enumerate(books.values()) for place in book.passages.tolist()]
        self.size_B = np.array([len(book.passages) for book in books.values()], dtype=np.float64)
        self.terms = rare.terms
        self.counts: Counter[tuple[int, int]] = Counter()
        self.best: dict[tuple[int, int], tuple[float, int, int]] = {}
        held = _sparse([one for book in books.values() for one in rare.of_passages(book)], len(rare.terms))
        usual = np.asarray(held.sum(axis=0)).ravel() > LINK_PASSAGES
        self.held_PT = held.multiply(~usual).tocsr()
        self._find(rare.weight_T)

    def _find(self, weight_T: np.ndarray) -> None:
        owners = np.array([place[0] for place in self.places], dtype=np.int64)
        across = self.held_PT.T.tocsr()
        for first in range(0, len(owners), BLOCK_ROWS):
            block = self.held_PT[first : first + BLOCK_ROWS]
            shared = (block @ across).tocoo()
            keep = (shared.data >= LINK_TERMS) & (owners[shared.row + first] < owners[shared.col])
            if not keep.any():
                continue
            rows, columns = shared.row[keep] + first, shared.col[keep]
            weights = np.asarray((block.multiply(weight_T) @ across).tocsr()[shared.row[keep], columns]).ravel()
            for i, j, weight in zip(rows.tolist(), columns.tolist(), weights.tolist(), strict=True):
                pair = (int(owners[i]), int(owners[j]))
                self.counts[pair] += 1
                if weight > self.best.get(pair, (0.0, 0, 0))[0]:
                    self.best[pair] = (weight, i, j)

    def between(self, a: Sequence[int], b: Sequence[int]) -> dict[str, Any]:
        """{links, links_expected (were all links of the library spread evenly), link} of two sets of books."""
        pairs = {(min(one, other), max(one, other)) for one in a for other in b if one != other}
        room = sum(self.size_B[one] * self.size_B[other] for one, other in pairs)
        whole = (self.size_B.sum() ** 2 - (self.size_B**2).sum()) / 2
        expected = sum(self.counts.values()) * room / whole if whole else 0.0
        best = max((self.best[pair] for pair in pairs if pair in self.best), default=None)
        return {
            "links": sum(self.counts[pair] for pair in pairs if pair in self.counts),
            "links_expected": round(float(expected), 2),
            "link": None if best is None else self._told(*best[1:]),
        }

    def _told(self, i: int, j: int) -> dict[str, Any]:
        shared = self.held_PT[[i]].multiply(self.held_PT[[j]]).tocsr().indices.tolist()
        (a, *place_a), (b, *place_b) = self.places[i], self.places[j]
        return {
            "a": [self.ids[a], *place_a],
            "b": [self.ids[b], *place_b],
            "terms": sorted(self.terms[number] for number in shared)[:TOP_TERMS],
        }
