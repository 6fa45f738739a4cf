"""Measuring between stages: what the battery is asked, in a life and in a control arm."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from ontogeny.core.cursor import Cursor
from ontogeny.core.run import RunDirectory
from ontogeny.train.measure import Measurer


@pytest.fixture
def life(tmp_path, monkeypatch):
    """A life of two stages, and the requests that its measurer makes."""
    requests = []
    monkeypatch.setattr("ontogeny.probes.battery.measure", lambda request: requests.append(request) or [])
    run = RunDirectory(tmp_path)
    stages = [SimpleNamespace(name=name, battery=("bits_per_byte",), gate=None) for name in ("primer", "lexicon")]
    for number, stage in enumerate(stages, 1):
        (run.stage_folder(number, stage.name) / "adapters" / "student").mkdir(parents=True)
    ledger = SimpleNamespace(run=run, rank=0, world=1, gather=list)
    ledger.folder = lambda cursor: run.stage_folder(cursor.stage + 1, stages[cursor.stage].name)
    plan = SimpleNamespace(stages=stages, seed=7, context_tokens=64)
    return run, Measurer(plan, SimpleNamespace(folder=tmp_path / "corpus"), ledger), requests


def test_a_life_is_measured_on_its_own_corpus(life):
    run, measurer, requests = life
    measurer(Cursor(stage=0))
    measurer(None)
    first, conception = requests
    assert first.corpus_folder == run / "corpus" and first.tokenizer_folder == run / "corpus" / "tokenizer"
    assert first.stages == ("primer", "lexicon") and list(first.adapters) == ["student"]
    assert (conception.stage, conception.adapters) == (None, {})


def test_an_arm_is_measured_on_the_stages_of_its_genome(life):
    run, measurer, requests = life
    (run / "measured").mkdir()
    (run / "measured" / "stages.json").write_text(json.dumps(["primer", "school"]))
    measurer(Cursor(stage=0))
    measurer(Cursor(stage=1))
    first, second = requests
    assert first.corpus_folder == run / "measured" and first.tokenizer_folder == run / "corpus" / "tokenizer"
    assert first.stages == second.stages == ("primer", "school")
    assert (
        list(first.adapters) == ["student"] and second.adapters == {}
    )  # nothing is measured for the stage it just read
    assert second.model_folder == run / "stages" / "02-lexicon" / "model"
