"""Nats told by a frozen head, chunk by chunk, against the logits of the plain model and torch's own gradients."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from ontogeny.models import head as head_module
from ontogeny.models.head import PLAIN_HEADS, FrozenHead
from ontogeny.models.stacked import build_stack
from ontogeny.train.losses import token_nats

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny_models import VOCAB, role, some_ids, stir, tiny

GROUPS = torch.tensor([0, 1, 1, 0])


def plain_and_told(family: str, layers: str, dtype: torch.dtype, chosen_BT: torch.Tensor):
    """(nats, gradients by parameter) of the same stack, by whole logits and by the head."""
    roles = {"student": role(4, 8, "all", layers), "critic": role(2, 4, "attention", layers)}
    ids_BT = some_ids().repeat_interleave(2, dim=0)[:4]  # two rows twice: the lower layers go through once
    weights_BT = torch.rand(ids_BT.shape, generator=torch.Generator().manual_seed(2)) * chosen_BT
    found = []
    for told in (False, True):
        stack = build_stack(tiny(family, dtype=dtype), roles, 3)
        stack.train()
        stir(stack)
        assert stack.tells_nats
        if told:
            nats_BT = stack(ids_BT, GROUPS, told_BT=chosen_BT, use_cache=False)
        else:
            nats_BT = token_nats(stack(ids_BT, GROUPS, use_cache=False).logits, ids_BT)
        (nats_BT * weights_BT).sum().backward()
        grads = {name: value.grad for name, value in stack.named_parameters() if value.requires_grad}
        assert all(value.grad is None for value in stack.parameters() if not value.requires_grad)
        found.append((nats_BT.detach(), grads))
    return found


@pytest.mark.parametrize("layers", ["all", "top-half"])
@pytest.mark.parametrize("family", PLAIN_HEADS)
def test_nats_and_gradients_are_those_of_the_logits(family, layers, monkeypatch):
    monkeypatch.setattr(head_module, "CHUNK_LOGITS", {"cpu": VOCAB * 7})  # chunks of unequal length, several a batch
    monkeypatch.setattr(head_module, "LEAST_TOKENS", 1)
    chosen_BT = torch.rand(4, 16, generator=torch.Generator().manual_seed(5)) < 0.4
    chosen_BT[2] = False  # a row that asks for nothing
    (plain_BT, plain), (told_BT, told) = plain_and_told(family, layers, torch.float32, chosen_BT)
    asked_BT = chosen_BT.clone()
    asked_BT[:, 0] = False
    assert told_BT.dtype == torch.float32
    assert torch.allclose(told_BT[asked_BT], plain_BT[asked_BT], atol=2e-6, rtol=0)
    assert float(told_BT[~asked_BT].abs().max()) == 0
    assert plain.keys() == told.keys()
    for name, grad in plain.items():
        assert torch.allclose(told[name], grad, atol=1e-6, rtol=1e-5), name


def test_nothing_asked_for_is_no_gradient_and_no_fault():
    (_, plain), (told_BT, told) = plain_and_told("llama", "all", torch.float32, torch.zeros(4, 16, dtype=torch.bool))
    assert float(told_BT.abs().max()) == 0
    assert all(float(grad.abs().max()) == 0 for grad in told.values()) and plain.keys() == told.keys()


def test_half_precision_is_scored_in_float32():
    chosen_BT = torch.ones(4, 16, dtype=torch.bool)
    (plain_BT, plain), (told_BT, told) = plain_and_told("llama", "all", torch.bfloat16, chosen_BT)
    assert told_BT.dtype == torch.float32
    assert torch.allclose(told_BT, plain_BT, atol=1e-5)
    (_, exact), _ = plain_and_told("llama", "all", torch.float32, chosen_BT)

    def off(found):
        return sum(float((found[name] - grad).norm() / grad.norm()) for name, grad in exact.items())

    assert off(told) <= 1.15 * off(plain)  # no further from the truth than the logits' own way is


def test_the_parameters_keep_their_names_and_stay_tied():
    model = tiny("qwen2")
    before = list(model.state_dict())
    build_stack(model, {"student": role(4, 8, "mlp", [0])}, 3)
    after = model.get_output_embeddings()
    assert isinstance(after, FrozenHead) and after.weight is model.get_input_embeddings().weight
    assert {name.replace(".base.", ".") for name in model.state_dict() if "_student" not in name} == set(before)


def test_other_families_go_by_their_logits():
    assert not build_stack(tiny("opt"), {"student": role()}, 3).tells_nats
