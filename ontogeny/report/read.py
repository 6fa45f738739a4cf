"""A run directory, read into plain frozen records. A life may be running, interrupted, failed or done:
what it has not written yet is None or empty here, and the page says so."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ontogeny.core.run import RunDirectory

STAGE_FOLDER = re.compile(r"^(\d+)-(.+?)(?:\.(\d+))?$")
SPLITS = ("test", "gate", "search")  # the first one measured is the one reported


@dataclass(frozen=True)
class LoggedStep:
    """A line of metrics.jsonl. In the roles phase the figures stand by role, in `roles`."""

    phase: str
    step: int
    tokens_seen: float
    loss_nats: float | None
    bits_per_byte: float | None
    lr: float | None
    tokens_per_s: float | None
    roles: dict[str, RoleStep] = field(default_factory=dict)


@dataclass(frozen=True)
class RoleStep:
    """What one role's row group did in one logged step."""

    loss_nats: float | None
    lr: float | None
    tokens: float | None


@dataclass(frozen=True)
class LightStep:
    """What the light probes said after one step inside a stage, by name: bits_per_byte, margin."""

    phase: str
    step: int
    tokens_seen: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Measurement:
    """A row of probes.json, its interval split into its two ends."""

    probe: str
    subject: str
    on: str
    split: str
    form: str
    value: float | None
    unit: str
    chance: float | None
    n: int | None
    low: float | None
    high: float | None
    higher_is_better: bool
    samples: tuple[str, ...] = ()
    parts: tuple[tuple[float, float], ...] = ()  # bits and bytes of each passage, in the set's order
    scenes: tuple[tuple[str, float, int], ...] = ()  # id, nats a byte and bytes of each scene's resolution


@dataclass(frozen=True)
class StageRecord:
    """One folder under stages/: a stage, or a further pass of it."""

    folder: str
    index: int
    name: str
    pass_number: int
    steps: tuple[LoggedStep, ...]
    measurements: tuple[Measurement, ...]
    gate: dict[str, Any] | None
    fingerprints: dict[str, str]
    adapters: tuple[str, ...]
    light: tuple[LightStep, ...] = ()
    journal: tuple[dict[str, Any], ...] = ()  # lines of journal.jsonl: entries of this stage and of those before it
    played: tuple[dict[str, Any], ...] = ()  # lines of sealed/played.jsonl

    def find(self, probe: str, on: str, subject: str = "trunk") -> Measurement | None:
        """The reported measurement: on the first split of SPLITS that was measured, in its probe's first form."""
        found = [row for row in self.measurements if (row.probe, row.on, row.subject) == (probe, on, subject)]
        order = {split: place for place, split in enumerate(SPLITS)}
        return min(found, key=lambda row: order.get(row.split, len(SPLITS)), default=None)


@dataclass(frozen=True)
class Life:
    """All of a run directory that a report needs."""

    name: str
    plan: dict[str, Any]
    manifest: dict[str, Any]
    stages: tuple[StageRecord, ...]
    events: tuple[dict[str, Any], ...]
    outcome: dict[str, Any] | None

    @cached_property
    def state(self) -> str:
        """done, failed, gate_ended, interrupted, or running (which a life that died without a word also is)."""
        return str((self.outcome or {}).get("outcome") or "running")

    @cached_property
    def arm(self) -> str:
        """The control arm, as a command line names it (without=BOOK); nothing for the genome itself."""
        return "=".join(str(value) for value in mapped(self.plan.get("arm")).values() if value is not None)

    @cached_property
    def planned(self) -> list[dict[str, Any]]:
        """The stages of plan.json, in order."""
        return [stage for stage in listed(self.plan.get("stages")) if isinstance(stage, dict)]

    @cached_property
    def stage_names(self) -> list[str]:
        """Every trained stage, in order: as planned, or as found where there is no plan."""
        names = [str(stage.get("name")) for stage in self.planned]
        return names or list(dict.fromkeys(stage.name for stage in self.trained))

    @cached_property
    def scored_texts(self) -> list[str]:
        """What bits per byte were measured on: every trained stage, then what else was scored (general text, or the
        stages of the genome that an arm belongs to)."""
        rows = (row for stage in self.stages for row in stage.measurements)
        others = (row.on for row in rows if row.probe == "bits_per_byte" and row.subject == "trunk")
        return list(dict.fromkeys([*self.stage_names, *others]))

    @cached_property
    def trained(self) -> list[StageRecord]:
        """The stage folders after conception."""
        return [stage for stage in self.stages if stage.index > 0]

    @cached_property
    def books(self) -> dict[str, dict[str, Any]]:
        """The manifest's books by id: title, source, licence, fingerprint, characters, bytes."""
        return {str(book.get("id")): book for book in listed(self.manifest.get("books")) if isinstance(book, dict)}

    @cached_property
    def corpus_stages(self) -> dict[str, dict[str, Any]]:
        """The manifest's stages by name."""
        return {str(stage.get("name")): stage for stage in listed(self.manifest.get("stages"))}


