"""Adapters stacked on one trunk: rows belong to one role, and to no other."""

from __future__ import annotations

import pytest
import torch
from tiny_models import FAMILIES, role, some_ids, stir, tiny

from ontogeny.core.errors import ModelError
from ontogeny.models.stacked import build_stack, choose_modules, merge_adapter

ROLES = {
    "student": role(4, 8, "attention", "all"),
    "teacher": role(2, 8, "all", "top-half"),
    "critic": role(4, 4, "mlp", [0, 2]),
}


def stacked(family="llama", roles=None, seed=3, **further):
    stack = build_stack(tiny(family), roles or ROLES, seed, **further)
    stack.train()
    return stack


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fresh_stack_changes_nothing(family):
    ids_BT = some_ids()
    plain = tiny(family)(ids_BT).logits
    assert torch.equal(stacked(family)(ids_BT, torch.tensor([0, 1, 2, -1])).logits, plain)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_no_group_get_exactly_nothing(family):
    ids_BT, stack = some_ids(), stacked(family)
    plain_BTV = tiny(family)(ids_BT).logits
    stir(stack)
    told_BTV = stack(ids_BT, torch.tensor([0, -1, 2, -1])).logits
    assert torch.equal(told_BTV[[1, 3]], plain_BTV[[1, 3]])
    assert (told_BTV[[0, 2]] - plain_BTV[[0, 2]]).abs().amax(dim=(1, 2)).min() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_does_not_depend_on_its_neighbours(family):
    ids_BT, stack = some_ids(), stacked(family)
    stir(stack)
    mixed_BTV = stack(ids_BT, torch.tensor([0, 1, 2, 1])).logits
    for row, group in enumerate([0, 1, 2, 1]):
        alone_BTV = stack(ids_BT[row : row + 1], torch.tensor([group])).logits
        assert torch.allclose(alone_BTV[0], mixed_BTV[row], atol=2e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_no_gradient_crosses_over(family, checkpointing):
    stack = stacked(family)
    stir(stack)
    if checkpointing:
        stack.gradient_checkpointing_enable()
    stack(some_ids(), torch.tensor([1, -1, 1, 0])).logits.square().mean().backward()
    for name in ("student", "teacher"):
        for parameter in stack.role_parameters(name).values():
            assert float(parameter.grad.abs().max()) > 0
    for parameter in stack.role_parameters("critic").values():
        assert parameter.grad is not None and float(parameter.grad.abs().max()) == 0  # present, so that ranks agree
    trained = {id(p) for name in ROLES for p in stack.role_parameters(name).values()}
    assert all(parameter.grad is None for parameter in stack.parameters() if id(parameter) not in trained)


def test_checkpointing_changes_no_gradient():
    grads = []
    for checkpointing in (False, True):
        stack = stacked()
        stir(stack)
        if checkpointing:
            stack.gradient_checkpointing_enable({"use_reentrant": False})
        stack(some_ids(), torch.tensor([0, 1, 2, -1])).logits.square().mean().backward()
        grads.append([parameter.grad for name in ROLES for parameter in stack.role_parameters(name).values()])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_init_depends_on_seed_role_and_name_alone():
    first = stacked().role_parameters("teacher")
    other_order = {name: ROLES[name] for name in ("critic", "teacher")}
    again = stacked(roles=other_order).role_parameters("teacher")
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first[next(iter(first))], next(iter(stacked(seed=4).role_parameters("teacher").values())))
    for name, value in first.items():
        if name.endswith(".A"):
            assert float(value.abs().max()) <= value.shape[1] ** -0.5 and float(value.std()) > 0
        else:
            assert not value.any()


def test_adapters_stay_float32_on_a_bf16_trunk():
    stack = build_stack(tiny(dtype=torch.bfloat16), ROLES, 3)
    stir(stack)
    assert {parameter.dtype for parameter in stack.role_parameters("student").values()} == {torch.float32}
    output = stack(some_ids(), torch.tensor([0, 1, 2, -1])).logits
    assert output.dtype == torch.bfloat16
    output.float().square().mean().backward()
    assert stack.role_parameters("student")["model.layers.0.self_attn.q_proj.B"].grad.dtype == torch.float32


def test_inherit_continues_where_the_adapter_was():
    before = stacked()
    stir(before)
    state = {name: value.detach().clone() for name, value in before.role_parameters("student").items()}
    after = stacked(inherit={"student": state})
    assert all(torch.equal(value, state[name]) for name, value in after.role_parameters("student").items())
    assert not any(value.any() for name, value in after.role_parameters("critic").items() if name.endswith(".B"))
    with pytest.raises(ModelError, match="inherit: fresh"):
        stacked(roles={"student": role(8)}, inherit={"student": state})


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2", "gpt_neox"])
def test_merged_gives_the_same_logits(family):
    stack = stacked(family, {"trunk": role(4, 8, "all")})
    stir(stack)
    ids_BT = some_ids()
    told_BTV = stack(ids_BT, torch.zeros(4, dtype=torch.long)).logits
    transposed = any(module.transposed for module in stack.wrapped().values())
    merged = tiny(family)
    merged.load_state_dict(merge_adapter(stack.base_state(), stack.role_parameters("trunk"), 2.0, transposed))
    assert torch.allclose(merged(ids_BT).logits, told_BTV, atol=2e-6)


def test_base_state_has_the_plain_names():
    plain = tiny("gpt2").state_dict()
    base = stacked("gpt2").base_state()
    assert base.keys() == plain.keys() and all(torch.equal(base[name], plain[name]) for name in plain)


@pytest.mark.parametrize(
    ("family", "attention", "mlp"),
    [("llama", 4, 3), ("qwen2", 4, 3), ("gpt2", 2, 2), ("gpt_neox", 2, 2), ("opt", 4, 2)],
)
def test_targets_and_layers(family, attention, mlp):
    model = tiny(family)
    count = {targets: len(choose_modules(model, role(targets=targets))) for targets in ("attention", "mlp", "all")}
    assert count == {"attention": 3 * attention, "mlp": 3 * mlp, "all": 3 * (attention + mlp)}
    top = choose_modules(model, role(layers="top-half"))
    assert top == choose_modules(model, role(layers=[1, 2])) and len(top) == 2 * attention


@pytest.mark.parametrize("wrong", [role(targets="heads"), role(layers=[3]), role(layers=[]), role(layers="bottom")])
def test_a_choice_of_nothing_is_told(wrong):
    with pytest.raises(ModelError, match=r"roles\.critic"):
        build_stack(tiny(), {"critic": wrong}, 3)


def test_an_architecture_of_unknown_names_is_told():
    model = tiny()
    for layer in model.model.layers:
        layer.self_attn.q_of_mine = layer.self_attn.__dict__["_modules"].pop("q_proj")
        for name in ("k_proj", "v_proj", "o_proj"):
            layer.self_attn._modules[f"{name}_of_mine"] = layer.self_attn._modules.pop(name)
    with pytest.raises(ModelError, match="linear modules of a known name"):
        choose_modules(model, role())


def test_a_forward_without_groups_is_our_own_slip():
    with pytest.raises(AssertionError, match="set_groups"):
        stacked()(some_ids())
