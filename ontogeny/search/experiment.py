"""experiment.json: every arm against the genome, paired by seed, on everything that was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ontogeny.core.run import RunDirectory, write_json
from ontogeny.search.measured import GENOME, Key, Member, Reading, keys_of, read_measured
from ontogeny.search.pairs import LEVEL, POWER, SIGN_FLIP_FROM, holm, paired

FILE = "experiment.json"
NOTES = {
    "difference": "arm minus genome, of the two lives with the same seed, on the test split where there are splits",
    "value": "of the newest measurement in a life: after its last stage for the trunk, after the stage read for a role",
    "ci95": "Student's t over the differences of the seeds",
    "p_t": "two-sided p of the same t",
    "p_sign_flip": f"exact two-sided sign-flip p of the mean, from {SIGN_FLIP_FROM} pairs on",
    "p_holm": "p_t, by Holm over every contrast that has one; the primary is decided by its own p_t, because it was "
    "named before anything was measured",
    "smallest_effect": f"lambda(n) sd / sqrt(n): the difference that would have been seen with power {POWER} at a "
    f"two-sided {LEVEL}; lambda(n): the noncentrality at which a noncentral t of n - 1 degrees of freedom passes its "
    "bound so often",
    "by_stage": "the same after each earlier stage, by its number; described, not tested",
}


@dataclass(frozen=True)
class Asked:
    """What an experiment is: the genome, its control arms, the numbers of its seeds, what was said beforehand (the
    genome's `experiment` block, or None), and the words that repeat it."""

    name: str
    genome_hash: str
    arms: tuple[str, ...]
    numbers: tuple[int, ...]
    registered: Mapping[str, Any] | None
    command: str = ""


def write_experiment(folder: Path, asked: Asked, members: Sequence[Member], told: Mapping[Path, str]) -> dict[str, Any]:
    """Writes DIR/experiment.json from what the lives hold now, and returns it. `told`: path -> why it failed."""
    found = make_experiment(asked, members, told)
    write_json(folder / FILE, found)
    return found


def make_experiment(asked: Asked, members: Sequence[Member], told: Mapping[Path, str]) -> dict[str, Any]:
    """The whole comparison. Lives that have not ended take no part and are named."""
    readings = {(one.side, one.number): read_measured(one.run) for one in members if one.ended()}
    contrasts = [contrast for arm in asked.arms for contrast in arm_contrasts(arm, asked.numbers, readings)]
    primary = mark_primary(contrasts, asked.registered)
    for contrast, p in zip(contrasts, holm([contrast["p_t"] for contrast in contrasts]), strict=True):
        contrast["p_holm"] = p
    return {
        "name": asked.name,
        "genome": asked.genome_hash,
        "arms": list(asked.arms),
        "seeds": sorted({one.seed for one in members}),
        "registered": dict(asked.registered) if asked.registered else None,
        "primary": primary,
        "departures": departures(asked, contrasts),
        "remarks": remarks(members),
        "complete": all(one.ended() for one in members),
        "lives": [life_entry(one, told.get(one.path)) for one in members],
        "equality": [row for arm in asked.arms for row in equality_rows(arm, members)],
        "contrasts": contrasts,
        "by_stage": [row for arm in asked.arms for row in stage_contrasts(arm, asked.numbers, readings)],
        "notes": NOTES,
        "command": asked.command,
    }


def arm_contrasts(
    arm: str, numbers: Sequence[int], readings: Mapping[tuple[str, int], Reading]
) -> list[dict[str, Any]]:
    """One entry for everything that was measured on either side; a pair that lacks a value is named in `missing`."""
    sides = [reading for (side, _), reading in readings.items() if side in (GENOME, arm)]
    found = []
    for key in keys_of(sides):
        pairs, missing, after = [], [], {}
        rows: list[dict[str, Any]] = []
        for number in numbers:
            values = []
            for side in (GENOME, arm):
                told = readings[side, number].newest.get(key) if (side, number) in readings else None
                if told is None:
                    why = "not measured" if (side, number) in readings else "life not ended"
                    missing.append(f"{side} seed-{number}: {why}")
                else:
                    after.setdefault(side, told[0])
                    rows.append(told[1])
                    values.append(told[1]["value"])
            if len(values) == 2:
                pairs.append((number, *values))
        found.append(_entry(arm, key, pairs, missing) | _about(rows) | {"after": after})
    return found


def _entry(arm: str, key: Key, pairs: Sequence[tuple[int, float, float]], missing: list[str]) -> dict[str, Any]:
    probe, subject, on, form = key
    differences = [ours - base for _, base, ours in pairs]
    said = asdict(paired(differences))
    note = said.pop("note")
    return {
        "arm": arm,
        "probe": probe,
        "subject": subject,
        "on": on,
        "form": form,
        **said,
        "p_holm": None,
        "primary": False,
        "exploratory": True,
        "numbers": [number for number, _, _ in pairs],
        "differences": differences,
        "genome_mean": _mean([base for _, base, _ in pairs]),
        "arm_mean": _mean([ours for _, _, ours in pairs]),
        "missing": missing,
        "note": note,
    }


def _about(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        name: next((row[name] for row in rows if name in row), None) for name in ("unit", "chance", "higher_is_better")
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def stage_contrasts(
    arm: str, numbers: Sequence[int], readings: Mapping[tuple[str, int], Reading]
) -> list[dict[str, Any]]:
    """The trunk's differences after each stage but the last, by the stage's number in the life."""
    found = []
    pairs = [
        (readings[GENOME, n], readings[arm, n]) for n in numbers if (GENOME, n) in readings and (arm, n) in readings
    ]
    last = max((max(reading.stages, default=0) for pair in pairs for reading in pair), default=0)
    for number in range(last):
        keys = dict.fromkeys(key for pair in pairs for side in pair for key in side.stages.get(number, ()))
        for key in keys:
            if key[1] != "trunk":
                continue
            values = [
                arms.stages[number][key]["value"] - base.stages[number][key]["value"]
                for base, arms in pairs
                if key in base.stages.get(number, ()) and key in arms.stages.get(number, ())
            ]
            said = paired(values)
            found.append(
                {"arm": arm, "stage": number, "probe": key[0], "subject": key[1], "on": key[2], "form": key[3]}
                | {"n": said.n, "mean": said.mean, "ci95": said.ci95}
            )
    return found


def mark_primary(contrasts: Sequence[dict[str, Any]], registered: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Marks the contrast that was named beforehand, and returns what was named with the form that stood for it."""
    if not registered:
        return None
    asked = dict(registered["primary"])
    for contrast in contrasts:
        same = all(contrast[name] == asked.get(name) for name in ("probe", "on", "subject"))
        if same and contrast["arm"] == asked["contrast"] and asked.get("form") in (None, contrast["form"]):
            contrast["primary"], contrast["exploratory"] = True, False
            return asked | {"form": contrast["form"], "measured": contrast["n"] > 0}
    return asked | {"measured": False}


def departures(asked: Asked, contrasts: Sequence[Mapping[str, Any]]) -> list[str]:
    """How what was done departs from what was said beforehand, in sentences."""
    if not asked.registered:
        return []
    told = []
    if asked.registered["seeds"] != len(asked.numbers):
        told.append(f"{asked.registered['seeds']} seeds were registered, {len(asked.numbers)} were asked for")
    primary = next((contrast for contrast in contrasts if contrast["primary"]), None)
    if primary is None or primary["n"] == 0:
        told.append("the primary contrast has not been measured")
    elif primary["n"] < len(asked.numbers):
        told.append(f"the primary contrast holds {primary['n']} of {len(asked.numbers)} pairs")
    return told


def remarks(members: Sequence[Member]) -> list[str]:
    """What a reader of the lives should know, in sentences: unequal machines, lives here that take no part."""
    told = []
    worlds = [(one.run.read_json("plan.json") or {}).get("world") for one in members]
    if len({str(world) for world in worlds if world}) > 1:
        told.append(
            "lives were grown with different numbers of threads, ranks or kinds of device: their arithmetic differs by "
            "rounding, and so may their weights"
        )
    asked = {one.path for one in members}
    folders = {one.path.parents[1] for one in members}
    others = sorted(path for folder in folders for path in folder.glob("*/seed-*") if path not in asked)
    if others:
        told.append(f"not part of this comparison: {', '.join(f'{path.parent.name}/{path.name}' for path in others)}")
    return told


def life_entry(member: Member, told: str | None) -> dict[str, Any]:
    """How a life ended, what it read and how long it took."""
    run = member.run
    outcome = run.read_json("outcome.json") or {}
    said = outcome.get("outcome") or ("failed" if told else "unfinished" if run.path.exists() else "not grown")
    lived = run.read_jsonl("events.jsonl") if said in ("done", "gate_ended") else []
    begun = next((event["time"] for event in lived if event["event"] == "life_started"), None)
    spared = sum(event["trained_tokens_saved"] for event in lived if event["event"] == "snapshot_reused")
    plan = run.read_json("plan.json") or {}
    return {
        "arm": member.side,
        "number": member.number,
        "seed": member.seed,
        "outcome": "failed" if told else said,
        "message": told or outcome.get("message", ""),
        "seconds": outcome.get("seconds"),
        "seconds_since_begun": round(lived[-1]["time"] - begun, 3) if begun else None,
        "trained_tokens": plan.get("trained_tokens"),
        "tokens_seen": tokens_seen(run),
        "tokens_from_snapshots": spared,
        "threads_per_rank": (plan.get("world") or {}).get("threads_per_rank"),
        "genome_hash": plan.get("genome_hash"),
        "corpus_hash": plan.get("corpus_hash"),
    }


def tokens_seen(run: RunDirectory) -> int | None:
    """Loss-bearing tokens that a life has read, as its newest logged step says."""
    for folder in reversed(run.stage_folders()):
        if lines := run.read_jsonl(folder / "metrics.jsonl"):
            return next((line["tokens_seen"] for line in reversed(lines) if "tokens_seen" in line), None)
    return None


def equality_rows(arm: str, members: Sequence[Member]) -> list[dict[str, Any]]:
    """What an arm shares with the genome, as the prepared lives have it: the values of the first pair, `equal` over all
    pairs, `must` where the arm is not about it."""
    from ontogeny.core.arms import arm_equalities

    rows: dict[str, dict[str, Any]] = {}
    sides = {(one.side, one.number): one for one in members}
    for one in members:
        if one.side != arm or (GENOME, one.number) not in sides:
            continue
        runs = (sides[GENOME, one.number].run, one.run)
        plans = [run.read_json("plan.json") for run in runs]
        manifests = [run.read_json("corpus/manifest.json") for run in runs]
        if None in plans or None in manifests:
            continue
        of_arm = (manifests[0], manifests[1]) if "arm" in manifests[1] else None
        for row in arm_equalities(plans[0], plans[1], of_arm):
            known = rows.setdefault(row["what"], {"side": arm, **row, "pairs": 0})
            known["pairs"] += 1
            known["equal"] = known["equal"] and row["equal"]
    return list(rows.values())
