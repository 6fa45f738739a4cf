"""Every kind of role: stacked with others, trained two steps, exported, loaded by plain PEFT, the same logits."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch.nn import functional

from ontogeny.models.adapters import adapter_state, write_adapter
from ontogeny.models.stacked import build_stack

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny_models import FAMILIES, role, some_ids, tiny

TARGETS, LAYERS, RANKS = ("attention", "mlp", "all"), ("all", "top-half", [0, 2]), (2, 8)
SOME = (("attention", 8, "continue"), ("mlp", 2, "fresh"), ("all", 8, "fresh"))
CLOSE = 1e-5


def grown(family, specs, inherit, seed):
    """A stack after two steps, its rows one pack read once by every role."""
    stack = build_stack(tiny(family), specs, seed, inherit).train()
    optimizer = torch.optim.AdamW([p for p in stack.parameters() if p.requires_grad], lr=1e-2)
    group_B = torch.arange(len(specs))
    for step in range(2):
        ids_BT = some_ids(1, 12, seed=step).expand(len(specs), -1)
        logits_BTV = stack(ids_BT, group_B).logits
        functional.cross_entropy(logits_BTV[:, :-1].flatten(0, 1), ids_BT[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return stack


def state_of(stack, name):
    return {key: value.detach().clone() for key, value in stack.role_parameters(name).items()}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layers", LAYERS, ids=str)
def test_plain_peft_gives_the_same_logits(family, layers, tmp_path):
    """Roles of one choice of layers stand together, so that some stacks have lower layers; llama has every kind."""
    kinds = itertools.product(TARGETS, RANKS, ("continue", "fresh")) if family == "llama" else SOME
    specs = {f"{targets}_{rank}_{way}": role(rank, 2 * rank, targets, layers) for targets, rank, way in kinds}
    before = grown(family, specs, None, 3)
    going_on = {name: state_of(before, name) for name in specs if name.endswith("continue")}
    stack = grown(family, specs, going_on, 4).eval()
    ids_BT = some_ids(2, 16, seed=9)
    bare_BTV = tiny(family).eval()(ids_BT).logits
    for slot, (name, spec) in enumerate(specs.items()):
        state = state_of(stack, name)
        transposed = any(module.transposed for module in stack.wrapped().values())
        write_adapter(state, spec, "0" * 64, tmp_path / name, transposed)
        assert all(torch.equal(value, state[key]) for key, value in adapter_state(tmp_path / name).items())
        with torch.inference_mode():
            ours_BTV = stack(ids_BT, torch.full((2,), slot)).logits
            theirs_BTV = PeftModel.from_pretrained(tiny(family), tmp_path / name).eval()(input_ids=ids_BT).logits
        assert float((ours_BTV - theirs_BTV).abs().max()) <= CLOSE, name
        assert float((ours_BTV - bare_BTV).abs().max()) > 1e-4, name


def test_fresh_starts_anew_and_continue_where_it_was():
    specs = {"student": role(4, 8), "teacher": role(4, 8)}
    before = grown("llama", specs, None, 3)
    after = build_stack(tiny(), specs, 4, {"student": state_of(before, "student")})
    assert all(
        torch.equal(value, before.role_parameters("student")[key]) for key, value in state_of(after, "student").items()
    )
    assert not any(value.any() for key, value in after.role_parameters("teacher").items() if key.endswith(".B"))


def test_thirty_roles_of_all_kinds_at_once():
    kinds = itertools.islice(itertools.cycle(itertools.product(TARGETS, LAYERS, RANKS)), 30)
    specs = {f"role_{i}": role(rank, rank, targets, layers) for i, (targets, layers, rank) in enumerate(kinds)}
    stack = grown("llama", specs, None, 3)
    for name in specs:
        assert all(value.any() for value in state_of(stack, name).values()), name
