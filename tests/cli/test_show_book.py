"""`ontogeny prepare GENOME --show BOOK`: what became of one book; nothing is made."""

from __future__ import annotations

import json


def test_a_book_is_shown_and_nothing_is_made(project, ontogeny):
    before = project.listing()
    told = ontogeny("prepare", "genome.yaml", "--show", "hill")
    assert told.code == 0 and "hill: The Hill" in told.out and "chapters:" in told.out and "passage 1" in told.out
    shown = json.loads(ontogeny("prepare", "genome.yaml", "--show", "hill", "--json").out)
    assert shown["id"] == "hill" and 0 < shown["kept_frac"] <= 1
    assert sum(part["characters"] for part in shown["chapters"]) <= shown["kept_characters"]
    assert {"cuts", "kinds", "passages", "held_out", "first_passages"} <= shown.keys()
    assert project.listing() == before


def test_a_book_without_a_chapter_is_shown(project, ontogeny):
    project.write("books/hill.md", "\n\n".join(f"Paragraph {n} is told without a heading." for n in range(9)))
    told = ontogeny("prepare", "genome.yaml", "--show", "hill")
    assert told.code == 0 and "none found" in told.out


def test_an_unknown_book_is_told_with_the_closest(refused):
    (block,) = refused("prepare", "genome.yaml", "--show", "hil")
    assert "closest: 'hill'" in block


def test_an_unknown_rule_of_cleaning_is_told_where_it_stands(project, refused):
    project.write(
        "genome.yaml", (project.root / "genome.yaml").read_text("utf-8") + "cleaning: {skip_rules: [hard_wrapp]}\n"
    )
    (block,) = refused("prepare", "genome.yaml", "--show", "hill")
    assert "cleaning.skip_rules[0]" in block and "genome.yaml:" in block and "closest: 'hard_wrap'" in block


def test_an_unknown_rule_of_a_book_too(project, refused):
    project.change(
        ("    title: The Hill\n", "    title: The Hill\n    skip_rules: [indexx]\n"), file="stages/library.yaml"
    )
    blocks = refused("prepare", "genome.yaml", "--show", "hill")
    assert "skip_rules[0]" in blocks[0] and "closest: 'index'" in blocks[0]
