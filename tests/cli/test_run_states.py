"""What `run` and its neighbours do with a run directory in every state, short of launching."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ontogeny.train import launcher

HOLD = (
    "import sys\nfrom ontogeny.core.run import RunDirectory\n"
    "with RunDirectory(sys.argv[1]).lock():\n    print('held', flush=True)\n    sys.stdin.read()\n"
)
RUN = "runs/tiny"


class Launched(Exception):
    """The launcher would have been started."""


@pytest.fixture(autouse=True)
def no_launch(monkeypatch):
    """Nothing is launched here; what would be says so."""

    def launch(*_):
        raise Launched

    monkeypatch.setattr(launcher, "launch", launch)
    monkeypatch.setenv("WANDB_API_KEY", "")
    monkeypatch.setenv("NETRC", os.devnull)


@pytest.fixture
def prepared(project, ontogeny):
    """A project with a prepared run."""
    assert ontogeny("prepare", "genome.yaml", "-q").code == 0
    return project


def test_a_run_of_another_genome(prepared, refused):
    for verb in ("prepare", "run"):
        (block,) = refused(verb, "genome.yaml", "seed=4")
        assert "the run directory belongs to another genome." in block and "(tiny)" in block
    prepared.write(f"{RUN}/genome.yaml", "name: [\n")
    assert "cannot be parsed" in refused("run", "genome.yaml")[0]


def test_a_folder_that_is_no_run(project, refused):
    project.write("notes/letter.txt", "mine\n")
    for verb in ("prepare", "run"):
        (block,) = refused(verb, "genome.yaml", "--out", "notes")
        assert "this is not a run directory." in block
    for arguments in (
        ["verify", "notes"],
        ["report", "notes"],
        ["watch", "notes"],
        ["train", "notes"],
        ["export", "notes", "--stage", "first"],
        ["verify", "absent"],
        ["train", "absent"],
    ):
        (block,) = refused(*arguments)
        assert "this is not a run directory." in block, arguments


def test_another_users_corpus_folder_is_not_touched(project, refused):
    project.write("mine/corpus/poem.txt", "a rose\n")
    assert "this is not a run directory." in refused("prepare", "genome.yaml", "--out", "mine")[0]


@pytest.mark.parametrize("verb", ["prepare", "run"])
def test_a_second_process_on_the_same_run(prepared, refused, verb):
    child = subprocess.Popen([sys.executable, "-c", HOLD, RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None and child.stdout is not None
    try:
        assert child.stdout.readline() == b"held\n"
        (block,) = refused(verb, "genome.yaml")
        assert "another process is on this run." in block
    finally:
        child.stdin.close()
        child.wait()
        child.stdout.close()


def test_a_second_process_while_the_first_is_still_preparing(project, refused):
    """The first one's folder is there, with nothing in it yet: the second must not clear it away."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None and child.stdout is not None
    try:
        assert child.stdout.readline() == b"held\n"
        assert "another process" in refused("run", "genome.yaml")[0]
    finally:
        child.stdin.close()
        child.wait()
        child.stdout.close()


def test_a_prepare_in_vain_leaves_what_was_there(project, refused):
    (project.root / "empty").mkdir()
    (project.root / "runs" / "other").mkdir(parents=True)
    project.write("books/pond.md", "")
    refused("prepare", "genome.yaml", "--out", "empty")
    refused("prepare", "genome.yaml", "--out", "a/b/c")
    refused("prepare", "genome.yaml")


def test_an_unfinished_run(prepared, refused):
    prepared.write(f"{RUN}/events.jsonl", '{"time": 1, "event": "life_started"}\n')
    (block,) = refused("run", "genome.yaml")
    assert "a life has begun here and is not finished." in block and "no checkpoint yet" in block
    prepared.write(f"{RUN}/checkpoints/000004/state.json", '{"machine": {"ranks": 1, "zero_stage": 0}}')
    (block,) = refused("run", "genome.yaml")
    assert "000004" in block and "--resume" in block
    (block,) = refused("run", "genome.yaml", "--resume", "machine.ranks=2")
    assert "another machine layout" in block and "machine.ranks 2" in block
    with pytest.raises(Launched):
        launched("--resume")


def launched(*arguments: str) -> None:
    from ontogeny.cli.app import app

    app(["run", "genome.yaml", "-q", *arguments], standalone_mode=False)


def test_a_prepared_or_absent_run_is_launched(prepared):
    with pytest.raises(Launched):
        launched()
    with pytest.raises(Launched):
        launched("--resume", "--out", "runs/absent")
    assert (prepared.root / "runs/absent/genome.yaml").is_file()


def test_books_that_changed_under_a_life(prepared, refused):
    prepared.write(f"{RUN}/events.jsonl", '{"time": 1, "event": "life_started"}\n')
    text = (prepared.root / "books/pond.md").read_text("utf-8")
    prepared.write("books/pond.md", text.replace("heron", "stork"))
    for verb in (["run", "genome.yaml", "--resume"], ["prepare", "genome.yaml"]):
        (block,) = refused(*verb)
        assert "the books or scenes changed since this life began." in block
    prepared.write("books/pond.md", text)
    with pytest.raises(Launched):
        launched("--resume")


