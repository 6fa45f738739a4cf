"""Snapshots as files: what is linked and what is copied, what is found again, what is refused."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest

from ontogeny.core.cursor import Cursor
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.rows import Corpus
from ontogeny.train import snapshots
from ontogeny.train.fingerprints import FINGERPRINTS, fingerprints
from ontogeny.train.snapshots import begin_from_snapshot, measure_again, snapshots_of, store_snapshot
from tests.cli.made_life import checkpoint, ledger_of, live, manifest_of, plan_of, prepare

GATE = "stages.0.gate={probe: bits_per_byte, on: first, below: 9.0}"


def begin(run: RunDirectory, tell=lambda _: None) -> int | None:
    return begin_from_snapshot(run, plan_of(run), manifest_of(run), snapshots_of(run), tell)


def told(run: RunDirectory, name: str) -> list[dict]:
    return [event for event in run.read_jsonl("events.jsonl") if event["event"] == name]


@pytest.fixture
def lived(project) -> RunDirectory:
    """A life of both stages, whose ends are both stored."""
    run = prepare("one")
    for stages in (1, 2):
        shutil.rmtree(run / "stages", ignore_errors=True)
        shutil.rmtree(run / "checkpoints", ignore_errors=True)
        cursor = live(run, stages)
        assert store_snapshot(ledger_of(run, 1000 * stages), manifest_of(run), cursor) is not None
    assert len(stored(run)) == 2
    return run


def stored(run: RunDirectory) -> list[Path]:
    """The snapshots, the shorter first."""
    found = [
        (len(json.loads((path / "snapshot.json").read_text())["stages"]), path)
        for path in snapshots_of(run).glob("[!.]*")
    ]
    return [path for _, path in sorted(found)]


def holds(folder: Path) -> bool:
    """Whether every file of a stage folder is as its fingerprints say."""
    return json.loads((folder / FINGERPRINTS).read_text()) == fingerprints(folder)


def test_a_snapshot_links_what_never_changes_and_copies_what_does(lived):
    one = stored(lived)[1]
    for name in ("stages/01-first/model/model.safetensors", "stages/01-first/gate.json"):
        assert (one / name).samefile(lived / name)
    ended = lived.checkpoints()[-1]
    assert (one / "checkpoint/trunk/engine/state.pt").samefile(ended / "trunk/engine/state.pt")
    assert not (one / "checkpoint/roles").exists(), "a stage's end needs no state of its roles"
    for name in ("metrics.jsonl", "consumed.bin"):
        copy = one / "stages/02-second" / name
        assert copy.read_bytes() == (lived / "stages/02-second" / name).read_bytes()
        assert not copy.samefile(lived / "stages/02-second" / name)
    about = json.loads((one / "snapshot.json").read_text())
    assert about["stages"] == ["first", "second"] and about["passes"] == [1, 1] and about["tokens"] == 2000
    assert one.name == f"{about['prefix']}.{about['machine']}"
    assert about["bytes"] == sum(size for size, _ in about["files"].values())


def test_the_longest_prefix_is_laid_into_a_run(lived):
    said = []
    run = prepare("two")
    assert begin(run, said.append) == 2
    assert "first, second" in said[0] and "2000 trained tokens saved" in said[0]
    reused = told(run, "snapshot_reused")
    assert [(one["stage"], one["trained_tokens_saved"]) for one in reused] == [("02-second", 2000)]
    for folder in ("00-conception", "01-first", "02-second"):
        assert holds(run / "stages" / folder), folder
    ledger = ledger_of(run)
    assert ledger.restore() == Cursor(2), "the last stage was measured already"
    assert ledger.tokens_seen == 1234
    state = json.loads((run.checkpoints()[-1] / "state.json").read_text())
    assert state["genome_hash"] == plan_of(run).genome_hash
    measured = told(run, "probes_measured")
    assert {one["stage"] for one in measured} == {"00-conception", "01-first", "02-second"}
    assert begin(run) is None, "a life that has begun is not begun again"


def test_another_future_begins_where_the_past_is_the_same(lived):
    run = prepare("two", "stages.1.trunk.learning_rate=0.0005")
    assert begin(run) == 1
    assert [path.name for path in run.stage_folders()] == ["00-conception", "01-first"]
    assert ledger_of(run).restore() == Cursor(1)
    # the corpus is the same: what was measured stands
    assert (run / "stages/01-first" / FINGERPRINTS).exists()


@pytest.mark.parametrize(
    "override",
    ["seed=4", "stages.0.trunk.learning_rate=0.002", "roles.student.rank=1", "machine.zero_stage=1", "machine.ranks=2"],
)
def test_another_past_or_machine_finds_nothing(lived, override):
    assert begin(prepare("two", override)) is None


def test_stages_that_were_asked_something_else_are_measured_again(lived):
    run = prepare("two", "stages.0.probes.battery=[bits_per_byte]", "stages.1.trunk.learning_rate=0.0005")
    assert begin(run) == 1
    assert not (run / "stages/01-first/probes.json").exists()
    assert not told(run, "stage_ended") and {one["stage"] for one in told(run, "probes_measured")} == set()
    ledger = ledger_of(run)
    assert ledger.restore() == Cursor(0, 1, 3), "the walk measures the last stage itself"
    assert not ledger.conceived()
    run = prepare("three", "stages.0.probes.battery=[bits_per_byte]")
    assert begin(run) == 2
    ledger, asked = ledger_of(run), []
    at = ledger.restore()

    def measure(cursor: Cursor | None) -> list[dict]:
        asked.append(cursor)
        return []

    measure_again(ledger, Corpus(run / "corpus"), measure, at)
    assert asked == [Cursor(0, 1, 3)] and at == Cursor(2), "the second stage's battery is as it was"
    assert holds(run / "stages/01-first")


def test_a_gate_that_might_decide_otherwise_is_asked(lived):
    """The first stage passed without a gate: a life with one goes on from the first stage's end, and decides there."""
    run = prepare("two", GATE)
    assert begin(run) == 1
    assert ledger_of(run).restore() == Cursor(0, 1, 3)


