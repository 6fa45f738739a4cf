"""Models: built from a genome, the same whoever builds them, read and written without a bit changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import FAMILIES, SIZES, VOCAB, some_ids, spec_of, tiny
from transformers import AutoModelForCausalLM

from ontogeny.core.errors import ModelError
from ontogeny.models import bases
from ontogeny.models.causal import build_model, generator_of, load_model, model_facts, write_model
from ontogeny.models.configs import make_config


def equal_states(a, b) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_init_depends_on_seed_and_name_alone():
    first = tiny()
    threads = torch.get_num_threads()
    torch.manual_seed(999)
    torch.set_num_threads(1)
    try:
        again = tiny()
    finally:
        torch.set_num_threads(threads)
    assert equal_states(first, again)
    assert not equal_states(first, tiny(seed=8))
    name, weight = "model.layers.1.mlp.up_proj.weight", first.model.layers[1].mlp.up_proj.weight
    alone = torch.empty(weight.shape).normal_(0.0, first.config.initializer_range, generator=generator_of(7, name))
    assert torch.equal(weight, alone)


def test_building_moves_no_global_randomness():
    torch.manual_seed(5)
    tiny()
    here = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(here, torch.rand(3))


@pytest.mark.parametrize("family", FAMILIES)
def test_init_of_every_family(family):
    model = tiny(family)
    for name, parameter in model.named_parameters():
        if parameter.dim() >= 2:
            assert abs(float(parameter.detach().std()) / 0.02 - 1) < 0.25, name
        else:
            assert len(parameter.unique()) == 1 and float(parameter[0]) in (0.0, 1.0), name
    assert not any(value for name, value in model.config.to_dict().items() if "drop" in name and "cls" not in name)
    assert model.training and model.config.use_cache is False
    assert all(module.p == 0 for module in model.modules() if isinstance(module, torch.nn.Dropout))


def test_tied_weights_stay_tied():
    model = tiny("qwen2")
    assert model.lm_head.weight is model.model.embed_tokens.weight
    untied = tiny("llama")
    assert not torch.equal(untied.lm_head.weight, untied.model.embed_tokens.weight)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_round_trip_is_bit_equal(family, dtype, tmp_path):
    model = tiny(family, dtype=dtype)
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{}")
    write_model(model.state_dict(), model.config, tmp_path / "tokenizer", tmp_path / "out", dtype)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto").eval()
    assert plain.dtype == dtype
    assert equal_states(model, plain)
    ids_BT = some_ids()
    assert torch.equal(plain(ids_BT).logits, model.eval()(ids_BT).logits)
    assert plain.config.use_cache is True
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for name in "ab":
        model = tiny("qwen2")
        write_model(model.state_dict(), model.config, None, tmp_path / name, torch.float32)
    for file in ("model.safetensors", "config.json", "generation_config.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_state_without_the_tied_name_is_whole(tmp_path):
    model = tiny("qwen2")
    write_model(dict(model.named_parameters()), model.config, None, tmp_path / "m", torch.float32)
    assert equal_states(model, load_model(tmp_path / "m"))


def test_a_state_that_lacks_a_weight_is_refused(tmp_path):
    model = tiny()
    state = {name: value for name, value in model.state_dict().items() if "layers.1" not in name}
    with pytest.raises(ModelError, match="does not fit its config"):
        write_model(state, model.config, None, tmp_path / "m", torch.float32)
    with pytest.raises(ModelError, match="foreign"):
        write_model({**model.state_dict(), "x": torch.zeros(1)}, model.config, None, tmp_path / "m", torch.float32)


@pytest.mark.parametrize("family", FAMILIES)
def test_facts_equal_the_model(family):
    model = tiny(family)
    facts = model_facts(spec_of(family))
    assert facts["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert (facts["vocab_size"], facts["max_position_embeddings"]) == (VOCAB, 64)
    assert (facts["num_hidden_layers"], facts["hidden_size"]) == (3, 32)


def test_sizes_left_out_follow_the_width():
    fields = {"type": "llama", "hidden_size": 192, "num_hidden_layers": 1, "num_attention_heads": 4}
    assert make_config(spec_of(architecture=fields), VOCAB, 0).intermediate_size == 512


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2"])
def test_causal_null(family):
    """Logits before the first edited token differ by exactly 0; so do a batch of one and of several."""
    model = tiny(family).eval()
    ids_BT = some_ids(3, 20)
    edited_BT = ids_BT.clone()
    edited_BT[:, 11] = (edited_BT[:, 11] + 1) % VOCAB
    with torch.inference_mode():
        before_BTV, after_BTV = model(ids_BT).logits, model(edited_BT).logits
    assert torch.equal(before_BTV[:, :11], after_BTV[:, :11])
    assert not torch.equal(before_BTV[:, 11:], after_BTV[:, 11:])


@pytest.mark.parametrize(
    ("architecture", "told"),
    [
        ({"type": "lama", **SIZES}, "closest: 'llama'"),
        ({"type": "llama", **SIZES, "hiden_size": 3}, "closest: 'hidden_size'"),
        ({"type": "llama", **SIZES, "num_attention_heads": 5}, "does not hold together"),
        ({"type": "llama", **SIZES, "hidden_size": "wide"}, "does not hold together"),
        ({"type": "llama", **SIZES, "vocab_size": 9}, "tokenizer's to decide"),
        ({"type": "llama", **SIZES, "attention_dropout": 0.1}, "dropout is not used"),
        ({"type": "llama", **SIZES, "max_position_embeddings": 32}, "longer than the model's"),
        ({"type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}, "not causal"),
    ],
)
def test_an_architecture_at_fault_is_told(architecture, told):
    with pytest.raises(ModelError) as caught:
        build_model(spec_of(architecture=architecture), VOCAB, 0, 7)
    assert told in str(caught.value)
    assert all(fault.fix and fault.where for fault in caught.value.faults)


def test_all_faults_of_an_architecture_come_at_once():
    fields = {"type": "gpt2", "n_layers": 2, "n_embed": 8, "bos_token_id": 1}
    with pytest.raises(ModelError) as caught:
        make_config(spec_of(architecture=fields), VOCAB, 0)
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    "base", ["./nowhere", "package:no-such-dist/model", "package:torch/no/such/file", "package:torch/../../etc"]
)
def test_a_base_that_is_not_there(base):
    with pytest.raises(ModelError) as caught:
        model_facts(spec_of(base=base, architecture=None))
    assert caught.value.faults[0].fix


def test_a_hub_id_offline_says_how_to_bring_it(monkeypatch):
    monkeypatch.setattr(bases, "_hub_answers", lambda: False)
    with pytest.raises(ModelError, match="hf download no-one/no-model"):
        model_facts(spec_of(base="no-one/no-model", architecture=None))


def test_a_folder_without_a_model(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no-such-type"}))
    with pytest.raises(ModelError):
        build_model(spec_of(base=str(tmp_path), architecture=None), VOCAB, 0, 7)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(tmp_path)


def test_a_local_folder_is_a_base(tmp_path):
    model = tiny("llama", seed=3)
    write_model(model.state_dict(), model.config, None, tmp_path / "m", torch.float32)
    spec = spec_of(base=str(tmp_path / "m"), architecture=None)
    assert equal_states(model, build_model(spec, VOCAB, 0, seed=99))
    assert model_facts(spec)["parameters"] == model.num_parameters()
    with pytest.raises(ModelError, match="tokenizer does not match"):
        build_model(spec, VOCAB + 1, 0, 7)
    with pytest.raises(ModelError, match="longer than the model's"):
        build_model(spec_of(base=str(Path(tmp_path / "m")), architecture=None, context_tokens=65), VOCAB, 0, 7)


def test_a_model_that_lacks_a_weight_is_refused(tmp_path):
    model = tiny()
    write_model(model.state_dict(), model.config, None, tmp_path / "m", torch.float32)
    tensors = load_file(tmp_path / "m" / "model.safetensors")
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, tmp_path / "m" / "model.safetensors", metadata={"format": "pt"})
    for read in (
        lambda: load_model(tmp_path / "m"),
        lambda: build_model(spec_of(base=str(tmp_path / "m"), architecture=None), VOCAB, 0, 7),
    ):
        with pytest.raises(ModelError, match="lacks weights"):
            read()
