"""Experiments made by hand: run directories as lives of an experiment leave them, with figures that are given."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ontogeny.search.experiment import Asked
from ontogeny.search.measured import GENOME, Member

STAGES = ("primer", "lexicon", "initiation")
PRIMARY = {"probe": "bits_per_byte", "on": "initiation", "contrast": "shuffle", "form": None, "subject": "trunk"}
HASH = "5e" * 32
FORMS = {
    "bits_per_byte": (("per_byte", "bits/byte", False),),
    "conflict_resolution": (("sum", "fraction", True), ("margin", "nats/byte", True)),
}


def row(probe: str, subject: str, on: str, form: str, value: float | None, split: str | None = "test") -> dict:
    """One row of probes.json."""
    unit, better = next((unit, better) for name, unit, better in FORMS[probe] if name == form)
    told = {"probe": probe, "subject": subject, "on": on, "split": split, "form": form, "value": value, "unit": unit}
    return told | {"chance": 0.5, "n": 12, "ci95": [value, value], "higher_is_better": better}


def write_life(path: Path, stages: Sequence[tuple[str, list[dict]]], outcome: str = "done", seed: int = 7) -> None:
    """A run directory with probes.json after each stage; its life has ended so."""
    path.mkdir(parents=True)
    for index, (name, rows) in enumerate(stages):
        folder = path / "stages" / f"{index:02d}-{name}"
        folder.mkdir(parents=True)
        (folder / "probes.json").write_text(json.dumps(rows))
        if index:
            (folder / "metrics.jsonl").write_text(json.dumps({"tokens_seen": 5000 * index}) + "\n")
    world = {"ranks": 1, "threads_per_rank": 2, "device": "cpu"}
    plan = {"genome_hash": HASH, "corpus_hash": "c0" * 32, "trained_tokens": 15000, "world": world, "seed": seed}
    (path / "plan.json").write_text(json.dumps(plan))
    times = [{"time": 100.0, "event": "life_started"}, {"time": 142.5, "event": "life_ended"}]
    (path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in times))
    said = {"outcome": outcome, "exit_code": 0, "message": "", "seconds": 40.25}
    (path / "outcome.json").write_text(json.dumps(said))


def made(
    folder: Path,
    arms: Sequence[str] = ("shuffle", "reverse"),
    pairs: int = 6,
    effect: Callable[[str, str, int], float] = lambda side, on, number: 0.0,
    registered: bool = True,
) -> tuple[Asked, list[Member]]:
    """An experiment whose lives are there: noise of a seed that both sides share, noise of their own, and an effect."""
    asked = Asked(
        "made",
        HASH,
        tuple(arms),
        tuple(range(pairs)),
        {"primary": PRIMARY, "seeds": 6} if registered else None,
        "again",
    )
    members = []
    for number in range(pairs):
        for side in (GENOME, *arms):
            one = Member(side, number, 7 + number, folder / side / f"seed-{number}")
            order = STAGES[::-1] if side == "reverse" else STAGES
            stages = [("conception", _rows(side, number, 0, None, effect))]
            stages += [(name, _rows(side, number, k + 1, name, effect)) for k, name in enumerate(order)]
            write_life(one.path, stages, seed=one.seed)
            members.append(one)
    return asked, members


def _rows(
    side: str, number: int, after: int, stage: str | None, effect: Callable[[str, str, int], float]
) -> list[dict]:
    """The trunk on every stage; a role on the stage just read."""
    shared = np.random.default_rng([number, after]).normal(0, 0.5)
    own = np.random.default_rng([number, after, sum(side.encode())])
    found = []
    for on in STAGES:
        value = 3.0 - 0.2 * after + shared + own.normal(0, 0.02) + effect(side, on, number)
        found.append(row("bits_per_byte", "trunk", on, "per_byte", value))
        found += [
            row("conflict_resolution", "trunk", on, form, 0.5 + own.normal(0, 0.05)) for form in ("sum", "margin")
        ]
    found.append(row("bits_per_byte", "trunk", STAGES[0], "per_byte", 99.0, split="gate"))
    if stage is not None:
        found += [
            row("conflict_resolution", "critic", stage, form, 0.6 + own.normal(0, 0.05)) for form in ("sum", "margin")
        ]
    return found
