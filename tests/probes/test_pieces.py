"""The pieces of the probes: batches, passages, repetition."""

from __future__ import annotations

import math

import pytest
from made_corpus import write_corpus

from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.probes import bits_per_byte
from ontogeny.probes.bits_per_byte import make_passage_set
from ontogeny.probes.scoring import BATCH_TOKENS, Row, make_batches
from ontogeny.probes.sets import Asked, read_lines
from ontogeny.probes.unprompted import distinct


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("made") / "corpus")


def asked_of(corpus, context_tokens):
    encoder = make_encoder(corpus / "tokenizer")
    return Asked(corpus, ("primer", "lexicon"), "primer", ("test",), None, encoder, context_tokens, 7)


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
    asked = asked_of(corpus, 16)
    found = make_passage_set(asked, "primer", "test")
    texts = {
        line["text"]
        for line in read_lines(corpus / "primer" / "heldout.jsonl")
        if line["split"] == "test" and not line["contaminated"]
    }
    told = set()
    for rows in found.rows_of:
        assert all(found.rows[i].stem == (0,) and len(found.rows[i]) <= 16 for i in rows)
        told.add(asked.encoder.tokenizer.decode([token for i in rows for token in found.rows[i].ends[0]]))
    assert told == texts and sum(found.bytes_of) == sum(len(text.encode()) for text in texts)


def test_a_set_is_cut_at_its_token_limit(corpus, monkeypatch):
    monkeypatch.setattr(bits_per_byte, "MAX_SET_TOKENS", 150)
    cut = make_passage_set(asked_of(corpus, 64), "primer", "test")
    assert 0 < sum(len(row.ends[0]) for row in cut.rows) <= 150
    monkeypatch.setattr(bits_per_byte, "MAX_SET_TOKENS", 1)
    assert len(make_passage_set(asked_of(corpus, 64), "primer", "test").rows_of) == 1


def test_bits_per_byte_by_hand(corpus):
    found = make_passage_set(asked_of(corpus, 64), "primer", "gate")
    row = found.results({i: [math.log(2) * (i + 1)] for i in range(len(found.rows))}, 1)[0]
    assert row["value"] == pytest.approx(sum(range(1, len(found.rows) + 1)) / sum(found.bytes_of))
    assert row["n"] == len(found.rows_of) == 5


@pytest.mark.parametrize(
    ("ids", "n", "expected"),
    [([1, 1, 1, 1], 1, 0.25), ([1, 2, 1, 2, 1], 2, 0.5), ([1, 2], 4, 1.0), ([1, 2, 3, 4, 1, 2, 3, 4], 4, 0.8)],
)
def test_distinct(ids, n, expected):
    assert distinct(ids, n) == expected
