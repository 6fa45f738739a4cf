"""Control arms by plan: one stated change, told where it is none, carried by the run's own genome file."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from ontogeny.core.arms import arm_equalities, arm_of, held_out_digest, lived, with_arm, without_arm, words_of
from ontogeny.core.errors import GenomeError
from ontogeny.core.genome import genome_hash, resolved_genome
from ontogeny.core.plan import World, make_plan
from ontogeny.core.schema_apparatus import ARMS

THIRD = """
  - name: third
    span: {tokens: 3000}
    trunk: {learning_rate: 5.0e-4}
    probes: {battery: [bits_per_byte, minimal_pairs]}
    sections:
      - {name: one, books: [fox, owl]}
      - {name: two, books: [owl]}
machine: {ranks: 1}
"""
WORDS = [kind + {"without": "=fox", "subset_only": "=second", "rhythm": "=massed"}.get(kind, "") for kind in ARMS]
LEARNED_FROM = ("plain_loss", "authored_attempts", "no_played", "no_mismatch", "rhythm=massed")

LEARNING = """span: {tokens: 3000}
    scenes: {every_tokens: 400, kinds: [gap, bridge, mismatch]}
    loop_loss: {repair: 2.0, margin: 0.5, own_attempts_frac: 0.25}
    journal: {replay_frac: 0.1, rewrite: true}
