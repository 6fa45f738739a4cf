"""How many bytes a token stands for, in vocabularies of bytes and of words: a text's tokens add up to its bytes."""

from __future__ import annotations

import json

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from ontogeny.corpus.tokens import token_bytes

TEXT = "Ёж и Äpfel: naïve café, 12 €.\nThe end — of a line.\tA tab, 日本.\n"


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([TEXT * 9], trainer)
    return tokenizer


def of_words() -> Tokenizer:
    """As SentencePiece spells: blanks as U+2581, what is not in the vocabulary as lone bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    lone = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>", *lone], show_progress=False, limit_alphabet=20
    )
    tokenizer.train_from_iterator([TEXT * 9], trainer)
    bare = models.BPE(**vocabulary_of(tokenizer), byte_fallback=True, unk_token="<unk>")
    plain = Tokenizer(bare)
    plain.normalizer = tokenizer.normalizer
    return plain


def vocabulary_of(tokenizer: Tokenizer) -> dict:
    model = json.loads(tokenizer.to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(pair) for pair in model["merges"]]}


@pytest.mark.parametrize("make", [byte_level, of_words])
def test_the_tokens_of_a_text_add_up_to_its_bytes(make, tmp_path):
    tokenizer = make()
    tokenizer.add_special_tokens([AddedToken("<s>", special=True)])
    tokenizer.add_tokens([AddedToken("«слово»", special=False)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    lengths_V = token_bytes(tmp_path)
    ids = tokenizer.encode(f"<s>{TEXT}«слово»").ids
    assert tokenizer.token_to_id("<s>") in ids and tokenizer.token_to_id("«слово»") in ids
    assert lengths_V[ids].sum() == len(f"{TEXT}«слово»".encode())
