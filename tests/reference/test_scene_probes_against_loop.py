"""self_repair, bridge and mismatch_recovery against a slow plain path: one text a forward, one token after another."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest
import torch

from ontogeny.corpus.vocabulary import make_encoder, train_tokenizer
from ontogeny.models.causal import build_model
from ontogeny.probes.battery import SETS
from ontogeny.probes.scoring import make_batches, score_rows
from ontogeny.probes.sets import Asked

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny_models import spec_of

COUNT, VOCAB = 12, 300


def made_items(rng):
    words = ["".join(rng.choice("abcde") for _ in range(rng.randint(2, 5))) for _ in range(60)]

    def say(low, high):
        return " ".join(rng.choices(words, k=rng.randint(low, high)))

    items = []
    for k in range(COUNT):
        begin = say(1, 2)  # what the ends have in common
        items.append(
            {
                "context": say(3, 9),
                "answer": f" {begin} {say(1, 3)}",
                "foils": [f" {begin} {say(1, 3)}"],
                "more": {
                    "second": say(9, 12),
                    "fresh": f" {begin} {say(1, 3)}" if k % 4 else None,
                    "without_a": say(3, 9),
                    "without_b": say(3, 9),
                    "next": f" {say(2, 4)}",
                    "later": f" {say(2, 3)}" if k % 3 else None,
                },
            }
        )
    return items, words


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    items, words = made_items(random.Random(8))
    train_tokenizer([" ".join(words[k:] + words[:k]) for k in range(50)], VOCAB, folder / "tokenizer", 64)
    (folder / "primer").mkdir()
    with open(folder / "primer" / "items.jsonl", "w", encoding="utf-8") as file:
        for probe in ("self_repair", "bridge", "mismatch_recovery"):
            for k, item in enumerate(items):
                line = {
                    "id": f"i{k}",
                    "probe": probe,
                    "kind": "x",
                    "on": "primer",
                    "split": "test",
                    "template": f"i{k}",
                }
                file.write(json.dumps(line | item) + "\n")
    return folder, items


class Plain:
    """Surprise of a text after another by one forward, its parts encoded apart; nothing shared, nothing batched."""

    def __init__(self, model, encoder):
        self.model, self.encoder = model.double(), encoder

    def ids(self, text):
        return [int(token) for token in self.encoder.encode([text], "here")[0]]

    @torch.no_grad()
    def nats(self, before, text):
        stem = [self.encoder.bos_id, *(token for part in before for token in self.ids(part))]
        end = self.ids(text)
        logits_TV = self.model(input_ids=torch.tensor([stem + end])).logits[0].double()
        total = 0.0
        for k, token in enumerate(end):
            row_V = logits_TV[len(stem) - 1 + k]
            total += float(torch.logsumexp(row_V, 0) - row_V[token])
        return total


def fast_values(corpus, probe, model):
    folder, _ = corpus
    asked = Asked(folder, ("primer",), "primer", ("test",), None, make_encoder(folder / "tokenizer"), 256, 7)
    (one,) = SETS[probe](asked)
    nats = dict(score_rows(model, one.rows, make_batches(one.rows)))
    return {row["form"]: row["value"] for row in one.results(nats, 3)}


def size(text):
    return len(text.encode())


def mean(values):
    found = list(values)
    return sum(found) / len(found)


@pytest.fixture(params=["llama", "opt"], scope="module")
def models(request, corpus):
    """A family whose rows fork and one whose rows do not, its weights made larger, so that contexts matter."""
    model = build_model(spec_of(request.param, context_tokens=256), VOCAB, 0, 7).eval()
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        parameter.data.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    fast = {probe: fast_values(corpus, probe, model) for probe in ("self_repair", "bridge", "mismatch_recovery")}
    return fast, Plain(model, make_encoder(corpus[0] / "tokenizer"))


def test_self_repair(models, corpus):
    fast, plain = models
    rights, by_sum, margins, fresh = [], [], [], []
    for item in corpus[1]:
        answer, foil = item["answer"], item["foils"][0]
        told = []
        for context in (item["context"], item["more"]["second"]):
            told.append((plain.nats([context], answer), plain.nats([context], foil)))
        rights.append([a / size(answer) < b / size(foil) for a, b in told])
        by_sum.append([a < b for a, b in told])
        margins.append([b / size(foil) - a / size(answer) for a, b in told])
        if other := item["more"]["fresh"]:
            contexts = (item["context"], item["more"]["second"])
            fresh.append(
                [
                    plain.nats([c], other) / size(other) - a / size(answer)
                    for c, (a, _) in zip(contexts, told, strict=True)
                ]
            )
    expected = {
        "first": mean(first for first, _ in rights),
        "second": mean(second for _, second in rights),
        "first_sum": mean(first for first, _ in by_sum),
        "second_sum": mean(second for _, second in by_sum),
        "gain": mean(second - first for first, second in rights),
        "lost": mean(first and not second for first, second in rights),
        "won": mean(second and not first for first, second in rights),
        "margin_first": mean(first for first, _ in margins),
        "margin_second": mean(second for _, second in margins),
        "margin_gain": mean(second - first for first, second in margins),
        "fresh_first": mean(first > 0 for first, _ in fresh),
        "fresh_second": mean(second > 0 for _, second in fresh),
        "fresh_margin_gain": mean(second - first for first, second in fresh),
    }
    assert fast["self_repair"] == pytest.approx(expected, abs=1e-5)
    assert 0 < expected["first"] < 1 and abs(expected["margin_gain"]) > 1e-3


def test_bridge(models, corpus):
    fast, plain = models
    told = []
    for item in corpus[1]:
        answer, foil, more = item["answer"], item["foils"][0], item["more"]
        both, other = plain.nats([item["context"]], answer), plain.nats([item["context"]], foil)
        need_a, need_b = (
            (plain.nats([more[name]], answer) - both) / size(answer) for name in ("without_a", "without_b")
        )
        per_byte = other / size(foil) - both / size(answer)
        told.append((both < other, per_byte > 0, per_byte, need_a, need_b, min(need_a, need_b)))
    forms = ("sum", "per_byte", "margin", "need_a", "need_b", "synergy")
    expected = {form: mean(column) for form, column in zip(forms, zip(*told, strict=True), strict=True)}
    assert fast["bridge"] == pytest.approx(expected, abs=1e-5)
    assert abs(expected["need_a"]) > 1e-4 and expected["synergy"] < min(expected["need_a"], expected["need_b"])


def test_mismatch_recovery(models, corpus):
    fast, plain = models
    shocks, costs, lates = [], [], []
    for item in corpus[1]:
        first, true, odd = item["context"], item["answer"], item["foils"][0]
        following, later = item["more"]["next"], item["more"]["later"]
        shocks.append(plain.nats([first], odd) / size(odd) - plain.nats([first], true) / size(true))
        extra = plain.nats([first, odd], following) - plain.nats([first, true], following)
        costs.append((extra, size(following)))
        if later:
            extra = plain.nats([first, odd, following], later) - plain.nats([first, true, following], later)
            lates.append((extra, size(later)))
    expected = {"shock": mean(shocks)}
    for form, pairs in (("cost", costs), ("late_cost", lates)):
        expected[form] = sum(extra for extra, _ in pairs) / sum(total for _, total in pairs)
    told = dict(fast["mismatch_recovery"])
    told.pop("recovery", None)
    assert told == pytest.approx(expected, abs=1e-5)
    assert abs(expected["cost"]) > 1e-4 and abs(expected["late_cost"]) > 1e-5
