"""`ontogeny probe`: tables, rows, files; what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "probes"))
from made_corpus import write_general, write_life

PAIR = {"sentence_good": "The cat sleeps.", "sentence_bad": "The cat sleep.", "UID": "agreement"}


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    folder = tmp_path_factory.mktemp("life")
    write_life(folder)
    return folder


@pytest.fixture
def here(life, project):
    """The project's folder with a model, two adapters and a suite in it."""
    for name in ("model", "student"):
        shutil.copytree(life / name, project.root / name)
    project.write(
        "pairs/agreement.jsonl", json.dumps(PAIR) + "\n" + json.dumps(PAIR | {"sentence_bad": "A cat sleep."})
    )
    return project


def test_a_table_of_the_general_items(here, ontogeny):
    told = ontogeny("probe", "model", "--battery", "minimal_pairs", "--suite", "blimp:pairs")
    assert told.code == 0, told.err
    lines = [line.split() for line in told.out.splitlines() if line.strip()]
    assert lines[0][:5] == ["probe", "subject", "on", "split", "form"]
    assert {line[2] for line in lines if line[0] == "minimal_pairs"} == {"simple", "middle", "rich"}
    assert [line[3] for line in lines if line[0] == "blimp"] == ["sum", "per_byte", "margin"]
    assert ontogeny("probe", "model", "--battery", "minimal_pairs", "-q").out == ""


def test_rows_as_json_and_in_a_file(here, ontogeny):
    told = ontogeny("probe", "model", "--battery", "none", "--suite", "blimp:pairs", "--json", "--out", "rows.json")
    rows = json.loads(told.out)
    assert rows == json.loads((here.root / "rows.json").read_text()) and len(rows) == 3
    assert [row["form"] for row in rows] == ["sum", "per_byte", "margin"]
    first = rows[0]
    assert (first["probe"], first["subject"], first["on"], first["split"]) == ("blimp", "trunk", "agreement", None)
    assert (first["n"], first["chance"], first["unit"]) == (2, 0.5, "fraction") and first["forward_tokens"] > 0


def test_the_items_of_a_run_and_an_adapter(here, life, ontogeny):
    shutil.copytree(life / "corpus", here.root / "run" / "corpus")
    write_general(here.root / "run" / "corpus")
    here.write("run/genome.yaml", "name: made\n")
    plan = {"seed": 7, "context_tokens": 64, "stages": [{"name": "primer"}, {"name": "lexicon"}]}
    here.write("run/plan.json", json.dumps(plan))
    words = ("--run", "run", "--battery", "bits_per_byte,trail_recall", "--json")
    bare = json.loads(ontogeny("probe", "model", *words).out)
    dressed = json.loads(ontogeny("probe", "model", "--adapter", "student", *words).out)
    alone = json.loads(ontogeny("probe", "student", "--base", "model", *words).out)
    assert [(row["probe"], row["on"]) for row in bare] == [
        ("bits_per_byte", "primer"),
        ("bits_per_byte", "lexicon"),
        *[("trail_recall", "2")] * 3,
    ]
    assert dressed == alone and {row["subject"] for row in dressed} == {"student"}
    assert [row["value"] for row in bare] != [row["value"] for row in dressed]
    assert bare[2]["chance"] == 0.25


def test_tasks_are_exported(here, ontogeny):
    words = ("--battery", "minimal_pairs", "--suite", "blimp:pairs", "-q", "--export", "tasks")
    assert ontogeny("probe", "model", *words).code == 0
    folder = here.root / "tasks"
    names = {path.name for path in folder.iterdir()}
    assert "ontogeny.yaml" in names and "ontogeny_blimp_agreement.yaml" in names
    assert {Path(name).stem for name in names if name.endswith(".jsonl")} | {"ontogeny"} == {
        Path(name).stem for name in names if name.endswith(".yaml")
    }
    lines = [json.loads(line) for line in (folder / "ontogeny_blimp_agreement.jsonl").read_text().splitlines()]
    assert [line["choices"][line["gold"]] for line in lines] == ["The cat sleeps."] * 2
    assert all(line["query"] == "<|endoftext|>" for line in lines)
    assert ontogeny("probe", "model", *words).blocks[0].startswith("RunError: the folder to export to is not empty")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere/at/all",), "cannot be read"),
        (("./nowhere",), "cannot be read"),
        (("books",), "this is not a model"),
        (("package:no-such-package/x.gguf",), "not installed"),
        (("model", "--battery", "minimal_pears"), "closest: 'minimal_pairs'"),
        (("model", "--battery", "definition"), "definition has nothing to score"),
        (("model", "--suite", "blymp:pairs"), "closest: 'blimp'"),
        (("model", "--suite", "blimp:books"), "no *.jsonl"),
        (("model", "--suite", "blimp:broken"), "broken.jsonl:2"),
        (("model", "--suite", "blimp:same"), "foil equals its answer"),
        (("model", "--split", "tests"), "closest: 'test'"),
        (("model", "--run", "books"), "not a run directory"),
        (("model", "--adapter", "books"), "not an adapter"),
        (("student",), "--base"),
    ],
)
def test_bad_input_is_told(here, refused, words, told):
    here.write("broken/broken.jsonl", json.dumps(PAIR) + "\nnot json\n")
    here.write("same/same.jsonl", json.dumps(PAIR | {"sentence_bad": PAIR["sentence_good"]}) + "\n")
    assert told in "\n".join(refused("probe", *words))
