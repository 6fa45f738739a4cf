"""Progress lines of a running life."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ontogeny.core.run import RunDirectory
from ontogeny.report.follow import Follower
from ontogeny.report.read import logged_step, mapped
from ontogeny.report.watch import event_line, step_line


class Watcher:
    """Tells what is new in a run's files at each look."""

    def __init__(self, run_dir: Path, tell: Callable[[str], None]):
        self.run, self.tell = RunDirectory(run_dir), tell
        self.events = Follower(self.run.path / "events.jsonl")
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
