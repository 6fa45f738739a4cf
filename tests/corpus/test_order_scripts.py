"""The scripts of docs/corpus.md that check the order without a line of ours, run as they stand there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from making import copy_corpus, make_library, make_plan, make_prose, make_stage, scene_yaml, span

from ontogeny.core.hashes import file_sha256
from ontogeny.corpus.consumed import declared_records
from ontogeny.corpus.lived import CHOICES, lived_roots
from ontogeny.corpus.prepare import prepare_corpus

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def scripts(tmp_path_factory) -> list[Path]:
    """The script of a corpus and that of a life, each a code block of the document."""
    text = (DOCS / "corpus.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text[text.index("## Order, proven") :], re.DOTALL)[:2]
    folder, written = tmp_path_factory.mktemp("scripts"), []
    for number, block in enumerate(blocks):
        assert len(block.splitlines()) <= 30 and "ontogeny" not in re.sub(r"ontogeny order", "", block)
        assert set(re.findall(r"^(?:import|from) (.*?)(?: import.*| as.*)?$", block, re.MULTILINE)) <= {
            "hashlib, json, pathlib, sys",
            "hashlib, json, sys",
            "pathlib",
            "numpy",
            "tokenizers",
        }
        written.append(folder / f"check{number}.py")
        written[-1].write_text(block)
    return written


@pytest.fixture(scope="module")
def life(tmp_path_factory) -> Path:
    """A run of three stages, one of each mode, with what each left behind."""
    run = tmp_path_factory.mktemp("life")
    books = {name: make_prose(seed, 14 + 6 * seed, 4) for seed, name in enumerate(("alpha", "beta", "gamma"))}
    scenes = scene_yaml("s1", "phrase: bridge with") + scene_yaml("s2", "phrase: lamp with")
    library = make_library(run, books, {name: scenes for name in ("first", "second", "third")})
    stages = [
        make_stage(0, "first", ["alpha"], stage_span=span(tokens=600)),
        make_stage(1, "second", [], reading="interleaved", replay_frac=0.2, stage_span=span(tokens=3000)),
        make_stage(2, "third", ["alpha", "beta", "gamma"], reading="self_chosen", stage_span=span(epochs=2)),
    ]
    stages[1].sections = [("one", ["alpha", "beta"]), ("two", ["gamma"])]
    corpus = prepare_corpus(make_plan(stages, context_tokens=128), library, run / "corpus")
    entry = {"beta": 6.0, "gamma": 5.0}
    chosen = [("alpha", {}), ("gamma", {"beta": 5.5, "gamma": 4.0}), ("beta", {"beta": 4.0})]
    for index, stage in enumerate(stages):
        folder = run / f"stages/{index + 1:02d}-{stage.name}"
        (folder / "sealed").mkdir(parents=True)
        listed, order = {}, None
        if index == 2:
            sealed = {"entry_nats": entry, "chosen": [{"book": book, "now_nats": now} for book, now in chosen]}
            (folder / CHOICES).write_text(json.dumps(sealed))
            listed["order root of books"], order = lived_roots(corpus, 2, folder)["books"], [book for book, _ in chosen]
        declared_records(corpus, index, 1, order).tofile(folder / "consumed.bin")
        listed["consumed.bin"] = file_sha256(folder / "consumed.bin")
        (folder / "fingerprints.json").write_text(json.dumps(listed))
    return run


def said(script: Path, *words: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, script, *map(str, words)], capture_output=True, text=True)


def test_both_scripts_hold_on_all_three_modes(scripts, life):
    done = said(scripts[0], life / "corpus")
    assert (done.returncode, done.stderr) == (0, "")
    done = said(scripts[1], life)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "holds: 01-first sequential",
        "holds: 02-second interleaved",
        "holds: 03-third self_chosen alpha gamma beta",
    ]


def change(path: Path, at: int, bit: int = 1) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= bit
    path.write_bytes(raw)


def turned(path: Path) -> None:
    manifest = json.loads(path.read_text())
    turns = manifest["stages"][1]["turns"]
    turns[2], turns[3] = turns[3], turns[2]
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("file", "plant", "told"),
    [
        ("first/ids.bin", lambda path: change(path, 400), "first"),
        ("second/codes.bin", lambda path: change(path, 70, 2), "second"),
        ("third/ids.bin", lambda path: change(path, 2000), "third"),
        ("books/gamma.txt", lambda path: change(path, 500), "book gamma"),
        ("manifest.json", turned, "the packs of second"),
        ("manifest.json", lambda path: path.write_text(path.read_text().replace("[[0, ", "[[1, ", 1)), "of alpha"),
    ],
)
def test_the_script_of_a_corpus_fails_on_a_planted_fault(scripts, life, tmp_path, file, plant, told):
    folder = copy_corpus(life / "corpus", tmp_path / "corpus")
    plant(folder / file)
    done = said(scripts[0], folder)
    assert done.returncode == 1 and "AssertionError" in done.stderr and told in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("file", "plant"),
    [
        ("02-second/consumed.bin", lambda path: change(path, 48 * 3 + 30)),
        ("03-third/consumed.bin", lambda path: path.write_bytes(path.read_bytes()[48:])),
        ("03-third/sealed/choices.json", lambda path: path.write_text(path.read_text() + " ")),
        ("03-third/sealed/choices.json", lambda path: path.write_text(path.read_text().replace("6.0", "6.5"))),
    ],
)
def test_the_script_of_a_life_fails_on_a_planted_fault(scripts, life, tmp_path, file, plant):
    run = copy_corpus(life, tmp_path / "life")
    plant(run / "stages" / file)
    done = said(scripts[1], run)
    assert done.returncode == 1 and f"AssertionError: {file[:7]}" in done.stderr
