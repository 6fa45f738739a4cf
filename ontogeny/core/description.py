"""What a genome file may say, told from core/schema.py: JSON Schema for editors, Markdown for people."""

from __future__ import annotations

import copy
import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from ontogeny.core.nodes import flow
from ontogeny.core.schema import Genome

MODELINE = "# yaml-language-server: $schema=schema.json"
WHERE = {  # the keys under which a part stands, in the order in which the page tells them
    "Genome": "",
    "ModelSpec": "model",
    "TrainedTokenizer": "model.tokenizer",
    "PretrainedTokenizer": "model.tokenizer",
    "Trunk": "trunk",
    "Role": "roles.NAME",
    "Stage": "stages[]",
    "Span": "stages[].span, roles.NAME.span",
    "Section": "stages[].sections[]",
    "Slot": "stages[].sections[].slot",
    "Scenes": "stages[].scenes",
    "LoopLoss": "stages[].loop_loss",
    "Journal": "stages[].journal",
    "Probes": "stages[].probes",
    "Gate": "stages[].gate",
    "Cleaning": "cleaning",
    "Arm": "arm",
    "Experiment": "experiment",
    "Primary": "experiment.primary",
    "Machine": "machine",
}
HEAD = """\
# Genome files

A genome is one YAML file (YAML 1.2): a model, how its trunk and its roles learn, and the stages it walks. This page is
written by `ontogeny genome schema --markdown` from the same source as `genome/schema.json`, by which an editor
completes and validates a genome that begins with

    {modeline}

An unknown key is an error. `key=value` after a command overrides a key: `stages.0.span.tokens=5000`. A length carries
its unit. `ontogeny genome check` tells all faults of a file; `new` and `draft` write one; `show --tree` and `diff` tell
what is in it; `mutate` and `cross` breed children of it.
"""


def genome_schema() -> str:
    """The JSON Schema of a genome file, for editors."""
    return json.dumps(_file_schema(), indent=2, ensure_ascii=False) + "\n"


def genome_markdown() -> str:
    """Every key of a genome file: type, default, range, meaning, example."""
    schema = _file_schema()
    parts = {**schema["$defs"], "Genome": schema}
    text: list[str] = [HEAD.format(modeline=MODELINE)]
    for name, where in WHERE.items():
        part = parts[name]
        text.append(f"## {f'`{where}`' if where else 'The file'}\n{part['description']}\n")
        text.append("| key | type | default | meaning | example |\n|---|---|---|---|---|")
        text += [_row(key, told, _default(key, told, part)) for key, told in part["properties"].items()]
        text.append("")
    assert parts.keys() - WHERE.keys() <= {"StageTrunk", "StageRole"}, parts.keys() - WHERE.keys()
    return "\n".join(text).rstrip() + "\n"


class _Unsorted(GenerateJsonSchema):
    """Keys in the order in which core/schema.py writes them, in examples too."""

    def sort(self, value: Any, parent_key: str | None = None) -> Any:
        """As it is."""
        return value


def _file_schema() -> dict[str, Any]:
    """The model's schema, turned from a composed genome into a file, which may leave to others what they give."""
    schema = Genome.model_json_schema(schema_generator=_Unsorted)
    definitions = schema["$defs"]
    stage = definitions["Stage"]
    stage.pop("required")
    stage["anyOf"] = [{"required": ["use"]}, {"required": ["name", "span", "sections"]}]
    for name in ("Trunk", "Role"):  # in a stage, these are keys over the genome's own
        part = copy.deepcopy(definitions[name])
        for key in ("required", "if", "then"):
            part.pop(key, None)
        for told in part["properties"].values():
            told.pop("default", None)
        definitions[f"Stage{name}"] = {**part, "description": f"{part['description']} Here: only what is other."}
    stage["properties"]["trunk"] = _pointed(stage["properties"]["trunk"], "StageTrunk")
    roles = {**stage["properties"]["roles"], "additionalProperties": _pointed({}, "StageRole")}
    stage["properties"]["roles"] = roles
    schema["properties"]["roles"]["additionalProperties"] = False
    _without_noise(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A genome of ontogeny", **schema}


def _pointed(told: dict[str, Any], name: str) -> dict[str, Any]:
    return {**told, "$ref": f"#/$defs/{name}"}


def _without_noise(value: Any, named: bool = False) -> None:
    """Titles that pydantic made of the keys say nothing (a key called `title` stays), nor do nulls of a default."""
    if isinstance(value, dict):
        if not named and isinstance(value.get("title"), str):
            del value["title"]
        if not named and isinstance(value.get("default"), dict):
            value["default"] = {key: item for key, item in value["default"].items() if item is not None}
        for key, item in value.items():
            if named or key not in ("examples", "default"):
                _without_noise(item, named=not named and key in ("properties", "$defs"))
    elif isinstance(value, list):
        for item in value:
            _without_noise(item)


def _default(key: str, told: dict[str, Any], part: dict[str, Any]) -> str:
    if key in part.get("required", ()):
        return "required"
    if any(key in arm["required"] for arm in part.get("anyOf", ())[1:]):
        return "required, unless `use` gives it"
    if told.get("default") is None:
        return ""
    own = "$ref" in told and told["$ref"] != "#/$defs/Span" and told["default"]
    return "its keys' own" if own else f"`{flow(told['default'])}`"


def _row(key: str, told: dict[str, Any], default: str) -> str:
    examples = "; ".join(f"`{flow(example)}`" for example in told["examples"])
    cells = (f"`{key}`", _kind(told), default, told["description"], examples)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(told: dict[str, Any]) -> str:
    """The type and range of a value, in words."""
    if "$ref" in told:
        name = told["$ref"].rpartition("/")[2]
        return f"`{WHERE[name.removeprefix('Stage') or name]}`"
    if arms := told.get("anyOf") or told.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(arm) for arm in arms if arm.get("type") != "null"))
    if "enum" in told or "const" in told:
        return ", ".join(f"`{flow(value)}`" for value in told.get("enum", [told.get("const")]))
    if told.get("type") == "array":
        return f"list of {_kind(told['items'])}"
    if told.get("type") == "object":
        inner = [told.get("additionalProperties"), *told.get("patternProperties", {}).values()]
        return next((f"name -> {_kind(one)}" for one in inner if isinstance(one, dict)), "mapping")
    word = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false"}[told["type"]]
    return " ".join([word, *_range(told)])


def _range(told: dict[str, Any]) -> list[str]:
    signs = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    found = [f"{sign} {flow(told[key])}" for key, sign in signs if key in told and told[key] != 1 << 53]
    if "pattern" in told:
        found.append(f"like `{told['pattern']}`")
    return found