"""


@pytest.fixture
def rich(project):
    """The same, its third stage with scenes, terms of the loop-loss, own attempts and a journal."""
    third = THIRD.lstrip("\n").replace("span: {tokens: 3000}\n", LEARNING)
    role = "{rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128}"
    project.change(
        ("machine: {ranks: 1}\n", third),
        ("roles:\n", f"roles:\n  teacher: {role}\n  reformulator: {role}\n"),
        ("  - name: second\n", "  - name: second\n    journal: {}\n"),
    )
    return project.load()


@pytest.fixture
def loaded(project):
    """Three stages: with scenes, without, with another rate and battery."""
    project.change(("machine: {ranks: 1}\n", THIRD.lstrip("\n")))
    return project.load()


def names(genome):
    return [stage.name for stage in lived(genome).stages]


def plan_of(loaded, facts):
    sizes = {"fox": 20_000, "crow": 20_000, "owl": 30_000}
    return make_plan(loaded.genome, loaded.library, World(), facts, book_bytes=sizes)


def told(loaded, words):
    with pytest.raises(GenomeError) as caught:
        with_arm(loaded, arm_of(words, loaded.genome))
    (fault,) = caught.value.faults
    return fault


@pytest.mark.parametrize("words", WORDS)
def test_an_arm_is_read_back_from_the_file_of_its_run(project, rich, words, facts):
    arm = with_arm(rich, arm_of(words))
    again = resolved_genome(project.write("run.yaml", arm.text))
    assert again == arm.genome and words_of(again.arm) == words
    assert len({genome_hash(arm.genome), genome_hash(rich.genome)}) == 2
    made = make_plan(again, None, World(), facts, book_bytes={}).as_dict()
    assert made["arm"]["kind"] == words.partition("=")[0]
    assert [stage["name"] for stage in made["stages"]] == names(arm.genome)
    assert genome_hash(without_arm(arm).genome) == genome_hash(rich.genome)


def test_arms_differ_and_the_order_of_a_seed_stands(rich):
    hashes = {genome_hash(with_arm(rich, arm_of(words)).genome) for words in WORDS}
    assert len(hashes) == len(WORDS)


def test_an_arm_that_was_written_by_hand(project, loaded, facts):
    project.write("hand.yaml", project.genome.read_text("utf-8") + "arm: {kind: reverse}\n")
    by_hand = type(loaded)(project.load("arm={kind: reverse}").genome, loaded.path, loaded.library, loaded.document)
    assert by_hand.genome == with_arm(loaded, arm_of("reverse")).genome
    plan = plan_of(by_hand, facts)
    assert [stage.name for stage in plan.stages] == ["third", "second", "first"]


def test_a_genome_without_an_arm_is_planned_as_ever(loaded, facts):
    value = plan_of(loaded, facts).as_dict()
    assert "arm" not in value and "weights_seed" not in value
    assert lived(loaded.genome) is loaded.genome


# the order of stages


def test_reverse_moves_what_is_read_and_leaves_the_rates(loaded, facts):
    base, arm = plan_of(loaded, facts), plan_of(with_arm(loaded, arm_of("reverse")), facts)
    assert [stage.name for stage in arm.stages] == ["third", "second", "first"]
    assert [stage.sections for stage in arm.stages] == [stage.sections for stage in reversed(base.stages)]
    assert [stage.loop_loss for stage in arm.stages] == [stage.loop_loss for stage in reversed(base.stages)]
    assert [stage.trunk for stage in arm.stages] == [stage.trunk for stage in base.stages]
    assert [stage.battery for stage in arm.stages] == [stage.battery for stage in base.stages]
    by_name = {stage.name: stage.seeds for stage in base.stages}
    assert all(stage.seeds == by_name[stage.name] for stage in arm.stages), "a moved stage keeps its material"


def test_a_permutation_is_neither_the_order_nor_its_reverse(project, loaded):
    orders = set()
    for seed in range(40):
        genome = with_arm(project.load(f"seed={seed}"), arm_of("stage_permute")).genome
        assert names(genome) == names(genome)
        orders.add(tuple(names(genome)))
    own = ("first", "second", "third")
    assert len(orders) == 4 and not orders & {own, own[::-1]}, "every other order of three comes up"


def test_of_two_stages_the_reverse_is_the_only_other_order(project):
    loaded = project.load()
    assert names(with_arm(loaded, arm_of("stage_permute")).genome) == ["second", "first"]


# what is read


def test_no_scenes_and_no_roles(loaded, facts):
    plain = lived(with_arm(loaded, arm_of("no_scenes")).genome)
    assert not any(stage.scenes for stage in plain.stages) and plain.roles == loaded.genome.roles
    alone = plan_of(with_arm(loaded, arm_of("no_roles")), facts)
    base = plan_of(loaded, facts)
    assert alone.roles == base.roles, "the scenes keep their speakers"
    assert not any(stage.roles or stage.phases["roles"].rows for stage in alone.stages)
    assert [stage.scenes for stage in alone.stages] == [stage.scenes for stage in base.stages]


@pytest.mark.parametrize(("words", "one"), [("subset_only=second", "second"), ("initiation_only", "third")])
def test_one_stage_over_the_tokens_of_all(loaded, facts, words, one):
    base, arm = plan_of(loaded, facts), plan_of(with_arm(loaded, arm_of(words)), facts)
    assert [stage.name for stage in arm.stages] == [one, f"{one}-2", f"{one}-3"]
    material = next(stage.sections for stage in base.stages if stage.name == one)
    for stage, place in zip(arm.stages, base.stages, strict=True):
        assert stage.sections == material
        assert (stage.trunk, stage.span, stage.battery) == (place.trunk, place.span, place.battery)
        assert stage.phases["books"] == place.phases["books"], "as many tokens and steps, at the same rates"
    assert not any("used twice" in warning and one in warning for warning in arm.warnings)


def test_the_registered_stage_is_repeated_where_none_is_named(project, loaded):
    told = "experiment={primary: {probe: bits_per_byte, on: second, contrast: shuffle}}"
    assert arm_of("subset_only", project.load(told).genome).on == "second"


def test_without_a_book_the_empty_sections_go(loaded):
    stages = lived(with_arm(loaded, arm_of("without=fox")).genome).stages
    assert [[section.book_ids for section in stage.sections] for stage in stages] == [
        [["crow"]],
        [["owl"]],
        [["owl"], ["owl"]],
    ]
    project_third = lived(with_arm(loaded, arm_of("without=crow")).genome).stages[2]
    assert [section.name for section in project_third.sections] == ["one", "two"]


def test_a_section_of_nothing_else_goes(project):
    project.change(("{name: birds, books: [owl]}", "{name: birds, books: [owl]}\n      - {name: beasts, books: [fox]}"))
    second = lived(with_arm(project.load(), arm_of("without=owl")).genome).stages[1]
    assert [(section.name, section.book_ids) for section in second.sections] == [("beasts", ["fox"])]


def test_again_draws_other_weights_and_nothing_else(loaded, facts):
    base, arm = plan_of(loaded, facts), plan_of(with_arm(loaded, arm_of("again")), facts)
    assert (base.weights_seed, arm.weights_seed) == (3, 1003)
    assert arm.seed == base.seed and arm.stages == base.stages


# what is no arm


@pytest.mark.parametrize(
    ("change", "words", "what", "where"),
    [
        ((), "without=whale", "an arm leaves out a book that nobody reads.", "arm.book"),
        ((), "without=owl", "without 'owl' stage 'second' has nothing to read.", "arm.book"),
        ((), "subset_only=fourth", "an arm repeats a stage that does not exist.", "arm.on"),
        (("stages.0.scenes=null",), "no_scenes", "an arm changes nothing.", "arm"),
        (("stages.0.scenes=null",), "sham_scenes", "an arm changes nothing.", "arm"),
        (("stages.1.reading=self_chosen",), "sentence_shuffle", "the arm sentence_shuffle needs an order", "arm"),
        (("stages.1.reading=self_chosen",), "sham_scenes", "the arm sham_scenes needs an order", "arm"),
        (("stages.1.reading=self_chosen",), "subset_only=second", "the arm subset_only needs an order", "arm"),
        (("stages.2.reading=self_chosen",), "initiation_only", "the arm initiation_only needs an order", "arm"),
    ],
)
def test_an_arm_that_cannot_be(project, loaded, change, words, what, where):
    fault = told(project.load(*change), words)
    assert fault.what.startswith(what) and fault.where == where and fault.fix


@pytest.mark.parametrize("words", ["reverse", "stage_permute", "subset_only=first", "initiation_only"])
def test_one_stage_has_no_other_order(project, words):
    text = (project.root / "genome.yaml").read_text("utf-8")
    head, _, rest = text.partition("  - name: second")
    project.write("genome.yaml", head + rest[rest.index("machine:") :])
    assert told(project.load(), words).what == "an arm changes nothing."


def test_no_roles_to_leave_out_and_no_weight_to_draw(project):
    project.change(
        ("  student: {rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128, span: {epochs: 1}}\n", ""),
        ("  critic: {rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128}\n", ""),
        ("roles:\n", ""),
        ("base: scratch", "base: some/model"),
        ("  architecture: {type: llama, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4}\n", ""),
        ("{train: bpe, vocab_size: 300}", "{pretrained: some/model}"),
    )
    loaded = project.load("stages.0.scenes=null")
    assert told(loaded, "no_roles").what == told(loaded, "again").what == "an arm changes nothing."


def test_a_chosen_stage_is_shuffled_in_a_declared_order(project, loaded):
    chosen = project.load("stages.1.reading=self_chosen")
    assert [stage.reading for stage in lived(with_arm(chosen, arm_of("shuffle")).genome).stages] == ["sequential"] * 3
    assert told(chosen, "subset_only=second").got.startswith("stage 'second'")
    assert names(with_arm(chosen, arm_of("subset_only=first")).genome)[0] == "first"


@pytest.mark.parametrize("words", ["", "shufle", "without", "without=", "subset_only", "shuffle=fox", "=fox"])
def test_words_that_are_no_arm(loaded, words):
    fault = told(loaded, words)
    assert fault.what == "an arm does not exist." and fault.got == words
    if words == "shufle":
        assert fault.expected.endswith("closest: 'shuffle'")


def test_an_arm_of_an_arm(loaded):
    assert told(with_arm(loaded, arm_of("again")), "reverse").what == "an arm has no arms."


def test_a_fault_by_hand_is_told_with_its_line(project, loaded):
    text = (project.root / "genome.yaml").read_text("utf-8")
    project.write("genome.yaml", text + "arm: {kind: without, book: whale}\n")
    (fault,) = project.faults()
    assert fault.where == f"{project.place('whale', of='arm:')}  arm.book"


# what must be equal


def equalities(base, arm, **changes):
    dicts = [json.loads(json.dumps(plan.as_dict())) for plan in (base, arm)]
    for path, value in changes.items():
        dicts[1][path] = value
    return {row["what"]: row for row in arm_equalities(*dicts)}


@pytest.mark.parametrize("words", ["reverse", "stage_permute", "no_roles", "again", "subset_only=second", "shuffle"])
def test_what_must_be_equal_is(project, loaded, facts, words):
    loaded = project.load("trunk.replay_frac=0")  # which an estimate knows by stage alone
    rows = equalities(plan_of(loaded, facts), plan_of(with_arm(loaded, arm_of(words)), facts))
    assert [row for row in rows.values() if row["must"] and not row["equal"]] == []
    if words == "again":
        assert not rows["seed of the weights"]["equal"] and not rows["seed of the weights"]["must"]


def test_a_difference_that_nobody_stated_is_told(loaded, facts):
    base = plan_of(loaded, facts)
    arm = plan_of(with_arm(loaded, arm_of("reverse")), facts)
    rows = equalities(base, replace(arm, seed=4))
    assert rows["seed of everything else"]["must"] and not rows["seed of everything else"]["equal"]
    faster = [replace(one, trunk=one.trunk.model_copy(update={"learning_rate": 1.0})) for one in arm.stages]
    assert not equalities(base, replace(arm, stages=tuple(faster)))["rates by place"]["equal"]
    books = arm.stages[0].phases["books"]
    phases = arm.stages[0].phases | {"books": replace(books, tokens=books.tokens + 257, steps=books.steps + 1)}
    rows = equalities(base, replace(arm, stages=(replace(arm.stages[0], phases=phases), *arm.stages[1:])))
    assert not rows["trained tokens of the books"]["equal"] and not rows["steps of the trunk"]["equal"]


def test_the_held_out_sets_and_the_tokenizer_are_those_of_the_genome(loaded, facts):
    plans = [plan_of(one, facts).as_dict() for one in (loaded, with_arm(loaded, arm_of("shuffle")))]
    base = {
        "corpus_hash": "c",
        "tokenizer": {"fingerprint": "t"},
        "stages": [{"name": "first", "books": [{"id": "fox", "held_out": [[1, 2, "test"]]}], "items": {}}],
    }
    arm = {"tokenizer": {"fingerprint": "t"}, "arm": {"corpus": "c", "held_out": held_out_digest(base)}}
    rows = {row["what"]: row["equal"] for row in arm_equalities(plans[0], plans[1], (base, arm))}
    assert Counter(rows[what] for what in ("tokenizer's fingerprint", "held-out sets", "corpus of the genome")) == {
        True: 3
    }
    base["stages"][0]["books"][0]["held_out"] = []
    arm["tokenizer"]["fingerprint"] = "u"
    rows = {row["what"]: row["equal"] for row in arm_equalities(plans[0], plans[1], (base, arm))}
    assert not rows["held-out sets"] and not rows["tokenizer's fingerprint"]


# how scenes are learned from


def test_each_changes_what_it_says_and_nothing_else(rich):
    base = rich.genome.stages
    of = {words: lived(with_arm(rich, arm_of(words)).genome).stages for words in LEARNED_FROM}
    third = of["plain_loss"][2].loop_loss
    assert (third.repair, third.attempt, third.margin, third.coherence) == (1.0, 0.0, 0.0, 0.0)
    assert third.own_attempts_frac == 0.25 and of["plain_loss"][0].loop_loss.repair == 1.0
    assert of["authored_attempts"][2].loop_loss == base[2].loop_loss.model_copy(update={"own_attempts_frac": 0.0})
    assert of["no_played"][2].journal.rewrite is False and of["no_played"][2].journal.replay_frac == 0.1
    assert of["no_played"][1].journal == base[1].journal
    assert of["no_mismatch"][2].scenes.kinds == ["gap", "bridge"] and of["no_mismatch"][0] == base[0]
    assert [stage.scenes and stage.scenes.rhythm for stage in of["rhythm=massed"]] == ["massed", None, "massed"]
    for words, stages in of.items():
        changed = {
            name
            for one, other in zip(base, stages, strict=True)
            for name in type(one).model_fields
            if getattr(one, name) != getattr(other, name)
        }
        key = {"no_played": "journal", "no_mismatch": "scenes", "rhythm=massed": "scenes"}.get(words, "loop_loss")
        assert changed == {key}, words


def test_a_stage_of_mismatches_alone_is_left_without_scenes(project, rich):
    project.change(("kinds: [gap, bridge, mismatch]", "kinds: [mismatch]"))
    assert lived(with_arm(project.load(), arm_of("no_mismatch")).genome).stages[2].scenes is None


@pytest.mark.parametrize("words", ["raw_replay", "uniform_replay", "bridges_apart"])
def test_what_is_chosen_or_swapped_is_no_stage_of_its_own(rich, words):
    assert lived(with_arm(rich, arm_of(words)).genome).stages == rich.genome.stages


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("stages.2.loop_loss.own_attempts_frac=0.0", "authored_attempts"),
        ("stages.2.journal=null", "raw_replay"),
        ("stages.2.journal=null", "uniform_replay"),
        ("stages.2.journal.rewrite=false", "no_played"),
        ("stages.2.scenes.kinds=[gap]", "bridges_apart"),
        ("stages.2.scenes.kinds=[gap]", "no_mismatch"),
    ],
)
def test_an_arm_without_its_matter(project, rich, change, words):
    assert told(project.load(change), words).what == "an arm changes nothing."


def test_a_rhythm_that_is_there_already_and_a_loss_that_is_plain(project, rich):
    assert told(rich, "rhythm=interleaved").what == "an arm changes nothing."
    plain = project.load(
        *(f"stages.{at}.loop_loss.{key}" for at, key in ((0, "repair=1.0"), (2, "repair=1.0"), (2, "margin=0.0")))
    )
    assert told(plain, "plain_loss").what == "an arm changes nothing."


@pytest.mark.parametrize("words", ["rhythm", "rhythm=waltz", "plain_loss=1"])
def test_words_of_learning_that_are_no_arm(rich, words):
    assert told(rich, words).what == "an arm does not exist."
