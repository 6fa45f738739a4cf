"""Surprise of resolutions, read and held out: which texts are scored, and what the rows say."""

from __future__ import annotations

import json

import pytest
from made_corpus import write_corpus

from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.probes.scene_surprise import SceneSet, make_scene_sets
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked

TURNS = [
    ["teacher", "question", "Why does the sea rise?"],
    ["student", "attempt", "Because of wind."],
    ["student", "repair", "No. The moon draws it."],
]


def record(name: str, resolution: str | None, kind: str = "conflict") -> dict:
    return {"id": name, "kind": kind, "language": "en", "turns": TURNS, "resolution": resolution}


def asked_of(folder) -> Asked:
    encoder = make_encoder(folder / "tokenizer")
    return Asked(folder, ("primer", "lexicon"), "primer", ("test",), None, encoder, 128, 5)


@pytest.fixture
def folder(tmp_path):
    folder = write_corpus(tmp_path / "corpus")
    item = {
        "id": "never-read",
        "probe": "conflict_resolution",
        "kind": "conflict",
        "split": "gate",
        "context": "Teacher: What is it?\nStudent:",
        "answer": " It is a stone.",
        "foils": [" It is a bone."],
    }
    with open(folder / "primer/items.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(item) + "\n")
    lines = [record("tide", "The moon draws it."), record("gap-1", None, "gap"), record("tide", "The moon draws it.")]
    (folder / "primer/scenes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return folder


def test_what_is_scored(folder):
    asked = asked_of(folder)
    (made,) = make_scene_sets(asked, ["primer", "lexicon"])  # lexicon has no packs here
    held = [name for name, read in zip(made.ids, made.read, strict=True) if not read]
    assert made.ids[0] == "tide" and made.ids.count("tide") == 1 and "gap-1" not in made.ids
    assert "never-read" in held, "held-out scenes of every split"
    decode = asked.encoder.tokenizer.decode
    stem, (end,) = made.rows[0].stem, made.rows[0].ends
    said = "Teacher: Why does the sea rise?\nStudent: Because of wind.\nStudent:"
    assert decode(list(stem[1:])) == said and decode(list(end)) == " The moon draws it."
    assert made.bytes_of[0] == len(" The moon draws it.")


def test_a_stage_that_reads_no_authored_scene_has_no_set(folder):
    (folder / "primer/scenes.jsonl").write_text(json.dumps(record("gap-1", None, "gap")) + "\n", "utf-8")
    assert make_scene_sets(asked_of(folder), ["primer"]) == []


def test_rows_by_hand():
    row = Row((0,), ((1,),))
    made = SceneSet("primer", (row,) * 3, ("a", "b", "c"), (10, 20, 5), (True, True, False))
    read, held = made.results({0: [20.0], 1: [10.0], 2: [15.0]}, 3)
    assert (read["form"], read["value"], read["n"], read["unit"]) == ("read", (2.0 + 0.5) / 2, 2, "nats/byte")
    assert read["scenes"] == [["a", 2.0, 10], ["b", 0.5, 20]] and not read["higher_is_better"]
    assert (held["form"], held["value"], held["scenes"]) == ("held_out", 3.0, [["c", 3.0, 5]])
