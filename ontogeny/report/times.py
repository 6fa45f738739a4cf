"""Where the time of a life went, from its events."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ontogeny.report.read import Life, number

CLOSING = ("phase_ended", "interrupted", "life_ended")
STARTING = ("life_started", "resumed")


@dataclass(frozen=True)
class Spent:
    """Seconds of one phase (or of the probes) of one pass of one stage, over all the times it was entered."""

    stage: str
    pass_number: int
    phase: str
    seconds: float
    entered: int
    tokens_per_s: float | None = None  # median of the logged steps


def spent_times(life: Life) -> list[Spent]:
    """A row for each stage, pass and phase in the order they were first entered; `probes` is a phase here."""
    found: dict[tuple[str, int, str], list[float]] = {}
    for key, seconds in _segments(life.events):
        found.setdefault(key, []).append(seconds)
    return [Spent(*key, sum(seconds), len(seconds), _throughput(life, key)) for key, seconds in found.items()]


def _segments(events: Iterable[dict[str, Any]]) -> Iterator[tuple[tuple[str, int, str], float]]:
    """One stretch of time in one phase. A process that was killed is counted up to its last event."""
    key, since, last = None, 0.0, 0.0
    for event in events:
        now, name = number(event.get("time")), event.get("event")
        if now is None:
            continue
        if key and name in (*STARTING, "phase_entered"):
            yield key, last - since
            key = None
        if name == "phase_entered":
            key, since = (*_where(event), str(event.get("phase"))), now
        elif key and name in CLOSING:
            yield key, now - since
            key = None
        if name == "probes_measured":
            yield (*_where(event), "probes"), number(event.get("seconds")) or 0.0
        last = now
    if key:
        yield key, last - since


def _where(event: dict[str, Any]) -> tuple[str, int]:
    return str(event.get("stage")), int(number(event.get("pass")) or 1)


def _throughput(life: Life, key: tuple[str, int, str]) -> float | None:
    stage_name, pass_number, phase = key
    rates = [step.tokens_per_s for stage in life.stages if (stage.name, stage.pass_number) == (stage_name, pass_number)
             for step in stage.steps if step.phase == phase and step.tokens_per_s is not None]
    return statistics.median(rates) if rates else None
