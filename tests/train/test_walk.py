"""One step of the walk with a hand-written learner: what is told when numbers stop being numbers."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from ontogeny.core.cursor import Cursor
from ontogeny.core.errors import TrainError
from ontogeny.train.learner import StepMetrics
from ontogeny.train.walk import train_step

BATCH = SimpleNamespace(rows_B=np.array([12, 13, 14]))
CURSOR = Cursor(0, 1, 0, 3)


class StubLearner:
    """A learner of one rank whose numbers are given."""

    def __init__(self, fault_row: int = -1, grad_norm: float = 1.0):
        self.rank, self.fault_row, self.grad_norm, self.stepped = 0, fault_row, grad_norm, False
        self.plan = SimpleNamespace(stages=[SimpleNamespace(name="primer", index=0)])
        self.corpus = SimpleNamespace(story_of=lambda stage, phase, row: f"book 'genesis' of {stage} {phase} {row}")

    def backward(self, batch) -> StepMetrics:
        return StepMetrics(fault_row=self.fault_row)

    def agree(self, stop: bool, finite: bool) -> tuple[bool, bool]:
        return stop, finite

    def first_fault(self, metrics: StepMetrics) -> tuple[int, int]:
        return 0, metrics.fault_row

    def step(self, metrics: StepMetrics, cursor: Cursor) -> None:
        self.stepped, metrics.grad_norm = True, {"trunk": self.grad_norm}


def test_a_step_tells_whether_it_is_asked_to_stop():
    stop = threading.Event()
    assert not train_step(StubLearner(), BATCH, CURSOR, stop).stop
    stop.set()
    learner = StubLearner()
    assert train_step(learner, BATCH, CURSOR, stop).stop
    assert learner.stepped, "the step is done before the life stops"


def test_a_loss_that_is_not_finite_moves_no_weight():
    learner = StubLearner(fault_row=13)
    with pytest.raises(TrainError) as told:
        train_step(learner, BATCH, CURSOR, threading.Event())
    assert not learner.stepped
    fault = told.value.faults[0]
    assert fault.what == "the loss is not finite."
    assert fault.where == "stage 'primer', books, step 3, rank 0, row 13"
    assert "book 'genesis' of 0 books 13" in fault.got


@pytest.mark.parametrize("norm", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_told_before_anything_is_saved(norm):
    with pytest.raises(TrainError, match="the gradient is not finite"):
        train_step(StubLearner(grad_norm=norm), BATCH, CURSOR, threading.Event())
