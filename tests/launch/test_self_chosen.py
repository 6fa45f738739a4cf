"""A life that chooses its books: two ranks choose alike, a killed life goes on as it had chosen, the proof holds."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from ontogeny.cli.verify import verified
from ontogeny.core.run import RunDirectory
from tests.launch.lives import assert_equal_lives, call, events, kill_all, read_json, start, wait_for

sys.path.insert(0, str(Path(__file__).parents[1] / "corpus"))
from making import make_library, make_prose, scene_yaml

CHOICES = "sealed/choices.json"
STAGES = ("01-primer", "01-primer.2")
GENOME = """
name: chooser
seed: 7
language: en
model:
  base: scratch
  architecture: {type: llama, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, tie_word_embeddings: true}
  context_tokens: 128
  tokenizer: {train: bpe, vocab_size: 400}
trunk: {update: full, learning_rate: 5.0e-3, batch_tokens: 512}
roles:
  student: {rank: 2, alpha: 4, targets: attention, learning_rate: 2.0e-3, batch_tokens: 512}
stages:
  - use: stages/primer
    reading: self_chosen
    span: {tokens: 12000}
    sections:
      - {name: one, books: [first, second]}
      - {name: two, books: [third, fourth]}
    scenes: {every_tokens: 600, kinds: [conflict]}
    gate: {probe: bits_per_byte, on: primer, below: 0.01, otherwise: repeat, max_repeats: 1}
machine: {log_every_steps: 5, save_every_steps: 7, ranks: 2, zero_stage: 2}
"""


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("chooser")
    books = {name: make_prose(seed, 40, 8) for seed, name in enumerate(("first", "second", "third", "fourth"))}
    words = ("river", "lamp", "bridge", "mirror")
    scenes = [scene_yaml(f"s{i}", f"phrase: {word} with") for i, word in enumerate(words)]
    spoken = "".join(scenes)
    for other in ("teacher", "critic"):
        spoken = spoken.replace(f"speaker: {other}", "speaker: narrator")
    make_library(root, books, {"primer": spoken})
    (root / "stages" / "primer" / "stage.yaml").write_text("name: primer\n")
    path = root / "chooser.yaml"
    path.write_text(GENOME)
    return path


@pytest.fixture(scope="module")
def lived(genome, tmp_path_factory) -> Path:
    """A life of two ranks under ZeRO 2, undisturbed; its gate lets nobody pass, so that it reads the stage twice."""
    run = tmp_path_factory.mktemp("lived") / "chooser"
    call("run", genome, "--out", run, code=3)
    return run


def test_books_were_chosen_sealed_and_fed(lived):
    entry = read_json(lived, "corpus/manifest.json")["stages"][0]
    for folder, pass_ in zip(STAGES, (1, 2), strict=True):
        sealed = read_json(lived, f"stages/{folder}/{CHOICES}")
        order = [choice["book"] for choice in sealed["chosen"]]
        assert order[0] == "first" and sorted(order) == sorted(entry["book_packs"]) and len(order) >= 3
        for number, choice in enumerate(sealed["chosen"][1:], 1):
            gains = {book: sealed["entry_nats"][book] - now for book, now in choice["now_nats"].items()}
            assert choice["book"] == max(gains, key=gains.get) and len(gains) == len(order) - number
        assert min(sealed["entry_nats"].values()) > (4.0 if pass_ == 1 else 1.0)
        assert (
            read_json(lived, f"stages/{folder}/fingerprints.json")["order root of books"]
            != entry["phases"]["books"]["root"]
        )
    first, second = (read_json(lived, f"stages/{folder}/{CHOICES}")["entry_nats"] for folder in STAGES)
    assert all(second[book] < first[book] - 1 for book in first), "the second pass enters with what the first learned"


def test_a_killed_life_goes_on_as_it_had_chosen(genome, lived, tmp_path):
    run = tmp_path / "killed"
    child = start("run", genome, "--out", run)
    wait_for(lambda: sum(e["event"] == "book_chosen" for e in events(run)) >= 3, child, "the third book")
    kill_all(run)
    child.wait()
    sealed = run / "stages/01-primer" / CHOICES
    before = [choice["book"] for choice in json.loads(sealed.read_text())["chosen"]]
    call("run", genome, "--out", run, "--resume", code=3)
    for folder in STAGES:
        name = f"stages/{folder}/{CHOICES}"
        assert (run / name).read_bytes() == (lived / name).read_bytes()
    assert [choice["book"] for choice in json.loads(sealed.read_text())["chosen"]][: len(before)] == before
    assert_equal_lives(lived, run)
    assert verified(RunDirectory(run))[1] == []


PLANTED = [
    "genome.yaml",
    "plan.json",
    "corpus/manifest.json",
    "corpus/primer/ids.bin",
    *(
        f"stages/{folder}/{name}"
        for folder in STAGES
        for name in (
            "model/model.safetensors",
            "model/config.json",
            "model/tokenizer.json",
            "adapters/student/adapter_model.safetensors",
            "adapters/student/adapter_config.json",
            "consumed.bin",
            "metrics.jsonl",
            "probes.json",
            "gate.json",
            "fingerprints.json",
            CHOICES,
        )
    ),
    "stages/00-conception/model/model.safetensors",
    "stages/00-conception/probes.json",
]


def test_one_byte_of_any_file_of_a_life_is_found_and_the_file_named(lived, tmp_path):
    run = Path(shutil.copytree(lived, tmp_path / "copy"))
    assert verified(RunDirectory(run))[1] == []
    for file in PLANTED:
        path = run / file
        raw = path.read_bytes()
        for at, bit in zip((0, len(raw) // 2, len(raw) - 2), (1, 2, 4), strict=True):
            path.write_bytes(raw[:at] + bytes([raw[at] ^ bit]) + raw[at + 1 :])
            faults = verified(RunDirectory(run))[1]
            assert any(file.removeprefix("corpus/") in fault.where for fault in faults), (file, at, faults)
        path.write_bytes(raw)


def test_a_file_or_a_stage_taken_away_is_missed(lived, tmp_path):
    run = Path(shutil.copytree(lived, tmp_path / "copy"))
    for name in (f"01-primer/{CHOICES}", "01-primer/consumed.bin", "01-primer/fingerprints.json", "01-primer"):
        (run / "stages" / name).rename(run / "away")
        assert any(f"stages/{name}" in fault.where for fault in verified(RunDirectory(run))[1]), name
        (run / "away").rename(run / "stages" / name)
    shutil.copy(run / "stages/01-primer/gate.json", run / "stages/01-primer/planted.json")
    assert any("planted.json" in fault.where for fault in verified(RunDirectory(run))[1])


def test_the_verb_explains_a_planted_choice(lived, tmp_path):
    run = Path(shutil.copytree(lived, tmp_path / "copy"))
    path = run / "stages/01-primer" / CHOICES
    sealed = json.loads(path.read_text())
    sealed["chosen"][1], sealed["chosen"][2] = sealed["chosen"][2], sealed["chosen"][1]
    path.write_text(json.dumps(sealed))
    done = call("verify", run, code=1)
    assert f"01-primer/{CHOICES}: choice 2" in done.stderr and "VerifyError" in done.stderr
