"""PEFT folders: plain PEFT loads them on plain transformers, and gives what the stack gives."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tiny_models import role, some_ids, stir, tiny
from transformers import AutoModelForCausalLM

from ontogeny.core.errors import ModelError
from ontogeny.core.hashes import file_sha256
from ontogeny.models.adapters import (
    adapter_scale,
    adapter_state,
    check_adapter,
    load_adapter,
    require_base,
    write_adapter,
)
from ontogeny.models.causal import load_model, write_model
from ontogeny.models.stacked import build_stack

ROLES = {"student": role(4, 8, "attention", "all"), "critic": role(3, 6, "all", "top-half")}


def exported(folder, family="llama", dtype=torch.float32):
    """A model and its roles on disk; the stack they came from."""
    model = tiny(family, dtype=dtype)
    write_model(model.state_dict(), model.config, None, folder / "model", dtype)
    stack = build_stack(model, ROLES, 3).eval()
    stir(stack)
    base = file_sha256(folder / "model" / "model.safetensors")
    transposed = any(module.transposed for module in stack.wrapped().values())
    for name, spec in ROLES.items():
        write_adapter(stack.role_parameters(name), spec, base, folder / name, transposed)
    return stack


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2", "gpt_neox", "opt"])
def test_plain_peft_gives_the_same_logits(family, dtype, tmp_path):
    stack, ids_BT = exported(tmp_path, family, dtype), some_ids()
    for group, name in enumerate(ROLES):
        plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype="auto")
        peft = PeftModel.from_pretrained(plain, tmp_path / name).eval()
        told_BTV = stack(ids_BT, torch.full((4,), group)).logits
        tolerance = 2e-6 if dtype == torch.float32 else 2e-2
        assert (peft(input_ids=ids_BT).logits - told_BTV).abs().max() <= tolerance
        assert check_adapter(tmp_path / "model", tmp_path / name) == []


def test_state_comes_back_to_the_bit(tmp_path):
    stack = exported(tmp_path)
    for name, spec in ROLES.items():
        state = adapter_state(tmp_path / name)
        assert all(torch.equal(state[key], value) for key, value in stack.role_parameters(name).items())
        assert adapter_scale(tmp_path / name) == spec.alpha / spec.rank
    again = build_stack(
        load_model(tmp_path / "model"), ROLES, 0, {n: adapter_state(tmp_path / n) for n in ROLES}
    ).eval()
    group_B = torch.tensor([0, 1, -1, 1])
    assert torch.equal(again(some_ids(), group_B).logits, stack(some_ids(), group_B).logits)


def test_the_folder_holds_no_path_and_no_other_file(tmp_path):
    exported(tmp_path)
    assert {file.name for file in (tmp_path / "critic").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    text = (tmp_path / "critic" / "adapter_config.json").read_text()
    assert str(tmp_path) not in text
    config = json.loads(text)
    assert config["base_model_name_or_path"] == "sha256:" + file_sha256(tmp_path / "model" / "model.safetensors")
    assert config["target_modules"] == sorted(config["target_modules"]) and len(config["target_modules"]) == 14
    assert {value.dtype for value in load_file(tmp_path / "critic" / "adapter_model.safetensors").values()} == {
        torch.float32
    }


def test_an_adapter_loaded_by_peft_speaks_as_its_group_of_the_stack(tmp_path):
    stack, ids_BT = exported(tmp_path), some_ids()
    for group, name in enumerate(["student", "critic"]):
        model = load_adapter(load_model(tmp_path / "model"), tmp_path / name, name)
        told_BTV = stack(ids_BT, torch.full((4,), group)).logits
        assert (model(input_ids=ids_BT).logits - told_BTV).abs().max() <= 2e-6
        assert not any(parameter.requires_grad for parameter in model.parameters())


def damaged(folder, change):
    tensors = load_file(folder / "adapter_model.safetensors")
    change(tensors)
    save_file(tensors, folder / "adapter_model.safetensors")


def first(tensors, side):
    return next(name for name in sorted(tensors) if f"lora_{side}" in name)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t[first(t, "A")].fill_(float("nan")), "not finite"),
        (lambda t: t[first(t, "B")].zero_(), "did not learn"),
        (lambda t: t.update({first(t, "B"): torch.ones(7, 4)}), "does not fit"),
        (lambda t: t.pop(first(t, "B")), "cannot be loaded"),
        (lambda t: t.update({"base_model.model.x.lora_A.weight": torch.ones(4, 3)}), "does not fit"),
        (lambda t: t.update({"strange": torch.ones(1)}), "not a LoRA's"),
    ],
)
def test_a_damaged_adapter_is_told(change, told, tmp_path):
    exported(tmp_path)
    damaged(tmp_path / "student", change)
    faults = check_adapter(tmp_path / "model", tmp_path / "student")
    assert any(told in fault.what for fault in faults), faults


def test_an_adapter_of_another_model_is_told(tmp_path):
    exported(tmp_path)
    other = tiny(seed=8)
    write_model(other.state_dict(), other.config, None, tmp_path / "other", torch.float32)
    assert "another model" in check_adapter(tmp_path / "other", tmp_path / "student")[0].what


def test_a_base_is_required(tmp_path):
    exported(tmp_path)
    require_base(tmp_path / "model", tmp_path / "student")
    other = tiny(seed=8)
    write_model(other.state_dict(), other.config, None, tmp_path / "other", torch.float32)
    with pytest.raises(ModelError, match=r"another model(.|\n)*sha256:(.|\n)*the stage that wrote it"):
        require_base(tmp_path / "other", tmp_path / "student")
    with pytest.raises(ModelError, match="none is in"):
        require_base(tmp_path / "nowhere", tmp_path / "student")
    config = tmp_path / "student" / "adapter_config.json"
    elsewhere = {**json.loads(config.read_text("utf-8")), "base_model_name_or_path": "someone/model"}
    config.write_text(json.dumps(elsewhere), encoding="utf-8")
    require_base(tmp_path / "other", tmp_path / "student")  # PEFT's own, which names no hash
    for text in ("{", "[]", "{}"):
        config.write_text(text, encoding="utf-8")
        with pytest.raises(ModelError, match="an adapter cannot be loaded"):
            require_base(tmp_path / "model", tmp_path / "student")
        assert check_adapter(tmp_path / "model", tmp_path / "student")


def test_an_empty_or_cut_folder_is_told(tmp_path):
    exported(tmp_path)
    (tmp_path / "student" / "adapter_model.safetensors").write_bytes(b"cut")
    assert check_adapter(tmp_path / "model", tmp_path / "student")
    shutil.rmtree(tmp_path / "critic")
    assert check_adapter(tmp_path / "model", tmp_path / "critic")
    with pytest.raises(ModelError):
        load_adapter(load_model(tmp_path / "model"), tmp_path / "critic")
