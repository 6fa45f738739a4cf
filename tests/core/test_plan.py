"""The plan: pure, whole, honest about what it estimates."""

from __future__ import annotations

import copy
import dataclasses
import json
import math

import pytest

from ontogeny.core.cursor import TRAINED
from ontogeny.core.errors import GenomeError
from ontogeny.core.hashes import seed_of
from ontogeny.core.memory import MAX_MICRO_PACKS, estimate_memory
from ontogeny.core.plan import World, make_plan
from ontogeny.core.units import GIB

BYTES = {"fox": 9000, "crow": 9000, "owl": 20000}


def counts_of(plan) -> dict:
    """A manifest such as prepare writes, with numbers unlike the estimates."""
    stages = []
    for stage in plan.stages:
        roles = {"student": 3, "critic": 5} if stage.scenes else {}
        stages.append(
            {
                "name": stage.name,
                "bytes": 7000 + stage.index,
                "warnings": ["a scene is longer than a pack"] if stage.index == 0 else [],
                "phases": {
                    "books": {"rows": 41, "steps": 11, "tokens": 2500, "root": "b" * 64},
                    "replay": {"rows": 4 * stage.index, "steps": stage.index, "tokens": 9, "root": "c" * 64},
                    "roles": {
                        "rows": sum(roles.values()),
                        "steps": 3 if roles else 0,
                        "tokens": 99,
                        "root": "d" * 64,
                        "rows_by_role": roles,
                        "tokens_by_role": {name: 9 * rows for name, rows in roles.items()},
                    },
                },
            }
        )
    return {
        "corpus_hash": "e" * 64,
        "stages": stages,
        "books": [{"id": book, "licence": "MIT"} for book in ("fox", "crow", "owl")],
    }


@pytest.fixture
def plan_of(project, facts):
    def made(*overrides, world=None, counts=None, model=facts, library=True):
        loaded = project.load(*overrides)
        return make_plan(loaded.genome, loaded.library if library else None, world or World(), model, counts, BYTES)

    return made


def test_a_plan_is_pure(plan_of):
    one, two = plan_of(), plan_of()
    assert one == two and json.dumps(one.as_dict(), sort_keys=True) == json.dumps(two.as_dict(), sort_keys=True)
    counts = counts_of(one)
    before = copy.deepcopy(counts)
    plan_of(counts=counts)
    assert counts == before


def test_before_prepare_it_says_estimate(plan_of):
    plan = plan_of()
    told = plan.as_dict()
    assert plan.estimate and told["estimate"] is True and told["corpus_hash"] is None
    assert told["memory"]["weights_gib"] > 0 and told["time_s"] > 0
    first, second = plan.stages
    rows = math.ceil(4000 / 63)
    assert (first.phases["books"].tokens, first.phases["books"].rows) == (4000, rows)
    assert first.phases["books"].steps == math.ceil(rows / 4) and first.batch_packs == 4
    assert first.phases["replay"].rows == 0
    assert second.phases["replay"].rows == math.floor(0.1 * second.phases["books"].rows)
    assert second.phases["roles"].steps == 0 and second.phases["roles"].rows_by_role == {}
    assert set(first.phases["roles"].rows_by_role) == {"student", "critic"}
    assert plan.trained_tokens == sum(stage.phases[phase].tokens for stage in plan.stages for phase in TRAINED)


def test_more_bytes_more_tokens_and_spans_count(plan_of):
    books = plan_of().stages[1].phases["books"].tokens
    assert plan_of("stages.1.span.epochs=3").stages[1].phases["books"].tokens == 3 * books
    once = plan_of().stages[0].phases["roles"].rows_by_role
    again = plan_of("roles.student.span.epochs=2").stages[0].phases["roles"].rows_by_role
    few = plan_of("roles.student.span.tokens=20").stages[0].phases["roles"].rows_by_role
    assert again == {"student": 2 * once["student"], "critic": once["critic"]}
    assert few["student"] < once["student"] and few["critic"] == once["critic"]


