"""Roles trained at once against each trained alone by PEFT itself: same start, same rows, same steps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional

from ontogeny.models.stacked import build_stack

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny_models import role, some_ids, tiny

ROLES = {
    "student": role(4, 8, "attention", "all"),
    "teacher": role(2, 8, "all", "top-half"),
    "critic": role(8, 8, "mlp", "all"),
}
STEPS, RATE = 20, 5e-3


def loss_of(logits_BTV, ids_BT):
    return functional.cross_entropy(logits_BTV[:, :-1].flatten(0, 1), ids_BT[:, 1:].flatten())


def batches():
    """Each step: two rows a role."""
    return [some_ids(2 * len(ROLES), 24, seed=100 + step) for step in range(STEPS)]


def train_together(family):
    stack = build_stack(tiny(family), ROLES, 3).train()
    groups = [{"params": list(stack.role_parameters(name).values())} for name in ROLES]
    optimizer = torch.optim.AdamW(groups, lr=RATE, weight_decay=0.01)
    group_B = torch.tensor([2, 0, 1, 1, 2, 0])  # not sorted: rows are told apart by their group alone
    for ids_BT in batches():
        logits_BTV = stack(ids_BT, group_B).logits
        total = sum(loss_of(logits_BTV[group_B == k], ids_BT[group_B == k]) for k in range(len(ROLES)))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    return {name: {key: value.detach() for key, value in stack.role_parameters(name).items()} for name in ROLES}


def train_alone(family, name, start):
    spec = ROLES[name]
    modules = sorted({key.rpartition(".")[0] for key in start})
    model = get_peft_model(
        tiny(family),
        LoraConfig(r=spec.rank, lora_alpha=spec.alpha, target_modules=modules, fan_in_fan_out=family == "gpt2"),
    )
    weights = {
        f"{key.removeprefix('base_model.model.').rpartition('.lora_')[0]}.{'A' if 'lora_A' in key else 'B'}": value
        for key, value in model.named_parameters()
        if value.requires_grad
    }
    assert weights.keys() == start.keys()
    with torch.no_grad():
        for key, value in weights.items():
            value.copy_(start[key])
    optimizer = torch.optim.AdamW(weights.values(), lr=RATE, weight_decay=0.01)
    group_B = torch.tensor([2, 0, 1, 1, 2, 0])
    for ids_BT in batches():
        mine_BT = ids_BT[group_B == list(ROLES).index(name)]
        loss = loss_of(model(input_ids=mine_BT).logits, mine_BT)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {key: value.detach() for key, value in weights.items()}


def distance(a, b):
    """Relative L2 norm over all tensors together."""
    apart = sum(float((a[key] - b[key]).double().square().sum()) for key in a) ** 0.5
    return apart / sum(float(b[key].double().square().sum()) for key in b) ** 0.5


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2"])
def test_together_equals_alone(family):
    start = build_stack(tiny(family), ROLES, 3)
    starts = {
        name: {key: value.detach().clone() for key, value in start.role_parameters(name).items()} for name in ROLES
    }
    together = train_together(family)
    for name in ROLES:
        alone = train_alone(family, name, starts[name])
        assert distance(together[name], alone) < 1e-5, name
        assert distance(together[name], starts[name]) > 1e-2, name
