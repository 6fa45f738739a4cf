"""Edits of YAML text: they change what they name, and no other byte."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ontogeny.core.edit import Piece, YamlText
from ontogeny.core.errors import GenomeError
from ontogeny.core.nodes import flow, walked
from ontogeny.core.positions import parse_yaml

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*ROOT.glob("genome/*.yaml"), *ROOT.glob("stages/*/stage.yaml")])

TEXT = """\
# head
a:   1.0e-3     # keep

list:
  # first
  - one   # uno
  # second
  - two
    # deeper
  - {k: 3, l: [x, y, z]}
  # last
roles:
  x: &x {rank: 4, rate: 2.0}   # shared
  y: *x
  z:   *x
end: 'single'
"""


def edited(text: str = TEXT) -> YamlText:
    return YamlText(text, "file.yaml")


def comments(text: str) -> list[str]:
    return sorted(re.findall(r"(?:^|\s)#\s?(.*)$", text, re.MULTILINE))


def leaves(value: Any, path: tuple = ()) -> list[tuple]:
    if isinstance(value, (dict, list)):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [path, *(leaf for key, item in pairs for leaf in leaves(item, (*path, key)))][not path :]
    return [path]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_edit_that_changes_nothing_changes_no_byte(path):
    text = path.read_bytes().decode("utf-8")
    edit = YamlText(text, path.name)
    for where in leaves(edit.value):
        edit.set(where, copy.deepcopy(edit.get(where)))
    assert edit.finished() == text


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_to_swap_twice_changes_no_byte(path):
    edit = YamlText(path.read_text("utf-8"), path.name)
    before = edit.text
    swapped = 0
    for where in leaves(edit.value):
        items = edit.get(where)
        if isinstance(items, list) and len(items) > 1:
            edit.swap((*where, 0), (*where, len(items) - 1))
            assert (edit.finished() != before) == (items[0] != items[-1])
            edit.swap((*where, 0), (*where, len(items) - 1))
            swapped += 1
    assert edit.finished() == before and swapped


def test_a_value_alone_is_replaced():
    edit = edited()
    edit.set(("a",), 2.5e-4)
    edit.set(("list", 2, "l", 1), "two words")
    edit.set(("end",), ["no", "1", 1, None])
    expected = TEXT.replace("1.0e-3", "2.5e-4").replace("[x, y, z]", "[x, two words, z]")
    assert edit.finished() == expected.replace("'single'", '["no", "1", 1, null]')


def test_a_block_item_moves_with_its_comments():
    edit = edited()
    edit.swap(("list", 0), ("list", 1))
    moved = "  # second\n  - two\n    # deeper\n  # first\n  - one   # uno\n"
    assert edit.finished() == TEXT.replace("  # first\n  - one   # uno\n  # second\n  - two\n    # deeper\n", moved)
    assert edit.piece(("list", 0)) == Piece("two", ["second", "deeper"], [])


def test_taking_and_adding():
    edit = edited()
    piece = edit.take(("list", 0), ["one went"])
    assert piece == Piece("one", ["first", "uno"], [])
    edit.add(("list", 2), piece)
    edit.take(("list", 1, "l", 2))
    edit.add(("list", 1, "l", 0), Piece("new", ["why it came"], []))
    edit.take(("list", 1, "k"))
    edit.add(("roles", "w"), Piece({"rank": 1}, [], []))
    text = edit.finished()
    assert "  # one went\n  # second\n  - two\n    # deeper\n  # why it came\n  - {l: [new, x, y]}\n" in text
    assert "  # first\n  # uno\n  - one\n" in text and "  z:   *x\n  w: {rank: 1}\nend:" in text


def test_a_flow_over_several_lines_loses_its_item_alone():
    edit = edited("a: [b, c,   # two\n    d,\n    e, f,\n    g]\n")
    for number in (5, 4, 2, 0):
        edit.take(("a", number))
    assert edit.finished() == "a: [c,   # two\n    e]\n"


def test_an_anchor_is_left_alone_until_it_would_matter():
    edit = edited()
    edit.set(("a",), 2)
    assert edit.finished().count("*x") == 2
    edit.set(("roles", "y", "rank"), 8)  # an alias of its own now; the other two still share
    assert "  y: {rank: 8, rate: 2.0}\n  z:   *x\n" in edit.finished() and "x: &x {rank: 4" in edit.text
    edit = edited()
    edit.set(("roles", "x", "rank"), 8)  # the shared one: who shared it keeps what it was
    assert edit.finished().count("{rank: 4, rate: 2.0}") == 2 and "x: &x {rank: 8, rate: 2.0}   # shared" in edit.text


def test_an_anchor_that_leaves_and_an_alias_that_moves_before_it():
    edit = edited()
    piece = edit.piece(("roles", "x"))
    assert piece.value == {"rank": 4, "rate": 2.0} and "*x" not in edit.finished()
    edit = edited("- &a {b: 1}\n- [*a, c]\n- *a\n")
    edit.swap((0,), (1,))
    assert edit.finished() == "- [{b: 1}, c]\n- &a {b: 1}\n- {b: 1}\n"
    edit = edited("s:\n  - n: &a {b: 1}   # why\n    m: *a\n")
    edit.free(("s", 0))
    assert edit.finished() == "s:\n  - n: {b: 1}   # why\n    m: {b: 1}\n"


def test_a_merged_mapping_keeps_its_merge():
    edit = edited("base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  z: 3\n")
    edit.set(("more", "x"), 9)
    assert edit.finished() == "base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  z: 3\n  x: 9\n"


def test_a_note_stands_right_above():
    edit = edited("a:\n  - b: {c: [1,\n        2]}\n    d: 1\n")
    edit.note(("a", 0, "b", "c", 1), "of the item")
    edit.note(("a", 0, "d"), "of d", "and more")
    assert edit.finished() == "a:\n  # of the item\n  - b: {c: [1,\n        2]}\n    # of d\n    # and more\n    d: 1\n"


def test_line_ends_of_windows_and_a_last_line_without_one():
    edit = edited("a: 1\r\nb:\r\n  - x\r\n  - y")
    edit.note(("b", 1), "here")
    edit.swap(("b", 0), ("b", 1))
    edit.add(("b", 2), Piece("z", ["why"], []))
    assert edit.finished() == "a: 1\r\nb:\r\n  # here\r\n  - y\r\n  - x\r\n  # why\r\n  - z\r\n"


def test_a_layout_that_is_beyond_it_is_refused():
    edit = edited("? a\n: 1\n? b\n: 2\n")
    with pytest.raises(GenomeError, match="cannot be edited with care"):
        edit.set(("c",), 3)
        edit.finished()


WORD = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=0, max_size=8)
PLAIN = st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-1e9, 1e9, allow_nan=False) | WORD
ODD = st.sampled_from(
    ["no", "1_000", "2001-01-01", "1e3", "~", "=", "<<", "null", "a: b", "# x", "*a", "&a", "- a", ""]
)
VALUES = st.recursive(
    PLAIN | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD | ODD, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_a_flow_is_read_back_the_same(value):
    (found,) = parse_yaml(f"- {flow(value)}\n", "flow", GenomeError).value
    assert found == value and repr(found) == repr(value)


def block(draw: st.DrawFn, value: Any, indent: str) -> list[str]:
    """A value in block style, with comments here and there."""
    lines = []
    pairs = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, item in pairs:
        if draw(st.booleans()):
            lines.append(f"{indent}# c{draw(st.integers(0, 9))}")
        head = f"{indent}{flow(key)}:" if key is not None else f"{indent}-"
        if isinstance(item, (dict, list)) and item and draw(st.booleans()):
            lines += [head, *block(draw, item, indent + "  ")]
        else:
            lines.append(f"{head} {flow(item)}{draw(st.sampled_from(['', '  # t']))}")
    return lines


@st.composite
def documents(draw: st.DrawFn) -> str:
    value = draw(st.dictionaries(st.sampled_from("abcdef"), VALUES, min_size=1, max_size=4))
    return "\n".join(["# head", *block(draw, value, "")]) + draw(st.sampled_from(["", "\n", "\n# tail\n"]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.data())
def test_any_edits_of_any_file_mean_what_they_say(text, data):
    edit = YamlText(text, "any.yaml")
    for _ in range(3):
        where = data.draw(st.sampled_from([(), *leaves(edit.value)]))
        value = edit.get(where) if where else edit.value
        before, kept = copy.deepcopy(edit.value), comments(edit.text)
        if where and data.draw(st.booleans()):
            edit.note(where, "noted")
        if isinstance(value, list) and len(value) > 1:
            edit.swap((*where, 0), (*where, 1))
            assert sorted(map(repr, edit.get(where))) == sorted(map(repr, value))
        elif isinstance(value, list) and value:
            edit.add((*where, data.draw(st.integers(0, len(value)))), Piece(data.draw(PLAIN), ["came"], []))
        elif isinstance(value, dict) and value:
            edit.set((*where, "key"), data.draw(PLAIN | ODD))
        elif where:
            edit.set(where, data.draw(PLAIN | ODD))
        edit.finished()
        assert not [one for one in kept if one not in comments(edit.text)]
        assert len(where) == 0 or edit.value.keys() == before.keys()
    assert all(node.start <= node.end for node in walked(edit.root))
