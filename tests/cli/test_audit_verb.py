"""`library audit`, and what `plan` says once it has run."""

from __future__ import annotations

import json

import pytest

PHRASES = ["the nature of knowledge", "a consequence of experience", "the principle of contradiction"]


def learned(size: int = 30_000) -> str:
    """A book of long sentences and long words."""
    text, number = "", 0
    while len(text) < size:
        clauses = ", and ".join(
            f"{PHRASES[(number + k) % 3]} determines observation {number * 7 + k}" for k in range(9)
        )
        text += f"Philosophically considered, {clauses}.\n\n"
        number += 1
    return text


@pytest.fixture
def reversed_project(project):
    """The first stage is the harder one, though the levels ascend."""
    project.change(("field: nature\n    level: primer", "field: nature\n    level: school"), file="stages/library.yaml")
    project.write("books/hill.md", learned())
    return project


def test_an_audit_is_told_printed_and_written(project, ontogeny):
    told = ontogeny("library", "audit", "--out", "audit.json")
    assert told.code == 0 and "2 books" in told.out and "audit: book hill (1/2)" in told.err
    for piece in ("near-duplicates", "compression", "licences: CC0-1.0 2", "connections:"):
        assert piece in told.out, piece
    value = json.loads((project.root / "audit.json").read_text("utf-8"))
    assert list(value["books"]) == ["hill", "pond"]
    printed = ontogeny("library", "audit", "--json", "-q")
    assert json.loads(printed.out) == value and printed.err == ""
    assert ontogeny("library", "audit", "-q").out == ""


def test_a_genome_is_audited_by_its_stages(project, ontogeny):
    value = json.loads(ontogeny("library", "audit", "genome.yaml", "--json").out)
    assert [stage["name"] for stage in value["stages"]] == ["first", "second"]
    assert value["connections"]["pairs_total"] == 1
    assert value["connections"]["pairs"][0]["a"] == "first / walks"


def test_plan_knows_what_an_audit_found_and_computes_nothing(reversed_project, ontogeny):
    before = ontogeny("plan", "genome.yaml").out
    assert "declared as ascending" not in before and "grade" not in before
    assert "hill   [CC0-1.0]   primer, en" in before
    assert not (reversed_project.root / "runs").exists()
    audited = ontogeny("library", "audit", "genome.yaml")
    warning = "warning: an order declared as ascending is not: stage 'second' (school) comes after 'first' (primer)"
    assert warning in audited.out
    after = ontogeny("plan", "genome.yaml")
    assert warning in after.out and "bytes   compression ratio" in after.out
    value = json.loads(ontogeny("plan", "genome.yaml", "--json").out)
    assert (
        value["books"]["hill"]["difficulty"]["grade"]["value"] > value["books"]["pond"]["difficulty"]["grade"]["value"]
    )
    assert value["books"]["hill"]["bytes"] > 20_000
    plain = (reversed_project.root / "books/pond.md").read_text("utf-8").replace("walker", "sailor")
    reversed_project.write("books/hill.md", plain)  # another book now: nothing is known of it
    changed = ontogeny("plan", "genome.yaml").out
    assert "declared as ascending" not in changed and "hill   [CC0-1.0]   primer, en\n" in changed


def test_books_left_out_are_named(project, ontogeny):
    project.change(("file:books/pond.md", "gutenberg:9999999"), file="stages/library.yaml")
    told = ontogeny("library", "audit")
    assert told.code == 0 and "1 book(s) left out\n   pond: is not on this machine" in told.out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--out", "absent/audit.json"), "the audit cannot be written there."),
        (("--out", "books"), "the audit cannot be written there."),
        (("absent.yaml",), "cannot be read"),
        (("--library", "absent.yaml"), "cannot be read"),
    ],
)
def test_bad_arguments(refused, arguments, what):
    (block,) = refused("library", "audit", *arguments)
    assert what in block


def test_a_library_that_cannot_be_read(project, refused):
    for book in ("hill", "pond"):
        (project.root / f"books/{book}.md").unlink()
    assert len(refused("library", "audit")) == 2
