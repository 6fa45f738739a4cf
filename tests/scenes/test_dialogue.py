from __future__ import annotations

import pytest

from ontogeny.scenes.dialogue import make_dialogue_scene, roles_of
from ontogeny.scenes.shape import render

CAST = ("critic", "teacher", "student", "reformulator")
TEXT = (
    "Of the soul.\n\nMENO: Can virtue be taught?\n\nSOCRATES: I do not know, Meno.\nAnd who does?\n\n"
    "MENO: Gorgias.\n\nThe end.\n\n"
)


def words(text, *said):
    """(speaker, start, end) of words in a text, in order."""
    turns, at = [], 0
    for speaker, told in said:
        at = text.index(told, at)
        turns.append((speaker, at, at + len(told)))
        at += len(told)
    return turns


TURNS = words(
    TEXT, ("meno", "Can virtue be taught?"), ("socrates", "I do not know, Meno.\nAnd who does?"), ("meno", "Gorgias.")
)


def made(text=TEXT, turns=TURNS, cast=CAST):
    return make_dialogue_scene(text, turns, cast=cast, language="en", scene_id="d-1", field="f", level="l")


def test_speakers_become_roles_in_order_of_appearance_and_whole_paragraphs_move():
    found = made()
    assert "".join(piece.text for piece in render(found.scene)) == (
        "Student: Can virtue be taught?\nTeacher: I do not know, Meno.\nAnd who does?\nStudent: Gorgias.\n\n"
    )
    assert [turn.span for turn in found.scene.turns] == ["question", "question", "plain"]
    assert TEXT[: found.start] + TEXT[found.end :] == "Of the soul.\n\nThe end.\n\n"
    assert found.scene.resolution_expected == "Gorgias." and found.scene.foil == ""
    for turn in found.scene.turns:
        assert turn.text in TEXT[found.start : found.end]


def test_a_dialogue_may_be_the_whole_text_and_end_without_a_blank_line():
    text = "A: Yes?\n\nB: No."
    found = made(text, words(text, ("a", "Yes?"), ("b", "No.")))
    assert (found.start, found.end) == (0, len(text))


@pytest.mark.parametrize(
    ("speakers", "roles"),
    [
        (["assistant", "user"], {"assistant": "teacher", "user": "student"}),
        (["chatgpt 4o", "anna", "anna"], {"chatgpt 4o": "teacher", "anna": "student"}),
        (["narrator", "ии", "пользователь"], {"narrator": "critic", "ии": "teacher", "пользователь": "student"}),
        (["user", "human"], {"user": "student", "human": "teacher"}),
        (["a", "b", "c", "d"], {"a": "student", "b": "teacher", "c": "critic", "d": "reformulator"}),
        (["a", "b", "c", "d", "e"], {}),
        (["a", "a"], {}),
    ],
)
def test_roles_of_speakers(speakers, roles):
    assert roles_of(speakers, CAST) == roles


def test_roles_of_other_names_serve_after_the_known_ones():
    assert roles_of(["a", "b"], ("sage", "student")) == {"a": "student", "b": "sage"}
    assert roles_of(["user", "model"], ("sage", "fool")) == {"user": "sage", "model": "fool"}
    assert roles_of(["a", "b", "c"], ("sage", "student")) == {}


@pytest.mark.parametrize("count", [1, 2, 8, 9])
def test_two_to_eight_turns(count):
    text = "".join(f"{'AB'[i % 2]}: Words {i}.\n\n" for i in range(count))
    found = made(text, words(text, *[("AB"[i % 2], f"Words {i}.") for i in range(count)]))
    assert (found is not None) == (2 <= count <= 8)


@pytest.mark.parametrize(
    ("said", "span"),
    [("Why?", "question"), ("“Why?”", "question"), ("What?!", "question"), ("He asked why?.. No.", "plain")],
)
def test_a_turn_that_ends_in_asking_is_a_question(said, span):
    text = f"A: {said}\n\nB: No.\n\n"
    assert made(text, words(text, ("a", said), ("b", "No."))).scene.turns[0].span == span