def test_books_that_changed_before_a_life_are_prepared_again(prepared, ontogeny):
    before = (prepared.root / RUN / "corpus/manifest.json").read_bytes()
    prepared.write("books/pond.md", (prepared.root / "books/pond.md").read_text("utf-8").replace("heron", "stork"))
    assert ontogeny("prepare", "genome.yaml", "-q").code == 0
    assert (prepared.root / RUN / "corpus/manifest.json").read_bytes() != before


@pytest.mark.parametrize(("outcome", "code"), [("done", 0), ("gate_ended", 3)])
@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_an_ended_run(prepared, ontogeny, outcome, code, resume):
    prepared.write(f"{RUN}/events.jsonl", '{"time": 1, "event": "life_started"}\n')
    prepared.write(f"{RUN}/outcome.json", json.dumps({"outcome": outcome, "exit_code": code, "message": "it ended"}))
    before = prepared.listing()
    told = ontogeny("run", "genome.yaml", *resume)
    assert told.code == code and "it ended" in told.err and "report.html" in told.err
    assert prepared.listing() == before


@pytest.mark.parametrize("outcome", ["failed", "interrupted"])
def test_a_run_that_did_not_end_well_is_unfinished(prepared, refused, outcome):
    prepared.write(f"{RUN}/events.jsonl", '{"time": 1, "event": "life_started"}\n')
    prepared.write(f"{RUN}/outcome.json", json.dumps({"outcome": outcome, "exit_code": 1, "message": "x"}))
    assert "not finished" in refused("run", "genome.yaml")[0]


def test_a_spoiled_outcome(prepared, refused):
    prepared.write(f"{RUN}/outcome.json", "{")
    assert "a file of the run is spoiled." in refused("run", "genome.yaml")[0]


def test_prepare_twice_changes_nothing(prepared, ontogeny):
    before = prepared.listing()
    assert ontogeny("prepare", "genome.yaml", "-q").code == 0
    assert prepared.listing() == before


def test_prepare_after_a_kill_between_corpus_and_genome(prepared, ontogeny):
    """The corpus came to stand, and the process died before it wrote genome.yaml."""
    for name in ("genome.yaml", "plan.json"):
        (prepared.root / RUN / name).unlink()
    assert ontogeny("prepare", "genome.yaml", "-q").code == 0
    assert (prepared.root / RUN / "genome.yaml").is_file()


def test_verify_and_report_of_a_prepared_run(prepared, ontogeny):
    told = ontogeny("verify", RUN)
    assert told.code == 0 and "every root holds" in told.out
    packs = prepared.root / RUN / "corpus/first/ids.bin"
    raw = bytearray(packs.read_bytes())
    raw[200] ^= 1
    packs.write_bytes(raw)
    told = ontogeny("verify", RUN)
    assert told.code == 1 and told.blocks and "Traceback" not in told.err
    assert ontogeny("verify", RUN, "--json").code == 1


def test_exports_that_cannot_be(prepared, refused):
    assert "no such stage to export." in refused("export", RUN, "--stage", "frist")[0]
    (prepared.root / RUN / "stages/01-first/model").mkdir(parents=True)
    assert "closest: 'first'" in refused("export", RUN, "--stage", "frist")[0]
    assert "no such role to export." in refused("export", RUN, "--stage", "first", "--role", "studnt")[0]
    assert "no such role to export." in refused("export", RUN, "--stage", "first", "--merge")[0]
    for place in ("books", "genome.yaml"):
        assert "not empty" in refused("export", RUN, "--stage", "first", "--out", place)[0]


def test_an_adapter_of_another_trunk_is_not_exported(prepared, refused):
    stage = prepared.root / RUN / "stages/01-first"
    for folder in ("model", "adapters/student"):
        (stage / folder).mkdir(parents=True)
    (stage / "model/model.safetensors").write_bytes(b"this trunk")
    named = {"base_model_name_or_path": "sha256:" + "0" * 64}
    (stage / "adapters/student/adapter_config.json").write_text(json.dumps(named), encoding="utf-8")
    for words in (["--role", "student"], ["--role", "student", "--merge"]):
        (block,) = refused("export", RUN, "--stage", "first", *words, "--out", "exported")
        assert "an adapter belongs to another model." in block and "sha256:0000" in block
        assert not (prepared.root / "exported").exists()


def test_a_model_from_scratch_takes_a_tokenizer_that_exists(prepared, ontogeny, refused):
    prepared.change(("{train: bpe, vocab_size: 300}", f"{{pretrained: ./{RUN}/corpus/tokenizer}}"))
    plan = json.loads(ontogeny("plan", "genome.yaml", "--json").out)
    assert plan["model"]["vocab_size"] == 300
    assert ontogeny("prepare", "genome.yaml", "--out", "runs/child", "-q").code == 0
    first, child = (
        json.loads((prepared.root / run / "corpus/manifest.json").read_text("utf-8"))["tokenizer"]
        for run in (RUN, "runs/child")
    )
    assert (
        first.pop("sample") and child.pop("sample") is None
    )  # what a tokenizer was trained on, where it was trained here
    assert first == child and not (prepared.root / "runs/child/.tokenizer").exists()
    assert ontogeny("prepare", "genome.yaml", "--out", "runs/child", "-q").code == 0
