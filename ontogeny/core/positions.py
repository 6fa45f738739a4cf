"""YAML with positions: every value knows the file, line and column it came from."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, CommentedSet, TaggedScalar
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ontogeny.core.errors import Fault, OntogenyError, closest

MAX_YAML_BYTES = 16 << 20
PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")}
Where = tuple[str | int, ...]


@dataclass
class Document:
    """A YAML file as plain values, and where each stands: path of keys -> "file:line:column"."""

    value: Any
    file: str
    places: dict[Where, str] = field(default_factory=dict)

    def at(self, path: Where) -> str:
        """The place of a value, or of its nearest known parent, with the path spelled out."""
        known = tuple(path)
        while known and known not in self.places:
            known = known[:-1]
        return f"{self.places.get(known, self.file)}  {spell(path)}".rstrip()


def spell(path: Where) -> str:
    """A path of keys as a person writes it: stages[2].sections[0].books[3]."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def shown(path: Path) -> str:
    """A path as it is told to a person: relative to the working folder where it lies inside it."""
    try:
        return str(Path(path).absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_text(path: Path, error: type[OntogenyError]) -> str:
    """A small text file, or the fault that says why not."""
    name = shown(path)
    try:
        raw = Path(path).read_bytes()
    except OSError as problem:
        raise error(Fault("a file cannot be read.", name, problem.strerror or str(problem), "a readable file",
                          "check the path")) from problem
    if len(raw) > MAX_YAML_BYTES:
        raise error(Fault("a YAML file is too large.", name, f"{len(raw)} bytes", f"at most {MAX_YAML_BYTES}",
                          "split it"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise error(Fault("a YAML file is not UTF-8.", name, f"byte {raw[problem.start]:#04x} at {problem.start}",
                          "UTF-8 text", "save the file as UTF-8")) from problem


def load_yaml(path: Path, error: type[OntogenyError]) -> Document:
    """A YAML 1.2 file as plain values with positions.

    Raises: `error` with file:line:column for a syntax error, a double key, a tag that would construct an
    object, an alias that nests itself."""
    text = read_text(path, error)
    return parse_yaml(text, shown(path), error)


def parse_yaml(text: str, name: str, error: type[OntogenyError]) -> Document:
    """As `load_yaml`, for text already read; `name` is what places are called."""
    reader = YAML(typ="rt", pure=True)
    reader.allow_duplicate_keys = False
    try:
        tree = reader.load(io.StringIO(text))
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise error(Fault("a YAML file cannot be parsed.", place, (problem.problem or str(problem)).strip(),
                          "YAML 1.2", "mend the line (indentation, quotes, a key written twice)")) from problem
    except (YAMLError, ValueError, RecursionError) as problem:
        raise error(Fault("a YAML file cannot be parsed.", name, str(problem).splitlines()[0], "YAML 1.2",
                          "mend the file")) from problem
    document = Document(None, name)
    faults: list[Fault] = []
    document.value = _plain(tree, (), document, faults, set())
    if faults:
        raise error(faults)
    return document


def _plain(node: Any, path: Where, document: Document, faults: list[Fault], open_nodes: set[int]) -> Any:
    tag = str(getattr(getattr(node, "tag", None), "value", None) or "")
    if isinstance(node, (TaggedScalar, CommentedSet)) or (tag and tag not in PLAIN_TAGS):
        faults.append(Fault("a YAML tag would construct an object.", document.at(path), tag or "a tag",
                            "plain values: text, numbers, lists, mappings", "remove the tag"))
        return None
    if id(node) in open_nodes:
        faults.append(Fault("a YAML alias holds itself.", document.at(path), "a cycle", "a tree", "remove the alias"))
        return None
    if isinstance(node, CommentedMap):
        return _plain_map(node, path, document, faults, open_nodes | {id(node)})
    if isinstance(node, CommentedSeq):
        items = []
        for index, item in enumerate(node):
            mark = (node.lc.data or {}).get(index)
            if mark:
                document.places[(*path, index)] = f"{document.file}:{mark[0] + 1}:{mark[1] + 1}"
            items.append(_plain(item, (*path, index), document, faults, open_nodes | {id(node)}))
        return items
    if getattr(node, "_underscore", None):
        faults.append(Fault("a number carries underscores.", document.at(path), f"a number read as {int(node)}",
                            "digits alone: 200000", "remove the underscores"))
        return None
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node if node is None else str(node)


def _plain_map(node: CommentedMap, path: Where, document: Document, faults: list[Fault], open_nodes: set[int]) -> dict:
    values: dict[str, Any] = {}
    for key, item in node.items():
        name = str(key)
        here = (*path, name)
        mark = (node.lc.data or {}).get(key)
        if mark:  # a key that came through a merge (<<) has no place of its own
            document.places[(*here, "@key")] = f"{document.file}:{mark[0] + 1}:{mark[1] + 1}"
            document.places[here] = f"{document.file}:{mark[2] + 1}:{mark[3] + 1}"
        values[name] = _plain(item, here, document, faults, open_nodes)
    return values


def model_faults(
    model: type[BaseModel], value: Any, document: Document, prefix: Where = ()
) -> tuple[list[Fault], BaseModel | None]:
    """Validates a value against a pydantic model; all its faults, each with its place, or the instance."""
    try:
        return [], model.model_validate(value)
    except ValidationError as problem:
        return [_told(model, one, document, prefix) for one in _without_echoes(problem.errors())], None


def _without_echoes(errors: list[dict]) -> Iterator[dict]:
    seen = set()
    for one in errors:
        key = (one["loc"], one["type"])
        if key not in seen:
            seen.add(key)
            yield one


def _told(model: type[BaseModel], one: dict, document: Document, prefix: Where) -> Fault:
    path = (*prefix, *(part for part in one["loc"]))
    if one["type"] == "extra_forbidden":
        key = str(one["loc"][-1])
        known = known_keys(model, one["loc"][:-1])
        place = document.places.get((*path, "@key"))
        where = f"{place}  {spell(path)}" if place else document.at(path)
        return Fault(f"unknown key '{key}'.", where, f"'{key}'", f"one of {', '.join(known)}{closest(key, known)}",
                     "correct the key, or remove it")
    if one["type"] == "missing":
        return Fault(f"'{path[-1]}' is missing.", document.at(path[:-1]), "nothing", f"the key '{path[-1]}'",
                     f"add '{path[-1]}: ...'")
    message = one["msg"].removeprefix("Value error, ")
    return Fault(f"'{path[-1] if path else 'the file'}' does not fit.", document.at(path), repr(one.get("input"))[:120],
                 message, "change the value")


def known_keys(model: type[BaseModel], loc: Where) -> list[str]:
    """The keys that a (nested) pydantic model knows at a place."""
    current: Any = model
    for part in loc:
        current = _inner_model(current, part)
        if current is None:
            return []
    return sorted(current.model_fields) if hasattr(current, "model_fields") else []


def _inner_model(current: Any, part: str | int) -> Any:
    fields = getattr(current, "model_fields", None)
    if fields is not None:
        if part not in fields:
            return None
        current = fields[part].annotation
    return _first_model(current) if not isinstance(part, int) else _first_model(current)


def _first_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _first_model(inner)) is not None:
            return found
    return None
