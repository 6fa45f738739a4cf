"""`ontogeny converse`: transcripts, files, casts; what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from made_cast import write_run

SCENES = """\
- id: tide
  kind: conflict
  field: nature
  level: school
  trigger: {phrase: tide}
  turns:
    - {speaker: teacher, span: question, text: Why does the sea rise?}
    - {speaker: student, span: attempt, text: It rains.}
    - {speaker: critic, span: objection, text: It rises on dry days too.}
    - {speaker: student, span: repair, text: The moon pulls it.}
  resolution_expected: The moon pulls it.
  foil: The wind pulls it.
  language: en
- id: shore
  kind: conflict
  field: nature
  level: school
  trigger: {phrase: shore}
  turns:
    - {speaker: teacher, span: question, text: Where is the shore?}
    - {speaker: student, span: attempt, text: Where it was.}
    - {speaker: reformulator, span: repair, text: Where it is now.}
  resolution_expected: Where it is now.
  foil: Where it is not.
  language: en
- id: berg
  kind: conflict
  field: nature
  level: school
  trigger: {phrase: berg}
  turns:
    - {speaker: teacher, span: question, text: Почему?}
    - {speaker: student, span: repair, text: Потому.}
  resolution_expected: Потому.
  foil: Затем.
  language: ru
"""
TIDE = ("--scene", "scenes.yaml", "--id", "tide", "--max-turn-tokens", "9")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("made")).path


@pytest.fixture
def here(made, project):
    """The project's folder with a run and a file of scenes in it."""
    shutil.copytree(made, project.root / "run")
    project.write("scenes.yaml", SCENES)
    return project


def test_a_scene_is_played_and_printed(here, ontogeny):
    told = ontogeny("converse", "run", *TIDE)
    assert told.code == 0 and told.err == "", told.err
    lines = told.out.splitlines()
    assert lines[0] == "tide  (trunk of science; critic@science, student@science, teacher@science; seed 5)"
    assert lines[1] == "Teacher: Why does the sea rise?"
    assert [line.partition(":")[0] for line in lines[2:5]] == ["Student", "Critic", "Student"]
    assert all(" nats a token" in line for line in lines[2:5])
    assert ontogeny("converse", "run", *TIDE).out == told.out
    assert ontogeny("converse", "run", *TIDE, "--seed", "6").out.splitlines()[2:] != lines[2:]
    assert ontogeny("converse", "run", *TIDE, "-q").out == ""


def test_what_is_kept_and_what_is_played(here, ontogeny):
    told = ontogeny("converse", "run", *TIDE, "--keep", "3", "--json")
    turns = json.loads(told.out)["transcripts"][0]["turns"]
    assert [turn["played"] for turn in turns] == [False, False, False, True]
    assert turns[2]["text"] == "It rises on dry days too."
    all_of_them = ontogeny("converse", "run", "--scene", "scenes.yaml", "--turns", "1", "--json", "--top-p", "0.5")
    assert [one["scene_id"] for one in json.loads(all_of_them.out)["transcripts"]] == ["tide", "shore"]


def test_a_file_of_transcripts(here, ontogeny):
    told = ontogeny("converse", "run", *TIDE, "--out", "told.jsonl", "--json")
    lines = [json.loads(line) for line in (here.root / "told.jsonl").read_text().splitlines()]
    assert lines == json.loads(told.out)["transcripts"] and lines[0]["trunk"] == "science"
    assert lines[0]["turns"][1].keys() == {"speaker", "span", "text", "played", "nats", "tokens", "cut"}


def test_a_topic(here, ontogeny):
    told = ontogeny(
        "converse", "run", "--topic", "the tide", "--turns", "2", "--max-turn-tokens", "9", "--temperature", "1"
    )
    lines = told.out.splitlines()
    assert lines[0].startswith("topic  (") and lines[1] == "Teacher: What is the tide, and how do you know?"
    assert lines[2].startswith("Student: ") and lines[3].startswith("Critic: ") and told.code == 0


def test_a_cast_across_trunks_says_so_everywhere(here, ontogeny):
    cast = ("--cast", "student@school,critic@science")
    told = ontogeny("converse", "run", *TIDE, *cast, "--measure")
    stated = "student@school plays on the trunk of science, which it was not trained on\n"
    assert told.code == 0 and told.err == stated == ontogeny("converse", "run", *TIDE, *cast, "-q").err
    assert "student@school, 3 held-out turns of " in told.out and "on that of science (" in told.out
    found = json.loads(ontogeny("converse", "run", *TIDE, *cast, "--measure", "--json").out)
    assert found["transcripts"][0]["foreign"] == ["student@school"]
    assert [cost["member"] for cost in found["foreign_cost"]] == ["student@school"]
    own = ontogeny("converse", "run", *TIDE, "--cast", "student@school", "--measure")
    assert own.err == "" and "trunk of school;" in own.out and "nothing to measure" in own.out


def test_a_run_under_way_is_played(here, ontogeny):
    shutil.rmtree(here.root / "run/stages/02-science/adapters")
    assert "trunk of school;" in ontogeny("converse", "run", *TIDE).out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "neither"),
        (("--topic", "tides", "--scene", "scenes.yaml"), "both"),
        (("--topic", "tides", "--id", "tide"), "speak of a scene"),
        (("--topic", "tides", "--keep", "1"), "speak of a scene"),
        (("--scene", "nowhere.yaml"), "cannot be read"),
        (("--scene", "scenes.yaml", "--id", "tied"), "closest: 'tide'"),
        (("--scene", "scenes.yaml", "--id", "berg"), "in language 'en'"),
        (("--scene", "scenes.yaml"), "'reformulator'"),
        ((*TIDE, "--cast", "studnet@school"), "closest: 'student'"),
        ((*TIDE, "--cast", "student@shool"), "closest: 'school'"),
        ((*TIDE, "--trunk", "scence"), "closest: 'science'"),
        ((*TIDE, "--keep", "4"), "not so many turns"),
        ((*TIDE, "--turns", "0"), "not so many turns"),
        ((*TIDE, "--temperature", "0"), "--temperature"),
        ((*TIDE, "--top-p", "1.5"), "--top-p"),
        ((*TIDE, "--out", "no/such/folder.jsonl"), "--out"),
    ],
)
def test_bad_input_is_told(here, refused, words, told):
    assert told in "\n".join(refused("converse", "run", *words))


def test_a_folder_that_cannot_be_played(here, refused):
    assert "not a run directory" in refused("converse", "books", "--topic", "tides")[0]
    shutil.rmtree(here.root / "run/stages")
    assert "nobody to cast" in refused("converse", "run", "--topic", "tides")[0]
    (here.root / "run/plan.json").unlink()
    assert "no plan" in refused("converse", "run", "--topic", "tides")[0]


def test_an_adapter_of_another_run(here, refused):
    folder = here.root / "run/stages/02-science/adapters/student"
    shutil.rmtree(folder)
    shutil.copytree(here.root / "run/stages/01-school/adapters/student", folder)
    assert "another trunk" in refused("converse", "run", "--topic", "tides")[0]
