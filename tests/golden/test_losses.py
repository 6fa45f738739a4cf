"""The sprout's first losses, step by step: a change of numerics shows here, and so does an engine that steps awry."""

from __future__ import annotations

import pytest

from tests.golden.first_steps import first_steps
from tests.launch.lives import prepare

STEPS, CLOSE = 12, 1e-4
FEW, HALF_CLOSE, HALF_NORM_CLOSE = 4, 2e-3, 3e-2


def test_the_first_losses_are_those_written_down(sprout, golden):
    now = first_steps(sprout, STEPS)
    written = golden("sprout_losses", now)
    assert len(now) == len(written) == STEPS
    for step, (ours, theirs) in enumerate(zip(now, written, strict=True)):
        assert ours == pytest.approx(theirs, rel=CLOSE), f"step {step}"
    assert now[-1]["loss_nats"] < now[0]["loss_nats"] - 0.8


@pytest.mark.parametrize("ranks, zero", [(1, 0), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)])
def test_bf16_follows_float32_at_every_zero_stage(sprout, golden, tmp_path, ranks, zero):
    """Each ZeRO stage has another optimizer behind it in bf16: none may count, clip or scale a step in its own way."""
    machine = (f"machine.ranks={ranks}", f"machine.zero_stage={zero}")
    now = first_steps(prepare(tmp_path / "half", "model.precision=bf16", *machine), FEW, ranks)
    for step, (ours, theirs) in enumerate(zip(now, golden("sprout_losses", None)[:FEW], strict=True)):
        assert ours["loss_nats"] == pytest.approx(theirs["loss_nats"], rel=HALF_CLOSE), f"step {step}"
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=HALF_NORM_CLOSE), f"step {step}"
