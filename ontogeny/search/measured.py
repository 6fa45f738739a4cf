"""What the lives of an experiment measured: rows of probes.json, by what was asked of whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ontogeny.core.run import STAGE_FOLDER, RunDirectory

GENOME = "genome"  # the folder, and the name, of the side that every arm is set against
SPLITS = ("test", None)  # what is reported; probes without splits say none
OF_A_LIFE_ALONE = ("scene_surprise",)  # of the scenes that a life itself read; an arm read others, or none
ENDED = ("done", "gate_ended")

Key = tuple[str, str, str, str]  # probe, subject, on, form


@dataclass(frozen=True)
class Member:
    """A life of an experiment: its side, its number among the seeds, its seed, where it is grown."""

    side: str
    number: int
    seed: int
    path: Path

    @property
    def run(self) -> RunDirectory:
        """Its run directory."""
        return RunDirectory(self.path)

    def ended(self) -> bool:
        """Whether all its stages were lived."""
        return (self.run.read_json("outcome.json") or {}).get("outcome") in ENDED


@dataclass(frozen=True)
class Reading:
    """One life's rows: after each stage (by number, 0 is conception), and the newest of each key with its folder."""

    stages: dict[int, dict[Key, dict[str, Any]]]
    newest: dict[Key, tuple[str, dict[str, Any]]]


def read_measured(run: RunDirectory) -> Reading:
    """The rows that a life reports (split test, or no splits; with a value). Raises: RunError for a spoiled file."""
    stages: dict[int, dict[Key, dict[str, Any]]] = {}
    newest: dict[Key, tuple[str, dict[str, Any]]] = {}
    for folder in run.stage_folders():
        named = STAGE_FOLDER.fullmatch(folder.name)
        assert named, folder
        found = {}
        for row in run.read_json(folder / "probes.json") or ():
            reported = row.get("split") in SPLITS and row["probe"] not in OF_A_LIFE_ALONE
            if reported and row.get("value") is not None:
                found[row["probe"], row["subject"], row["on"], row["form"]] = row
        stages[int(named[1])] = found
        if int(named[1]):
            newest |= {key: (folder.name, row) for key, row in found.items()}
    return Reading(stages, newest)


def keys_of(readings: Sequence[Reading]) -> list[Key]:
    """Every key that any of the lives has, in the order of their files."""
    return list(dict.fromkeys(key for reading in readings for key in reading.newest))
