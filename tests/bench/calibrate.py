"""The calibration of the apparatus: does it see an effect that is there, and how often does it see one that is not?

    python -m tests.bench.calibrate FOLDER [--comparisons 24] [--null-comparisons 16] [--seeds 6] [--workers 2]

Three experiments on synthetic libraries (tests/bench/synthetic_library.py), grown as any experiment is:
- positive: `contrary`, two stages that contradict each other; arms reverse and shuffle, bits per byte of `second`;
- A/A: `alike`, one library, arm `again` (the same life with other initial weights): every difference is chance;
- null: `alike`, a library of its own for every seed, arms shuffle and reverse in turn: no order can be better.
Lives of A/A and null are dealt into comparisons of so many seeds, no life into two; told is the share of intervals that
exclude 0 with its exact binomial interval. Run again, it goes on where it was."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from scipy.stats import binomtest

from ontogeny.cli.experiment import WORK, grow
from ontogeny.core.genome import genome_hash, load_genome
from ontogeny.search.measured import GENOME, Member, read_measured
from ontogeny.search.pairs import paired
from ontogeny.train.lives import Turn, arm_life
from ontogeny.train.planning import this_world
from tests.bench.synthetic_library import write_library

PRIMARY = "experiment: {primary: {probe: bits_per_byte, on: second, contrast: reverse}, seeds: 6}\n"
ON = "second"
NULL_ARMS = ("shuffle", "reverse")


def experiment(root: Path, genome: Path, arms: str, seeds: int, workers: int) -> dict:
    """`ontogeny experiment`, as a user runs it; returns experiment.json."""
    words = [sys.executable, "-c", "from ontogeny.cli.app import main; main()", "experiment", str(genome)]
    words += ["--arms", arms, "--seeds", str(seeds), "--out", str(root / "out"), "--workers", str(workers), "-q"]
    subprocess.run(words, check=True)
    return json.loads((root / "out/experiment.json").read_text("utf-8"))


def null_lives(root: Path, seeds: int, workers: int) -> list[tuple[Member, Member]]:
    """A library for every seed, two lives on each: the genome's and an arm's."""
    pairs, members, turns = [], [], []
    for seed in range(seeds):
        arm, home = NULL_ARMS[seed % len(NULL_ARMS)], root / f"library-{seed}"
        genome = write_library(home, "alike", seed)
        loaded = load_genome(genome, (), ())
        mine = [Member(side, seed, seed, (root / "out" / side / f"seed-{seed}").absolute()) for side in (GENOME, "arm")]
        pairs.append((mine[0], mine[1]))
        for one in mine:
            told = arm if one.side == "arm" else None
            members.append(one)
            turns.append(
                Turn(
                    genome=str(genome.absolute()),
                    overrides=[],
                    libraries=[],
                    arm=told,
                    seed=seed,
                    out=str(one.path),
                    genome_hash=genome_hash(arm_life(loaded, told, seed).genome),
                    store=str((home / ".store").absolute()),
                    experiment="calibration",
                    world=asdict(this_world(loaded.genome, workers)),
                )
            )
    code, failed = grow(turns, members, (root / "out" / WORK).absolute(), workers, lambda _: None)
    assert code == 0, failed
    return pairs


def differences(pairs: list[tuple[Member, Member]]) -> list[float]:
    """Arm minus genome, bits per byte of the second stage at the end of the life, one a pair."""
    key = ("bits_per_byte", "trunk", ON, "per_byte")
    values = [[read_measured(one.run).newest[key][1]["value"] for one in pair] for pair in pairs]
    return [arm - genome for genome, arm in values]


def false_alarms(found: list[float], seeds: int) -> dict:
    """Disjoint comparisons of so many differences: how many intervals exclude 0."""
    groups = [found[at : at + seeds] for at in range(0, len(found) - seeds + 1, seeds)]
    results = [paired(group) for group in groups]
    alarms = sum(not one.ci95[0] <= 0 <= one.ci95[1] for one in results)
    flips = sum(one.p_sign_flip is not None and one.p_sign_flip <= 0.05 for one in results)
    exact = binomtest(alarms, len(groups), 0.05)
    low, high = exact.proportion_ci(method="exact")
    sd = (sum(one.sd**2 for one in results) / len(results)) ** 0.5
    return {
        "comparisons": len(groups),
        "seeds": seeds,
        "excluding_0": alarms,
        "share": round(alarms / len(groups), 4),
        "ci95": [round(low, 4), round(high, 4)],
        "p_of_5_percent": round(exact.pvalue, 4),
        "sign_flip_below_5_percent": flips,
        "sd_of_differences": round(sd, 5),
    }


def main() -> None:
    """Runs the three and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--comparisons", type=int, default=24, help="of A/A")
    parser.add_argument("--null-comparisons", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    root, seeds = options.folder.absolute(), options.seeds
    lives = options.comparisons * seeds
    told: dict = {}
    started = time.time()
    home = root / "positive"
    found = experiment(home, write_library(home, "contrary", 3, PRIMARY), "reverse,shuffle", seeds, options.workers)
    told["positive"] = [
        {key: row[key] for key in ("arm", "on", "form", "mean", "ci95", "p_sign_flip", "primary", "smallest_effect")}
        for row in found["contrasts"]
    ]
    told["positive_s"] = round(time.time() - started)
    started = time.time()
    home = root / "again"
    experiment(home, write_library(home, "alike", 3), "again", lives, options.workers)
    sides = [
        [Member(side, n, 0, home / "out" / side / f"seed-{n}") for side in (GENOME, "again")] for n in range(lives)
    ]
    told["again"] = false_alarms(differences([(one, other) for one, other in sides]), seeds)
    told["again_s"] = round(time.time() - started)
    started = time.time()
    told["null"] = false_alarms(
        differences(null_lives(root / "null", options.null_comparisons * seeds, options.workers)), seeds
    )
    told["null_s"] = round(time.time() - started)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
