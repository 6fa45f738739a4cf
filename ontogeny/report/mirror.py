"""The W&B mirror: a process outside the ranks that follows a run directory's files and repeats them to W&B.

    python -m ontogeny.report.mirror RUN [--follow]

One W&B run a stage folder, grouped by life, every metric over tokens_seen. The files are the truth. No step number is
passed: W&B drops what goes back, and a resume does go back. Nothing here prompts, and no failure leaves the process:
it is one line in RUN/wandb/mirror.log, and the exit code is 0."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ontogeny.core.hashes import sha256_hex
from ontogeny.core.run import RunDirectory, write_json
from ontogeny.report.follow import Follower
from ontogeny.report.read import listed, mapped, measurement, number, stage_of
from ontogeny.report.wandb_run import AXIS, Opener, OpenRun, choose_opener

POLL_S, GRACE_S = 2.0, 20.0  # GRACE_S: how long a mirror outlives the process that started it
STATE = "wandb/mirror.json"


class Mirror:
    """Follows one life's stage folders in order; one W&B run is open at a time."""

    def __init__(self, run: RunDirectory, open_run: Opener, resumes: bool):
        self.run, self.open_run, self.resumes = run, open_run, resumes
        self.state: dict[str, Any] = mapped(run.read_json(STATE))  # folder -> {attempt, rows, closed}
        self.open: OpenRun | None = None
        self.folder: Path | None = None
        self.skip, self.tokens, self.probed = 0, 0.0, False

    def sweep(self) -> None:
        """Mirrors all that is new; a stage's run ends once the next stage's folder holds something."""
        folders = [folder for folder in self.run.stage_folders() if stage_of(folder.name)[0] >= 0 and _written(folder)]
        for place, folder in enumerate(folders):
            if mapped(self.state.get(folder.name)).get("closed"):
                continue
            if folder != self.folder:
                self._begin(folder)
            self._take(folder)
            if place < len(folders) - 1:
                self.close()

    def close(self) -> None:
        """Ends the run that is open, if one is."""
        if self.open and self.folder:
            gate = mapped(self.run.read_json(f"stages/{self.folder.name}/gate.json"))
            outcome = mapped(self.run.read_json("outcome.json"))
            summary = {
                "gate/decision": gate.get("decision"),
                "gate/value": gate.get("value"),
                "outcome": outcome.get("outcome"),
            }
            self.open.close({key: value for key, value in summary.items() if value is not None})
            if self.probed:  # a stage that was not measured may go on after a resume
                self._remember(closed=True)
        self.open, self.folder = None, None

    def _begin(self, folder: Path) -> None:
        self.close()
        known = mapped(self.state.get(folder.name))
        begun = bool(known)
        attempt = int(known.get("attempt", 0)) + (0 if begun and self.resumes else 1)
        # A run that W&B can resume goes on where it was; another is told whole, under a name that says so.
        self.skip = int(known.get("rows", 0)) if begun and self.resumes else 0
        self.folder, self.tokens, self.probed = folder, 0.0, False
        self.follower = Follower(folder / "metrics.jsonl")
        self.state[folder.name] = {"attempt": attempt, "rows": self.skip, "closed": False}
        self.open = self.open_run(run_facts(self.run, folder.name, attempt))
        self._remember()

    def _take(self, folder: Path) -> None:
        assert self.open, f"no run is open for {folder.name}: _begin comes first"
        rows = self.follower.new_records()
        for row in rows:
            self.tokens = number(row.get(AXIS)) or self.tokens
            if self.skip:
                self.skip -= 1
                continue
            figures = flat(row)
            if figures:
                self.open.log({AXIS: self.tokens, **figures})
        if rows:
            self._remember(rows=len(self.follower.seen))
        probes = None if self.probed else self.run.read_json(f"stages/{folder.name}/probes.json")
        if probes is not None:
            self.open.log({AXIS: self.tokens or self._tokens_before(folder), **probe_figures(probes)})
            self.probed = True

    def _tokens_before(self, folder: Path) -> float:
        """Tokens seen when a folder without training lines was measured: the last of the folders before it."""
        seen = 0.0
        for earlier in self.run.stage_folders():
            if earlier.name == folder.name:
                break
            lines = self.run.read_jsonl(f"stages/{earlier.name}/metrics.jsonl")
            seen = max([seen, *(number(mapped(line).get(AXIS)) or 0.0 for line in lines)])
        return seen

    def _remember(self, **facts: Any) -> None:
        assert self.folder, "nothing to remember without a folder"
        self.state[self.folder.name] |= facts
        write_json(self.run / STATE, self.state)


