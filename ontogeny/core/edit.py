"""Editing a YAML file as text: what an edit does not name keeps its bytes, comments and key order included.

ruamel reads the file as events, which know where every value begins and ends; an edit replaces such pieces of text.
(Dumping ruamel's round-trip tree would wrap long flow mappings anew and close up aligned columns.) An alias that an
edit would change by the way is written out first. `finished` proves that the text means what the edits asked for."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.error import YAMLError

from ontogeny.core.errors import Fault, GenomeError
from ontogeny.core.nodes import Node, flow, flow_key, paths, read_nodes, walked
from ontogeny.core.positions import Where, parse_yaml, spell


@dataclass
class Piece:
    """An item or entry taken out of its file: its value, its own comments, its lines (indented from 0; a list's item
    without its dash), or no lines where it stood in a flow."""

    value: Any
    comments: list[str]
    lines: list[str]


class YamlText:
    """A YAML file under edit. `value` is what the text must mean when all is done."""

    def __init__(self, text: str, name: str):
        self.name = name
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.value = parse_yaml(text, name, GenomeError).value
        self.root = read_nodes(text)

    def copy(self) -> YamlText:
        """The same text, to be edited apart."""
        other = YamlText.__new__(YamlText)
        other.name, other.text, other.root, other.newline = self.name, self.text, self.root, self.newline
        other.value = copy.deepcopy(self.value)
        return other

    def finished(self) -> str:
        """The text, once it is proven to mean what the edits asked for.

        Raises: GenomeError for a layout that cannot be edited with care."""
        if parse_yaml(self.text, self.name, GenomeError).value != self.value:
            raise self._unfit("an edit would change something else")
        return self.text

    def get(self, path: Where) -> Any:
        """The plain value at a path, or None."""
        value = self.value
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    # Edits ----------------------------------------------------------------------------------------------------------

    def set(self, path: Where, value: Any) -> None:
        """Gives a key or item another value; a key that is not there is added at the end of its mapping."""
        holder = self._holder(path)
        there = path[-1] in holder if isinstance(holder, dict) else True
        if there and flow(self.get(path)) == flow(value):
            return
        self._unshare(path)
        parent, number = self._parent(path)
        if number is None:
            self.add(path, Piece(value, [], []))
            return
        node = parent.children[number][1]
        self._splice((node.start, node.end, _spaced(self.text, node.start) + flow(value)))
        self._holder(path)[path[-1]] = copy.deepcopy(value)

    def add(self, path: Where, piece: Piece) -> None:
        """Adds a key to a mapping, at its end, or an item to a list, before the one that stands there."""
        self._unshare(path)
        parent = self._node(path[:-1])
        assert parent is not None and parent.kind in ("map", "list"), spell(path)
        index = path[-1] if isinstance(path[-1], int) else len(parent.children)
        self._splice(*self._insertion(parent, index, path[-1], piece))
        holder = self._holder(path)
        holder.insert(index, copy.deepcopy(piece.value)) if isinstance(holder, list) else holder.update(
            {path[-1]: copy.deepcopy(piece.value)}
        )

    def take(self, path: Where, leave: list[str] | None = None) -> Piece:
        """Removes a key or item; comment lines `leave` (without their #) stay where it stood."""
        piece = self.piece(path)
        parent, number = self._parent(path)
        assert number is not None, spell(path)
        self._splice(*self._removal(parent, number, leave or []))
        del self._holder(path)[path[-1]]
        return piece

    def swap(self, one: Where, other: Where) -> None:
        """Exchanges two items of one list, each with its comments."""
        for path in (one, other):
            self._unshare(path)
            self._unbind(path)
        parent, first = self._parent(min(one, other))
        second = parent.place(max(one, other)[-1])
        assert first is not None and second is not None and one[:-1] == other[:-1], (one, other)
        spans = [self._span(parent, number) for number in (first, second)]
        texts = [self.text[start:end] for start, end in spans]
        if not parent.flow:
            texts = [text if text.endswith("\n") else text + "\n" for text in texts]
        self._splice((*spans[0], texts[1]), (*spans[1], texts[0]))
        items = self._holder(one)
        items[one[-1]], items[other[-1]] = items[other[-1]], items[one[-1]]

    def piece(self, path: Where) -> Piece:
        """An item or entry with its comments, as it can be put elsewhere. Aliases that would dangle are written out."""
        self._unshare(path)
        self._unbind(path)
        parent, number = self._parent(path)
        assert number is not None, spell(path)
        value = copy.deepcopy(self.get(path))
        if parent.flow:
            return Piece(value, [], [])
        start, end = self._span(parent, number)
        lines = _lines(self.text[start:end])
        column = self._column(parent)
        comments = [line.strip()[1:].strip() for line in lines if line.strip().startswith("#")]
        if parent.kind == "list" and not isinstance(value, (dict, list)):
            after = self.text[parent.children[number][1].end : end].partition("\n")[0].strip()
            return Piece(value, comments + ([after[1:].strip()] if after.startswith("#") else []), [])
        shifted = [line[min(column, len(line) - len(line.lstrip())) :] for line in lines]
        if parent.kind == "list":
            first = next(at for at, line in enumerate(shifted) if line.startswith("-"))
            shifted[first] = " " + shifted[first][1:]
        return Piece(value, [], shifted)

    def free(self, path: Where) -> None:
        """Writes out the aliases in a value and takes its anchors off, so that it can stand in another file."""
        self._unshare(path)
        self._unbind(path)
        found = [where for where, node in paths(self.root, ()) if where[: len(path)] == path and node.kind == "alias"]
        if found:
            node = self._node(found[0])
            assert node is not None, spell(found[0])
            self._splice((node.start, node.end, flow(self.get(found[0]))))
            return self.free(path)
        inside = self._node(path)
        marks = [node.start for node in walked(inside) if node.anchor] if inside else []
        ends = [re.compile(r"&\S+[ \t]*").match(self.text, start) for start in marks]
        self._splice(*((mark.start(), mark.end(), "") for mark in ends if mark))
        return None

    def note(self, path: Where, *lines: str) -> None:
        """Writes comment lines right above the line where a value's entry begins."""
        at = self._line_above(path)
        indent = re.match(r"[ ]*", self.text[at:])
        self._splice((at, at, "".join(f"{indent[0] if indent else ''}# {line}\n" for line in lines)))

    # Places ---------------------------------------------------------------------------------------------------------

    def _splice(self, *changes: tuple[int, int, str]) -> None:
        """Replaces pieces [start, end) of the text, which do not overlap."""
        for start, end, text in sorted(changes, reverse=True):
            if text.endswith("\n") and start == len(self.text) and self.text and not self.text.endswith("\n"):
                text = "\n" + text
            told = text.replace("\r\n", "\n").replace("\n", self.newline)
            self.text = self.text[:start] + told + self.text[end:]
        try:
            self.root = read_nodes(self.text)
        except YAMLError as problem:
            raise self._unfit(str(problem).strip().splitlines()[-1].strip()) from problem

    def _unfit(self, why: str) -> GenomeError:
        return GenomeError(
            Fault(
                "a file is laid out in a way that cannot be edited with care.",
                self.name,
                why[:160],
                "keys and items on lines of their own, or in flows of one line",
                "lay it out so, or edit it by hand",
            )
        )

    def _node(self, path: Where) -> Node | None:
        node = self.root
        for part in path:
            number = node.place(part)
            if number is None:
                return None
            node = node.children[number][1]
        return node

    def _parent(self, path: Where) -> tuple[Node, int | None]:
        node = self._node(path[:-1])
        assert node is not None, spell(path)
        return node, node.place(path[-1])

    def _holder(self, path: Where) -> Any:
        return self.get(path[:-1])

    def _column(self, node: Node) -> int:
        """Where the keys or dashes of a block collection stand."""
        if node.kind == "map" and node.children and node.children[0][0] is not None:
            start = node.children[0][0].start
        else:
            start = node.start
        return start - self._line(start)

    def _line(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _next_line(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end + 1

    def _first(self, parent: Node, number: int) -> int:
        """Where a child's own line, or its piece of a line, begins: at its key, or at its dash."""
        key, value = parent.children[number]
        if key is not None:
            return key.start
        column, line = self._column(parent), self._line(value.start)
        while not (self.text[line + column : line + column + 1] == "-" and line + column < value.start):
            line = self._line(line - 1)
        return line + column

    def _span(self, parent: Node, number: int) -> tuple[int, int]:
        """A child's text: in a flow the bare item, in a block its lines with the comments that belong to it."""
        key, value = parent.children[number]
        if parent.flow:
            return (key or value).start, value.end
        first, column = self._first(parent, number), self._column(parent)
        end = self._next_line(max(first, first + len(self.text[first : value.end].rstrip()) - 1))
        while (line := self.text[end : self._next_line(end)]).lstrip().startswith("#") and (
            len(line) - len(line.lstrip()) > column
        ):
            end = self._next_line(end)
        start = self._line(first)
        if self.text[start:first].strip():
            return first, end
        while start and re.fullmatch(rf" {{{column}}}#.*\n?", self.text[self._line(start - 1) : start]):
            if not column and self._line(start - 1) == 0:
                break  # the first line of a file speaks of the file
            start = self._line(start - 1)
        return start, end

    def _line_above(self, path: Where) -> int:
        node, at = self.root, self._line(self.root.start)
        for part in path:
            number = node.place(part)
            if number is None or node.flow:
                break
            at = self._line(self._first(node, number))
            node = node.children[number][1]
        return at

    # Text -----------------------------------------------------------------------------------------------------------

    def _insertion(self, parent: Node, index: int, key: str | int, piece: Piece) -> list[tuple[int, int, str]]:
        named = f"{flow_key(key)}: " if isinstance(key, str) else ""
        if parent.flow:
            said = named + flow(piece.value)
            if not parent.children:
                return [(parent.end - 1, parent.end - 1, said)]
            first, last = parent.children[0][0] or parent.children[0][1], parent.children[-1][1]
            at, told = (last.end, f", {said}") if index >= len(parent.children) else (first.start, f"{said}, ")
            if 0 < index < len(parent.children):
                at = (parent.children[index][0] or parent.children[index][1]).start
            above = self.text.rfind("\n", 0, self._block_start(parent)) + 1
            indent = " " * (len(self.text[above:]) - len(self.text[above:].lstrip(" ")))
            return [(at, at, told), *([(above, above, _comment(piece.comments, indent))] if piece.comments else [])]
        column = self._column(parent)
        at = self._span(parent, index)[0] if index < len(parent.children) else self._span(parent, index - 1)[1]
        return [(at, at, _block(piece, column, named))]

    def _block_start(self, node: Node) -> int:
        """Where the block line begins that a flow stands in."""
        outer, start = self.root, self.root.start
        while not outer.flow:
            inside = [n for n, (_, child) in enumerate(outer.children) if child.start <= node.start < child.end]
            if not inside:
                break
            start, outer = self._first(outer, inside[0]), outer.children[inside[0]][1]
        return start

    def _removal(self, parent: Node, number: int, leave: list[str]) -> list[tuple[int, int, str]]:
        start, end = self._span(parent, number)
        if parent.flow:
            above = self.text.rfind("\n", 0, self._block_start(parent)) + 1
            indent = " " * (len(self.text[above:]) - len(self.text[above:].lstrip(" ")))
            note = [(above, above, _comment(leave, indent))] if leave else []
            if after := re.match(r"\s*,[ \t]*", self.text[end:]):
                return [(*self._whole_lines(start, end + after.end()), ""), *note]
            if number == 0:
                return [(start, end, ""), *note]
            before = parent.children[number - 1][1].end
            comma = before + self.text[before:].index(",")
            if not self.text[comma + 1 : start].strip():
                return [(comma, end, ""), *note]
            return [(comma, comma + 1, ""), (start, end, ""), *note]  # a comment stands between the two
        kept = _comment(leave, " " * self._column(parent))
        if self.text[self._line(start) : start].strip():  # the first key after a dash: the next one takes its place
            assert number + 1 < len(parent.children), "the only key of an item"
            later = self._first(parent, number + 1)
            lines = _lines(self.text[start:later])
            kept += "".join(
                f"{' ' * self._column(parent)}{line.strip()}\n" for line in lines if line.strip()[:1] == "#"
            )
            return [(start, later, ""), (self._line(start), self._line(start), kept)]
        return [(start, end, kept)]

    def _whole_lines(self, start: int, end: int) -> tuple[int, int]:
        """What stands last on its line goes with the blanks before it, what stands alone on it, with the line."""
        if not self.text.startswith(self.newline, end):
            return start, end
        while self.text[start - 1 : start] in (" ", "\t"):
            start -= 1
        return start, end + len(self.newline) if self.text[start - 1 : start] == "\n" else end

    # Anchors and aliases ---------------------------------------------------------------------------------------------

    def _unshare(self, path: Where) -> None:
        """Writes aliases out until what is at `path` is this path's alone."""
        node = self.root
        for number, part in enumerate(path):
            if node.kind == "alias" or (node.anchor and self._aliases(node.anchor)):
                self._write_out(path[:number], node)
                return self._unshare(path)
            place = node.place(part)
            if place is None:
                return None
            node = node.children[place][1]
        if node.anchor and node.kind != "alias" and self._aliases(node.anchor):
            self._write_out(path, node)
            return self._unshare(path)
        return None

    def _write_out(self, path: Where, node: Node) -> None:
        """An alias becomes a copy of its value; of an anchored value, every alias does."""
        if node.kind == "alias":
            self._splice((node.start, node.end, flow(self.get(path))))
            return
        value = flow(self.get(path))
        self._splice(*((alias.start, alias.end, value) for alias in self._aliases(node.anchor)))

    def _aliases(self, anchor: str | None) -> list[Node]:
        return [node for node in walked(self.root) if node.kind == "alias" and node.anchor == anchor]

    def _unbind(self, path: Where) -> None:
        """Writes out the aliases that lead into, or out of, what stands at a path."""
        inside = self._node(path)
        assert inside is not None, spell(path)
        within = {id(node) for node in walked(inside)}
        for node in walked(self.root):
            if node.kind != "alias":
                continue
            target = [one for one in walked(self.root) if one.anchor == node.anchor and one.kind != "alias"]
            target = [one for one in target if one.start < node.start]
            if target and (id(target[-1]) in within) != (id(node) in within):
                told = next(at for at, one in paths(self.root, ()) if one is target[-1])
                self._splice((node.start, node.end, flow(self.get(told))))
                return self._unbind(path)
        return None


def _lines(text: str) -> list[str]:
    """Lines by line feeds alone: a comment may hold other characters that Python takes for line ends."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if not lines[-1] else lines


def _spaced(text: str, start: int) -> str:
    """A blank where a value is to follow its colon or dash at once."""
    return " " if text[start - 1 : start] in (":", "-") else ""


def _comment(lines: list[str], indent: str) -> str:
    return "".join(f"{indent}# {line}\n" for line in lines)


def _block(piece: Piece, column: int, named: str) -> str:
    """A piece as lines of a block collection whose keys or dashes stand at `column`."""
    indent = " " * column
    told = _comment(piece.comments, indent)
    if not piece.lines:
        return told + f"{indent}{named or '- '}{flow(piece.value)}\n"
    lines = list(piece.lines)
    if not named:
        first = next(at for at, line in enumerate(lines) if line.strip() and not line.strip().startswith("#"))
        lines[first] = "-" + lines[first][1:]
    return told + "".join(f"{indent}{line}\n" if line.strip() else "\n" for line in lines)