def test_after_prepare_no_number_is_an_estimate(plan_of):
    counts = counts_of(plan_of())
    plan = plan_of(counts=counts)
    told = plan.as_dict()
    assert told["estimate"] is False and told["corpus_hash"] == "e" * 64

    def keys(value):
        if isinstance(value, dict):
            return set(value) | {key for item in value.values() for key in keys(item)}
        return {key for item in value for key in keys(item)} if isinstance(value, list) else set()

    assert not {
        key for key in keys(told) if key in ("memory", "time_s") or key.endswith("_gib") or "estimat" in key
    } - {"estimate"}
    for stage, declared in zip(told["stages"], counts["stages"], strict=True):
        for phase in TRAINED:
            have = stage["phases"][phase]
            assert {key: have[key] for key in declared["phases"][phase]} == declared["phases"][phase]
    assert plan.stages[0].phases["roles"].schedules["student"].total_steps == 3
    books, replay = (plan.stages[1].phases[phase].schedules["trunk"] for phase in ("books", "replay"))
    assert (books.total_steps, books.first_step, replay.total_steps, replay.first_step) == (12, 0, 12, 11)
    assert [stage.text_bytes for stage in plan.stages] == [7000, 7001]
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_without_a_library_the_manifest_tells_the_licences(plan_of):
    plan = plan_of(counts=counts_of(plan_of()), library=False)
    assert plan.stages[0].licences == {"fox": "MIT", "crow": "MIT"}
    assert plan_of(library=False).stages[1].licences == {"owl": "unknown"}


def test_every_number_is_there(plan_of):
    told = plan_of().as_dict()
    assert {
        "name",
        "genome_hash",
        "seed",
        "language",
        "context_tokens",
        "tokenizer",
        "roles",
        "model",
        "world",
        "stages",
        "micro_batch_packs",
        "role_micro_batch_packs",
        "warnings",
        "machine",
        "precision",
        "base",
        "trained_tokens",
    } <= told.keys()
    stage = told["stages"][0]
    assert stage["seeds"] == {purpose: seed_of(3, "first", purpose) for purpose in ("scenes", "replay", "probes")}
    assert stage["licences"] == {"fox": "CC0-1.0", "crow": "CC-BY-SA-4.0"}
    assert stage["scenes"]["folder"] == "stages/first"  # of the library, not of this machine
    assert stage["battery"] == ["bits_per_byte", "conflict_resolution", "unprompted"]
    schedule = stage["phases"]["books"]["schedules"]["trunk"]
    assert schedule == {
        "kind": "warmup_stable_decay",
        "learning_rate": 0.001,
        "first_step": 0,
        "total_steps": 16,
        "warmup_steps": 1,
        "decay_steps": 4,
        "final_frac": 0.1,
    }


def test_a_stage_is_planned_the_same_whatever_comes_before_or_after(project, plan_of):
    """What a prefix of a life is planned to be does not hang on the rest: the ground of every prefix hash."""
    before = plan_of().stages[0]
    changed = plan_of(
        "stages.1.name=other",
        "stages.1.span.tokens=99",
        "stages.1.trunk.learning_rate=0.5",
        "stages.1.probes.battery=[unprompted]",
        "machine.ranks=2",
    ).stages[0]
    assert changed == before
    second = plan_of().stages[1]
    moved = plan_of("stages.0.name=other", "stages.0.sections.0.books=[fox]").stages[1]
    assert (moved.seeds, moved.phases["books"]) == (second.seeds, second.phases["books"])


@pytest.mark.parametrize(
    ("overrides", "piece"),
    [
        (("stages.1.trunk.final_frac=0.0",), "an ascending curriculum meets a decay to zero in second"),
        (("stages.1.sections.0.books=[fox]",), "book 'fox' is used twice: in first and in second"),
        (("stages.1.sections.0.books=[chat]",), "books in another language than 'en': chat"),
        ((), "licences that restrict what may be done with the model's text: CC-BY-SA-4.0"),
    ],
)
def test_each_warning(plan_of, overrides, piece):
    quiet = ("stages.0.sections.0.books=[fox]",) if overrides else ()
    told = [warning for warning in plan_of(*quiet, *overrides).warnings if piece in warning]
    assert len(told) == 1
    assert all(piece not in warning for warning in plan_of("stages.0.sections.0.books=[fox]").warnings)


