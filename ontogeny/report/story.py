"""What a life comes to: the change each stage made on its own held-out text, and one plain sentence about it.

The two measurements of a change score the same passages, so their interval is a paired one. Where the passages are
not told, both are taken as independent (MOVER, Zou and Donner 2008), which errs on the wide side."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ontogeny.report.figures import count, duration, plural, sentence_list
from ontogeny.report.read import Life, Measurement, StageRecord
from ontogeny.report.times import lived_seconds

BITS = "bits_per_byte"
Parts = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Change:
    """One stage's effect on the held-out text of that stage, in bits per byte; below zero it learned."""

    stage: str
    passes: int
    before: Measurement | None
    after: Measurement | None
    at_end: Measurement | None
    delta: float | None
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """fell, rose, unclear (the interval holds 0), or unmeasured."""
        if self.delta is None:
            return "unmeasured"
        if self.low is None or self.high is None:
            return "unclear"
        return "fell" if self.high < 0 else "rose" if self.low > 0 else "unclear"

    @property
    def forgotten(self) -> float | None:
        """How far the stage's own text rose again (above 0) from the end of the stage to the end of the life."""
        if self.after is None or self.at_end is None or self.after.value is None or self.at_end.value is None:
            return None
        return self.at_end.value - self.after.value


def difference(before: Measurement, after: Measurement) -> tuple[float | None, float | None, float | None]:
    """after - before with its 95 % interval.

    Where both scored the same passages, it is a percentile bootstrap over passages of the paired difference
    (sum of bits after - sum of bits before) / bytes. Else the two are taken as independent: d = a - b;
    low = d - sqrt((a - a_low)^2 + (b_high - b)^2), high likewise (MOVER)."""
    a, b = after.value, before.value
    if a is None or b is None:
        return None, None, None
    if len(after.parts) > 1 and [size for _, size in after.parts] == [size for _, size in before.parts]:
        return (a - b, *_paired_interval(before.parts, after.parts))
    if after.low is None or after.high is None or before.low is None or before.high is None:
        return a - b, None, None
    return (
        a - b,
        a - b - math.hypot(a - after.low, before.high - b),
        a - b + math.hypot(after.high - a, b - before.low),
    )


def _paired_interval(before: Parts, after: Parts) -> tuple[float, float]:
    from scipy.stats import bootstrap

    change = [bits - was for (bits, _), (was, _) in zip(after, before, strict=True)]
    sizes = [size for _, size in after]
    found = bootstrap(
        (change, sizes),
        lambda bits, size, axis=-1: bits.sum(axis=axis) / size.sum(axis=axis),
        paired=True,
        method="percentile",
        rng=0,
    ).confidence_interval
    return float(found.low), float(found.high)


def changes(life: Life) -> list[Change]:
    """One Change a planned stage, in order; unmeasured where the life has not come so far."""
    measured = [stage for stage in life.stages if stage.measurements]
    return [_change(name, life, measured) for name in life.stage_names]


def _change(name: str, life: Life, measured: list[StageRecord]) -> Change:
    own = [stage for stage in measured if stage.name == name and stage.index > 0]
    passes = sum(stage.name == name for stage in life.trained)
    if not own:
        return Change(name, passes, None, None, None, None, None, None)
    place = measured.index(own[0])
    before = measured[place - 1].find(BITS, name) if place else None
    after = own[-1].find(BITS, name)
    at_end = measured[-1].find(BITS, name) if measured[-1] is not own[-1] else None
    found = difference(before, after) if before and after else (None, None, None)
    return Change(name, passes, before, after, at_end, *found)


def tokens_seen(life: Life) -> float:
    """Tokens fed up to the last logged step, over the whole life."""
    return max((step.tokens_seen for stage in life.stages for step in stage.steps), default=0.0)


def outcome_sentence(life: Life) -> str:
    """How the life ended, or how far it is."""
    ended = life.outcome or {}
    reached = len({stage.name for stage in life.trained if stage.measurements})
    stages = plural(len(life.stage_names), "stage")
    walked = f"{stages} planned, {count(reached)} measured, {count(tokens_seen(life))} tokens read"
    seconds = lived_seconds(life)
    took = f" in {duration(seconds)}" if seconds is not None else ""
    at = f" at stage {ended['stage']}" if ended.get("stage") else ""
    return {
        "done": f"The life is complete{took}: {walked}.",
        "failed": f"The life FAILED{at}{took}: {walked}.",
        "gate_ended": f"A gate ended the life{at}{took}: {walked}.",
        "interrupted": f"The life was interrupted{at}{took} and can be resumed: {walked}.",
    }.get(life.state, f"The life has not ended (it is running, or stopped without a word): {walked}.")


def change_sentence(found: list[Change]) -> str:
    """What the stages did to the held-out bits per byte of their own text; a rise is said as loudly as a fall."""
    by = {
        verdict: [change.stage for change in found if change.verdict == verdict]
        for verdict in ("fell", "rose", "unclear", "unmeasured")
    }
    measured = len(found) - len(by["unmeasured"])
    if not measured:
        return "Held-out text has not been measured both before and after a stage: nothing can be said about learning."
    if len(by["fell"]) == len(found):
        which = "the one stage" if len(found) == 1 else f"each of the {len(found)} stages"
        return f"Held-out bits per byte of its own text fell in {which}; no 95 % interval of a change holds 0."
    parts = []
    if by["rose"]:
        parts.append(f"ROSE in {sentence_list(by['rose'])}")
    if by["fell"]:
        parts.append(f"fell in {sentence_list(by['fell'])}")
    if by["unclear"]:
        parts.append(f"did not change beyond its 95 % interval in {sentence_list(by['unclear'])}")
    if by["unmeasured"]:
        parts.append(f"is not measured yet for {sentence_list(by['unmeasured'])}")
    return f"Held-out bits per byte of the stage's own text {'; '.join(parts)}."


def forgetting_sentence(found: list[Change]) -> str:
    """What later stages did to the text of earlier ones, or nothing where there is no later one."""
    known = [change for change in found if change.forgotten is not None]
    if not known:
        return ""
    worst = max(known, key=lambda change: change.forgotten or 0.0)
    rises = sum((change.forgotten or 0.0) > 0 for change in known)
    largest = f"; the largest rise is {worst.forgotten:.3f} ({worst.stage})" if rises else ""
    earlier = plural(len(known), "earlier stage")
    return f"By the last measurement, {rises} of {earlier} stood higher than right after being read{largest}."
