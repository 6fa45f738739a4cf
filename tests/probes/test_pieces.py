"""The pieces of the probes: ties, batches, rows, repetition."""

from __future__ import annotations

import math

import pytest
from made_corpus import write_corpus

from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.probes import bits_per_byte
from ontogeny.probes.bits_per_byte import make_passage_set, passage_results, read_lines
from ontogeny.probes.conflict_resolution import ItemSet, item_results, make_item_set
from ontogeny.probes.scoring import BATCH_TOKENS, Row, make_batches
from ontogeny.probes.unprompted import distinct


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("made") / "corpus")


def item_set(bytes_of):
    return ItemSet("primer", "test", tuple(Row((0,), ((1,), (2,))) for _ in bytes_of), tuple(bytes_of))


def test_a_tie_counts_one_half():
    rows = item_results(item_set([(4, 4), (4, 4), (4, 4)]), {0: [2.0, 2.0], 1: [1.0, 3.0], 2: [3.0, 1.0]}, 1)
    assert [row["value"] for row in rows] == [0.5, 0.5, 0.0]
    only = item_results(item_set([(4, 4)]), {0: [2.0, 2.0]}, 1)
    assert [row["value"] for row in only] == [0.5, 0.5, 0.0] and only[0]["n"] == 1


def test_sum_and_byte_forms_differ_where_lengths_do():
    summed, by_byte, margin = item_results(item_set([(10, 4)]), {0: [5.0, 4.0]}, 1)
    assert (summed["value"], by_byte["value"]) == (0.0, 1.0)
    assert margin["value"] == pytest.approx(4 / 4 - 5 / 10)


def test_batches_hold_every_row_once_and_stay_small():
    rows = [Row((0,), ((1,) * (1 + 7 * k % 90),)) for k in range(300)] + [
        Row((0,) * 9, ((1, 2), (3,))) for _ in range(50)
    ]
    batches = make_batches(rows)
    assert sorted(i for batch in batches for i in batch) == list(range(350))
    for batch in batches:
        assert len(batch) * max(len(rows[i]) for i in batch) <= BATCH_TOKENS
        assert len({len(rows[i].ends) for i in batch}) == 1
    assert make_batches(rows) == batches
    assert make_batches([Row((0,), ((1,) * 9000,))]) == [[0]]


def test_passages_are_scored_whole_from_bos(corpus):
    encoder = make_encoder(corpus / "tokenizer")
    found = make_passage_set(corpus, "primer", "test", encoder, 16)
    texts = {
        line["text"]
        for line in read_lines(corpus / "primer" / "heldout.jsonl")
        if line["split"] == "test" and not line["contaminated"]
    }
    told = set()
    for rows in found.rows_of:
        assert all(found.rows[i].stem == (0,) and len(found.rows[i]) <= 16 for i in rows)
        told.add(encoder.tokenizer.decode([token for i in rows for token in found.rows[i].ends[0]]))
    assert told == texts and sum(found.bytes_of) == sum(len(text.encode()) for text in texts)


def test_a_set_is_cut_at_its_token_limit(corpus, monkeypatch):
    encoder = make_encoder(corpus / "tokenizer")
    monkeypatch.setattr(bits_per_byte, "MAX_SET_TOKENS", 150)
    cut = make_passage_set(corpus, "primer", "test", encoder, 64)
    assert 0 < sum(len(row.ends[0]) for row in cut.rows) <= 150
    monkeypatch.setattr(bits_per_byte, "MAX_SET_TOKENS", 1)
    assert len(make_passage_set(corpus, "primer", "test", encoder, 64).rows_of) == 1


def test_bits_per_byte_by_hand(corpus):
    encoder = make_encoder(corpus / "tokenizer")
    found = make_passage_set(corpus, "primer", "gate", encoder, 64)
    row = passage_results(found, {i: [math.log(2) * (i + 1)] for i in range(len(found.rows))}, 400, 1)[0]
    assert row["value"] == pytest.approx(sum(range(1, len(found.rows) + 1)) / sum(found.bytes_of))
    assert row["n"] == len(found.rows_of) == 5


def test_a_long_context_loses_its_beginning_for_both(corpus):
    encoder = make_encoder(corpus / "tokenizer")
    wide = make_item_set(corpus, "primer", "test", encoder, 400)
    short = make_item_set(corpus, "primer", "test", encoder, 40)
    assert any(len(a.stem) > len(b.stem) for a, b in zip(wide.rows, short.rows, strict=True))
    for a, b in zip(wide.rows, short.rows, strict=True):
        assert a.ends == b.ends and b.stem[0] == 0 and a.stem[-len(b.stem) + 1 :] == b.stem[1:]
        assert all(len(b.stem) + len(end) <= 40 for end in b.ends)


def test_an_item_that_fills_a_row_is_left_out_and_counted(corpus):
    encoder = make_encoder(corpus / "tokenizer")
    whole = make_item_set(corpus, "primer", "test", encoder, 64)
    lengths = sorted(max(map(len, row.ends)) for row in whole.rows)
    fewer = make_item_set(corpus, "primer", "test", encoder, lengths[4] + 2)
    assert len(fewer.rows) == sum(length <= lengths[4] for length in lengths) < len(whole.rows)


@pytest.mark.parametrize(
    ("ids", "n", "expected"),
    [([1, 1, 1, 1], 1, 0.25), ([1, 2, 1, 2, 1], 2, 0.5), ([1, 2], 4, 1.0), ([1, 2, 3, 4, 1, 2, 3, 4], 4, 0.8)],
)
def test_distinct(ids, n, expected):
    assert distinct(ids, n) == expected
