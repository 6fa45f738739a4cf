"""`ontogeny runs`: what is there, and what a budget frees."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

KIB = 1 << 10
GIB = 1 << 30


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs and three snapshots: 4 KiB of each snapshot's own, 8 KiB that `old` and `new` share, 16 KiB of a run."""
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    for name, outcome in (("sprout", {"outcome": "done", "exit_code": 0, "message": ""}), ("young", None)):
        run = runs / name
        (run / "stages/01-first").mkdir(parents=True)
        (run / "genome.yaml").write_text("name: x\n")
        plan = {"name": name, "genome_hash": "ab" * 32, "stages": [{}, {}]}
        (run / "plan.json").write_text(json.dumps(plan))
        if outcome is not None:
            (run / "stages/01-first/fingerprints.json").write_text("{}")
            (run / "stages/01-first/model").write_bytes(b"m" * 16 * KIB)
            (run / "outcome.json").write_text(json.dumps(outcome))
    store = runs / ".store/snapshots"
    for age, name in enumerate(("new", "middle", "old")):
        one = store / f"{name}.machine"
        one.mkdir(parents=True)
        (one / "own").write_bytes(b"o" * 4 * KIB)
        about = one / "snapshot.json"
        about.write_text(json.dumps({"genome": "sprout", "stages": ["first"], "tokens": 7}).ljust(1 * KIB))
        os.utime(about, (1_000_000 - age, 1_000_000 - age))
        (one / "model").hardlink_to(runs / "sprout/stages/01-first/model")
    (store / "old.machine/shared").write_bytes(b"s" * 8 * KIB)
    (store / "new.machine/shared").hardlink_to(store / "old.machine/shared")
    return runs


def left(folder: Path) -> set[str]:
    return {path.name.partition(".")[0] for path in (folder / ".store/snapshots").iterdir()}


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".store" not in path.parts}


def test_list(folder, ontogeny):
    told = ontogeny("runs", "list", "--json")
    assert told.code == 0
    found = json.loads(told.out)
    assert [(one["run"], one["outcome"], one["lived"], one["stages"]) for one in found["runs"]] == [
        ("sprout", "done", 1, 2),
        ("young", "prepared", 0, 2),
    ]
    assert found["runs"][0]["genome_hash"] == "ab" * 32 and found["runs"][0]["bytes"] > 16 * KIB
    assert {one["snapshot"]: one["bytes"] for one in found["snapshots"]} == {
        "new.machine": 29 * KIB,
        "middle.machine": 21 * KIB,
        "old.machine": 29 * KIB,
    }
    assert found["snapshot_bytes"] == 3 * 5 * KIB + 8 * KIB, "what a run holds too would not be freed"
    said = ontogeny("runs", "list", "runs").out
    assert "sprout  sprout  genome abababababab  1/2 stages  done" in said and "3 snapshots" in said
    assert ontogeny("runs", "list", "-q").out == ""


@pytest.mark.parametrize(
    ("kept", "stays", "freed"),
    [
        (23, {"new", "middle", "old"}, 0),
        (22, {"new", "middle"}, 5),  # the shared file is still held by `new`
        (18, {"new", "middle"}, 5),
        (17, {"new"}, 10),
        (13, {"new"}, 10),
        (12, set(), 23),
        (0, set(), 23),
    ],
)
def test_prune_frees_the_least_recently_used_until_the_budget_holds(folder, ontogeny, kept, stays, freed):
    runs = listing(folder)
    words = ("runs", "prune", "runs", "--keep-gib", repr(kept * KIB / GIB), "--json")
    plan = json.loads(ontogeny(*words, "--dry-run").out)
    assert left(folder) == {"new", "middle", "old"} and plan["dry_run"]
    found = json.loads(ontogeny(*words).out)
    assert left(folder) == stays and found["freed_bytes"] == plan["freed_bytes"] == freed * KIB
    assert found["removed"] == plan["removed"] and found["bytes"] <= kept * KIB
    assert listing(folder) == runs, "runs are never touched"


def test_prune_says_what_it_did(folder, ontogeny):
    words = ("runs", "prune", "--keep-gib", "0")
    assert "would remove old.machine" in ontogeny(*words, "--dry-run").out
    assert "removed old.machine" in ontogeny(*words).out
    assert "0 snapshots, 0.0 MiB freed" in ontogeny(*words).out


def test_stores_of_an_experiment_s_arms_are_seen(folder, ontogeny):
    (folder / "arm").mkdir()
    (folder / ".store").rename(folder / "arm/.store")
    assert len(json.loads(ontogeny("runs", "list", "--json").out)["snapshots"]) == 3


def test_a_snapshot_that_cannot_be_read_goes_first(folder, ontogeny):
    (folder / ".store/snapshots/new.machine/snapshot.json").write_text("{")
    assert "unreadable" in ontogeny("runs", "list").out
    ontogeny("runs", "prune", "--keep-gib", repr(18 * KIB / GIB))
    assert left(folder) == {"middle", "old"}, "18 KiB are what these two hold, and the shared file is counted once"


def test_faults(folder, ontogeny):
    for words in (("list", "absent"), ("prune", "absent", "--keep-gib", "1"), ("list", "runs/sprout/genome.yaml")):
        told = ontogeny("runs", *words)
        assert told.code == 2 and "there is no such folder of runs." in told.blocks[0]
    assert ontogeny("runs", "prune", "--keep-gib", "-1").code == 2
    (folder / "young/plan.json").write_text("{")
    assert json.loads(ontogeny("runs", "list", "--json").out)["runs"][1]["outcome"] == "spoiled"


def test_corpora_of_arms_are_listed_and_freed(folder, ontogeny):
    corpora = folder / ".store/corpora"
    for age, name in enumerate(("recent", "ancient")):
        (corpora / name).mkdir(parents=True)
        (corpora / name / "manifest.json").write_bytes(b"c" * 32 * KIB)
        (corpora / f"{name}.lock").write_bytes(b"")
        os.utime(corpora / f"{name}.lock", (2_000_000 - 1_500_000 * age,) * 2)
    listed = json.loads(ontogeny("runs", "list", "--json").out)
    assert {one["corpus"]: one["bytes"] for one in listed["corpora"]} == {"ancient": 32 * KIB, "recent": 32 * KIB}
    assert listed["corpus_bytes"] == 64 * KIB
    told = ontogeny("runs", "prune", "--keep-gib", str(60 * KIB / GIB), "--json")
    assert told.code == 0 and json.loads(told.out)["removed"] == ["ancient"]
    assert not (corpora / "ancient").exists() and (corpora / "recent/manifest.json").is_file()
    assert left(folder) == {"new", "middle", "old"}, "the snapshots were used later"
