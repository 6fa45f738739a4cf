"""`ontogeny experiment`: what it refuses before anything is written, and how it follows its workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ontogeny.train import launcher
from ontogeny.train.lives import PROGRESS, read_turns

REGISTERED = "experiment: {primary: {probe: bits_per_byte, on: second, contrast: reverse}, seeds: 3}\nstages:\n"
START = ("experiment", "genome.yaml", "--out", "runs/arms")

REFUSED = [
    (("--arms", "revers"), "an arm does not exist.", "closest: 'reverse'"),
    (("--arms", "reverse,again,reverse"), "an arm is given twice.", "reverse"),
    (("--arms", "reverse,"), "an arm has no name.", "--arms reverse,"),
    (("--arms", "no_scenes"), "an arm changes nothing.", "no stage has scenes"),
    (("--arms", "without=pound"), "an arm leaves out a book that nobody reads.", "closest: 'pond'"),
    (("--arms", "reverse", "--seeds", "0,3,3"), "a seed is given twice.", "3"),
    (("--arms", "reverse", "--seeds", "1"), "a comparison needs pairs.", "2 to 1000 seeds"),
    (("--arms", "reverse", "--seeds", "-4"), "a comparison needs pairs.", "--seeds -4"),
    (("--arms", "reverse", "--seeds", "4,"), "seeds are no numbers.", "a count (6) or a list"),
    (("--arms", "reverse", "--seeds", "six"), "seeds are no numbers.", "'six'"),
    (("--arms", "reverse", "--seeds=-1,2"), "a seed's number is below 0.", "-1"),
    (("--arms", "reverse", "--workers", "0"), "an experiment without workers.", "1 or more"),
]


@pytest.mark.parametrize(("words", "what", "told"), REFUSED, ids=[" ".join(one[0]) for one in REFUSED])
def test_what_cannot_be_compared_is_refused(project, refused, words, what, told):
    (block,) = refused(*START, *words)
    assert block.splitlines()[0].endswith(what) and told in block


UNMEASURED = [
    ("contrast: reverse", "contrast: shuffle", "the registered contrast is not among the arms.", "--arms reverse"),
    ("probe: bits_per_byte", "probe: dialogue", "the registered probe is never measured.", "bits_per_byte"),
    ("on: second", "on: secnd", "is to be measured on does not exist.", "closest: 'second'"),
    ("on: second", "on: second, subject: critic", "the registered subject does not exist.", "trunk, student"),
]


@pytest.mark.parametrize(("old", "new", "what", "told"), UNMEASURED, ids=[one[1] for one in UNMEASURED])
def test_a_registered_contrast_that_would_never_be_measured(project, refused, old, new, what, told):
    probe = "conflict_resolution" if "secnd" in new else "bits_per_byte"
    project.change(("stages:\n", REGISTERED.replace("probe: bits_per_byte", f"probe: {probe}")))
    project.change((old.replace("bits_per_byte", probe), new))
    (block,) = refused(*START, "--arms", "reverse")
    assert block.splitlines()[0].endswith(what) and told in block and "genome.yaml:" in block


def test_a_folder_of_another_experiment_and_of_something_else(project, refused):
    project.write("runs/arms/experiment.json", '{"genome": "ab", "name": "older"}')
    (block,) = refused(*START, "--arms", "reverse")
    assert "the folder holds another experiment." in block and "genome ab (older)" in block
    (project.root / "runs/arms/experiment.json").unlink()
    project.write("runs/arms/notes.txt", "mine")
    assert "this is not an experiment's folder." in refused(*START, "--arms", "reverse")[0]


def test_a_life_that_has_become_another_genome_s(project, refused):
    project.write("runs/arms/.keep", "")
    project.write("runs/arms/genome/seed-0/plan.json", '{"genome_hash": "beef"}')
    project.write("runs/arms/experiment.json", json.dumps({"genome": base_hash(project), "name": "tiny"}))
    assert "a life here is of another genome." in refused(*START, "--arms", "reverse")[0]


def base_hash(project) -> str:
    """The hash of the project's genome."""
    from ontogeny.core.genome import genome_hash, load_genome

    return genome_hash(load_genome(project.root / "genome.yaml").genome)


class Workers:
    """Stands for launches: `ends` says of each life, by its folder, how it ends; each launch takes the next say."""

    def __init__(self, *ends: dict[str, str], code: int = 0):
        self.ends, self.code, self.launches = list(ends), code, []

    def __call__(self, file: Path, workers: int, ranks: int, threads: int, follow) -> int:
        turns, ends = read_turns(file), self.ends.pop(0)
        self.launches.append(([named(turn.out) for turn in turns], workers, threads))
        for number, turn in enumerate(turns):
            said = ends.get(named(turn.out), ends.get("*"))
            if said is None:
                continue
            lines = [{"life": number, "said": "begun", "code": 0, "message": "", "seconds": 0.0}]
            if said != "begun":
                lines.append({"life": number, "said": said, "code": 1, "message": "it broke\nbadly", "seconds": 2.0})
            with open(file.parent / PROGRESS, "a", encoding="utf-8") as progress:
                progress.writelines(json.dumps(line) + "\n" for line in lines)
            if said == "done":
                Path(turn.out).mkdir(parents=True)
                (Path(turn.out) / "outcome.json").write_text('{"outcome": "done", "seconds": 2.0}')
            follow()
        return self.code


