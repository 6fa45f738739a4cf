"""Killed at random moments in every phase, a life comes back and ends in the very same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

from tests.launch.lives import (
    SPROUT,
    assert_equal_lives,
    call,
    events,
    kill_all,
    prepared_copy,
    processes_of,
    start,
    wait_for,
)

PHASES = [(stage, phase) for stage in ("primer", "lexicon") for phase in ("books", "replay", "roles", "measure")]


def entered(run: Path, stage: str, phase: str, since: int) -> bool:
    """Whether a phase was entered (measure: the checkpoint after roles was written) since an event."""
    return any(
        event.get("stage") == stage
        and (
            (event["event"] == "phase_entered" and event["phase"] == phase)
            or (phase == "measure" and event["event"] == "checkpoint" and event["phase"] == "measure")
        )
        for event in events(run)[since:]
    )


def kill_in(run: Path, stage: str, phase: str, delay_s: float) -> str:
    """Walks the run, kills it -9 a moment after it entered a phase; returns the phase it was in, or "ended"."""
    since = len(events(run))
    child = start("train", run)
    if wait_for(lambda: entered(run, stage, phase, since), child, f"{stage}/{phase}"):
        time.sleep(delay_s)
    kill_all(run)
    child.wait()
    last = next(event for event in reversed(events(run)) if "phase" in event)
    return "ended" if (run / "outcome.json").exists() else f"{last['stage']}/{last['phase']}"


def test_a_life_killed_in_every_phase_ends_in_the_same_bytes(grown, tmp_path):
    run = prepared_copy(grown, tmp_path / "killed")
    chance = random.Random(1)
    kills: list[str] = []
    for stage, phase in PHASES:
        if f"{stage}/{phase}" not in kills:  # the last kill may have come late, in a later phase
            kills.append(kill_in(run, stage, phase, chance.random() * (0.6 if phase == "measure" else 0.3)))
        if kills[-1] == "ended":
            break
    assert len(set(kills) - {"ended"}) >= 5, kills
    (run / "outcome.json").unlink(missing_ok=True)
    call("train", run)
    assert json.loads((run / "outcome.json").read_text())["outcome"] == "done"
    assert_equal_lives(grown, run)
    call("verify", run)


def test_two_ranks_killed_come_back_to_the_same_bytes(grown, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = ("machine.ranks=2", "machine.zero_stage=2")
    call("run", SPROUT, *words, "--out", whole)
    for stage, phase in (("primer", "books"), ("lexicon", "roles")):
        child = start("run", SPROUT, *words, "--out", killed, "--resume")
        wait_for(lambda stage=stage, phase=phase: entered(killed, stage, phase, 0), child, f"{stage}/{phase}")
        time.sleep(random.Random(stage).random() * 0.5)
        kill_all(killed)
        child.kill()
        child.wait()
    call("run", SPROUT, *words, "--out", killed, "--resume")
    assert_equal_lives(whole, killed)


def test_sigterm_stops_every_rank_at_a_step_with_a_checkpoint(tmp_path, grown):
    run = tmp_path / "stopped"
    child = start("run", SPROUT, "machine.ranks=2", "--out", run)
    wait_for(lambda: entered(run, "primer", "books", 0), child, "the first step")
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait() == 130
    assert json.loads((run / "outcome.json").read_text())["outcome"] == "interrupted"
    assert not processes_of(run)
    assert any((run / "checkpoints").glob("[0-9]*/state.json"))
    unfinished = call("run", SPROUT, "machine.ranks=2", "--out", run, code=2)
    assert "--resume" in unfinished.stderr
    call("run", SPROUT, "machine.ranks=2", "--out", run, "--resume")
    assert json.loads((run / "outcome.json").read_text())["outcome"] == "done"
    call("verify", run)


def test_no_rank_outlives_a_killed_parent(tmp_path, grown):
    run = tmp_path / "orphaned"
    child = start("run", SPROUT, "machine.ranks=2", "--out", run)
    wait_for(lambda: entered(run, "primer", "books", 0), child, "the first step")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    wait_for(lambda: not processes_of(run), what="the ranks to end by themselves")
    call("run", SPROUT, "machine.ranks=2", "--out", run, "--resume")
    assert json.loads((run / "outcome.json").read_text())["outcome"] == "done"
