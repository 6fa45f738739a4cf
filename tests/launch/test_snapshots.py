"""A prefix is grown once: what begins from a snapshot, or branches, ends in the bytes of a life grown from scratch."""

from __future__ import annotations

import json
from pathlib import Path

from ontogeny.core.run import RunDirectory
from ontogeny.corpus.rows import Corpus
from ontogeny.train.rank import replan
from ontogeny.train.snapshots import begin_from_snapshot, snapshots_of
from tests.launch.lives import SPROUT, assert_equal_lives, call, events, prepare

LATER = "stages.1.trunk.learning_rate=0.004"
OTHER = "stages.1.trunk.learning_rate=0.006"


def named(run: Path, name: str) -> list[dict]:
    return [event for event in events(run) if event["event"] == name]


def test_lives_that_begin_or_branch_end_in_the_same_bytes(grown):
    runs = grown.parent  # where the life's snapshots are
    scratch, begun, branched = runs / "scratch", runs / "begun", runs / "branched"
    # the second stage has another rate: the first is taken, as it was measured
    (first,) = [line["tokens_seen"] for line in _ends(grown, "01-primer")]
    said = call("run", SPROUT, LATER, "--out", begun).stderr
    assert f"{first} trained tokens saved" in said
    (reused,) = named(begun, "snapshot_reused")
    assert reused["stage"] == "01-primer" and reused["trained_tokens_saved"] == first
    assert [event["stage"] for event in named(begun, "phase_entered")] == ["lexicon"] * 3
    call("verify", begun)
    call("run", SPROUT, LATER, "--out", scratch, "--fresh")
    assert not named(scratch, "snapshot_reused") and len(named(scratch, "phase_entered")) == 6
    assert_equal_lives(scratch, begun)

    # a life that stands at the end of the first stage, about to learn at one rate, learns at another
    run = RunDirectory(prepare(branched, OTHER))
    plan = replan(run, Corpus(run / "corpus").manifest)
    run.event("life_started")
    assert begin_from_snapshot(run, plan, run.read_json("corpus/manifest.json"), snapshots_of(run)) == 1
    refused = call("run", SPROUT, LATER, "stages.0.trunk.clip_norm=0.5", "--out", branched, "--resume", code=2)
    assert "stage 'primer', trunk.clip_norm" in refused.stderr
    call("run", SPROUT, LATER, "--out", branched, "--resume")
    assert len(named(branched, "branched")) == 1
    call("verify", branched)
    assert_equal_lives(scratch, branched)


def _ends(run: Path, folder: str) -> list[dict]:
    """The last line of a stage's log."""
    return [json.loads(line) for line in (run / "stages" / folder / "metrics.jsonl").read_text().splitlines()[-1:]]
