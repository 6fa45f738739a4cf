"""Lives that one worker of two ranks grows in turn are those that `ontogeny run` grows, whatever interrupts them."""

from __future__ import annotations

import signal
from pathlib import Path

from ontogeny.cli.verify import verified
from ontogeny.core.run import RunDirectory
from tests.launch.lives import SPROUT, call, events, processes_of, read_json, results, start, wait_for

GATE = "stages.1.gate={probe: bits_per_byte, on: lexicon, below: 0.01, otherwise: end}"  # no life passes it
SMALL = ("stages.0.span.tokens=5000", "stages.1.span.tokens=5000", "machine.ranks=2", "machine.zero_stage=2", GATE)
OWN = ("gate.json", "fingerprints.json")  # a gate that may not act says so, and fingerprints hash what it says


def entered(run: Path, stage: str) -> bool:
    """Whether a life has a stage under its feet."""
    return any(event["event"] == "phase_entered" and event["stage"] == stage for event in events(run))


def lived(run: Path) -> dict[str, bytes]:
    """What a life leaves, but for what is its own."""
    return {name: raw for name, raw in results(run).items() if not name.endswith(OWN)}


def test_an_experiment_interrupted_goes_on_and_its_lives_are_ordinary(tmp_path):
    out = tmp_path / "arms"
    words = ("experiment", SPROUT, *SMALL, "--arms", "reverse", "--seeds", "2", "--out", out)
    child = start(*words)
    second = out / "reverse" / "seed-0"
    assert wait_for(lambda: entered(second, "lexicon"), child, "the second life")
    child.send_signal(signal.SIGTERM)
    assert child.wait(600) == 130
    assert wait_for(lambda: not processes_of(out / ".lives" / "lives.jsonl"), what="no rank to be left")
    first = out / "genome" / "seed-0"
    assert read_json(first, "outcome.json")["outcome"] == "done"
    assert read_json(second, "outcome.json") == read_json(second, "outcome.json") | {
        "outcome": "interrupted",
        "exit_code": 130,
    }
    assert [one["outcome"] for one in read_json(out, "experiment.json")["lives"]] == [
        "done",
        "interrupted",
        "not grown",
        "not grown",
    ]
    ended = (first / "outcome.json").stat().st_mtime_ns
    call(*words)
    assert (first / "outcome.json").stat().st_mtime_ns == ended, "a life that has ended is kept"
    found = read_json(out, "experiment.json")
    assert found["complete"] and {one["outcome"] for one in found["lives"]} == {"done"}
    assert {one["n"] for one in found["contrasts"] if one["subject"] == "trunk"} == {2}
    assert found["equality"] and all(row["equal"] for row in found["equality"] if row["must"])
    assert (out / "experiment.html").stat().st_size > 20_000
    for life in found["lives"]:
        run = out / life["arm"] / f"seed-{life['number']}"
        assert verified(RunDirectory(run))[1] == []
        told = [read_json(run, f"stages/{folder.name}/gate.json") for folder in RunDirectory(run).stage_folders()[1:]]
        assert [gate["decision"] for gate in told] == ["pass", "pass"], "gates never act"
        assert told[1]["would"] == "end" and told[1]["passed"] is False
    third = tmp_path / "alone"
    call("run", SPROUT, *SMALL, "seed=8", "--out", third, code=3)
    assert len(lived(third)) > 15
    assert lived(out / "genome" / "seed-1") == lived(third), "a life in turn leaves the bytes of a life alone"
