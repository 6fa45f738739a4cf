"""Parity with lm-evaluation-harness on exported items: every end within 1e-4 nats, the same share of right answers.

Runs where lm_eval can be imported (it is no dependency); its scores come from a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ontogeny.core.run import RunDirectory
from ontogeny.models.causal import load_model
from ontogeny.probes.ask import Subject, request_for
from ontogeny.probes.battery import asked_of
from ontogeny.probes.choices import make_choice_set
from ontogeny.probes.export import GROUP, write_lm_eval
from ontogeny.probes.scoring import make_batches, score_rows
from ontogeny.probes.sets import items_of
from ontogeny.probes.suites import load_suite

sys.path.insert(0, str(Path(__file__).parents[1] / "probes"))
from made_corpus import write_general, write_life

SCORER = Path(__file__).with_name("lm_eval_scores.py")
BATTERY = ("conflict_resolution", "minimal_pairs", "trail_recall")


@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm_eval is not installed")
@pytest.mark.parametrize("family", ["llama", "opt"])
def test_exported_items_score_the_same(tmp_path, family):
    write_life(tmp_path, family)
    write_general(tmp_path / "corpus")
    pairs = [{"sentence_good": f"The {x} sleeps.", "sentence_bad": f"The {x} sleep.", "UID": "verbs"} for x in "abcde"]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in pairs))
    (tmp_path / "plan.json").write_text(json.dumps({"stages": [{"name": "primer"}], "seed": 7, "context_tokens": 64}))
    suites = load_suite(f"blimp:{tmp_path / 'pairs.jsonl'}")
    subject = Subject(str(tmp_path / "model"), run=RunDirectory(tmp_path))
    asked = asked_of(request_for(subject, tmp_path / "made", BATTERY, suites=suites))
    told = write_lm_eval(asked, BATTERY, suites, tmp_path / "tasks")
    assert len(told) == 2  # long contexts are left out, and said to be
    words = [sys.executable, str(SCORER), str(tmp_path / "model"), str(tmp_path / "tasks"), str(tmp_path / "out.json")]
    offline = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | offline)
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = json.loads((tmp_path / "out.json").read_text())
    sets = {(probe, on): lines for probe in BATTERY for on, _, lines in items_of(asked, probe)}
    sets |= {(suite.probe, suite.on): suite.lines for suite in suites}
    model, compared = load_model(tmp_path / "model"), 0
    for (probe, on), lines in sets.items():
        (name,) = (name for name in theirs if name.startswith(f"{GROUP}_{probe}_"))
        nats = theirs[name]["nats"]
        documents = map(json.loads, (tmp_path / "tasks" / f"{name}.jsonl").read_text("utf-8").splitlines())
        order = {document["id"]: document["choices"] for document in documents}
        kept = [line for line in lines if line["id"] in nats]
        assert len(kept) == len(nats) > 3
        made = make_choice_set(asked, probe, on, "test", kept)
        ours = dict(score_rows(model, made.rows, make_batches(made.rows)))
        for i, line in enumerate(kept):
            ends = [line["answer"], *line["foils"]]
            assert ours[i] == pytest.approx([nats[line["id"]][order[line["id"]].index(end)] for end in ends], abs=1e-4)
            compared += len(ends)
        assert made.results(ours, 1)[0]["value"] == pytest.approx(theirs[name]["acc"])
    assert compared == 66
