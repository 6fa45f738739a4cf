"""genome/schema.json and docs/genome.md are what the code gives, and right: editors and people rely on them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from ontogeny.core.description import MODELINE, WHERE, genome_markdown, genome_schema
from ontogeny.core.schema import Genome
from ontogeny.core.template import templates

ROOT = Path(__file__).parents[2]
GENOMES = sorted(ROOT.glob("genome/*.yaml"))
SCHEMA = json.loads(genome_schema())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
REGENERATE = "ontogeny genome schema > genome/schema.json; ontogeny genome schema --markdown > docs/genome.md"


def load(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def faults(value: Any) -> list[str]:
    return [f"{'.'.join(map(str, one.absolute_path))}: {one.message}"[:300] for one in VALIDATOR.iter_errors(value)]


def test_the_files_are_what_the_code_gives():
    assert (ROOT / "genome" / "schema.json").read_text("utf-8") == genome_schema(), REGENERATE
    assert (ROOT / "docs" / "genome.md").read_text("utf-8") == genome_markdown(), REGENERATE
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", GENOMES, ids=lambda path: path.stem)
def test_a_shipped_genome_has_the_modeline_and_validates(path):
    text = path.read_text("utf-8")
    assert text.startswith(MODELINE + "\n")
    assert (path.parent / MODELINE.partition("$schema=")[2]).is_file()
    assert faults(load(text)) == []


@pytest.mark.parametrize("name", templates())
def test_a_template_is_whole(name):
    text = (ROOT / "ontogeny" / "core" / "templates" / f"{name}.yaml").read_text("utf-8")
    for key, value in (("name", "x"), ("language", "en"), ("base", "org/model")):
        text = text.replace("{" + key + "}", value)
    value = load(text)
    value["stages"] = [{"use": "stages/first", "span": {"books": "all"}}]
    assert faults(value) == [] and "  # each: span: " in text


def misspelt(value: Any, path: tuple = ()) -> list[tuple]:
    """The place of every mapping of a genome whose keys are the schema's."""
    found = [path] if isinstance(value, dict) else []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        if key not in ("architecture", "deepspeed", "roles"):
            found += misspelt(item, (*path, key))
    return found


def test_a_misspelt_key_is_refused_everywhere():
    value = load((ROOT / "genome" / "seedling.yaml").read_text("utf-8"))
    value["stages"][0] |= {
        "sections": [{"name": "a", "books": ["alphabet"]}, {"name": "b", "slot": {"field": "x", "count": 1}}],
        "scenes": {"every_tokens": 5, "kinds": ["gap"]},
        "probes": {"battery": []},
        "trunk": {"learning_rate": 1e-4},
        "roles": {"student": {"rank": 2, "span": {"epochs": 2}}},
    }
    value["cleaning"] = {"skip_rules": []}
    assert faults(value) == []
    places = misspelt(value)
    assert len(places) > 20
    for place in [*places, ("roles", "student"), ("stages", 0, "roles", "student")]:
        other = copy.deepcopy(value)
        holder = other
        for part in place:
            holder = holder[part]
        holder["lerning_rate"] = 1.0
        assert any("lerning_rate" in one for one in faults(other)), place


WRONG = [
    ("seed", -1),
    ("seed", "7"),
    ("language", "english"),
    ("model.precision", "fp8"),
    ("model.architecture", None),
    ("model.base", "org/model"),
    ("model.tokenizer", {"train": "bpe", "vocab_size": 4}),
    ("trunk.learning_rate", 2.0),
    ("trunk.update", "lora"),
    ("roles.student.layers", []),
    ("roles.Student", {}),
    ("stages", []),
    ("stages.0", {"span": {"books": "all"}}),
    ("stages.0.name", "Not A Name"),
    ("stages.0.span", {"tokens": 5, "epochs": 1}),
    ("stages.0.span", {"books": "some"}),
    ("stages.0.sections", [{"name": "a", "books": ["x"], "slot": {"count": 1}}]),
    ("stages.0.sections", [{"name": "a"}]),
    ("stages.0.gate", {"probe": "bits_per_byte", "on": "primer"}),
    ("stages.0.gate", {"probe": "bits_per_byte", "on": "primer", "below": 1, "above": 2}),
    ("machine.zero_stage", 4),
]


@pytest.mark.parametrize(("key", "wrong"), WRONG, ids=[f"{key}={wrong}" for key, wrong in WRONG])
def test_what_the_check_refuses_an_editor_underlines(key, wrong):
    value = load((ROOT / "genome" / "seedling.yaml").read_text("utf-8"))
    *path, last = [int(part) if part.isdigit() else part for part in key.split(".")]
    holder = value
    for part in path:
        holder = holder[part]
    if last == 0:
        holder[0] = wrong
    else:
        holder[last] = wrong
    assert faults(value)


def properties() -> list[tuple[str, str, dict[str, Any], list[str]]]:
    parts = {"Genome": SCHEMA, **SCHEMA["$defs"]}
    return [
        (name, key, told, part.get("required", []))
        for name, part in parts.items()
        for key, told in part["properties"].items()
    ]


@pytest.mark.parametrize(("part", "key", "told", "_"), properties(), ids=lambda value: str(value)[:20])
def test_every_key_says_what_it_means_with_an_example_that_is_right(part, key, told, _):
    assert len(told["description"]) > 3 and told["examples"], (part, key)
    whole = (part == "Stage" and key == "trunk") or key == "roles"
    for example in told["examples"]:
        checker = jsonschema.Draft202012Validator({**told, "$defs": SCHEMA["$defs"]})
        found = [one.message for one in checker.iter_errors(example)]
        assert whole or not [one for one in found if "is a required property" not in one], (part, key, found)


def test_the_page_tells_every_key():
    page = genome_markdown()
    for part, key, told, required in properties():
        if part.startswith("Stage") and part != "Stage":
            continue
        rows = [line for line in page.splitlines() if line.startswith(f"| `{key}` |") and told["description"] in line]
        assert rows, (part, key)
        assert not required or key not in required or any("| required |" in row for row in rows), (part, key)
    assert page.count("\n## ") == len(WHERE)
    assert all(line.count(" | ") == 4 for line in page.splitlines() if line.startswith("| `"))
    assert set(Genome.model_fields) == set(SCHEMA["properties"])
