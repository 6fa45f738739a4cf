"""The prefix of a life: what decides the weights after stage k is hashed, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ontogeny.core import prefix
from ontogeny.core.arms import lived
from ontogeny.core.genome import load_genome
from ontogeny.core.hashes import sha256_hex
from ontogeny.core.plan import Plan, World, make_plan
from ontogeny.core.prefix import differences, machine_hash, prefix_hash, training_keys
from ontogeny.core.schema import Genome, Journal, LoopLoss, Machine, Scenes, Stage
from ontogeny.core.schema_apparatus import Arm, ArmKind
from tests.core.conftest import FACTS, Project

BYTES = {"fox": 9000, "crow": 9000, "owl": 20000}
VERSIONS = {"torch": "2.13", "ontogeny": "0.3"}
Path = tuple[Any, ...]  # names and numbers
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # keys are altered without validation


def manifest_of(genome: Genome) -> dict[str, Any]:
    """A manifest such as prepare writes: each stage's numbers and roots come from that stage alone."""
    stages = []
    for stage in lived(genome).stages:
        mark = sha256_hex([stage.name, [book for section in stage.sections for book in section.book_ids]])
        root = {phase: sha256_hex([mark, phase]) for phase in ("books", "replay", "roles")}
        roles = {name: 3 for name in stage.roles} if stage.scenes else {}
        stages.append(
            {
                "name": stage.name,
                "bytes": 7000,
                "packs": 41,
                "book_packs": {},
                "phases": {
                    "books": {"rows": 41, "steps": 11, "tokens": 2500, "root": root["books"]},
                    "replay": {"rows": 4, "steps": 1, "tokens": 9, "root": root["replay"], "list": [[0, 3]]},
                    "roles": {
                        "rows": sum(roles.values()),
                        "steps": 3 if roles else 0,
                        "tokens": 99,
                        "root": root["roles"],
                        "rows_by_role": roles,
                        "tokens_by_role": {name: 9 * rows for name, rows in roles.items()},
                    },
                },
            }
        )
    return {
        "corpus_hash": "e" * 64,
        "tokenizer": {"fingerprint": "t" * 64, "vocab_size": 300, "bos_id": 0},
        "stages": stages,
        "books": [{"id": book, "licence": "MIT", "fingerprint": sha256_hex(book)} for book in ("fox", "crow", "owl")],
    }


def planned(genome: Genome, world: World | None = None) -> Plan:
    return make_plan(genome, None, world or World(), FACTS, manifest_of(genome), BYTES)


def hash_of(genome: Genome, k: int, passes: list[int] | None = None) -> str:
    return prefix_hash(planned(genome), manifest_of(genome), k, passes or [1] * k)


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> Genome:
    """Two stages of the small project, and a third; every optional part is there."""
    project = Project(tmp_path_factory.mktemp("prefix"))
    project.change(
        (
            "machine: {ranks: 1}",
            "  - name: third\n    span: {epochs: 2}\n    reading: interleaved\n    sections:\n"
            "      - {name: more, books: [crow]}\n    gate: {probe: bits_per_byte, on: third, below: 3.0}\n"
            "    scenes: {every_tokens: 700, kinds: [gap]}\nmachine: {ranks: 1}",
        )
    )
    return load_genome(project.genome).genome


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every leaf under a pydantic model: a new key of the schema is walked over without being named."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from leaves(getattr(value, name), (*path, name))
    elif isinstance(value, dict) and value:
        for name, part in value.items():
            yield from leaves(part, (*path, name))
    elif isinstance(value, list) and value:
        for number, part in enumerate(value):
            yield from leaves(part, (*path, number))
    else:
        yield path


def altered(value: Any, path: Path) -> Any:
    """The same, another at one leaf; not validated."""
    if path:
        head, *rest = path
        if isinstance(value, BaseModel):
            return value.model_copy(update={head: altered(getattr(value, head), tuple(rest))})
        if isinstance(value, dict):
            return {name: altered(part, tuple(rest)) if name == head else part for name, part in value.items()}
        return [altered(part, tuple(rest)) if number == head else part for number, part in enumerate(value)]
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return f"{value}-other" if isinstance(value, str) else "other"


def under_keys(genome: Genome, path: Path, k: int) -> str:
    """The hash with one key of the genome changed under a plan that stays as it was."""
    plan = planned(genome)
    plan = dataclasses.replace(plan, genome=altered(genome, path))
    return sha256_hex(training_keys(plan.genome, k))


def matters(path: Path, k: int) -> bool:
    """Whether a key can influence the weights after stage k, as the words of this test say it."""
    if path[0] == "stages":
        return path[1] < k and path[2] not in ("use", "probes", "gate")
    if path[0] == "model":
        return path[1] != "tokenizer"
    return path[0] in ("seed", "language", "model", "cleaning")


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_every_key_is_hashed_unless_it_is_named_as_not_mattering(genome, k):
    base = sha256_hex(training_keys(genome, k))
    paths = [path for path in leaves(genome) if path[0] not in ("arm", "experiment")]
    assert len(paths) > 150
    wrong = [path for path in paths if (under_keys(genome, path, k) != base) != matters(path, k)]
    assert not wrong


def test_what_is_named_as_not_mattering_exists():
    assert set(prefix.GENOME_KEYS_WITHOUT_WEIGHT) <= Genome.model_fields.keys()
    assert set(prefix.STAGE_KEYS_WITHOUT_WEIGHT) <= Stage.model_fields.keys()
    assert set(prefix.MACHINE_KEYS_WITHOUT_WEIGHT) <= Machine.model_fields.keys()
    assert set(prefix.ARMS_SEEN_OTHERWISE) <= set(get_args(ArmKind))


