"""YAML with positions: every value knows the file, line and column it came from."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.tag import Tag

from ontogeny.core.errors import Fault, OntogenyError, closest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)
MAX_YAML_BYTES = 16 << 20
MAX_NUMBER_CHARS = 30
MAX_DEPTH = 40
MAX_REPEATS = 10_000  # of nodes by aliases: a few lines can otherwise stand for more than memory holds
REFUSED_NUMBER = "tag:ontogeny,2026:number"
PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")}
NO_FIT = "does not fit."
Where = tuple[str | int, ...]


@dataclass
class Document:
    """A YAML file as plain values, and where each stands: path of keys -> "file:line:column"."""

    value: Any
    file: str
    places: dict[Where, str] = field(default_factory=dict)

    def located(self, fault: Fault) -> Fault:
        """A fault that names its place by keys alone (stages[0].span.tokens), with file:line:column before them."""
        if not re.fullmatch(r"[\w-]+(\.[\w-]+|\[\d+\])*", fault.where):
            return fault
        path = tuple(int(part) if part.isdigit() else part for part in re.findall(r"[\w-]+", fault.where))
        return replace(fault, where=self.at(path)) if path[:1] in self.places else fault

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
        with open(path, "rb") as file:
            raw = file.read(MAX_YAML_BYTES + 1)
    except OSError as problem:
        raise error(
            Fault("a file cannot be read.", name, problem.strerror or str(problem), "a readable file", "check the path")
        ) from problem
    if len(raw) > MAX_YAML_BYTES:
        raise error(
            Fault("a YAML file is too large.", name, "more than that", f"at most {MAX_YAML_BYTES} bytes", "split it")
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        line, column = raw.count(b"\n", 0, problem.start) + 1, problem.start - raw.rfind(b"\n", 0, problem.start)
        raise error(
            Fault(
                "a YAML file is not UTF-8.",
                f"{name}:{line}:{column}",
                f"byte {raw[problem.start]:#04x}",
                "UTF-8 text",
                "save the file as UTF-8",
            )
        ) from problem


def load_yaml(path: Path, error: type[OntogenyError]) -> Document:
    """A YAML 1.2 file as plain values with positions.

    Raises: `error` with file:line:column for a syntax error, a double key, a tag that would construct an
    object, an alias that nests itself."""
    return parse_yaml(read_text(path, error), shown(path), error)


def load_known_yaml(path: Path, error: type[OntogenyError]) -> Document:
    """As `load_yaml`, for a file that one process reads again and again: parsed once for the same text.

    Its reader changes nothing in the document."""
    return _parsed(read_text(path, error), shown(path), error)


class CoreResolver(VersionedResolver):
    """What a plain scalar means in the core schema of YAML 1.2: no dates, and 1_000 is no number."""

    processing_version = (1, 2)

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """The tag of a node; a number we refuse gets one of our own, so that it is told with its place."""
        tag = super().resolve(kind, value, implicit)
        if kind is not ScalarNode or not implicit[0]:
            return tag
        core = str(tag).rpartition(":")[2]
        if core in ("timestamp", "value"):
            return self.DEFAULT_SCALAR_TAG
        if core in ("int", "float") and ("_" in value or len(value) > MAX_NUMBER_CHARS):
            return Tag(suffix=REFUSED_NUMBER)
        return tag


class TreeConstructor(RoundTripConstructor):
    """Refuses an alias that holds itself, which ruamel would read as nothing."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """As the round-trip constructor; each node once on the way down."""
        if node in self.recursive_objects:
            raise ConstructorError(None, None, "an alias holds itself", node.start_mark)
        return super().construct_object(node, deep)


@lru_cache(maxsize=64)
def _parsed(text: str, name: str, error: type[OntogenyError]) -> Document:
    return parse_yaml(text, name, error)


def parse_yaml(text: str, name: str, error: type[OntogenyError]) -> Document:
    """As `load_yaml`, for text already read; `name` is what places are called."""
    reader = YAML(typ="rt", pure=True)
    reader.Resolver, reader.Constructor = CoreResolver, TreeConstructor
    reader.allow_duplicate_keys = False
    fix = "mend the line (indentation, quotes, a key written twice)"
    place, got = "", ""
    try:
        tree = reader.load(io.StringIO(text))
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        got = problem.problem or str(problem)
    except ReaderError as problem:
        before = text[: problem.position]
        place, got = f":{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}", str(problem)
    except RecursionError:
        got, fix = "lists in lists without end", "write it flatter"
    except TypeError:  # such a key cannot be looked up
        got, fix = "a list or a mapping as a key", "write keys as plain words"
    except (YAMLError, ValueError) as problem:
        got = str(problem)
    if got:
        got = got.strip().splitlines()[0]
        raise error(Fault("a YAML file cannot be parsed.", name + place, got, "YAML 1.2", fix))
    if old := re.match(r"(?:#.*\n|\s*\n)*%YAML[ \t]+(?!1\.2\b)(\S+)", text):
        line = text.count("\n", 0, old.start(1)) + 1
        raise error(
            Fault("a YAML file is of another version.", f"{name}:{line}:1", old[1], "YAML 1.2", "remove the directive")
        )
    reading = _Plain(Document(None, name))
    reading.document.value = reading.read(tree, ())
    if reading.faults:
        raise error(reading.faults)
    return reading.document


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


class _Plain:
    """A parsed tree on its way to plain values, places and faults."""

    def __init__(self, document: Document):
        self.document = document
        self.faults: list[Fault] = []
        self.met: set[int] = set()
        self.repeats = 0

    def read(self, node: Any, path: Where) -> Any:
        """A node as plain values; None where there is a fault."""
        if isinstance(node, (CommentedMap, CommentedSeq)) and not self._tag(node):
            return self._nested(node, path)
        if isinstance(node, ScalarBoolean):  # an anchored true is an int to Python
            return bool(node)
        if getattr(node, "_underscore", None):
            return self._refuse_number(str(int(node)), path)
        if isinstance(node, float) and not math.isfinite(node):
            return self._fault("a number is not finite.", path, str(node), "a finite number", "write a number")
        if isinstance(node, TaggedScalar) and self._tag(node).endswith(REFUSED_NUMBER):
            return self._refuse_number(str(node.value), path)
        if isinstance(node, TaggedScalar) and self._tag(node) == "tag:yaml.org,2002:str":
            return str(node.value)
        if isinstance(node, str) and not _is_text(node):
            return self._fault(
                "text holds half a character.", path, repr(str(node)), "text that UTF-8 can hold", "mend it"
            )
        if not isinstance(node, TaggedScalar):
            for kind in (bool, int, float, str):
                if isinstance(node, kind):
                    return kind(node)
            if node is None:
                return None
        return self._fault(
            "a YAML tag would construct an object.",
            path,
            self._tag(node) or type(node).__name__,
            "plain values: text, numbers, lists, mappings",
            "remove the tag",
        )

    def _fault(self, what: str, path: Where, got: str, expected: str, fix: str) -> None:
        self.faults.append(Fault(what, self.document.at(path), got[:80], expected, fix))

    def _refuse_number(self, got: str, path: Where) -> None:
        if len(got) > MAX_NUMBER_CHARS:
            return self._fault(
                "a number is too long.",
                path,
                f"{len(got)} characters",
                f"at most {MAX_NUMBER_CHARS}",
                "write a shorter one, or quote it if it is text",
            )
        return self._fault("a number carries underscores.", path, got, "digits alone: 200000", "remove the underscores")

    @staticmethod
    def _tag(node: Any) -> str:
        tag = str(getattr(getattr(node, "tag", None), "value", None) or "")
        if isinstance(node, (CommentedMap, CommentedSeq)):
            ordered = type(node) not in (CommentedMap, CommentedSeq)
            return tag or type(node).__name__ if ordered else "" if tag in PLAIN_TAGS else tag
        return tag

    def _nested(self, node: CommentedMap | CommentedSeq, path: Where) -> Any:
        if len(path) > MAX_DEPTH:
            return self._fault(
                "a YAML file is nested too deeply.",
                path,
                f"{len(path)} levels",
                f"at most {MAX_DEPTH}",
                "write it flatter",
            )
        self.repeats += id(node) in self.met
        self.met.add(id(node))
        if self.repeats > MAX_REPEATS:
            if self.repeats == MAX_REPEATS + 1:
                self._fault(
                    "YAML aliases multiply.",
                    path,
                    f"more than {MAX_REPEATS} copies",
                    "a few aliases",
                    "write the values out",
                )
            return None
        return self._mapping(node, path) if isinstance(node, CommentedMap) else self._list(node, path)

    def _list(self, node: CommentedSeq, path: Where) -> list:
        items = []
        for index, item in enumerate(node):
            if mark := (node.lc.data or {}).get(index):
                self._place((*path, index), mark)
            items.append(self.read(item, (*path, index)))
        return items

    def _mapping(self, node: CommentedMap, path: Where) -> dict:
        values: dict[str, Any] = {}
        for key, item in node.items():
            name = str(key)
            here = (*path, name)
            mark = (node.lc.data or {}).get(key)
            if mark:  # a key that came through a merge (<<) has no place of its own
                self._place((*here, "@key"), mark[:2])
                self._place(here, mark[2:])
            if not isinstance(key, (str, int, float)) or isinstance(key, TaggedScalar) or not _is_text(name):
                self._fault("a key is not plain text.", here, repr(key)[:80], "a word", "write a plain key")
            elif name in values:
                self._fault(f"the key '{name}' is written twice.", here, repr(key), "each key once", "remove one")
            values[name] = self.read(item, here)
        return values

    def _place(self, path: Where, mark: Sequence[int]) -> None:
        self.document.places[path] = f"{self.document.file}:{mark[0] + 1}:{mark[1] + 1}"


def model_faults(model: type[M], value: Any, document: Document, prefix: Where = ()) -> tuple[list[Fault], M | None]:
    """Validates a value against a pydantic model; all its faults, each with its place, or the instance."""
    try:
        return [], model.model_validate(value)
    except ValidationError as problem:
        told: dict[tuple[Where, str], Fault] = {}
        misfits: set[str] = set()  # of a union's other arms, beside the arm that the value meant
        for one in problem.errors():
            path = _path_in(value, one)
            fault = _told(model, one, path, document, prefix)
            if (path, fault.what) in told and one["type"] != "missing":  # every arm of a union says what it wants
                fault = replace(fault, expected=f"{told[path, fault.what].expected}; or {fault.expected}")
            told[path, fault.what] = fault
            if one["type"] == "literal_error":
                misfits.add(fault.what)
        deeper = {path[:length] for path, _ in told for length in range(len(path))}
        return [fault for (path, what), fault in told.items() if path not in deeper or what not in misfits], None


def _path_in(value: Any, one: ErrorDetails) -> Where:
    """The place of an error as keys of the value: pydantic's `loc` without the names it gives to a union's arms."""
    path: list[str | int] = []
    for number, part in enumerate(one["loc"]):
        absent = number == len(one["loc"]) - 1 and one["type"] == "missing"
        if (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            value = value[part]
        elif not absent:
            continue
        path.append(part)
    return tuple(path)


def _told(model: type[BaseModel], one: ErrorDetails, inner: Where, document: Document, prefix: Where) -> Fault:
    path = (*prefix, *inner)
    if one["type"] == "extra_forbidden":
        key = str(path[-1])
        known = known_keys(model, inner[:-1])
        place = document.places.get((*path, "@key"))
        where = f"{place}  {spell(path)}" if place else document.at(path)
        return Fault(
            f"unknown key '{key}'.",
            where,
            f"'{key}'",
            f"one of {', '.join(known)}{closest(key, known)}",
            "correct the key, or remove it",
        )
    if one["type"] == "missing":
        return Fault(
            f"'{path[-1]}' is missing.",
            document.at(path[:-1]),
            "nothing",
            f"the key '{path[-1]}'",
            f"add '{path[-1]}: ...'",
        )
    message = one["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    name = spell(path[-2:] if path and isinstance(path[-1], int) else path[-1:]) or "the file"
    return Fault(f"'{name}' {NO_FIT}", document.at(path), repr(one.get("input"))[:120], message, "change the value")


def known_keys(model: type[BaseModel], path: Where) -> list[str]:
    """The keys that a (nested) pydantic model knows at a place."""
    found: list[Any] = [model]
    for part in path:
        found = [inner for annotation in found for inner in _inside(annotation, part)]
    models = [one for annotation in found for one in _models(annotation)]
    return sorted({name for one in models for name in one.model_fields})


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models a value of this annotation may be: one, or those of a union's arms."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (dict, list):
        return []
    return [model for inner in get_args(annotation) for model in _models(inner)]


def _inside(annotation: Any, part: str | int) -> list[Any]:
    """What stands under a key or index of a value of this annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation.model_fields[str(part)].annotation] if part in annotation.model_fields else []
    if get_origin(annotation) in (dict, list):
        return [get_args(annotation)[-1]]
    return [found for inner in get_args(annotation) for found in _inside(inner, part)]
