"""GroupClippedAdamW against torch's AdamW with clip_grad_norm_ called for each group."""

from __future__ import annotations

import copy

import pytest
import torch

from ontogeny.train.optimizer import BETAS, GroupClippedAdamW

CLIPS = {"trunk": 0.5, "student": 1e9, "teacher": 0.01}


def made() -> dict[str, list[torch.nn.Parameter]]:
    chance, sizes = torch.Generator().manual_seed(1), ((5, 3), (7,))
    return {name: [torch.nn.Parameter(torch.randn(size, generator=chance)) for size in sizes] for name in CLIPS}


def groups_of(parameters, keyed: bool) -> list[dict]:
    further = [{"name": name, "clip_norm": clip} if keyed else {} for name, clip in CLIPS.items()]
    return [
        {"params": parameters[name], "lr": 1e-2, "weight_decay": 0.1, **extra}
        for name, extra in zip(CLIPS, further, strict=True)
    ]


def awake(groups: list[dict]) -> GroupClippedAdamW:
    """The optimizer as an engine that stands has it."""
    optimizer = GroupClippedAdamW(groups)
    optimizer.awake = True
    return optimizer


def test_each_group_is_clipped_by_its_own_norm_and_stepped_as_adamw():
    ours, theirs = made(), made()
    mine = awake(groups_of(ours, keyed=True))
    plain = torch.optim.AdamW(groups_of(theirs, keyed=False), betas=BETAS, fused=False, foreach=False)
    chance = torch.Generator().manual_seed(2)
    for step in range(10):
        norms = {}
        for name in CLIPS:
            for one, other in zip(ours[name], theirs[name], strict=True):
                one.grad = torch.randn(one.shape, generator=chance) * (100 if step == 4 else 1)
                other.grad = one.grad.clone()
            norms[name] = float(torch.nn.utils.clip_grad_norm_(theirs[name], CLIPS[name]))
        mine.step()
        plain.step()
        assert mine.grad_norms == pytest.approx(norms, rel=1e-5)  # told before clipping
    for name in CLIPS:
        for one, other in zip(ours[name], theirs[name], strict=True):
            assert torch.allclose(one, other, rtol=1e-5, atol=1e-7)


def test_one_roles_spike_leaves_another_alone():
    calm, spiked = made(), made()
    for parameters, scale in ((calm, 1.0), (spiked, 1e6)):
        optimizer = awake(groups_of(parameters, keyed=True))
        for name in CLIPS:
            for one in parameters[name]:
                one.grad = torch.ones_like(one) * (scale if name == "teacher" else 1.0)
        optimizer.step()
    assert all(
        torch.equal(one, other)
        for name in ("trunk", "student")
        for one, other in zip(calm[name], spiked[name], strict=True)
    )


def test_groups_of_one_name_are_clipped_together():
    first, second = torch.nn.Parameter(torch.zeros(4)), torch.nn.Parameter(torch.zeros(4))
    optimizer = awake([{"params": [one], "name": "trunk", "clip_norm": 1.0, "lr": 1e-3} for one in (first, second)])
    first.grad, second.grad = torch.full((4,), 3.0), torch.full((4,), 4.0)
    optimizer.step()
    assert optimizer.grad_norms == pytest.approx({"trunk": 10.0})
    assert torch.allclose(first.grad, torch.full((4,), 0.3)) and torch.allclose(second.grad, torch.full((4,), 0.4))


def test_a_group_without_gradients_is_left_alone():
    parameters = made()
    before = copy.deepcopy(parameters)
    optimizer = awake(groups_of(parameters, keyed=True))
    for one in parameters["student"]:
        one.grad = torch.ones_like(one)
    optimizer.step()
    assert set(optimizer.grad_norms) == {"student"}
    assert all(torch.equal(one, other) for one, other in zip(parameters["trunk"], before["trunk"], strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(parameters["student"], before["student"], strict=True))


def test_the_step_that_an_engine_takes_while_it_is_built_counts_for_nothing():
    parameters = made()
    before = copy.deepcopy(parameters)
    optimizer = GroupClippedAdamW(groups_of(parameters, keyed=True))
    for name in CLIPS:
        for one in parameters[name]:
            one.grad = torch.zeros_like(one)
    optimizer.step()
    assert not optimizer.state
    assert all(
        torch.equal(one, other)
        for name in CLIPS  # no weight has decayed
        for one, other in zip(parameters[name], before[name], strict=True)
    )
