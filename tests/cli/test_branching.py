"""A life branches: another future in the same run directory, the same past or none; killed between any two writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ontogeny.core.cursor import Cursor
from ontogeny.core.run import RunDirectory
from ontogeny.train import branching, launcher
from ontogeny.train.branching import finish_branch
from ontogeny.train.fingerprints import FINGERPRINTS
from ontogeny.train.proof import verified
from tests.cli.made_life import checkpoint, ledger_of, live, manifest_of, prepare

RUN = "runs/tiny"
LATER = "stages.1.trunk.learning_rate=0.0005"
OTHER_BOOK = """\
  - name: second
    span: {tokens: 1200}
    sections:
      - {name: waters, books: [pond]}
  - name: third
    span: {tokens: 900}
    sections:
      - {name: hills again, books: [hill]}
"""


class Launched(Exception):
    """The launcher would have been started."""


@pytest.fixture(autouse=True)
def no_launch(monkeypatch):
    def launch(*_):
        raise Launched

    monkeypatch.setattr(launcher, "launch", launch)
    monkeypatch.setenv("WANDB_API_KEY", "")


@pytest.fixture
def stopped(project) -> RunDirectory:
    """A life that was stopped at the end of its first stage."""
    run = prepare("tiny")
    live(run, 1)
    (run / "outcome.json").write_text('{"outcome": "interrupted", "exit_code": 130, "message": "stopped"}')
    return run


def launched(*arguments: str) -> None:
    from ontogeny.cli.app import app

    with pytest.raises(Launched):
        app(["run", "genome.yaml", "-q", *arguments], standalone_mode=False)


def told(run: RunDirectory) -> list[dict]:
    return [event for event in run.read_jsonl("events.jsonl") if event["event"] == "branched"]


def test_a_stage_to_come_may_change(stopped):
    before = manifest_of(stopped)
    launched("--resume", LATER)
    plan = json.loads((stopped / "plan.json").read_text())
    assert plan["stages"][1]["trunk"]["learning_rate"] == 0.0005
    (branched,) = told(stopped)
    assert branched["lived"] == ["first"] and branched["again"] == [] and branched["from"] != branched["genome_hash"]
    assert manifest_of(stopped) == before, "the same packs"
    assert ledger_of(stopped).restore() == Cursor(1)
    assert not (stopped / branching.BRANCH).exists() and not (stopped / branching.MAKING).exists()


def test_new_stages_are_packed_with_the_tokenizer_that_was_lived(stopped, project, ontogeny):
    text = (project.root / "genome.yaml").read_text("utf-8")
    before = manifest_of(stopped)
    project.write("genome.yaml", text[: text.index("  - name: second")] + OTHER_BOOK)
    launched("--resume")
    after = manifest_of(stopped)
    assert [stage["name"] for stage in after["stages"]] == ["first", "second", "third"]
    assert after["tokenizer"]["fingerprint"] == before["tokenizer"]["fingerprint"]
    assert after["stages"][0]["phases"] == before["stages"][0]["phases"]
    (branched,) = told(stopped)
    assert branched["again"] == ["00-conception", "01-first"], "their items are told by the whole corpus"
    assert not (stopped / "stages/01-first" / FINGERPRINTS).exists()
    assert ledger_of(stopped).restore() == Cursor(0, 1, 3)
    launched("--resume")  # the kept tokenizer is no change of books
    assert len(told(stopped)) == 1 and manifest_of(stopped) == after
    assert ontogeny("prepare", "genome.yaml", "-q").code == 0
    _, faults = verified(stopped)
    assert not [fault for fault in faults if "corpus" in fault.where], faults


@pytest.mark.parametrize(
    ("override", "stage", "key"),
    [
        ("stages.0.trunk.learning_rate=0.5", "stage 'first'", "trunk.learning_rate"),
        ("stages.0.span.tokens=1900", "stage 'first'", "span.tokens"),
        ("stages.0.roles.student.alpha=1", "stage 'first'", "roles.student.alpha"),
        ("seed=4", "every stage", "seed"),
        ("model.architecture.hidden_size=32", "every stage", "model.architecture.hidden_size"),
        ("model.tokenizer.vocab_size=301", "every stage", "model.tokenizer.vocab_size"),
        ("stages.0.name=other", "stage 'first'", "name"),
    ],
)
def test_a_stage_that_was_lived_may_not(stopped, refused, override, stage, key):
    (block,) = refused("run", "genome.yaml", "--resume", override)
    assert "a stage already lived would have been another." in block
    assert f"{stage}, {key}" in block


def test_a_stage_that_was_begun_is_lived(stopped, refused):
    (stopped / "stages/02-second").mkdir()
    (block,) = refused("run", "genome.yaml", "--resume", LATER)
    assert "stage 'second', trunk.learning_rate" in block and "0.0005" in block


def test_books_of_a_lived_stage_that_changed_are_told(stopped, project, ontogeny):
    path = project.root / "books/hill.md"
    project.write("books/hill.md", path.read_text("utf-8").replace("heron", "stork"))
    before = {path: path.read_bytes() for path in stopped.path.rglob("*") if path.is_file()}
    told = ontogeny("run", "genome.yaml", "--resume", LATER)
    assert told.code == 2 and "stage 'first', fingerprints.hill" in told.blocks[0]
    assert {path: path.read_bytes() for path in stopped.path.rglob("*") if path.is_file()} == before


def test_without_resume_a_run_is_another_genome_s(stopped, refused):
    for verb in ("run", "prepare"):
        assert "the run directory belongs to another genome." in refused(verb, "genome.yaml", LATER)[0]


def test_a_prepared_run_has_no_past_to_branch_from(project, refused):
    prepare("tiny")
    assert "the run directory belongs to another genome." in refused("run", "genome.yaml", "--resume", LATER)[0]


def test_a_life_that_ended_goes_on_with_another_future(project, ontogeny):
    run = prepare("tiny")
    live(run, 2)
    (run / "outcome.json").write_text('{"outcome": "done", "exit_code": 0, "message": "all was read"}')
    assert ontogeny("run", "genome.yaml", "--resume").code == 0, "nothing to do: it has ended"
    more = "  - name: third\n    span: {tokens: 900}\n    sections:\n      - {name: again, books: [hill]}\n"
    project.write("genome.yaml", (project.root / "genome.yaml").read_text("utf-8") + more)
    launched("--resume")
    assert not (run / "outcome.json").exists() and told(run)[0]["lived"] == ["first", "second"]


def test_the_gate_that_ended_a_life_may_change_and_one_that_decided_before_may_not(project, refused):
    gate = "stages.{}.gate={{probe: bits_per_byte, on: first, below: {}}}"
    run = prepare("tiny", gate.format(0, 3.0), gate.format(1, 2.0))
    live(run, 2, ("pass", "end"))
    (run / "outcome.json").write_text('{"outcome": "gate_ended", "exit_code": 3, "message": "it did not pass"}')
    block, *_ = refused("run", "genome.yaml", "--resume", gate.format(0, 3.5), gate.format(1, 2.0))
    assert "stage 'first', gate.below" in block
    launched("--resume", gate.format(0, 3.0), gate.format(1, 5.0))
    assert told(run)[0]["again"] == ["02-second"]
    assert ledger_of(run).restore() == Cursor(1, 1, 3), "it is measured, and decided, again"


class Killed(BaseException):
    """The process is gone."""


def test_killed_before_any_write_the_branch_is_finished(stopped, project, monkeypatch):
    """Every write of the move is the last one once; the next call leaves what an undisturbed one leaves."""
    text = (project.root / "genome.yaml").read_text("utf-8")
    project.write("genome.yaml", text[: text.index("  - name: second")] + OTHER_BOOK)
    with monkeypatch.context() as patch:
        patch.setattr(branching, "finish_branch", _killed_before)
        from ontogeny.cli.app import app

        with pytest.raises(Killed):
            app(["run", "genome.yaml", "-q", "--resume"], standalone_mode=False)
    assert (stopped / branching.BRANCH / "corpus/manifest.json").is_file()
    made = project.root / "made"
    shutil.copytree(stopped.path, made)
    finish_branch(stopped)
    expected = state_of(stopped)
    assert json.loads((stopped / "plan.json").read_text())["corpus_hash"] == manifest_of(stopped)["corpus_hash"]
    assert len(manifest_of(stopped)["stages"]) == 3 and not (stopped / "outcome.json").exists()
    writes = 0
    while True:
        run = RunDirectory(project.root / f"killed-{writes}")
        shutil.copytree(made, run.path)
        with monkeypatch.context() as patch:
            done = _kill_after(writes, patch)
            try:
                finish_branch(run)
            except Killed:
                pass
            else:
                break
        finish_branch(run)
        assert state_of(run) == expected, (writes, done)
        writes += 1
    assert writes == 9, "corpus out, corpus in, genome, plan, two answers, outcome, event, the turn"
    monkeypatch.setattr(launcher, "launch", _launched)
    launched("--resume")
    assert len(told(stopped)) == 1


def _killed_before(run: RunDirectory) -> None:
    if (run / branching.BRANCH).exists():
        raise Killed


def _launched(*_) -> None:
    raise Launched


def _kill_after(writes: int, patch: pytest.MonkeyPatch) -> list[str]:
    """Ends the process before the write after so many."""
    done: list[str] = []

    def counted(name, method):
        def call(*arguments, **keywords):
            if len(done) == writes:
                raise Killed
            done.append(name)
            return method(*arguments, **keywords)

        return call

    for owner, name in ((Path, "rename"), (Path, "replace"), (Path, "unlink"), (RunDirectory, "event")):
        patch.setattr(owner, name, counted(name, getattr(owner, name)))
    return done


def state_of(run: RunDirectory) -> dict[str, bytes]:
    """Every file of a run but its events, of which one must tell of the branch."""
    assert told(run)
    names = {path.relative_to(run.path).as_posix(): path for path in run.path.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in names.items() if name != "events.jsonl"}


def test_a_branch_that_was_not_made_whole_is_none(stopped):
    (stopped / branching.MAKING).mkdir()
    (stopped / branching.MAKING / "genome.yaml").write_text("half")
    finish_branch(stopped)
    launched("--resume")
    assert not told(stopped)
    launched("--resume", LATER)
    assert len(told(stopped)) == 1 and not (stopped / branching.MAKING).exists()


def test_the_end_of_a_later_checkpoint_is_not_lost(stopped):
    """A stage that is partly read is gone on with where it stood."""
    shutil.copytree(stopped / "stages/01-first", stopped / "stages/02-second")
    (stopped / "stages/02-second" / FINGERPRINTS).unlink()
    checkpoint(stopped, Cursor(1, 1, 0, 3))
    text = Path("genome.yaml").read_text("utf-8")
    more = "  - name: third\n    span: {tokens: 900}\n    sections:\n      - {name: again, books: [hill]}\n"
    Path("genome.yaml").write_text(text + more, "utf-8")
    launched("--resume")
    assert ledger_of(stopped).restore() == Cursor(1, 1, 0, 3)
