"""What a word names: folders of models, stages and adapters, a run above them; the request it makes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from made_corpus import ROLES, write_general, write_life

from ontogeny.core.errors import ModelError, RunError
from ontogeny.core.run import RunDirectory
from ontogeny.probes.ask import SEED, find_subject, measured_of, request_for
from ontogeny.probes.battery import ProbeRequest, measure


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two stages, laid out as a life leaves it."""
    folder = tmp_path_factory.mktemp("lives") / "run"
    made = folder / "made"
    made.mkdir(parents=True)
    write_life(made)
    write_general(made / "corpus")
    (made / "corpus").rename(folder / "corpus")
    for stage in ("00-conception", "01-primer", "02-lexicon.2"):
        shutil.copytree(made / "model", folder / "stages" / stage / "model")
    for name in ROLES:
        shutil.copytree(made / name, folder / "stages" / "01-primer" / "adapters" / name)
    plan = {"seed": 11, "context_tokens": 48, "stages": [{"name": "primer"}, {"name": "lexicon"}]}
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder


def named(*words, **more):
    found = find_subject(*map(str, words), **more)
    return found.base, found.name, found.run and found.run.path, found.stage


def test_folders_of_a_run_name_its_stage(run):
    stages = run / "stages"
    model = str(stages / "01-primer" / "model")
    assert named(model) == named(stages / "01-primer") == (model, "trunk", run, "primer")
    assert named(stages / "00-conception" / "model")[2:] == (run, None)
    assert named(stages / "02-lexicon.2" / "model")[2:] == (run, "lexicon")
    student = stages / "01-primer" / "adapters" / "student"
    assert named(student) == (model, "student", run, "primer")
    assert named(model, adapter=student) == (model, "student", run, "primer")


def test_outside_a_run_there_is_none_unless_given(run, tmp_path):
    shutil.copytree(run / "made" / "model", tmp_path / "model")
    shutil.copytree(run / "made" / "student", tmp_path / "student")
    assert named(tmp_path / "model") == (str(tmp_path / "model"), "trunk", None, None)
    assert named(tmp_path / "model", run=run) == (str(tmp_path / "model"), "trunk", run, None)
    assert named(tmp_path / "student", base=str(tmp_path / "model"))[:2] == (str(tmp_path / "model"), "student")
    assert named(tmp_path / "student", run=run)[0] == str(run / "stages" / "00-conception" / "model")
    assert named("someone/some-model") == ("someone/some-model", "trunk", None, None)


def test_what_is_no_model_is_told(run, tmp_path):
    student = run / "stages" / "01-primer" / "adapters" / "student"
    shutil.copytree(run / "made" / "student", tmp_path / "student")
    with pytest.raises(ModelError, match="this is not a model"):
        find_subject(str(run))
    with pytest.raises(ModelError, match=r"base of an adapter is not known(.|\n)*--base"):
        find_subject(str(tmp_path / "student"))
    with pytest.raises(ModelError, match="two adapters"):
        find_subject(str(student), adapter=student)
    with pytest.raises(ModelError, match="no adapter"):
        find_subject(str(run / "made" / "model"), base="x")
    with pytest.raises(ModelError, match="not an adapter"):
        find_subject(str(run / "made" / "model"), adapter=tmp_path)
    weights = run / "made" / "model" / "model.safetensors"
    shutil.copytree(run / "made" / "model", tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="belongs to another model"):
        find_subject(str(student), base=str(tmp_path / "other"))
    (tmp_path / "student" / "adapter_config.json").write_text("{")
    with pytest.raises(ModelError, match="adapter cannot be read"):
        find_subject(str(tmp_path / "student"))


def test_a_stage_is_asked_what_its_life_asked(run, tmp_path):
    """The rows are those that the life itself wrote of its trunk."""
    battery = ("bits_per_byte", "conflict_resolution", "minimal_pairs", "unprompted")
    request = request_for(find_subject(str(run / "stages" / "01-primer")), tmp_path, battery)
    lived = ProbeRequest(
        model_folder=run / "stages" / "01-primer" / "model",
        corpus_folder=run / "corpus",
        stages=("primer", "lexicon"),
        stage="primer",
        battery=battery,
        seed=11,
        context_tokens=48,
    )
    rows = measure(request)
    assert rows == measure(lived) and {row["on"] for row in rows} == {"primer", "lexicon", "simple", "empty prompt"}


def test_the_default_is_every_probe_that_finds_something(run, tmp_path):
    request = replace(request_for(find_subject(str(run / "stages" / "01-primer")), tmp_path), seed=11)
    probes = {row["probe"] for row in measure(request)}
    assert {"bits_per_byte", "conflict_resolution", "minimal_pairs", "trail_recall", "unprompted"} <= probes
    assert not {"definition", "dialogue", "bridge"} & probes
    with pytest.raises(ModelError, match="definition has nothing to score"):
        measure(replace(request, battery=("definition",), skip_empty=False))


def test_an_adapter_moves_the_scores(run, tmp_path):
    values = []
    for place in ("model", "adapters/student", "adapters/critic"):
        subject = find_subject(str(run / "stages" / "01-primer" / place))
        rows = measure(request_for(subject, tmp_path / place, ("conflict_resolution",)))
        values.append(tuple(row["value"] for row in rows if row["form"] == "margin"))
    assert len(set(values)) == 3


def test_elsewhere_the_general_items_are_asked(run, tmp_path):
    shutil.copytree(run / "made" / "model", tmp_path / "model")
    request = request_for(find_subject(str(tmp_path / "model")), tmp_path / "made", ("minimal_pairs",))
    assert (request.seed, request.context_tokens, request.stages) == (SEED, 64, ())
    assert {row["on"] for row in measure(request)} >= {"simple", "rich"}


def test_an_arm_is_measured_on_what_stands_in_measured(run, tmp_path):
    declared = ("all",)
    directory = RunDirectory(tmp_path)
    assert measured_of(directory, declared) == (tmp_path / "corpus", declared)
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured" / "stages.json").write_text('["primer", "lexicon"]')
    assert measured_of(directory, declared) == (tmp_path / "measured", ("primer", "lexicon"))
    (tmp_path / "measured" / "stages.json").write_text("[")
    with pytest.raises(RunError, match=r"measured/stages\.json"):
        measured_of(directory, declared)
