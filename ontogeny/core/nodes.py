"""A YAML text as values with places, from the parser's events; and plain values as YAML of one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent

from ontogeny.core.positions import Where

PLAIN = re.compile(r"[A-Za-z_][\w./-]*(?: [\w./-]+)*")
WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")  # plain, some readers take these for no text


@dataclass
class Node:
    """A value in the text: where it begins (its anchor included) and ends, and what stands in it."""

    kind: str  # map | list | scalar | alias
    start: int
    end: int
    flow: bool = False
    anchor: str | None = None
    text: str = ""
    children: list[tuple[Node | None, Node]] = field(default_factory=list)  # (key or None, value)

    def place(self, part: str | int) -> int | None:
        """The number of the child under a key or index."""
        if self.kind == "list":
            return part if isinstance(part, int) and 0 <= part < len(self.children) else None
        names = [key.text if key else "" for key, _ in self.children]
        return names.index(str(part)) if self.kind == "map" and str(part) in names else None


def read_nodes(text: str) -> Node:
    """The values of a YAML text with their places."""
    events = YAML(typ="safe", pure=True).parse(text)
    for event in events:
        if isinstance(event, (ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent)):
            return _read(event, events)
    return Node("scalar", 0, 0)


def _read(event: Any, events: Iterator[Any]) -> Node:
    start, end = event.start_mark.index, event.end_mark.index
    if isinstance(event, AliasEvent):
        return Node("alias", start, end, anchor=event.anchor)
    if isinstance(event, ScalarEvent):
        return Node("scalar", start, end, anchor=event.anchor, text=event.value)
    kind = "map" if isinstance(event, MappingStartEvent) else "list"
    node = Node(kind, start, end, flow=bool(event.flow_style), anchor=event.anchor)
    for inner in events:
        if not isinstance(inner, (ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent)):
            node.end = inner.end_mark.index if node.flow else max([node.end, *(one.end for _, one in node.children)])
            break
        first = _read(inner, events)
        node.children.append((first, _read(next(events), events)) if kind == "map" else (None, first))
    return node


def walked(node: Node) -> Iterator[Node]:
    """A node and all that stands in it, in the order of the text."""
    yield node
    for _, child in node.children:
        yield from walked(child)


def paths(node: Node, path: Where) -> Iterator[tuple[Where, Node]]:
    yield path, node
    for number, (key, child) in enumerate(node.children):
        yield from paths(child, (*path, number if key is None else key.text))


def flow(value: Any) -> str:
    """A plain value on one line, as YAML 1.2 reads it back the same."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow_key(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) and value.lower() not in WORDS else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return float_text(value)
    return json.dumps(value)


def flow_key(key: Any) -> str:
    """A mapping's key; a word that some readers take for no text is one we write plain (`on`)."""
    return str(key) if str(key) in ("on", "off", "yes", "no", "y", "n") else flow(str(key))


def float_text(value: float) -> str:
    """A float as a person writes it: 2.0, 0.05, 5.0e-4."""
    if value == 0 or 1e-2 <= abs(value) < 1e6:
        return repr(value)
    mantissa, _, exponent = f"{value:e}".partition("e")
    mantissa = mantissa.rstrip("0")
    told = f"{mantissa + '0' if mantissa.endswith('.') else mantissa}e{int(exponent)}"
    return told if float(told) == value else repr(value).replace("e", ".0e") if "." not in repr(value) else repr(value)
