"""Rows that are alike go through the lower layers once: logits and gradients against each row going all the way."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from ontogeny.models.stacked import build_stack

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny_models import FAMILIES, role, some_ids, stir, tiny

CLOSE = 1e-6
SETTINGS = {
    "top-half": {
        "student": role(4, 8, "attention", "top-half"),
        "teacher": role(4, 8, "attention", "top-half"),
        "critic": role(4, 8, "attention", "top-half"),
    },
    "lists": {
        "student": role(2, 8, "attention", [2]),
        "teacher": role(4, 8, "all", "top-half"),
        "critic": role(4, 4, "mlp", [1]),
    },
    "last": {name: role(4, 8, "mlp", [2]) for name in ("student", "teacher", "critic")},
    "all": {"student": role(4, 8, "all", "all"), "teacher": role(4, 8), "critic": role(2, 8, "mlp", [2])},
}
ROWS = {"one pack": [0, 0, 0], "partly": [0, 1, 0, 2, 1, 0], "none alike": [0, 1, 2]}
GROUPS = {"one pack": [0, 1, 2], "partly": [0, 0, 1, -1, 2, 2], "none alike": [2, 0, 1]}
TOKENS = 12


def stacked(family, layers):
    stack = build_stack(tiny(family), SETTINGS[layers], 3).train()
    stir(stack)
    return stack


def batch(rows):
    """(ids_BT, groups_B): rows taken from three packs."""
    return some_ids(3, TOKENS)[ROWS[rows]], torch.tensor(GROUPS[rows])


def seen(stack):
    """Collects the rows that reach each layer, and whether they carry a graph."""
    layers = next(module for module in stack.modules() if isinstance(module, torch.nn.ModuleList))
    told = []
    for layer in layers:  # after our own hooks, so the rows as the layer has them
        layer.register_forward_pre_hook(lambda _, args: told.append((len(args[0]), args[0].requires_grad)))
    return told


def outcome(stack, ids_BT, group_B, further, plain):
    """(logits, gradients of every adapter); `plain`: each row goes all the way."""
    if plain:
        stack.set_groups(group_B)
        logits_BTV = stack.model(input_ids=ids_BT, **further).logits
    else:
        logits_BTV = stack(ids_BT, group_B, **further).logits
    weights_B = torch.arange(1.0, len(ids_BT) + 1)  # rows that are alike must not get each other's gradient
    nats_BT = functional.cross_entropy(logits_BTV[:, :-1].transpose(1, 2), ids_BT[:, 1:], reduction="none")
    (nats_BT.mean(dim=1) * weights_B).sum().backward()
    grads = {f"{name}.{key}": p.grad for name in stack.roles for key, p in stack.role_parameters(name).items()}
    return logits_BTV.detach(), grads


def assert_same(stack, ids_BT, group_B, further=None, plain_further=None):
    plain_BTV, expected = outcome(stack, ids_BT, group_B, plain_further or further or {}, plain=True)
    stack.zero_grad(set_to_none=True)
    logits_BTV, grads = outcome(stack, ids_BT, group_B, further or {}, plain=False)
    assert float((logits_BTV - plain_BTV).abs().max()) <= CLOSE
    for name, grad in expected.items():
        size = max(1.0, float(grad.abs().max()))
        assert float((grads[name] - grad).abs().max()) <= CLOSE * size, name
    stack.zero_grad(set_to_none=True)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layers", SETTINGS)
@pytest.mark.parametrize("checkpointing", [None, {"use_reentrant": False}, {"use_reentrant": True}])
def test_once_equals_each(family, layers, checkpointing):
    stack = stacked(family, layers)
    if checkpointing:
        stack.gradient_checkpointing_enable(checkpointing)
    for rows in ROWS:
        assert_same(stack, *batch(rows))


@pytest.mark.parametrize("family", FAMILIES)
def test_masks_and_positions(family):
    """Of one row for all, or one a row; rows of the same ids that differ in them are not alike."""
    stack = stacked(family, "top-half")
    ids_BT, group_B = batch("partly")
    seen_BT = torch.ones_like(ids_BT)
    seen_BT[5, :3] = 0  # the last of three rows of the same ids
    places_1T = torch.arange(2, TOKENS + 2)[None]
    places_BT = places_1T + torch.tensor([0, 0, 1, 0, 0, 0])[:, None]
    one_1T = torch.ones(1, TOKENS, dtype=torch.long)
    assert_same(stack, ids_BT, group_B, {"attention_mask": seen_BT})
    assert_same(stack, ids_BT, group_B, {"position_ids": places_1T})
    assert_same(stack, ids_BT, group_B, {"position_ids": places_BT})
    assert_same(stack, ids_BT, group_B, {"attention_mask": seen_BT, "position_ids": places_BT})
    assert_same(stack, ids_BT, group_B, {"attention_mask": one_1T}, {"attention_mask": torch.ones_like(ids_BT)})
    one_pack_BT, groups_B = batch("one pack")
    assert_same(stack, one_pack_BT, groups_B, {"attention_mask": one_1T}, {"attention_mask": one_1T.expand(3, -1)})
    told = seen(stack)
    stack(ids_BT, group_B, attention_mask=seen_BT)
    assert [rows for rows, _ in told] == [4, 6, 6]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_lower_layers_see_unlike_rows_without_a_graph(family, checkpointing):
    stack = stacked(family, "lists")
    if checkpointing:
        stack.gradient_checkpointing_enable()
    told = seen(stack)
    for rows, unlike in {"one pack": 1, "partly": 3, "none alike": 3}.items():
        told.clear()
        ids_BT, group_B = batch(rows)
        stack(ids_BT, group_B).logits.mean().backward()
        assert [count for count, _ in told[:3]] == [unlike, len(ids_BT), len(ids_BT)]
        assert [graph for _, graph in told[:3]] == [False, False, True]


@pytest.mark.parametrize("family", FAMILIES)
def test_in_evaluation_too(family):
    stack = stacked(family, "top-half").eval()
    ids_BT, group_B = batch("one pack")
    told = seen(stack)
    with torch.inference_mode():
        once_BTV = stack(ids_BT, group_B, use_cache=False).logits
        assert [rows for rows, _ in told] == [1, 3, 3]
        each_BTV = torch.cat([stack(ids_BT[:1], group_B[row : row + 1]).logits for row in range(3)])
    assert float((once_BTV - each_BTV).abs().max()) <= CLOSE


@pytest.mark.parametrize("asked", [{"use_cache": True}, {"output_hidden_states": True}])
def test_what_needs_every_row_in_every_layer_gets_it(asked):
    stack = stacked("llama", "top-half").eval()
    ids_BT, group_B = batch("one pack")
    given = stack(ids_BT, group_B, **asked)
    kept = given.hidden_states if "output_hidden_states" in asked else [given.past_key_values.layers[0].keys]
    assert {len(one) for one in kept} == {3}


def test_labels_are_those_of_all_rows():
    stack = stacked("llama", "top-half")
    ids_BT, group_B = batch("partly")
    loss = stack(ids_BT, group_B, labels=ids_BT).loss
    stack.set_groups(group_B)
    assert abs(float(loss) - float(stack.model(input_ids=ids_BT, labels=ids_BT).loss)) <= CLOSE


def test_a_call_that_fails_leaves_nothing_behind():
    stack = stacked("llama", "top-half")
    ids_BT, group_B = batch("one pack")
    with pytest.raises(AssertionError):
        stack(ids_BT, group_B[:2])
    assert_same(stack, *batch("partly"))
