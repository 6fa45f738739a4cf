"""YAML with positions: what is read, what is refused, and where each fault is said to stand."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ontogeny.core.errors import Fault, GenomeError
from ontogeny.core.positions import MAX_DEPTH, MAX_REPEATS, MAX_YAML_BYTES, load_yaml, parse_yaml


def read(text: str):
    return parse_yaml(text, "g.yaml", GenomeError)


def refused(text: str) -> list[Fault]:
    with pytest.raises(GenomeError) as caught:
        read(text)
    return list(caught.value.faults)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("NO", "NO"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("+5", 5),
        ("-3", -3),
        ("1e-3", 0.001),
        ("1.0e-3", 0.001),
        ("12:30:45", "12:30:45"),
        ("2001-01-01", "2001-01-01"),
        ("=", "="),
        ("'1_000'", "1_000"),
        ("!!str 3", "3"),
        ("!!int '3'", 3),
        ("&anchored true", True),
        ("&anchored 7", 7),
        ("|\n  x\n  y", "x\ny"),
        ('"a\\u2028b"', "a\u2028b"),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(text, value):
    found = read(f"a: {text}").value["a"]
    assert found == value and type(found) is type(value)


def test_aliases_and_merges_are_plain_copies():
    value = read("a: &k {x: 1, deep: {z: 0}}\nb: {<<: *k, y: 2, x: 5}\nc: [*k, *k]").value
    assert value["b"] == {"x": 5, "y": 2, "deep": {"z": 0}} and value["c"] == [value["a"], value["a"]]
    assert all(type(part) is dict for part in (value, value["b"], value["b"]["deep"], value["c"][0]))


def test_places_are_lines_and_columns_from_one():
    document = read("a: 1\nb:\n  c: [x, yy, {d: 5}]\n  'q r': |\n    text\n")
    assert document.at(("a",)) == "g.yaml:1:4  a"
    assert document.at(("b", "c", 1)) == "g.yaml:3:10  b.c[1]"
    assert document.at(("b", "c", 2, "d")) == "g.yaml:3:18  b.c[2].d"
    assert document.places[("b", "c", "@key")] == "g.yaml:3:3"
    assert document.at(("b", "q r")).startswith("g.yaml:4:10")
    assert document.at(("b", "nowhere", 3)) == "g.yaml:3:3  b.nowhere[3]"
    assert document.at(("zzz",)) == "g.yaml  zzz"


def test_a_fault_that_names_keys_alone_finds_its_line():
    document = read("model:\n  size: 5\n")
    assert document.located(Fault("x", "model.size")).where == "g.yaml:2:9  model.size"
    assert document.located(Fault("x", "model.size[3].b")).where == "g.yaml:2:9  model.size[3].b"
    assert document.located(Fault("x", "runs/one")).where == "runs/one"
    assert document.located(Fault("x", "elsewhere.size")).where == "elsewhere.size"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 'x", "g.yaml:1:6"),
        ("a:\n\t- b", "g.yaml:2:1"),
        ("a: b: c", "g.yaml:1:5"),
        ("a: 1\na: 2", "g.yaml:2:1"),
        ("a: *nobody", "g.yaml:1:4"),
        ("a: 1\n---\nb: 2", "g.yaml:2:1"),
        ("a: [1, 2", "g.yaml:1:9"),
        ("a: 1\nb: x\x00y", "g.yaml:2:5"),
        ("x: 1\na: &a [*a]", "g.yaml:2:4"),
        ("a: &a {b: {c: [*a]}}", "g.yaml:1:4"),
        ("%YAML 1.1\n---\na: no", "g.yaml:1:1"),
        ("# first\n%YAML 1.1\n---\na: 1", "g.yaml:2:1"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text, place):
    (fault,) = refused(text)
    assert fault.where == place
    assert fault.got and fault.expected and fault.fix


@pytest.mark.parametrize(
    "tagged",
    [
        "!!python/object:os.system {}",
        "!!python/name:os.system ''",
        "!!binary aGk=",
        "!!set {b}",
        "!!omap [b: 1]",
        "!!timestamp 2001-01-01",
        "!foo 3",
        "!foo [1]",
        "!foo {b: 1}",
        "!!python/object/apply:os.system [ls]",
    ],
)
def test_tags_are_refused(tagged):
    (fault,) = refused(f"ok: 1\na: {tagged}")
    assert fault.what == "a YAML tag would construct an object." and fault.where == "g.yaml:2:4  a"


@pytest.mark.parametrize(
    ("number", "what"),
    [
        ("1_000", "underscores"),
        ("1_0.5", "underscores"),
        ("0x1_0", "underscores"),
        ("!!int 1_000", "underscores"),
        (".nan", "finite"),
        (".inf", "finite"),
        ("1e400", "finite"),
        ("9" * 5000, "too long"),
    ],
)
def test_numbers_are_digits(number, what):
    (fault,) = refused(f"a: [1, {number}]")
    assert what in fault.what and fault.where == "g.yaml:1:8  a[1]"


def test_all_faults_of_a_file_in_one_go():
    faults = refused("a: 1_0\nb: !x y\nc: [.nan]\n1: x\n'1': y")
    assert [fault.where.split()[0] for fault in faults] == ["g.yaml:1:4", "g.yaml:2:4", "g.yaml:3:5", "g.yaml:5:6"]


def test_a_key_must_be_plain():
    assert "not plain text" in refused("? [a, b]\n: c")[0].what
    assert "not plain text" in refused("? !!python/name:os.x ''\n: c")[0].what
    assert read("7: a").value == {"7": "a"}


def test_text_is_whole():
    assert "half a character" in refused('a: "\\ud800"')[0].what
    assert "not plain text" in refused('"\\ud800": a')[0].what


def test_files_that_would_not_end(tmp_path: Path):
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
    started = time.monotonic()
    (fault,) = refused(bomb)
    assert fault.what == "YAML aliases multiply." and str(MAX_REPEATS) in fault.got
    assert time.monotonic() - started < 20
    assert "deeply" in refused("a: " + "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2))[0].what
    assert len(refused("a: " + "[" * 5000)) == 1
    huge = tmp_path / "huge.yaml"
    with open(huge, "wb") as file:
        file.truncate(MAX_YAML_BYTES + 1)
    with pytest.raises(GenomeError, match="too large"):
        load_yaml(huge, GenomeError)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("a: 1\nb: café\n".encode("latin-1"))
    with pytest.raises(GenomeError) as caught:
        load_yaml(Path("latin.yaml"), GenomeError)
    assert caught.value.faults[0].where == "latin.yaml:2:7" and "0xe9" in caught.value.faults[0].got
    for name in ("absent.yaml", "."):
        with pytest.raises(GenomeError, match="cannot be read"):
            load_yaml(Path(name), GenomeError)
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load_yaml(Path("bom.yaml"), GenomeError).value == {"a": 1}


PIECES = st.sampled_from(
    [
        "a",
        "b",
        ":",
        " ",
        "\n",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&x ",
        "*x",
        "!t ",
        "!!str ",
        "1_0",
        "'",
        '"',
        "|",
        ">",
        "#",
        "%YAML 1.1\n",
        "---\n",
        "<<: ",
        "? ",
        "\t",
        "1e9",
        ".inf",
        "\x85",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
@example("? - :")
def test_any_text_is_read_or_told(text):
    try:
        read(text)
    except GenomeError as problem:
        assert all(fault.where.startswith("g.yaml") and fault.what and fault.fix for fault in problem.faults)
