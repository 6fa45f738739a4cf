"""Pretrained tokenizers: as they are, readable by both libraries."""

from __future__ import annotations

import json

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from ontogeny.core.errors import ModelError
from ontogeny.core.hashes import file_sha256
from ontogeny.corpus.vocabulary import make_encoder, train_tokenizer
from ontogeny.models.tokenizers import write_pretrained_tokenizer

TEXT = "It rained, and the river rose.\n\nThe bridge held: 1234 steps, né."


@pytest.fixture
def source(tmp_path):
    train_tokenizer([TEXT * 20], 280, tmp_path / "source")
    return tmp_path / "source"


def test_a_folder_is_copied_and_read_by_both(source, tmp_path):
    told = write_pretrained_tokenizer({"pretrained": str(source)}, tmp_path / "out")
    assert told == {"fingerprint": file_sha256(source / "tokenizer.json"), "vocab_size": 280, "bos_id": 0}
    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()
    ids = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json")).encode(TEXT, add_special_tokens=False).ids
    auto = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert auto(TEXT, add_special_tokens=False)["input_ids"] == ids and len(auto) == 280
    assert auto.decode(ids) == TEXT
    encoder = make_encoder(tmp_path / "out")
    assert (encoder.bos_id, encoder.vocab_size) == (0, 280) and encoder.encode([TEXT])[0].tolist() == ids
    config = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert config["bos_id"] == 0 and str(tmp_path) not in json.dumps(config)


def test_one_without_a_beginning_is_told(source, tmp_path):
    config = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (source / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="no token to begin"):
        write_pretrained_tokenizer({"pretrained": str(source)}, tmp_path / "out")


@pytest.mark.parametrize("name", ["./nowhere", "package:no-such-dist/x.gguf", "package:torch/no.gguf"])
def test_one_that_is_not_there_is_told(name, tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        write_pretrained_tokenizer({"pretrained": name}, tmp_path / "out")
