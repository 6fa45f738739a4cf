"""Where the time of a life went, from its events.

A phase lasts from `phase_entered` to the last event before the next phase, the probes or a new process (its closing
checkpoint, as a rule); the probes from that event to `probes_measured`, unless it carries `seconds` of its own."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ontogeny.report.read import Life, number, stage_of

ENDING = ("interrupted", "life_ended")
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
        if key and name in (*STARTING, "phase_entered", "probes_measured"):
            yield key, last - since
            key = None
        if name == "phase_entered":
            key, since = (*where(event), str(event.get("phase"))), now
        elif key and name in ("phase_ended", *ENDING):
            yield key, now - since
            key = None
        if name == "probes_measured":
            seconds = number(event.get("seconds"))
            yield (*where(event), "probes"), now - last if seconds is None else seconds
        last = now
    if key:
        yield key, last - since


def where(event: dict[str, Any]) -> tuple[str, int]:
    """Stage and pass; an event names the stage, or its folder."""
    index, name, pass_number = stage_of(str(event.get("stage")))
    if index >= 0:
        return name, pass_number
    return name, int(number(event.get("pass")) or number(event.get("pass_")) or 1)


def lived_seconds(life: Life) -> float | None:
    """Seconds from start to end over all processes of the life; a killed one counts up to its last event."""
    total, since, last = 0.0, None, None
    for event in life.events:
        now = number(event.get("time"))
        if now is None:
            continue
        if event.get("event") in STARTING and since is not None and last is not None:
            total += last - since
        if event.get("event") in STARTING or since is None:
            since = now
        last = now
    if since is None or last is None:
        return number((life.outcome or {}).get("seconds"))
    return total + last - since


def _throughput(life: Life, key: tuple[str, int, str]) -> float | None:
    stage_name, pass_number, phase = key
    rates = [
        step.tokens_per_s
        for stage in life.stages
        if (stage.name, stage.pass_number) == (stage_name, pass_number)
        for step in stage.steps
        if step.phase == phase and step.tokens_per_s is not None
    ]
    return statistics.median(rates) if rates else None
