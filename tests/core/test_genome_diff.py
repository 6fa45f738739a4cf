"""What `genome diff` makes of one change at a time: exactly that change, and in the words of the science."""

from __future__ import annotations

import pytest

from ontogeny.core.diff import diff_genomes, told_changes

TWO = """\
  - use: stages/first
    span: {tokens: 4000}
    sections:
      - {name: fables, books: [fox, crow]}
      - {name: birds, books: [owl]}
  - name: second
    span: {books: all}
    sections:
      - {name: far, books: [chat]}
      - {name: open, slot: {level: primer, count: 2}}
"""
FROM = "  - use: stages/first\n    span: {tokens: 4000}\n  - name: second\n    span: {books: all}\n    sections:\n"
FROM += "      - {name: birds, books: [owl]}\n"

CASES = [
    (("[fox, crow]", "[crow, fox]"), ["stage first, section fables", "  fox: now after crow"]),
    (("{name: fables", "{name: tales"), ["stage first", "  section fables is now called tales"]),
    (("name: second", "name: third"), ["stages", "  stage second is now called third"]),
    (("[owl]", "[owl, fox]"), ["stage first", "  + fox (birds)"]),
    (("[fox, crow]", "[crow]"), ["stage first", "  - fox (fables)"]),
    (("count: 2", "count: 3"), ["stage second, section open", "  slot.count: 2 -> 3   (x 1.5)"]),
    (("span: {books: all}", "span: {epochs: 2}"), ["stage second", "  span: {books: all} -> {epochs: 2}"]),
    (
        ("span: {books: all}", "span: {books: all}\n    reading: interleaved"),
        ["stage second", "  reading: sequential -> interleaved"],
    ),
    (
        ("span: {books: all}", "span: {books: all}\n    roles: {critic: {alpha: 2}}"),
        ["stage second", "  roles.critic.alpha: 8.0 -> 2.0   (x 0.25)"],
    ),
    (
        ("      - {name: far, books: [chat]}\n", ""),
        ["stage second", "  - section far: chat"],
    ),
    (
        ("[fox, crow]}", "[fox]}\n      - {name: more, books: [crow]}"),
        ["stage first", "  + section more (after fables): crow", "  crow: moved from section fables to more"],
    ),
    (("seed: 3", "seed: 4"), ["genome", "  seed: 3 -> 4"]),
    (("hidden_size: 32", "hidden_size: 64"), ["model", "  architecture.hidden_size: 32 -> 64   (x 2)"]),
    (("replay_frac: 0.1", "replay_frac: 0.0"), ["trunk", "  replay_frac: 0.1 -> 0.0"]),
    (("name: tiny", "# said otherwise\nname: 'tiny'"), ["no difference"]),
]


@pytest.fixture
def two(project):
    """A genome of two stages, with a slot; and itself, loaded."""
    project.change((FROM, TWO))
    return project.load().genome


@pytest.mark.parametrize(("pair", "lines"), CASES, ids=[lines[-1].strip() for _, lines in CASES])
def test_one_change_is_told_as_itself(project, two, pair, lines):
    project.change(pair)
    assert told_changes(diff_genomes(two, project.load().genome)).splitlines() == lines


def test_books_and_sections_that_move(project, two):
    project.change(("[fox, crow]", "[crow]"), ("[chat]", "[chat, fox]"))
    (change,) = diff_genomes(two, project.load().genome)
    assert (change.kind, change.what, change.before, change.after) == (
        "moved", "fox", ["first", "fables"], ["second", "far"])  # fmt: skip
    fables, birds = "      - {name: fables, books: [crow]}\n", "      - {name: birds, books: [owl]}\n"
    project.change((fables + birds, birds + fables), ("[chat, fox]", "[chat]"), ("[crow]", "[fox, crow]"))
    changes = diff_genomes(two, project.load().genome)
    assert [(one.kind, one.told) for one in changes] == [("order", "section fables: now after birds")]


def test_stages_that_move_come_and_go(project, two):
    first, second = TWO[: TWO.index("  - name: second")], TWO[TWO.index("  - name: second") :]
    project.change((first + second, second + first))
    assert told_changes(diff_genomes(two, project.load().genome)) == "stages\n  stage first: now after second"
    project.change((first, ""), ("name: second", "name: last"))
    project.change(("stages:\n", "stages:\n  - {name: new, span: {epochs: 1}, sections: [{name: a, books: [fox]}]}\n"))
    assert told_changes(diff_genomes(two, project.load().genome)).splitlines() == [
        "stages",
        "  + stage new (first): fox",
        "  - stage first: fox, crow, owl",
        "  stage second is now called last",
        "books between stages",
        "  fox: moved from first (fables) to new (a)",
    ]


def test_a_book_that_is_read_twice(project, two):
    project.change(("[owl]", "[owl, fox]"))
    twice = project.load().genome
    project.change(("[owl, fox]", "[owl]"), ("[chat]", "[chat, fox]"))
    (change,) = diff_genomes(twice, project.load().genome)
    assert (change.kind, change.what, change.after) == ("moved", "fox", ["second", "far"])
    assert diff_genomes(twice, twice) == []


def test_roles_that_come_go_and_change_places(project, two):
    student, critic = (
        "  student: {rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128, span: {epochs: 1}}\n",
        "  critic: {rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128}\n",
    )
    project.change((student + critic, critic + student))
    (change,) = diff_genomes(two, project.load().genome)
    assert (change.where, change.kind) == ("roles", "order")
    project.change((critic, critic.replace("critic", "sage")))
    told = told_changes(diff_genomes(two, project.load().genome))
    assert "roles\n  + sage: {" in told and "  - critic" in told
