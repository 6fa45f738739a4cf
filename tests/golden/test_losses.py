"""The sprout's first losses, step by step: a change of numerics shows here."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.launch.lives import PATIENCE_S, ROOT

STEPS, CLOSE = 12, 1e-4


def test_the_first_losses_are_those_written_down(sprout, golden):
    done = subprocess.run(
        [sys.executable, "-m", "tests.golden.first_steps", str(sprout), str(STEPS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    now = json.loads(done.stdout.splitlines()[-1])
    written = golden("sprout_losses", now)
    assert len(now) == len(written) == STEPS
    for step, (ours, theirs) in enumerate(zip(now, written, strict=True)):
        assert ours == pytest.approx(theirs, rel=CLOSE), f"step {step}"
    assert now[-1]["loss_nats"] < now[0]["loss_nats"] - 0.8
