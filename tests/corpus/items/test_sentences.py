"""Sentences of passages, and foils that length does not give away."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontogeny.corpus.heldout import HeldOut
from ontogeny.corpus.items.sentences import (
    NEAR_BYTES,
    NEAR_FRAC,
    by_length,
    byte_length,
    cheap_first,
    matched,
    near_in_length,
    runs_of,
)

from .held_out import hold_out, make_text

TEXT = make_text(11)


def passage_of(text: str) -> HeldOut:
    return HeldOut("book", 100, 100 + len(text), "test", text)


def test_runs_stand_in_the_book_to_the_character():
    count = 0
    for passage in hold_out("book", TEXT):
        for run in runs_of(passage):
            whole = "".join(quote.lead + quote.text for quote in run)
            assert TEXT[run[0].offset : run[0].offset + len(whole)] == whole
            assert run[0].lead == "" and all(quote.lead == " " for quote in run[1:])
            count += len(run)
    assert count > 50


def test_a_run_breaks_where_the_text_does():
    runs = runs_of(
        passage_of("One comes. Two come.  Three come. No end here\n\nA verse ends.\nSo does this. A heading\n\n")
    )
    assert [[quote.text for quote in run] for run in runs] == [
        ["One comes.", "Two come."],
        ["Three come."],
        ["A verse ends.", "So does this."],
    ]
    assert (
        runs[2][1].lead == "\n"
        and runs[2][1].offset == 100 + len("One comes. Two come.  Three come. No end here\n\n") + 14
    )


@given(
    st.lists(st.text("abcé", min_size=1, max_size=60), max_size=30), st.text("abé", min_size=1, max_size=40), st.data()
)
def test_matched_texts_are_near_distinct_and_not_the_true_one(pool, true, data):
    count = data.draw(st.integers(1, 3))
    found = matched(true, (pool,), count, random.Random(data.draw(st.integers(0, 5))))
    reach = max(NEAR_BYTES, NEAR_FRAC * len(true.encode()))
    fitting = {text for text in pool if text != true and abs(len(text.encode()) - len(true.encode())) <= reach}
    assert (found is None) == (len(fitting) < count)
    if found is not None:
        assert len(set(found)) == len(found) == count and set(found) <= fitting


@pytest.mark.parametrize("count", [1, 3])
def test_no_rank_of_length_tells_the_true_one(count):
    pool = ["x" * size for size in range(80, 121) if size != 100]
    ranks = Counter(
        sum(len(foil) < 100 for foil in matched("y" * 100, (pool,), count, random.Random(seed)) or ())
        for seed in range(2000)
    )
    assert set(ranks) == set(range(count + 1))
    expected = 2000 / (count + 1)
    assert all(abs(found - expected) < 5 * expected**0.5 for found in ranks.values())


def test_a_pool_with_both_sides_comes_first():
    one_sided, both = ["a" * 41, "b" * 42], ["c" * 38, "d" * 43]
    drawn = {matched("t" * 40, (one_sided, both), 1, random.Random(seed)) for seed in range(30)}
    assert drawn == {("c" * 38,), ("d" * 43,)}
    assert {matched("t" * 40, (one_sided,), 1, random.Random(s)) for s in range(30)} == {("a" * 41,), ("b" * 42,)}
    assert matched("t" * 40, (["a" * 90],), 1, random.Random(1)) is None


def test_a_slice_of_sorted_quotes_loses_none_that_could_match():
    quotes = [quote for passage in hold_out("book", TEXT) for run in runs_of(passage) for quote in run]
    ordered = by_length(quotes)
    for true in quotes[::7]:
        size = byte_length(true.text)
        near = [q for q in quotes if abs(byte_length(q.text) - size) <= max(NEAR_BYTES, NEAR_FRAC * size)]
        assert set(near_in_length(true.text, ordered)) == set(near)
        few = near_in_length(true.text, ordered, 2)
        shorter, longer = (sorted(s * (byte_length(q.text) - size) for q in near) for s in (-1, 1))
        sides = [[s * (byte_length(q.text) - size) for q in few] for s in (-1, 1)]
        for found, all_of_it in zip(sides, (shorter, longer), strict=True):
            assert sorted(off for off in found if off > 0) == [off for off in all_of_it if off > 0][:2]


def test_labelled_sentences_take_nobodys_place():
    quotes = [quote for run in runs_of(passage_of("Anna: He comes. And he goes away again.\n\n")) for quote in run]
    assert [quote.text for quote in by_length(quotes)] == ["And he goes away again."]


def test_the_cheap_are_asked_first_and_in_an_order_by_hash():
    assert cheap_first(39, "b", 1)[0] == cheap_first(0, "a", 1)[0] < cheap_first(40, "a", 1)[0]
    assert cheap_first(1, "a", 1) != cheap_first(1, "a", 2)
