"""When light probes come due inside a phase, what they write, and what a life that comes back does."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "probes"))
from made_corpus import write_life

from ontogeny.core.cursor import Cursor
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.models.causal import load_model
from ontogeny.probes.bits_per_byte import make_passage_set
from ontogeny.probes.light import MAX_ITEMS, MAX_TOKENS, light_nats, make_light_set
from ontogeny.probes.scoring import make_batches, score_rows
from ontogeny.probes.sets import Asked
from ontogeny.train.cadence import Cadence
from ontogeny.train.ledger import Ledger

EVERY = 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("cadence")
    write_life(made)
    return made


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder / "model")


@pytest.fixture(scope="module")
def asked(folder):
    encoder = make_encoder(folder / "corpus" / "tokenizer")
    return Asked(folder / "corpus", ("primer",), "primer", ("test",), None, encoder, 64, 7)


class FakeLearner:
    """A trunk in training, and whether it was read in evaluation mode."""

    def __init__(self, folder, model, every=EVERY):
        stage = SimpleNamespace(name="primer", light_every_tokens=every)
        self.plan = SimpleNamespace(stages=[stage], context_tokens=64, seed=7)
        self.corpus = SimpleNamespace(folder=folder / "corpus")
        self.model, self.read = model, 0

    @contextmanager
    def reading(self):
        self.read += 1
        with torch.no_grad():
            yield lambda ids_BT: self.model(input_ids=ids_BT).logits


def ledger_of(folder, path, tokens_seen=0, rank=0) -> Ledger:
    (path / "stages" / "01-primer").mkdir(parents=True, exist_ok=True)
    if not (path / "corpus").exists():
        (path / "corpus").symlink_to(folder / "corpus")
    ledger = Ledger(RunDirectory(path), SimpleNamespace(stages=[SimpleNamespace(name="primer")]), rank, 1)
    ledger.tokens_seen = tokens_seen
    return ledger


def batch_of(tokens: int):
    """A batch with so many loss-bearing tokens, and others of weight 0."""
    weights_BT = np.zeros((4, 64), np.float32)
    weights_BT.ravel()[:tokens] = 0.5
    return SimpleNamespace(weights_BT=weights_BT)


def walked(cadence, sizes, first_step=0):
    for step, size in enumerate(sizes, first_step + 1):
        cadence.reach(Cursor(0, 1, 0, step), batch_of(size))


def lines(path):
    file = path / "stages" / "01-primer" / "metrics.jsonl"
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


SIZES = [60, 60, 40, 30, 5, 4, 1, 250, 10]  # after steps: 60 120 160 190 195 199 200 450 460


def test_a_probe_comes_due_where_tokens_cross_a_multiple(folder, model, tmp_path):
    learner = FakeLearner(folder, model)
    walked(Cadence(learner, ledger_of(folder, tmp_path), Cursor()), SIZES)
    told = lines(tmp_path)
    assert [(line["step"], line["tokens_seen"]) for line in told] == [(2, 120), (7, 200), (8, 450)]
    assert learner.read == 3
    for line in told:
        assert set(line) == {"stage", "pass", "phase", "step", "tokens_seen", "light", "time_s"}
        assert (line["stage"], line["pass"], line["phase"]) == ("primer", 1, "books")
        assert set(line["light"]) == {"bits_per_byte", "margin"}


@pytest.mark.parametrize("stopped", range(1, len(SIZES)))
def test_a_life_that_comes_back_scores_after_the_same_steps(folder, model, tmp_path, stopped):
    def timeless(path):
        return [{key: value for key, value in line.items() if key != "time_s"} for line in lines(path)]

    walked(Cadence(FakeLearner(folder, model), ledger_of(folder, tmp_path / "whole"), Cursor()), SIZES)
    path = tmp_path / "twice"
    walked(Cadence(FakeLearner(folder, model), ledger_of(folder, path), Cursor()), SIZES[:stopped])
    back = ledger_of(folder, path, sum(SIZES[:stopped]))
    walked(Cadence(FakeLearner(folder, model), back, Cursor(0, 1, 0, stopped)), SIZES[stopped:], stopped)
    assert timeless(path) == timeless(tmp_path / "whole")


def test_nothing_comes_due_without_a_cadence_or_among_roles(folder, model, tmp_path):
    for learner, cursor in (
        (FakeLearner(folder, model, None), Cursor()),
        (FakeLearner(folder, model), Cursor(0, 1, 2, 0)),
    ):
        walked(Cadence(learner, ledger_of(folder, tmp_path), cursor), SIZES)
        assert learner.read == 0
    assert lines(tmp_path) == []


def test_only_the_first_rank_writes_and_every_rank_reads(folder, model, tmp_path):
    learner = FakeLearner(folder, model)
    walked(Cadence(learner, ledger_of(folder, tmp_path, rank=1), Cursor()), SIZES)
    assert learner.read == 3 and lines(tmp_path) == []


def test_the_time_of_a_light_probe_is_no_training_time(folder, tmp_path):
    ledger = ledger_of(folder, tmp_path)
    before = ledger._clock
    ledger.light(Cursor(), 5, {"margin": 1.0}, 40.0)
    assert ledger._clock == before + 40.0


def test_an_arm_is_asked_what_its_genome_is_asked(folder, model, tmp_path):
    ledger = ledger_of(folder, tmp_path)
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured" / "stages.json").write_text('["lexicon"]')
    learner = FakeLearner(folder, model)
    walked(Cadence(learner, ledger, Cursor()), SIZES)
    assert learner.read == 0, "nothing of this stage is held out there"


def test_a_light_set_is_small_and_of_its_stage(asked):
    light, whole = make_light_set(asked, "primer"), make_passage_set(asked, "primer", "test")
    assert light.rows[: light.pieces] == tuple(row for row in whole.rows if row in light.rows[: light.pieces])
    assert sum(map(len, light.rows[: light.pieces])) <= MAX_TOKENS
    assert len(light.rows) - light.pieces == 2 * MAX_ITEMS == 2 * len(light.bytes_of)
    assert light.tokens == sum(map(len, light.rows)) and all(len(row.ends) == 1 for row in light.rows)


def test_a_light_set_ends_at_its_tokens(asked, monkeypatch):
    monkeypatch.setattr("ontogeny.probes.light.MAX_TOKENS", 150)
    few = make_light_set(asked, "primer")
    assert 0 < sum(map(len, few.rows[: few.pieces])) <= 150
    monkeypatch.setattr("ontogeny.probes.light.MAX_TOKENS", 1)
    assert make_light_set(asked, "primer").pieces >= 1, "one passage, however long"


def test_light_scores_are_those_of_the_battery(asked, model):
    light = make_light_set(asked, "primer")
    with torch.no_grad():
        nats = light_nats(light.rows, lambda ids_BT: model(input_ids=ids_BT).logits)
    scored = dict(score_rows(model, light.rows, make_batches(light.rows)))
    assert nats == pytest.approx([scored[i][0] for i in range(len(light.rows))], rel=1e-5)
    bits = sum(nats[: light.pieces]) / np.log(2) / light.passage_bytes
    pairs = [(nats[light.pieces + 2 * k], nats[light.pieces + 2 * k + 1]) for k in range(MAX_ITEMS)]
    margin = np.mean([f / size[1] - a / size[0] for (a, f), size in zip(pairs, light.bytes_of, strict=True)])
    assert light.scores(nats) == pytest.approx({"bits_per_byte": bits, "margin": margin})


def test_a_set_without_items_or_passages_tells_what_it_has(asked, tmp_path):
    light = make_light_set(asked, "primer")
    only = replace(light, rows=light.rows[: light.pieces], bytes_of=())
    assert set(only.scores([1.0] * light.pieces)) == {"bits_per_byte"}
    (tmp_path / "primer").mkdir()
    for name in ("heldout.jsonl", "items.jsonl"):
        (tmp_path / "primer" / name).write_text("")
    assert make_light_set(replace(asked, folder=tmp_path), "primer") is None