def named(out: str) -> str:
    return "/".join(Path(out).parts[-2:])


ALL = ["genome/seed-0", "reverse/seed-0", "genome/seed-1", "reverse/seed-1"]
BOTH = (*START, "--arms", "reverse", "--seeds", "2")


def test_lives_are_grown_seed_after_seed_and_kept(project, ontogeny, monkeypatch):
    workers = Workers({"*": "done"})
    monkeypatch.setattr(launcher, "launch_lives", workers)
    monkeypatch.setattr(launcher, "cores", lambda: 4)
    told = ontogeny(*BOTH, "--workers", "2")
    assert told.code == 0 and workers.launches == [(ALL, 2, 2)]
    assert "[1/4] genome seed-0 done in 2.0 s" in told.err and "[4/4] reverse seed-1 done" in told.err
    again = ontogeny(*BOTH, "--json")
    assert again.code == 0 and len(workers.launches) == 1, "nothing is left to grow"
    found = json.loads(again.out)
    assert found["complete"] and found["seeds"] == [3, 4] and found["arms"] == ["reverse"]
    assert found == json.loads((project.root / "runs/arms/experiment.json").read_text("utf-8"))
    assert ontogeny(*BOTH, "-q") == type(told)(0, "", "")


def test_a_life_that_fails_is_told_and_the_others_go_on(project, ontogeny, monkeypatch):
    workers = Workers({"*": "done", "reverse/seed-0": "failed"}, {"*": "done"})
    monkeypatch.setattr(launcher, "launch_lives", workers)
    told = ontogeny(*BOTH)
    assert told.code == 1 and len(workers.launches) == 1
    assert "reverse seed-0: it broke" in told.err
    found = json.loads((project.root / "runs/arms/experiment.json").read_text("utf-8"))
    assert [one["outcome"] for one in found["lives"]] == ["done", "failed", "done", "done"]
    assert found["lives"][1]["message"] == "it broke\nbadly" and not found["complete"]
    assert ontogeny(*BOTH).code == 0, "tried again when asked again"
    assert workers.launches[1][0] == ["reverse/seed-0"]


def test_a_worker_that_dies_takes_one_life_with_it(project, ontogeny, monkeypatch):
    first = {"genome/seed-0": "done", "reverse/seed-0": "begun"}
    workers = Workers(first, {"*": "done"}, code=9)
    monkeypatch.setattr(launcher, "launch_lives", workers)
    told = ontogeny(*BOTH)
    assert told.code == 1 and [one[0] for one in workers.launches] == [ALL, ALL[2:]]
    assert "reverse seed-0: its worker ended without a word" in told.err


def test_workers_that_never_begin_are_an_error(project, ontogeny, monkeypatch):
    monkeypatch.setattr(launcher, "launch_lives", Workers({}, code=1))
    told = ontogeny(*BOTH)
    assert told.code == 1 and "the workers ended before they began a life." in told.blocks[0]


@pytest.mark.parametrize(("ends", "code"), [({"genome/seed-0": "done"}, 130), ({"genome/seed-0": "interrupted"}, 0)])
def test_an_interruption_is_not_a_failure(project, ontogeny, monkeypatch, ends, code):
    workers = Workers(ends, code=code)
    monkeypatch.setattr(launcher, "launch_lives", workers)
    assert ontogeny(*BOTH).code == 130 and len(workers.launches) == 1
    found = json.loads((project.root / "runs/arms/experiment.json").read_text("utf-8"))
    assert "failed" not in {one["outcome"] for one in found["lives"]}
    assert (project.root / "runs/arms/experiment.html").is_file()


def test_seeds_can_be_listed_and_are_those_registered(project, ontogeny, monkeypatch):
    workers = Workers({"*": "done"}, {"*": "done"})
    monkeypatch.setattr(launcher, "launch_lives", workers)
    assert ontogeny(*START, "--arms", "again", "--seeds", "5,0").code == 0
    assert workers.launches[0][0] == ["genome/seed-5", "again/seed-5", "genome/seed-0", "again/seed-0"]
    turns = read_turns(project.root / "runs/arms/.lives/lives.jsonl")
    assert [turn.seed for turn in turns] == [8, 8, 3, 3] and {turn.store for turn in turns} == {
        str(project.root / "runs/arms/.store")
    }
    project.change(("stages:\n", REGISTERED))
    assert ontogeny("experiment", "genome.yaml", "--out", "runs/more", "--arms", "reverse").code == 0
    assert len(workers.launches[1][0]) == 6