FREE = ("learning_rate", "warmup_frac", "clip_norm", "weight_decay", "tokens", "every_tokens", "name", "rank", "repair")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_no_change_of_later_stages_reaches_a_prefix(genome, data):
    k = data.draw(st.integers(0, 2))
    later = genome.model_copy(update={"stages": genome.stages[: data.draw(st.integers(max(k, 1), 3))]})
    keys = [path for path in leaves(later) if path[0] == "stages" and path[1] >= k and path[-1] in FREE]
    changed = data.draw(st.lists(st.sampled_from(keys), max_size=3, unique=True)) if keys else []
    for path in changed:
        later = altered(later, path)
    assert hash_of(later, k) == hash_of(genome, k)
    if len(later.stages) == 3:
        reached = any(matters(path, 3) for path in changed)
        assert (hash_of(later, 3) != hash_of(genome, 3)) == reached


def test_prepare_s_numbers_count(genome):
    plan, manifest = planned(genome), manifest_of(genome)
    base = prefix_hash(plan, manifest, 2, [1, 1])
    assert prefix_hash(plan, manifest, 2, [1, 2]) != base
    assert prefix_hash(plan, manifest, 2, [1, 1], "weights of a base") != base
    for place, value in (
        (("tokenizer", "fingerprint"), "u" * 64),
        (("tokenizer", "vocab_size"), 301),
        (("books", 2, "fingerprint"), "f" * 64),  # owl, of the second stage
        (("stages", 1, "packs"), 42),
        (("stages", 1, "phases", "replay", "list"), [[0, 4]]),
        (("stages", 0, "phases", "books", "root"), "r" * 64),
        (("stages", 1, "phases", "roles", "root"), "r" * 64),
    ):
        other = manifest_of(genome)
        target: Any = other
        for key in place[:-1]:
            target = target[key]
        target[place[-1]] = value
        replanned = make_plan(genome, None, World(), FACTS, other, BYTES)
        assert prefix_hash(replanned, other, 2, [1, 1]) != base, place
        first = prefix_hash(planned(genome), manifest, 1, [1])
        later = place[0] != "tokenizer" and place[1] in (1, 2)
        assert (prefix_hash(replanned, other, 1, [1]) == first) == later, place


@pytest.mark.parametrize("kind", get_args(ArmKind))
def test_an_arm_counts_by_what_it_changes(genome, kind):
    """Repacked lives are told apart by their order roots, which are the same here; `without` leaves out an `owl`, which
    the second stage reads."""
    more = {"without": {"book": "owl"}, "subset_only": {"on": "second"}, "rhythm": {"rhythm": "massed"}}.get(kind, {})
    two = genome.stages[1].sections[0].model_copy(update={"books": ["owl", "fox"]})
    stages = [genome.stages[0], genome.stages[1].model_copy(update={"sections": [two]}), genome.stages[2]]
    learning = {
        "scenes": Scenes(every_tokens=50, kinds=["conflict", "gap", "mismatch"]),
        "loop_loss": LoopLoss(repair=2.0, own_attempts_frac=0.5),
        "journal": Journal(replay_frac=0.1, rewrite=True),
    }
    stages[1] = stages[1].model_copy(update=learning)
    genome = genome.model_copy(update={"stages": stages})
    arm = genome.model_copy(update={"arm": Arm.model_validate({"kind": kind, **more})})
    same = dict.fromkeys(
        ("shuffle", "sentence_shuffle", "sham_scenes", "bridges_apart"), 3
    )  # stages both have in common
    same |= dict.fromkeys(("without", "authored_attempts", "no_mismatch", "no_played"), 1)
    if kind == "stage_permute":
        same[kind] = next(k for k in range(3) if lived(arm).stages[k].name != genome.stages[k].name)
    assert [hash_of(arm, k) == hash_of(genome, k) for k in (1, 2, 3)] == [k <= same.get(kind, 0) for k in (1, 2, 3)]


def test_every_key_of_the_machine_is_hashed_unless_named(genome):
    plan = planned(genome)
    base = machine_hash(plan, VERSIONS)
    same = {("machine", name) for name in ("log_every_steps", "save_every_steps", "micro_batch_packs")}
    paths = [path for path in leaves(genome) if path[0] == "machine"]
    assert {path for path in paths if machine_hash(_with(plan, altered(genome, path)), VERSIONS) == base} == same
    for change in (
        {"world": World(ranks=2)},
        {"world": World(threads_per_rank=2)},
        {"world": World(device="cuda")},
        {"micro_batch_packs": plan.micro_batch_packs + 1},
        {"role_micro_batch_packs": plan.role_micro_batch_packs + 1},
    ):
        assert machine_hash(dataclasses.replace(plan, **change), VERSIONS) != base
    for name in VERSIONS:
        assert machine_hash(plan, VERSIONS | {name: "other"}) != base
    assert machine_hash(_with(plan, altered(genome, ("seed",))), VERSIONS) == base


def _with(plan: Plan, genome: Genome) -> Plan:
    return dataclasses.replace(plan, genome=genome)


def test_differences_name_the_key():
    before = {"stages": [{"trunk": {"learning_rate": 0.1}, "span": None}], "seed": 1}
    after = {"stages": [{"trunk": {"learning_rate": 0.2}, "span": {"tokens": 3}}], "seed": 1, "more": 2}
    found = list(differences(before, after))
    assert found == [
        ("stages[0].trunk.learning_rate", 0.1, 0.2),
        ("stages[0].span", None, {"tokens": 3}),
        ("more", None, 2),
    ]
    assert not list(differences(before, before))