def test_light_probes_inside_a_stage_must_be_there(lived):
    assert begin(prepare("two", "stages.1.probes.every_tokens=500")) == 1
    assert begin(prepare("three", "stages.0.probes.every_tokens=500")) is None


def test_a_stage_that_its_gate_repeats_is_stored_with_its_passes(project):
    run = prepare("one", GATE.replace("}", ", otherwise: repeat}"))
    cursor = live(run, 1, ("repeat",))
    assert store_snapshot(ledger_of(run), manifest_of(run), cursor) is None
    shutil.copytree(run / "stages/01-first", run / "stages/01-first.2")
    second = run / "stages/01-first.2"
    (second / "gate.json").write_text('{"decision": "pass"}')
    (second / FINGERPRINTS).write_text(json.dumps(fingerprints(second)))
    shutil.rmtree(run / "checkpoints")
    at = Cursor(0, 2, 3)
    checkpoint(run, at, "2")
    one = store_snapshot(ledger_of(run), manifest_of(run), at)
    assert one is not None and json.loads((one / "snapshot.json").read_text())["passes"] == [2]
    again = prepare("two", GATE.replace("}", ", otherwise: repeat}"))
    assert begin(again) == 1 and (again / "stages/01-first.2/model").is_dir()
    assert begin(prepare("three")) is None, "without the gate the stage is read once"


@pytest.mark.parametrize("damage", ["model", "gone", "shorter", "about"])
def test_a_damaged_snapshot_is_named_and_not_used(lived, damage):
    one, two = stored(lived)
    weights = two / "stages/02-second/model/model.safetensors"
    raw = weights.read_bytes()
    weights.unlink()  # it is linked: the run's own file stays
    if damage == "model":
        weights.write_bytes(b"W" + raw[1:])
    elif damage == "shorter":
        weights.write_bytes(raw[:-1])
    elif damage == "about":
        (two / "snapshot.json").write_text("{")
    said = []
    run = prepare("two")
    assert begin(run, said.append) == 1, "the next longest is whole"
    if damage != "about":  # what cannot be read is no snapshot
        assert "a snapshot is damaged" in said[0] and "model.safetensors" in said[0] and not two.exists()
        assert any("damaged" in one["message"] for one in told(run, "warning"))
    assert one.exists()


def test_another_text_of_the_same_books_is_told(lived, project):
    genome = (project.root / "genome.yaml").read_text("utf-8")
    child = genome.replace("{train: bpe, vocab_size: 300}", "{pretrained: ./runs/one/corpus/tokenizer}")
    project.write("child.yaml", child)
    assert begin(prepare("same", genome="child.yaml")) == 2, "a tokenizer that is inherited is the same"
    project.write("books/hill.md", (project.root / "books/hill.md").read_text("utf-8").replace("heron", "stork"))
    said = []
    assert begin(prepare("two", genome="child.yaml"), said.append) is None
    assert said and all("another text of hill" in one for one in said)


def test_a_refused_write_is_a_warning(project, monkeypatch):
    run = prepare("one")
    cursor = live(run, 1)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(snapshots, "link_or_copy", full)
    assert store_snapshot(ledger_of(run), manifest_of(run), cursor) is None
    assert "was not stored: [Errno 28]" in told(run, "warning")[0]["message"]
    assert not list(snapshots_of(run).glob("*"))


def test_a_begin_that_was_cut_short_begins_anew(lived, monkeypatch):
    run = prepare("two")

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    monkeypatch.setattr(snapshots, "publish_folder", killed)
    with pytest.raises(Killed):
        begin(run)
    monkeypatch.undo()
    assert not run.checkpoints() and ledger_of(run).restore() == Cursor()
    assert begin(run) == 2 and ledger_of(run).restore() == Cursor(2)


def test_a_stored_snapshot_outlives_its_run_and_is_not_written_twice(lived):
    before = {path: path.stat().st_ino for path in stored(lived)}
    shutil.rmtree(lived.path)
    run = prepare("two")
    assert begin(run) == 2
    (run / "stages/01-first/metrics.jsonl").write_text("")  # as a life may cut it
    assert begin(prepare("three")) == 2
    assert store_snapshot(ledger_of(run), manifest_of(run), Cursor(1, 1, 3)) in before
    assert {path: path.stat().st_ino for path in stored(run)} == before