def read_life(path: Path) -> Life:
    """Everything a report says about the life in `path`."""
    run = RunDirectory(path)
    return Life(
        name=str(mapped(run.read_json("plan.json")).get("name") or Path(path).resolve().name),
        plan=mapped(run.read_json("plan.json")),
        manifest=mapped(run.read_json("corpus/manifest.json")),
        stages=tuple(
            sorted(
                (record for folder in run.stage_folders() if (record := _stage(run, folder))),
                key=lambda stage: (stage.index, stage.pass_number),
            )
        ),
        events=tuple(event for event in run.read_jsonl("events.jsonl") if isinstance(event, dict)),
        outcome=run.read_json("outcome.json"),
    )


def stage_of(folder: str) -> tuple[int, str, int]:
    """Index, stage name and pass of a folder `NN-name[.pass]`; an index of -1 where it is no such name."""
    match = STAGE_FOLDER.match(folder)
    return (int(match[1]), match[2], int(match[3] or 1)) if match else (-1, folder, 1)


def _stage(run: RunDirectory, folder: Path) -> StageRecord | None:
    index, name, pass_number = stage_of(folder.name)
    if index < 0:
        return None
    here = f"stages/{folder.name}"
    lines = run.read_jsonl(f"{here}/metrics.jsonl")
    adapters = folder / "adapters"
    return StageRecord(
        folder=folder.name,
        index=index,
        name=name,
        pass_number=pass_number,
        steps=tuple(step for line in lines if (step := logged_step(line))),
        measurements=tuple(measurement(row) for row in listed(run.read_json(f"{here}/probes.json"))),
        gate=run.read_json(f"{here}/gate.json"),
        fingerprints=mapped(run.read_json(f"{here}/fingerprints.json")),
        adapters=tuple(sorted(child.name for child in adapters.iterdir())) if adapters.is_dir() else (),
        light=tuple(step for line in lines if (step := light_step(line))),
        journal=_records(run, f"{here}/journal.jsonl"),
        played=_records(run, f"{here}/sealed/played.jsonl"),
    )


def _records(run: RunDirectory, name: str) -> tuple[dict[str, Any], ...]:
    return tuple(line for line in run.read_jsonl(name) if isinstance(line, dict))


def logged_step(line: object) -> LoggedStep | None:
    """A training line of metrics.jsonl; None for any other (a light probe's, say)."""
    if not isinstance(line, dict) or "loss_nats" not in line or "phase" not in line:
        return None
    by_role = line["loss_nats"] if isinstance(line["loss_nats"], dict) else {}

    def of(key: str, role: str) -> float | None:
        return number(line[key].get(role)) if isinstance(line.get(key), dict) else number(line.get(key))

    return LoggedStep(
        phase=str(line["phase"]),
        step=int(number(line.get("step")) or 0),
        tokens_seen=number(line.get("tokens_seen")) or 0.0,
        loss_nats=number(line["loss_nats"]),
        bits_per_byte=number(line.get("bits_per_byte")),
        lr=number(line.get("lr")),
        tokens_per_s=number(line.get("tokens_per_s")),
        roles={role: RoleStep(number(loss), of("lr", role), of("tokens", role)) for role, loss in by_role.items()},
    )


def light_step(line: object) -> LightStep | None:
    """A light probe's line of metrics.jsonl; None for any other, and for one without a number."""
    if not isinstance(line, dict) or "phase" not in line:
        return None
    scores = {str(name): found for name, one in mapped(line.get("light")).items() if (found := number(one)) is not None}
    step, tokens = int(number(line.get("step")) or 0), number(line.get("tokens_seen")) or 0.0
    return LightStep(str(line["phase"]), step, tokens, scores) if scores else None


def measurement(row: dict[str, Any]) -> Measurement:
    """A row of probes.json as a record."""
    ends = row.get("ci95")
    low, high = (number(ends[0]), number(ends[1])) if isinstance(ends, list) and len(ends) == 2 else (None, None)
    count = number(row.get("n"))
    return Measurement(
        *(str(row.get(key) or "") for key in ("probe", "subject", "on", "split", "form")),
        value=number(row.get("value")),
        unit=str(row.get("unit") or ""),
        chance=number(row.get("chance")),
        n=None if count is None else int(count),
        low=low,
        high=high,
        higher_is_better=bool(row.get("higher_is_better")),
        samples=tuple(str(sample) for sample in listed(row.get("samples"))),
        parts=tuple((float(part[0]), float(part[1])) for part in listed(row.get("parts"))),
        scenes=tuple((str(one[0]), float(one[1]), int(one[2])) for one in listed(row.get("scenes"))),
    )


def number(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def mapped(value: object) -> dict[str, Any]:
    """A mapping, or an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else []
