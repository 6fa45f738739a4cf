"""A worker's list of lives: claimed once each, told as they end, one that fails not in the way of the next."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ontogeny.core.errors import DONE, FAILED, INTERRUPTED, Fault, TrainError
from ontogeny.train import learner, lives, rank
from ontogeny.train.lives import PROGRESS, Turn, grow_lives, read_turns, write_turns


def turn(out: Path, **other) -> Turn:
    told = {"genome": "g.yaml", "overrides": ["seed=3"], "libraries": [], "arm": "without=pond", "seed": 3}
    told |= {"out": str(out), "genome_hash": "ab", "store": str(out / "s"), "experiment": "cd"}
    return Turn(**told | {"world": {"ranks": 1, "threads_per_rank": 2, "device": "cpu"}} | other)


def records(file: Path) -> list[dict]:
    return [json.loads(line) for line in (file.parent / PROGRESS).read_text("utf-8").splitlines()]


@pytest.fixture
def listed(tmp_path, monkeypatch) -> Path:
    """A list of four lives whose run directories need no preparing, in a process that plays a single rank."""
    monkeypatch.setattr(learner, "start_distributed", lambda threads, seed: (0, 1))
    monkeypatch.setattr(lives, "_prepare", lambda turn, run, held, genomes: run.path.mkdir())
    monkeypatch.setattr(lives.gc, "freeze", lambda: None)
    file = tmp_path / "work" / "lives.jsonl"
    write_turns(file, [turn(tmp_path / name) for name in "abcd"])
    return file


def test_a_list_reads_back_and_forgets_what_was_claimed(tmp_path):
    file = tmp_path / "work" / "lives.jsonl"
    turns = [turn(tmp_path / "a\u2028b"), turn(tmp_path / "c", arm=None)]
    write_turns(file, turns)
    assert read_turns(file) == turns
    assert lives._claim(file, 2, threading.Event()) == 0
    (file.parent / PROGRESS).write_text("old")
    write_turns(file, turns)
    assert lives._claim(file, 2, threading.Event()) == 0 and not (file.parent / PROGRESS).exists()


def test_workers_share_the_lives_among_them(tmp_path):
    file = tmp_path / "work" / "lives.jsonl"
    write_turns(file, [turn(tmp_path / str(number)) for number in range(200)])
    stop = threading.Event()

    def claimed(_) -> list[int]:
        return list(iter(lambda: lives._claim(file, 200, stop), None))

    with ThreadPoolExecutor(4) as pool:
        found = [number for part in pool.map(claimed, range(4)) for number in part]
    assert sorted(found) == list(range(200))
    stop.set()
    write_turns(file, read_turns(file))
    assert lives._claim(file, 200, stop) is None, "nothing begins after a stop"


def test_a_life_that_fails_is_told_and_the_next_begins(listed, monkeypatch):
    def live(run, stop):
        if run.path.name == "b":
            raise ValueError("odd")
        if run.path.name == "c":
            raise TrainError(Fault("the loss is not finite.", "c", "nan", "a number", "lower the rate"))
        return "done", DONE, "read"

    monkeypatch.setattr(rank, "live", live)
    assert grow_lives(listed, threading.Event()) == FAILED
    assert [(one["life"], one["said"]) for one in records(listed)] == [
        *((0, "begun"), (0, "done"), (1, "begun"), (1, "failed")),
        *((2, "begun"), (2, "failed"), (3, "begun"), (3, "done")),
    ]
    assert records(listed)[3]["message"] == "ValueError: odd" and "not finite" in records(listed)[5]["message"]
    for turn, outcome in zip(read_turns(listed), ("done", "failed", "failed", "done"), strict=True):
        said = json.loads((Path(turn.out) / "outcome.json").read_text("utf-8"))
        assert said["outcome"] == outcome
        events = [json.loads(line) for line in (Path(turn.out) / "events.jsonl").read_text("utf-8").splitlines()]
        assert events[-1] == events[-1] | {"event": "life_ended", "outcome": outcome}


def test_a_life_that_cannot_be_prepared_leaves_no_outcome(listed, monkeypatch):
    def prepare(turn, run, held, genomes):
        if run.path.name == "a":
            raise TrainError(Fault("no.", "here"))
        run.path.mkdir()

    monkeypatch.setattr(lives, "_prepare", prepare)
    monkeypatch.setattr(rank, "live", lambda run, stop: ("done", DONE, "read"))
    assert grow_lives(listed, threading.Event()) == FAILED
    told = records(listed)
    assert (told[1]["said"], told[1]["code"]) == ("failed", FAILED) and told[1]["message"].startswith("TrainError: no.")
    assert not Path(read_turns(listed)[0].out).exists() and [one["said"] for one in told[2:]].count("done") == 3


def test_a_stop_ends_the_list_where_it_is(listed, monkeypatch):
    stop = threading.Event()

    def live(run, asked):
        if run.path.name == "b":
            asked.set()
            return "interrupted", INTERRUPTED, "stopped"
        return "done", DONE, "read"

    monkeypatch.setattr(rank, "live", live)
    assert grow_lives(listed, stop) == INTERRUPTED
    assert [(one["life"], one["said"]) for one in records(listed)] == [
        *((0, "begun"), (0, "done"), (1, "begun"), (1, "interrupted")),
    ]


def test_a_stop_between_lives_is_an_interruption_too(listed, monkeypatch):
    stop = threading.Event()
    monkeypatch.setattr(rank, "live", lambda run, asked: (asked.set(), ("done", DONE, "read"))[1])
    assert grow_lives(listed, stop) == INTERRUPTED
    assert [one["said"] for one in records(listed)] == ["begun", "done"]


def test_the_module_takes_a_run_or_a_list_and_not_both(capsys):
    for words in (["a-run", "--lives", "file"], []):
        with pytest.raises(SystemExit) as ended:
            rank.main(words)
        assert ended.value.code == 2
    assert "--lives" in capsys.readouterr().err
