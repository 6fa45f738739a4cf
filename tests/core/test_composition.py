"""How a genome comes together: stage files, the genome's own keys, overrides; and what may not come in."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ontogeny.core.errors import GenomeError, OntogenyError
from ontogeny.core.genome import genome_hash, genome_schema, load_genome, resolved_genome


def test_a_stage_file_gives_defaults(project):
    first, second = project.load().genome.stages
    assert (first.name, first.use, second.use) == ("first", "stages/first", None)
    assert [section.books for section in first.sections] == [["fox", "crow"]]
    assert (first.scenes.every_tokens, first.scenes.kinds) == (500, ["conflict", "gap"])
    assert (first.loop_loss.repair, second.loop_loss.repair) == (2.0, 1.0)
    assert first.span.unit == "tokens" and second.span.unit == "books"


def test_a_stage_folder_names_its_stage(project):
    project.change(("name: first\n", ""), file="stages/first/stage.yaml")
    assert project.load().genome.stages[0].name == "first"
    project.change(("use: stages/first", "use: stages/first\n    name: renamed"))
    assert project.load().genome.stages[0].name == "renamed"


@pytest.mark.parametrize(
    ("default", "own", "key", "expected"),
    [
        ("span: {epochs: 3}", "", "span", {"tokens": 4000}),
        (
            "gate: {probe: bits_per_byte, on: first, below: 2.0, otherwise: repeat}",
            "gate: {probe: conflict_resolution, on: first, above: 0.5}",
            "gate",
            {
                "probe": "conflict_resolution",
                "on": "first",
                "subject": "trunk",
                "above": 0.5,
                "otherwise": "end",
                "max_repeats": 1,
            },
        ),
        (
            "",
            "scenes: {every_tokens: 99, kinds: [gap]}",
            "scenes",
            {"every_tokens": 99, "kinds": ["gap"], "rhythm": "interleaved"},
        ),
        ("", "sections: [{name: one, books: [owl]}]", "sections", [{"name": "one", "books": ["owl"]}]),
        ("", "scenes: null", "scenes", None),
        ("loop_loss: {attempt: 0.5}", "loop_loss: {repair: 3.0}", "loop_loss", {"repair": 3.0, "attempt": 0.5}),
        (
            "trunk: {schedule: cosine, final_frac: 0.5}",
            "trunk: {final_frac: 0.2}",
            "trunk",
            {"schedule": "cosine", "final_frac": 0.2, "replay_frac": 0.1},
        ),
        (
            "roles: {student: {span: {epochs: 2}, alpha: 6}}",
            "roles: {student: {span: {tokens: 7}}}",
            "roles",
            {"student": {"span": {"tokens": 7}, "alpha": 6}, "critic": {"rank": 4}},
        ),
    ],
)
def test_span_gate_scenes_sections_replace_whole_the_rest_merges(project, default, own, key, expected):
    text = (project.root / "stages/first/stage.yaml").read_text("utf-8")
    if key in ("loop_loss",):
        text = text.replace("loop_loss: {repair: 2.0}\n", "")
    project.write("stages/first/stage.yaml", text + default + "\n")
    project.change(("    span: {tokens: 4000}", f"    span: {{tokens: 4000}}\n    {own}"))
    found = project.load().resolved["stages"][0].get(key)

    def covers(have, want):
        if isinstance(want, dict) and key in ("trunk", "roles", "loop_loss"):
            return all(covers(have[name], value) for name, value in want.items()) and (
                "span" not in want or have["span"] == want["span"]
            )
        return have == want

    assert covers(found, expected), found


def test_a_stage_overrides_the_genomes_trunk_and_roles(project):
    project.change(
        (
            "sections:\n      - {name: birds",
            "trunk: {learning_rate: 5.0e-4}\n    roles: {critic: {rank: 2, inherit: fresh, "
            "span: {tokens: 9}}}\n    sections:\n      - {name: birds",
        )
    )
    first, second = project.load().genome.stages
    assert (first.trunk.learning_rate, second.trunk.learning_rate) == (1.0e-3, 5.0e-4)
    assert second.trunk.replay_frac == first.trunk.replay_frac == 0.1
    assert (first.roles["critic"].rank, second.roles["critic"].rank) == (4, 2)
    assert (second.roles["critic"].span.unit, second.roles["student"].span.unit) == ("tokens", "epochs")


@pytest.mark.parametrize(
    ("override", "look", "value"),
    [
        ("seed=11", lambda g: g.seed, 11),
        ("stages.0.span.tokens=5000", lambda g: (g.stages[0].span.unit, g.stages[0].span.amount), ("tokens", 5000)),
        ("stages.0.span.epochs=2", lambda g: (g.stages[0].span.unit, g.stages[0].span.amount), ("epochs", 2)),
        ("stages.1.span.tokens=50", lambda g: (g.stages[1].span.unit, g.stages[1].span.amount), ("tokens", 50)),
        ("stages.1.span={epochs: 4}", lambda g: (g.stages[1].span.unit, g.stages[1].span.amount), ("epochs", 4)),
        ("stages.0.sections.0.books.1=owl", lambda g: g.stages[0].sections[0].books, ["fox", "owl"]),
        ("stages.0.sections.0.books=[owl]", lambda g: g.stages[0].sections[0].books, ["owl"]),
        ("stages.0.scenes={every_tokens: 7, kinds: [gap]}", lambda g: g.stages[0].scenes.every_tokens, 7),
        (
            "stages.0.scenes.every_tokens=9",
            lambda g: (g.stages[0].scenes.every_tokens, len(g.stages[0].scenes.kinds)),
            (9, 2),
        ),
        ("stages.0.scenes=null", lambda g: g.stages[0].scenes, None),
        ("roles.student.span.tokens=77", lambda g: g.roles["student"].span.unit, "tokens"),
        ("trunk.schedule=cosine", lambda g: [stage.trunk.schedule for stage in g.stages], ["cosine", "cosine"]),
        ("language=no", lambda g: g.language, "no"),
        ("machine.deepspeed={a: {b: no}}", lambda g: g.machine.deepspeed, {"a": {"b": "no"}}),
        ("machine.deepspeed.c=true", lambda g: g.machine.deepspeed, {"c": True}),
        ("model.architecture.hidden_size=64", lambda g: g.model.architecture["hidden_size"], 64),
        ("stages.1.use=stages/first", lambda g: g.stages[1].loop_loss.repair, 2.0),
    ],
)
def test_overrides(project, override, look, value):
    assert look(project.load(override).genome) == value


def test_a_later_override_wins_and_an_override_wins_over_a_stage_file(project):
    assert project.load("seed=1", "seed=2").genome.seed == 2
    assert project.load("stages.0.name=other").genome.stages[0].name == "other"


@pytest.mark.parametrize(
    ("override", "what", "where"),
    [
        ("stages[0].span.tokens=1", "cannot be applied", "command line: stages[0].span.tokens=1"),
        ("seed", "cannot be applied", "command line: seed"),
        ("=3", "cannot be applied", "command line: =3"),
        ("stages.9.name=x", "cannot be applied", "command line: stages.9.name=x"),
        ("stages.first.name=x", "cannot be applied", "command line: stages.first.name=x"),
        ("sed=3", "unknown key 'sed'", "command line: sed=3  sed"),
        (
            "trunk.learnin_rate=3",
            "unknown key 'learnin_rate'",
            "command line: trunk.learnin_rate=3  trunk.learnin_rate",
        ),
        ("stages.0.span.token=3", "unknown key 'token'", "command line: stages.0.span.token=3  stages[0].span.token"),
        ("seed=1_000", "underscores", "command line: seed=1_000"),
        ("seed=[1", "cannot be parsed", "command line: seed=[1:1:3"),
        ("name=!!python/name:os.x y", "construct an object", "command line: name=!!python/name:os.x y"),
        ("name=${oc.env:HOME}", "nothing outside itself", "command line: name=${oc.env:HOME}"),
        ("machine.deepspeed={a: '${b}'}", "nothing outside itself", "command line: machine.deepspeed={a: '${b}'}"),
        ("seed=true", "'seed' does not fit", "command line: seed=true  seed"),
        ("stages.0.span=5", "'span' does not fit", "command line: stages.0.span=5  stages[0].span"),
    ],
)
def test_overrides_at_fault(project, override, what, where):
    faults = project.faults(override)
    fault = faults[0]
    assert what in fault.what and fault.where.startswith(where), fault.render()
    assert len([one for one in faults if "is missing" not in one.what]) == 1, faults


@pytest.mark.parametrize(
    ("pair", "file", "piece"),
    [
        (("name: tiny", "name: ${seed}"), "genome.yaml", "${seed}"),
        (("hidden_size: 32", "hidden_size: '${oc.env:HOME}'"), "genome.yaml", "'${oc.env:HOME}'"),
        (("name: fables", "name: '${x'"), "stages/first/stage.yaml", "'${x'"),
    ],
)
def test_no_reference_is_looked_up(project, pair, file, piece):
    project.change(pair, file=file)
    (fault,) = project.faults()
    assert fault.what == "a genome reads nothing outside itself."
    assert fault.where.startswith(project.place(piece, file))


@pytest.mark.parametrize(
    "use",
    ["../outside", "stages/../../outside", "stages/link", "stages/filelink", ".", "", "stages/first/../../../outside"],
)
def test_use_may_not_leave_the_library(project, use):
    outside = project.root.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "stage.yaml").write_text("name: outside\nsections: [{name: a, books: [fox]}]\n")
    (project.root / "stages" / "link").symlink_to(outside)
    (project.root / "stages" / "filelink").mkdir()
    (project.root / "stages" / "filelink" / "stage.yaml").symlink_to(outside / "stage.yaml")
    project.change(("use: stages/first", f"use: {use!r}"))
    (fault,) = project.faults()
    assert fault.what == "a stage folder leaves the library's folder."
    assert fault.where == project.place(repr(use)) + "  stages[0].use"


@pytest.mark.parametrize("use", ["/etc", "\0bad", "x" * 5000])
def test_use_that_no_folder_can_have(project, use):
    project.change(("use: stages/first", f"use: {json.dumps(use)}"))
    (fault,) = project.faults()
    assert "stage folder" in fault.what and fault.where.endswith("stages[0].use")


def test_an_absent_stage_folder_is_one_fault_with_the_closest_name(project):
    project.change(("use: stages/first", "use: stages/frist"))
    (fault,) = project.faults()
    assert fault.what == "a stage folder does not exist." and "closest: 'stages/first'" in fault.expected


def test_faults_of_a_stage_file_stand_in_the_stage_file(project):
    project.change(
        ("every_tokens: 500", "every_tokens: -5"), ("[fox, crow]", "[fox, crwo]"), file="stages/first/stage.yaml"
    )
    project.change(("seed: 3", "seed: -3"))
    assert {fault.where.split()[0] for fault in project.faults()} == {
        project.place("-5", "stages/first/stage.yaml"),
        project.place("crwo", "stages/first/stage.yaml"),
        project.place("-3"),
    }
    project.write("stages/first/stage.yaml", "a: [\n")
    (syntax, seed) = project.faults()
    assert syntax.where.startswith("stages/first/stage.yaml:2:1") and seed.where.startswith("genome.yaml:2:7")
    project.write("stages/first/stage.yaml", "- a\n")
    assert "not a mapping" in project.faults()[0].what
    project.write("stages/first/stage.yaml", "use: stages/other\nsections: [{name: a, books: [fox]}]\n")
    assert "uses another" in project.faults()[0].what


def test_an_inherited_fault_is_told_once_where_it_was_written(project):
    project.change(
        ("learning_rate: 1.0e-3", "learning_rate: -1"),
        (
            "{rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128}",
            "{rnk: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128}",
        ),
    )
    faults = {fault.what: fault.where.split()[0] for fault in project.faults()}
    assert faults == {
        "'learning_rate' does not fit.": project.place("-1"),
        "unknown key 'rnk'.": project.place("rnk"),
        "'rank' is missing.": project.place("{rnk"),
    }
    assert len(project.faults()) == 3


def test_a_genome_stands_in_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.yaml").write_text("name: x\n")
    with pytest.raises(GenomeError, match=r"no library stands near|no stages/library.yaml"):
        load_genome(tmp_path / "g.yaml")
    (tmp_path / "g.yaml").write_text("- 1\n")
    with pytest.raises(GenomeError, match="not a mapping"):
        load_genome(tmp_path / "g.yaml")


def hash_of(project, *overrides):
    return genome_hash(project.load(*overrides).genome)


def test_what_the_hash_does_not_see(project):
    before = hash_of(project)
    project.change(("name: tiny", "# a comment\nname: another"))
    assert hash_of(project) == before
    for override in (
        "machine.ranks=4",
        "machine.zero_stage=2",
        "machine.deepspeed={x: 1}",
        "stages.1.probes.battery=[bits_per_byte]",
        "machine.log_every_steps=1",
    ):
        assert hash_of(project, override) == before, override


def test_what_the_hash_sees(project):
    changes = (
        "seed=4",
        "stages.0.name=other",
        "trunk.learning_rate=2.0e-3",
        "roles.student.learning_rate=1.0e-3",
        "stages.1.trunk.learning_rate=2.0e-3",
        "stages.0.sections.0.books=[crow, fox]",
        "language=fr",
        "stages.1.sections.0.books=[fox]",
        "model.architecture.hidden_size=64",
        "stages.0.span.tokens=4001",
        "model.context_tokens=128",
        "model.tokenizer.vocab_size=301",
        "stages.0.loop_loss.attempt=0.5",
        "stages.0.scenes.every_tokens=501",
        "stages.0.gate={probe: bits_per_byte, on: first, below: 2}",
        "trunk.replay_frac=0.2",
        "model.precision=bf16",
        "model.architecture.rope_theta=null",
    )
    seen = [hash_of(project), *(hash_of(project, change) for change in changes)]
    student = "  student: {rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128, span: {epochs: 1}}\n"
    project.change((student, ""), ("stages:\n", student + "stages:\n"))
    seen.append(hash_of(project))  # the order of roles is the order of their rows
    assert len(set(seen)) == len(seen)


def test_the_order_of_keys_is_not_hashed(project):
    before = hash_of(project)
    text = (project.root / "genome.yaml").read_text("utf-8")
    project.write("genome.yaml", "\n".join([*text.splitlines()[1:], text.splitlines()[0], ""]))
    assert hash_of(project) == before


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=TEXT | st.sampled_from(["no", "1_000", "2001-01-01", "1e3", "~", "=", "<<", "null", "a: b", "# x", "\x85"]),
    extra=st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-9, 9) | TEXT, max_size=3),
)
def test_a_resolved_genome_is_read_back_the_same(project, name, extra):
    if any("${" in text or text == "???" for text in (name, *extra.values()) if isinstance(text, str)):
        return
    loaded = project.load(f"stages.1.sections.0.name={json.dumps(name, ensure_ascii=False)}")
    genome = loaded.genome.model_copy(
        update={"model": loaded.genome.model.model_copy(update={"architecture": {"type": "llama", **extra}})}
    )
    loaded.genome = genome
    again = resolved_genome(project.write("run.yaml", loaded.text))
    assert list(again.roles) == list(genome.roles) == ["student", "critic"]
    assert again == genome and genome_hash(again) == genome_hash(genome)


def test_a_null_of_the_architecture_is_kept(project):
    loaded = project.load("model.architecture.sliding_window=null", "machine.deepspeed={a: null}")
    assert loaded.resolved["model"]["architecture"]["sliding_window"] is None
    assert loaded.resolved["machine"]["deepspeed"] == {"a": None}


def test_the_schema_takes_every_form_of_a_genome(project):
    import jsonschema

    schema = json.loads(genome_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(project.load().resolved, schema)
    jsonschema.validate(YAML(typ="safe", pure=True).load(project.genome), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**project.load().resolved, "sed": 3}, schema)


SCRAPS = st.sampled_from(
    [None, True, -1, 0, 1.5, "x", [], [1], {}, {"a": 1}, [[]], [{}], "trunk", "stages/first", 10**25]
)
KEYS = [
    ("seed",),
    ("name",),
    ("model",),
    ("model", "tokenizer"),
    ("model", "architecture"),
    ("model", "context_tokens"),
    ("trunk",),
    ("trunk", "layers"),
    ("trunk", "batch_tokens"),
    ("roles",),
    ("roles", "student"),
    ("roles", "student", "span"),
    ("stages",),
    ("stages", 0),
    ("stages", 0, "use"),
    ("stages", 0, "span"),
    ("stages", 0, "scenes"),
    ("stages", 0, "sections"),
    ("stages", 0, "trunk"),
    ("stages", 0, "roles"),
    ("stages", 0, "gate"),
    ("stages", 0, "probes"),
    ("stages", 1, "roles"),
    ("stages", 1, "sections", 0),
    ("stages", 1, "sections", 0, "books"),
    ("stages", 1, "name"),
    ("machine",),
    ("machine", "deepspeed"),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(KEYS), SCRAPS), min_size=1, max_size=4))
def test_any_genome_is_loaded_or_told(project, changes):
    original = (project.root / "genome.yaml").read_text("utf-8")
    value = YAML(typ="safe", pure=True).load(original)
    for path, scrap in changes:
        parent = value
        try:
            for part in path[:-1]:
                parent = parent[part]
            parent[path[-1]] = copy.deepcopy(scrap)  # a later change may reach into it
        except (TypeError, KeyError, IndexError):
            continue
    try:
        project.write("genome.yaml", json.dumps(value))
        load_genome(project.genome)
    except OntogenyError as problem:
        assert all(fault.where for fault in problem.faults)
    finally:
        project.write("genome.yaml", original)
