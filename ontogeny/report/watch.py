"""Progress of a life as plain lines, for `ontogeny watch RUN`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from ontogeny.core.run import RunDirectory
from ontogeny.report.figures import ABSENT, count, duration, real
from ontogeny.report.follow import Follower
from ontogeny.report.read import listed, logged_step, mapped, number, stage_of

TOLD = (
    "life_started",
    "resumed",
    "branched",
    "snapshot_reused",
    "interrupted",
    "phase_entered",
    "probes_measured",
    "gate_decided",
    "stage_ended",
    "warning",
    "life_ended",
)


def progress_line(run: RunDirectory) -> str:
    """Where a life is, in one line, from its files alone."""
    for folder in reversed(run.stage_folders()):
        lines = run.read_jsonl(f"stages/{folder.name}/metrics.jsonl")
        line = next((line for line in reversed(lines) if logged_step(line)), None)
        if line:
            return step_line(folder.name, line, mapped(run.read_json("plan.json")))
    if mapped(run.read_json("outcome.json")):
        return ending(run)
    return "no step logged yet"


def step_line(folder: str, line: dict[str, Any], plan: dict[str, Any]) -> str:
    """'02-lexicon  books 120/600  3.412 bits/byte  8,210 tokens/s  491,520 tokens'."""
    step = logged_step(line)
    if step is None:
        return ""
    planned = next(
        (stage for stage in listed(plan.get("stages")) if mapped(stage).get("name") == stage_of(folder)[1]), None
    )
    steps = number(mapped(mapped(mapped(planned).get("phases")).get(step.phase)).get("steps"))
    done = f"{step.phase} {count(step.step)}" + (f"/{count(steps)}" if steps else "")
    if step.roles:
        loss = ", ".join(f"{role} {real(one.loss_nats)}" for role, one in step.roles.items()) + " nats/token"
    elif step.bits_per_byte is not None:
        loss = f"{real(step.bits_per_byte)} bits/byte"
    else:
        loss = f"{real(step.loss_nats)} nats/token"
    speed = f"{count(step.tokens_per_s)} tokens/s"
    return "  ".join(
        (folder, done, loss, *([speed] if speed[0] != ABSENT else []), f"{count(step.tokens_seen)} tokens")
    )


def ending(run: RunDirectory) -> str:
    """How the life ended, in one line."""
    outcome = mapped(run.read_json("outcome.json"))
    where = f" at {outcome['stage']}" if outcome.get("stage") and outcome.get("outcome") != "done" else ""
    message = f": {str(outcome['message']).splitlines()[0]}" if outcome.get("message") else ""
    return f"{outcome.get('outcome')}{where} after {duration(outcome.get('seconds'))}{message}"


def event_line(event: dict[str, Any]) -> str:
    """An event worth telling, or nothing."""
    if event.get("event") not in TOLD:
        return ""
    facts = [str(event[key]) for key in ("stage", "phase", "decision", "message") if event.get(key)]
    return f"-- {str(event['event']).replace('_', ' ')}{': ' + ', '.join(facts) if facts else ''}"


class Watcher:
    """Tells what is new in a run's files at each look."""

    def __init__(self, run_dir: Path, tell: Callable[[str], None]):
        self.run, self.tell = RunDirectory(run_dir), tell
        self.events = Follower(self.run / "events.jsonl")
        self.metrics: dict[str, Follower] = {}
        self.plan: dict[str, Any] = {}

    def look(self) -> None:
        """A line for each new event, and the newest logged step of each stage that moved."""
        self.plan = self.plan or mapped(self.run.read_json("plan.json"))
        lines = [event_line(event) for event in self.events.new_records()]
        for folder in self.run.stage_folders():
            follower = self.metrics.setdefault(folder.name, Follower(folder / "metrics.jsonl"))
            steps = [line for line in follower.new_records() if logged_step(line)]
            lines += [step_line(folder.name, line, self.plan) for line in steps[-1:]]
        for line in filter(None, lines):
            self.tell(line)


def watch(run_dir: Path, out: TextIO, *, poll_s: float = 1.0, sleep: Callable[[float], None] = time.sleep) -> None:
    """Prints what is new at each look, until outcome.json says that the life ended."""
    watcher = Watcher(run_dir, lambda line: print(line, file=out, flush=True))
    while True:
        ended = mapped(
            watcher.run.read_json("outcome.json")
        )  # before the look, so that nothing written earlier is missed
        watcher.look()
        if ended:
            watcher.tell(ending(watcher.run))
            return
        sleep(poll_s)