def run_facts(run: RunDirectory, folder: str, attempt: int) -> dict[str, Any]:
    """What one W&B run is called: stable ids, so that a resumed life goes on in the runs it began."""
    plan = mapped(run.read_json("plan.json"))
    name, genome_hash = str(plan.get("name") or run.path.name), str(plan.get("genome_hash") or "")
    born = next((event.get("time") for event in run.read_jsonl("events.jsonl")), "")
    again = f" ({attempt})" if attempt > 1 else ""
    stage = next(
        (stage for stage in listed(plan.get("stages")) if mapped(stage).get("name") == stage_of(folder)[1]), {}
    )
    return {
        "id": sha256_hex(f"{genome_hash}|{born}|{folder}|{attempt}")[:16],
        "name": f"{name} {folder}{again}",
        "group": f"{name}-{genome_hash[:8]}",
        "job_type": "stage",
        "project": "ontogeny",
        "config": {
            "genome": name,
            "genome_hash": genome_hash,
            "seed": plan.get("seed"),
            "folder": folder,
            "model": plan.get("model"),
            "world": plan.get("world"),
            "phases": stage.get("phases"),
            "span": stage.get("span"),
        },
    }


def flat(row: dict[str, Any]) -> dict[str, float]:
    """A line of metrics.jsonl as `phase/key` and `roles/role/key` figures, a light probe's as `light/key`; words and
    cursors stay out."""
    if "light" in row:
        return {
            f"light/{name}": found for name, one in mapped(row["light"]).items() if (found := number(one)) is not None
        }
    phase, figures = str(row.get("phase") or "probes"), {}
    for key, value in row.items():
        if isinstance(value, dict):
            figures |= {
                f"{phase}/{name}/{key}": found for name, one in value.items() if (found := number(one)) is not None
            }
        elif key not in (AXIS, "pass") and (found := number(value)) is not None:
            figures[f"{phase}/{key}"] = found
    return figures


def probe_figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    """probes.json as `probes/probe/subject/on/split/form` figures, each with the ends of its interval. No texts."""
    figures = {}
    for row in map(measurement, rows):
        key = "/".join(part for part in ("probes", row.probe, row.subject, row.on, row.split, row.form) if part)
        ends = {key: row.value, f"{key}/low": row.low, f"{key}/high": row.high, f"{key}/n": row.n}
        figures |= {name: value for name, value in ends.items() if value is not None}
    return figures


def follow(
    mirror: Mirror, follow_on: bool, orphaned: threading.Event, poll_s: float = POLL_S, grace_s: float = GRACE_S
) -> None:
    """Sweeps until the life has ended, or until `grace_s` after the parent died."""
    deadline = None
    try:
        while True:
            ended = mirror.run.read_json("outcome.json") is not None  # read before the sweep: nothing comes after it
            mirror.sweep()
            if ended or not follow_on or (deadline is not None and time.monotonic() >= deadline):
                return
            if orphaned.is_set() and deadline is None:
                deadline = time.monotonic() + grace_s
            time.sleep(poll_s) if deadline else orphaned.wait(poll_s)
    finally:
        mirror.close()


def _written(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("metrics.jsonl", "probes.json"))


def _when_orphaned() -> threading.Event:
    """An event that is set when standard input ends: the parent closed it, or died."""
    gone = threading.Event()

    def wait() -> None:
        try:
            while os.read(0, 4096):  # not sys.stdin: its lock, held here, would abort the interpreter's end
                pass
        except OSError:
            pass  # no standard input at all: as good as closed
        gone.set()

    threading.Thread(target=wait, daemon=True).start()
    return gone


def main(arguments: list[str] | None = None) -> int:
    """The process: always 0, always quiet."""
    parser = argparse.ArgumentParser(
        prog="python -m ontogeny.report.mirror", description="Mirror a run directory to W&B."
    )
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--follow", action="store_true", help="go on until the life ends or standard input closes")
    asked = parser.parse_args(arguments)
    try:
        run = RunDirectory(asked.run)
        opener, online = choose_opener(run.path)
        if opener:
            (run / "wandb").mkdir(exist_ok=True)
            follow(Mirror(run, opener, resumes=online), asked.follow, _when_orphaned())
    except Exception as problem:
        _note(asked.run, problem)
    return 0


def _note(run_dir: Path, problem: Exception) -> None:
    try:
        (run_dir / "wandb").mkdir(exist_ok=True)
        words = " ".join(f"{type(problem).__name__}: {problem}".split())
        with open(run_dir / "wandb" / "mirror.log", "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {words[:1000]}\n")
    except OSError:
        pass  # nowhere to write: there is nothing left to say


if __name__ == "__main__":
    sys.exit(main())
