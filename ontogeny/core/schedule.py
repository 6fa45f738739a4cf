"""The learning rate at a step. One function for trunk and roles."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ontogeny.core.schema_learning import Optimised


@dataclass(frozen=True)
class Schedule:
    """A rate over the steps of one phase, or of books and replay together; all in steps."""

    kind: str  # constant | warmup_stable_decay | cosine
    learning_rate: float
    total_steps: int
    warmup_steps: int
    decay_steps: int
    final_frac: float
    first_step: int = 0  # the schedule's step at which the phase begins: replay goes on where books ended

    def rate(self, step: int) -> float:
        """The rate of step `step` of the phase (0-based).

        constant: the rate. Others rise linearly over warmup_steps (the first step already learns), then
        warmup_stable_decay holds and falls linearly over the last decay_steps, cosine falls along half a cosine
        from the end of warm-up to the last step; both end at final_frac x rate."""
        step += self.first_step
        if self.kind == "constant":
            return self.learning_rate
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        if self.kind == "cosine":
            span = max(1, self.total_steps - 1 - self.warmup_steps)
            share = min(1.0, (step - self.warmup_steps) / span)
            fall = 0.5 * (1.0 + math.cos(math.pi * share))
        else:
            into = step - (self.total_steps - self.decay_steps) + 1
            fall = 1.0 - min(1.0, max(0, into) / max(1, self.decay_steps))
        return self.learning_rate * (self.final_frac + (1.0 - self.final_frac) * fall)


def make_schedule(spec: Optimised, total_steps: int) -> Schedule:
    """The schedule of a phase of `total_steps` steps; shares become whole steps here, once."""
    constant = spec.schedule == "constant"
    warmup = 0 if constant else min(total_steps, math.ceil(spec.warmup_frac * total_steps))
    decay = min(total_steps - warmup, math.ceil(spec.decay_frac * total_steps))
    return Schedule(
        spec.schedule,
        spec.learning_rate,
        total_steps,
        warmup,
        decay if spec.schedule == "warmup_stable_decay" else 0,
        spec.final_frac,
    )
