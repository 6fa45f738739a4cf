"""The battery's choices against a slow plain loop over transformers: text in, one sequence at a time, in float64."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ontogeny.probes.battery import ProbeRequest, measure

sys.path.insert(0, str(Path(__file__).parents[1] / "probes"))
from made_corpus import write_general, write_life
from tiny_models import FAMILIES

BATTERY = ("conflict_resolution", "minimal_pairs", "trail_recall")
CONTEXT_TOKENS = 64


@torch.no_grad()
def slow_rows(model_folder: Path, items: list[dict]) -> dict[str, float]:
    """sum, per_byte and margin of a set of items."""
    model = AutoModelForCausalLM.from_pretrained(model_folder).double().eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    rights: dict[str, list[float]] = {"sum": [], "per_byte": [], "margin": []}
    for item in items:
        ends = [item["answer"], *item["foils"]]
        coded = [tokenizer(end, add_special_tokens=False).input_ids for end in ends]
        context = tokenizer(item["context"], add_special_tokens=False).input_ids
        context = context[max(0, len(context) - (CONTEXT_TOKENS - 1 - max(map(len, coded)))) :]
        nats = []
        for end in coded:
            ids = torch.tensor([[tokenizer.bos_token_id, *context, *end]])
            logs = model(input_ids=ids).logits[0].log_softmax(-1)
            nats.append(-sum(float(logs[len(context) + k, token]) for k, token in enumerate(end)))
        by_byte = [one / len(end.encode()) for one, end in zip(nats, ends, strict=True)]
        for form, costs in (("sum", nats), ("per_byte", by_byte)):
            least = min(costs[1:])
            rights[form].append(0.5 if costs[0] == least else float(costs[0] < least))
        rights["margin"].append(min(by_byte[1:]) - by_byte[0])
    return {form: sum(some) / len(some) for form, some in rights.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_choices_equal_a_slow_loop(tmp_path, family):
    write_life(tmp_path, family)
    write_general(tmp_path / "corpus")
    request = ProbeRequest(
        model_folder=tmp_path / "model",
        corpus_folder=tmp_path / "corpus",
        stages=("primer",),
        stage="primer",
        battery=BATTERY,
        seed=7,
        context_tokens=CONTEXT_TOKENS,
    )
    rows = measure(request)
    assert len(rows) == 9
    files = ("primer/items.jsonl", "items.jsonl")
    lines = [json.loads(line) for name in files for line in (tmp_path / "corpus" / name).read_text().splitlines()]
    for probe in BATTERY:
        expected = slow_rows(tmp_path / "model", [x for x in lines if (x["probe"], x["split"]) == (probe, "test")])
        for row in (row for row in rows if row["probe"] == probe):
            assert row["value"] == pytest.approx(expected[row["form"]], abs=1e-6), (probe, row["form"])
