from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_prose
from tokenizers import Tokenizer, normalizers, pre_tokenizers

from ontogeny.corpus import byte_level
from ontogeny.corpus.byte_level import LAST_CODE
from ontogeny.corpus.vocabulary import Encoder, make_encoder, train_tokenizer

ODD = (
    "don't  we'LL\u2019s \t\n\n 12½ x²\u00a0\u2003\n§ ¶ Ⅳ\x1c\x85e\u0301 Ёж 中文 🙂 \u180e\u200b\ufeff"
    "<|endoftext|> \x00"
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Encoder:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer([make_prose(4, 40), ODD * 9], 600, folder)
    return make_encoder(folder)


def plainly(encoder: Encoder, texts: list[str]) -> list[list[int]]:
    """What the library makes of each text as a whole."""
    return [encoder.tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


def assert_as_plainly(encoder: Encoder, texts: list[str]) -> None:
    coded = encoder.encode(texts)
    assert all(ids.dtype == np.int32 for ids in coded)
    assert [ids.tolist() for ids in coded] == plainly(encoder, texts)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=("Cs",)))), max_size=4))
def test_ids_by_words_are_those_of_the_whole_text(encoder, texts):
    assert_as_plainly(encoder, texts)


def test_every_character_is_parted_as_the_library_parts_it(encoder):
    codes = [chr(code) for code in range(LAST_CODE + 1)]
    texts = [f"a{c}1{c} {c}!{c}\n{c}{c}  {c}" for c in codes]
    by_words = encoder._by_words.encode(texts)
    assert sum(ids is not None for ids in by_words) > 7000
    expected = plainly(encoder, texts)
    assert [
        c for c, ids, whole in zip(codes, by_words, expected, strict=True) if ids is not None and ids.tolist() != whole
    ] == []


def test_words_are_forgotten_when_they_are_many(encoder, monkeypatch):
    monkeypatch.setattr(byte_level, "MAX_KNOWN_WORDS", 10)
    texts = make_prose(3, 20).split("\n\n")
    for text in texts:
        assert_as_plainly(encoder, [text, "", text])
    assert len(encoder._by_words._number) < 400


def test_other_tokenizers_are_left_to_the_library(encoder):
    for change in (
        lambda one: setattr(one, "normalizer", normalizers.NFC()),
        lambda one: setattr(one, "pre_tokenizer", pre_tokenizers.ByteLevel(add_prefix_space=True)),
        lambda one: setattr(one, "pre_tokenizer", pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)),
        lambda one: setattr(
            one,
            "pre_tokenizer",
            pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
        ),
    ):
        other = Tokenizer.from_str(encoder.tokenizer.to_str())
        change(other)
        assert Encoder(other, 0, encoder.vocab_size)._by_words is None


def test_what_was_added_to_a_vocabulary_is_left_to_the_library(encoder):
    other = Tokenizer.from_str(encoder.tokenizer.to_str())
    other.add_tokens(["river st"])
    extended = Encoder(other, 0, other.get_vocab_size())
    texts = ["the river stood", "the rivers"]
    assert [ids is None for ids in extended._by_words.encode(texts)] == [True, False]
    assert_as_plainly(extended, texts)


def test_a_word_that_does_not_come_back_is_left_to_the_library(encoder):
    coder = byte_level.WordCoder(encoder.tokenizer, [b"?"] * encoder.vocab_size)
    assert coder.encode(["the river"]) == [None]
