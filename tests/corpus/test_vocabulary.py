from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from making import make_prose
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from ontogeny.core.errors import CorpusError
from ontogeny.corpus.vocabulary import load_encoder, make_encoder, tokenizer_fingerprint, train_tokenizer

TEXTS = [make_prose(4, 40)]


def test_the_vocabulary_has_exactly_its_size_and_begins_with_the_end(tmp_path):
    train_tokenizer(TEXTS, 500, tmp_path)
    encoder = make_encoder(tmp_path)
    assert (encoder.vocab_size, encoder.bos_id) == (500, 0)
    assert encoder.tokenizer.id_to_token(0) == "<|endoftext|>"
    assert encoder.ids_dtype == np.dtype("<u2")


def test_any_text_comes_back_to_the_byte_and_specials_are_text(tmp_path):
    train_tokenizer(TEXTS, 400, tmp_path)
    encoder = make_encoder(tmp_path)
    texts = ["<|endoftext|> is text", "  Ёж 中文 🙂\n\n\ttabs\r\n", "", "e\u0301 ﬁ \x00"]
    ids = encoder.encode(texts)
    assert all(0 not in one.tolist() for one in ids)
    assert [load_encoder(tmp_path).decode(one.tolist(), skip_special_tokens=False) for one in ids] == texts


@pytest.mark.parametrize("added", [[], ["<a b>", "Ġé"]])
def test_joined_bytes_are_what_the_library_decodes(tmp_path, added):
    train_tokenizer(TEXTS, 400, tmp_path)
    encoder = make_encoder(tmp_path)
    encoder.tokenizer.add_tokens(added)
    rng = np.random.default_rng(5)
    whole = [rng.integers(0, 257, 30).tolist() for _ in range(200)]  # bytes at random: hardly any is UTF-8
    texts = ["Ёж 中文 🙂 <a b> Ġé \u00ad\u00a0\ufffd" * n for n in range(4)] + TEXTS
    coded = [encoding.ids for encoding in encoder.tokenizer.encode_batch(texts, add_special_tokens=False)]
    plain = encoder.tokenizer.decode_batch([*whole, *coded], skip_special_tokens=False)
    assert list(encoder._decoded([*whole, *coded])) == plain
    assert encoder._bytes_of and (added or plain[-len(texts) :] == texts)


def test_training_is_deterministic_over_processes(tmp_path):
    fingerprint = train_tokenizer(TEXTS, 450, tmp_path / "one")
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from making import make_prose;"
        "from ontogeny.corpus.vocabulary import train_tokenizer;"
        "print(train_tokenizer([make_prose(4, 40)], 450, Path(sys.argv[2])))"
    )
    for name in ("two", "three"):
        told = subprocess.run(
            [sys.executable, "-c", code, str(__file__).rpartition("/")[0], str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        assert told == fingerprint == tokenizer_fingerprint(tmp_path / name)


def test_too_large_a_vocabulary_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="too small for the vocabulary"):
        train_tokenizer(["a short text"], 4096, tmp_path)


def test_a_tokenizer_that_normalises_is_refused(tmp_path):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=["<s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": "<s>"}}))
    encoder = make_encoder(tmp_path)
    assert encoder.bos_id == 0
    with pytest.raises(CorpusError, match="does not give a text back"):
        encoder.encode(["Capital"], "books.x")


def test_no_tokenizer_is_told(tmp_path):
    with pytest.raises(CorpusError, match="cannot be loaded"):
        load_encoder(tmp_path)
    train_tokenizer(TEXTS, 300, tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(CorpusError, match="no token to begin with"):
        make_encoder(tmp_path)


def test_transformers_loads_the_folder(tmp_path):
    train_tokenizer(TEXTS, 400, tmp_path, context_tokens=128)
    transformers = pytest.importorskip("transformers")
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert loaded("The river.")["input_ids"] == make_encoder(tmp_path).encode(["The river."])[0].tolist()
    assert loaded.bos_token_id == loaded.eos_token_id == loaded.pad_token_id == 0
