"""The run directory of an arm: prepared by the one way that every run is, proven, moved, resumed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ontogeny.core.arms import arm_of, with_arm
from ontogeny.core.errors import OntogenyError
from ontogeny.core.genome import genome_hash, load_genome, resolved_genome
from ontogeny.core.plan import World
from ontogeny.core.run import RunDirectory
from ontogeny.models.causal import build_model
from ontogeny.train.preparing import fresh_or_ours, prepared
from ontogeny.train.proof import verified
from ontogeny.train.rank import replan

ROOT = Path(__file__).parents[2]
ARMS = ("shuffle", "reverse", "subset_only=lexicon")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(the genome, the folder of its runs) with the arms prepared."""
    folder = tmp_path_factory.mktemp("runs")
    loaded = load_genome(ROOT / "genome" / "sprout.yaml")
    for words in ARMS:
        prepare(loaded, words, folder / words)
    return loaded, folder


def prepare(loaded, words, path):
    arm = with_arm(loaded, arm_of(words))
    run = RunDirectory(path)
    with fresh_or_ours(run, arm):
        return prepared(arm, run, lambda _: None, world=World())


def whole(faults):
    return "\n".join(fault.render() for fault in faults)


@pytest.mark.parametrize("words", ARMS)
def test_the_run_of_an_arm_is_proven(runs, words, tmp_path):
    loaded, folder = runs
    checks, faults = verified(RunDirectory(folder / words))
    assert faults == [] and "every root holds" in checks[0]
    moved = RunDirectory(shutil.copytree(folder / words, tmp_path / "moved"))
    assert verified(moved)[1] == []
    assert genome_hash(resolved_genome(moved / "genome.yaml")) == genome_hash(with_arm(loaded, arm_of(words)).genome)


@pytest.mark.parametrize("words", ARMS)
def test_the_ranks_make_the_plan_that_was_written(runs, words):
    run = RunDirectory(runs[1] / words)
    plan = replan(run, run.read_json("corpus/manifest.json"))
    assert json.loads(json.dumps(plan.as_dict())) == run.read_json("plan.json")
    assert plan.arm["kind"] == words.partition("=")[0] and not plan.estimate
    assert [stage.name for stage in plan.stages] == {
        "shuffle": ["primer", "lexicon"],
        "reverse": ["lexicon", "primer"],
        "subset_only=lexicon": ["lexicon", "lexicon-2"],
    }[words]


def test_a_life_that_began_goes_on_with_its_packs_where_the_store_is_gone(runs, tmp_path):
    loaded, folder = runs
    path = tmp_path / "again"
    shutil.copytree(folder / "shuffle", path)
    (path / "events.jsonl").write_text('{"event": "life_started"}\n')
    before = (path / "plan.json").read_bytes()
    prepare(loaded, "shuffle", path)
    assert (path / "plan.json").read_bytes() == before and not (tmp_path / ".store").exists()


def test_the_run_of_an_arm_is_not_that_of_its_genome(runs):
    loaded, folder = runs
    for other in (loaded, with_arm(loaded, arm_of("again"))):
        with pytest.raises(OntogenyError) as caught, fresh_or_ours(RunDirectory(folder / "shuffle"), other):
            pass
        assert "belongs to another genome" in str(caught.value)


@pytest.mark.parametrize("name", ["stages.json", "primer/heldout.jsonl", "items.jsonl", "lexicon/items.jsonl"])
def test_another_material_to_measure_is_told(runs, tmp_path, name):
    path = Path(shutil.copytree(runs[1] / "reverse", tmp_path / "run")) / "measured" / name
    raw = path.read_bytes()
    path.unlink()
    path.write_bytes(raw.replace(b"e", b"E", 1))
    assert f"measured/{name}" in whole(verified(RunDirectory(tmp_path / "run"))[1])
    path.unlink()
    assert f"measured/{name}" in whole(verified(RunDirectory(tmp_path / "run"))[1])


def test_an_arm_written_over_in_the_genome_is_told(runs, tmp_path):
    run = RunDirectory(shutil.copytree(runs[1] / "reverse", tmp_path / "run"))
    text = (run / "genome.yaml").read_text()
    assert "kind: reverse" in text
    (run / "genome.yaml").write_text(text.replace("kind: reverse", "kind: shuffle"))
    found = whole(verified(run)[1])
    assert "genome_hash" in found and "stages[0].name" in found


def test_again_begins_with_other_weights(runs):
    loaded, _ = runs
    again = with_arm(loaded, arm_of("again")).genome
    spec = loaded.genome.model
    weights = [dict(build_model(spec, 1024, 0, seed).named_parameters()) for seed in (7, 1007, 1007)]
    name = next(name for name, value in weights[0].items() if value.dim() == 2)
    assert not weights[0][name].equal(weights[1][name]) and weights[1][name].equal(weights[2][name])
    assert again.seed == 7