def test_warnings_that_are_not_told_in_vain(plan_of):
    quiet = "stages.0.sections.0.books=[fox]"
    assert plan_of(quiet).warnings == ()
    assert plan_of(quiet, "stages.0.trunk.final_frac=0.0").warnings == ()  # early stages may fall
    assert plan_of(quiet, "stages.1.trunk={final_frac: 0.0, schedule: constant}").warnings == ()


def test_warnings_of_the_corpus_are_told(plan_of):
    plan = plan_of(counts=counts_of(plan_of()))
    assert "first: a scene is longer than a pack" in plan.warnings


def test_memory_falls_with_the_zero_stage(plan_of, facts):
    for precision in ("fp32", "bf16"):
        totals = []
        for stage in range(4):
            genome = plan_of(f"machine.zero_stage={stage}", f"model.precision={precision}").genome
            totals.append(estimate_memory(genome, World(ranks=4), facts, 2))
        assert [one.total_gib for one in totals] == sorted((one.total_gib for one in totals), reverse=True)
        assert len({one.total_gib for one in totals}) == 4
        assert totals[3].weights_gib == totals[0].weights_gib / 4
        assert totals[1].optimizer_gib == totals[0].optimizer_gib / 4
    plain = estimate_memory(plan_of().genome, World(), facts, 2)
    assert plain.weights_gib == 4 * facts.parameters / GIB and plain.optimizer_gib == 2 * plain.weights_gib
    assert estimate_memory(plan_of().genome, World(), facts, 4).activations_gib == 2 * plain.activations_gib
    lean = estimate_memory(plan_of("machine.activation_checkpointing=true").genome, World(), facts, 2)
    assert lean.activations_gib < plain.activations_gib
    lora = plan_of("trunk={update: lora, rank: 4, alpha: 8}").genome
    assert estimate_memory(lora, World(), facts, 2).optimizer_gib < plain.optimizer_gib


@pytest.mark.parametrize(
    ("ranks", "asked", "books", "roles"),
    [
        (1, "auto", 4, 4),
        (2, "auto", 2, 2),
        (3, "auto", 2, 2),
        (4, "auto", 1, 1),
        (16, "auto", 1, 1),
        (1, 3, 3, 3),
    ],
)
def test_micro_batches(plan_of, ranks, asked, books, roles):
    plan = plan_of(f"machine.micro_batch_packs={asked}", world=World(ranks=ranks))
    assert (plan.micro_batch_packs, plan.role_micro_batch_packs) == (books, roles)


def test_micro_batches_fit_memory(plan_of, facts):
    assert plan_of("stages.0.trunk.batch_tokens=64").micro_batch_packs == 4  # the widest stage decides
    wide = dataclasses.replace(facts, hidden_size=100_000, num_hidden_layers=40)
    assert plan_of(model=wide).micro_batch_packs == 1
    assert plan_of("trunk.batch_tokens=6400").micro_batch_packs == MAX_MICRO_PACKS


def test_time_is_of_cpus_alone(plan_of):
    one, two = plan_of(world=World(1, 2)).time_s(), plan_of(world=World(2, 2)).time_s()
    assert one == pytest.approx(2 * two) and one > 0
    assert plan_of(world=World(1, 2, "cuda")).as_dict()["time_s"] is None


def test_adapters_sit_on_layers_that_exist(project, plan_of):
    assert plan_of("roles.student.layers=[0, 1]").stages[0].roles["student"].layers == [0, 1]
    with pytest.raises(GenomeError) as caught:
        plan_of("roles.student.layers=[0, 2]")
    assert [fault.where for fault in caught.value.faults] == [
        "stages[0].roles.student.layers[1]",
        "stages[1].roles.student.layers[1]",
    ]
