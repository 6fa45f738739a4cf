"""Rare terms, voids against shuffled libraries, links between passages."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from ontogeny.corpus.connected import MIN_USES, RareTerms, book_terms, exchange_owners, measure_connections
from ontogeny.corpus.difficulty import words_of

COMMON = [f"common{letter}" for letter in "abcdefghij"]


def named(start: str, count: int) -> list[str]:
    """Terms of letters alone."""
    return [start + "".join(chr(97 + int(digit)) for digit in f"{number:03d}") for number in range(count)]


def book(words: list[str], seed: int, passages: int = 12):
    """A book that uses each of some words three times, in passages."""
    rng = random.Random(seed)
    spoken = [word for word in words for _ in range(3)]
    rng.shuffle(spoken)
    step = max(1, len(spoken) // passages)
    texts = [" ".join(spoken[at : at + step]) for at in range(0, len(spoken), step)]
    places = [(number * 1000, number * 1000 + 900) for number in range(len(texts))]
    return book_terms(Counter(words_of(" ".join(spoken))), places, texts)


@pytest.fixture
def library():
    """Twelve books: four of plants, four of ships; two of music with half the plants' words; two that share nothing."""
    rng = random.Random(2)
    plants, ships = named("plant", 60), named("ship", 60)
    books = {}
    for number in range(4):
        books[f"plants-{number}"] = book(rng.sample(plants, 20) + COMMON, number)
        books[f"ships-{number}"] = book(rng.sample(ships, 20) + COMMON, 10 + number)
    for number in range(2):
        books[f"music-{number}"] = book(rng.sample(plants, 12) + named("tune", 12) + COMMON, 20 + number)
        books[f"alone-{number}"] = book(named("lone", 24) + COMMON, 30 + number)
    return books


def sections_of(books) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for name in books:
        sections.setdefault(name.partition("-")[0], []).append(name)
    return sections


def test_voids_come_first_and_say_why(library):
    told = measure_connections(library, sections_of(library))
    pairs = {frozenset((pair["a"], pair["b"])): pair for pair in told["pairs"]}
    assert told["pairs_total"] == len(pairs) == 6 and told["books"] == 12 and told["bounds"]["max_books"] == 3
    close = pairs[frozenset(("plants", "music"))]
    assert close["ratio"] > 0.7 and not close["void"] and close["touch"] > close["ci95"][0]
    assert close["terms"] and all(term.startswith("plant") for term in close["terms"])
    for far in (("ships", "alone"), ("plants", "alone"), ("plants", "ships")):
        pair = pairs[frozenset(far)]
        assert pair["void"] and pair["touch"] == 0 and pair["terms"] == [] and pair["ratio"] == 0
        assert pair["links"] == 0 and pair["link"] is None
    assert told["voids"] == 5 and told["pairs"][-1] == close
    assert [pair["ratio"] for pair in told["pairs"]] == sorted(pair["ratio"] for pair in told["pairs"])


def test_a_word_of_every_book_is_not_rare(library):
    rare = RareTerms(library)
    assert not set(rare.terms) & set(COMMON) and rare.max_books == 3
    spread = Counter(term for one in library.values() for term in one.terms)
    assert {spread[term] for term in rare.terms} <= {2, 3}


def test_terms_leave_out_the_short_the_once_used_and_the_numbered():
    told = book_terms({"cat": 9, "whale's": 1, "whale": 1, "xiii": 5, "harpoon": 1, "sea-ice": 4, "mast": 2}, [], [])
    assert told.terms == ["mast", "whale"] and told.uses.tolist() == [2, MIN_USES]


def test_the_null_keeps_both_counts():
    rng = np.random.default_rng(3)
    rows = [dict.fromkeys(rng.choice(400, size, replace=False).tolist(), 1) for size in (30, 80, 120, 60, 200, 90)]
    owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    terms = np.array([term for row in rows for term in row])
    before, had_BT = owners.copy(), np.zeros((len(rows), 400), dtype=bool)
    had_BT[owners, terms] = True
    has_BT = had_BT.copy()
    for _ in range(8):
        exchange_owners(owners, terms, has_BT, rng)
    assert has_BT[owners, terms].all() and has_BT.sum() == len(owners)  # nobody has a term twice
    assert (has_BT.sum(0) == had_BT.sum(0)).all() and (has_BT.sum(1) == had_BT.sum(1)).all()
    assert (owners != before).mean() > 0.4


def test_books_dealt_at_random_are_no_voids():
    """Under the null itself the ratio is near 1, and hardly any pair lies outside its interval."""
    rng = random.Random(8)
    words = named("word", 900)
    books = {f"{section}-{number}": book(rng.sample(words, 150), number) for section in "abcdef" for number in range(4)}
    told = measure_connections(books, sections_of(books))
    assert told["voids"] == 0 and told["pairs_total"] == 15
    assert all(0.8 < pair["ratio"] < 1.2 for pair in told["pairs"])
    assert sum(not pair["ci95"][0] <= pair["touch"] <= pair["ci95"][1] for pair in told["pairs"]) <= 4


def test_passages_that_share_rare_terms_are_linked():
    filler = [book(named(letter * 4, 20), number) for number, letter in enumerate("qrstuv")]
    one = book_terms(Counter({"krill": 4, "baleen": 4}), [(0, 50), (50, 90)], ["Krill and baleen.", "Nothing here."])
    two = book_terms(Counter({"krill": 3, "baleen": 2}), [(7, 60)], ["Of baleen, full of krill."])
    books = {"one": one, "two": two, **{f"filler-{number}": told for number, told in enumerate(filler)}}
    told = measure_connections(books, {"a": ["one"], "b": ["two"], "c": ["filler-0"]})
    pair = next(pair for pair in told["pairs"] if {pair["a"], pair["b"]} == {"a", "b"})
    assert pair["links"] == 1
    assert pair["link"] == {"a": ["one", 0, 50], "b": ["two", 7, 60], "terms": ["baleen", "krill"]}
    assert pair["links_expected"] < 0.1


def test_too_little_to_compare():
    empty = book_terms({}, [], [])
    for books, sections in (({}, {}), ({"a": empty}, {"one": ["a"]}), ({"a": empty, "b": empty}, {"x": "a", "y": "b"})):
        told = measure_connections(books, sections)
        assert told["pairs"] == [] and told["voids"] == 0
    two = {name: book(named("word", 30), 1) for name in "ab"}
    (pair,) = measure_connections(two, {"x": ["a"], "y": ["b"]})["pairs"]
    assert pair["ratio"] is None and not pair["void"] and pair["terms"]  # two books can be shuffled in one way alone
