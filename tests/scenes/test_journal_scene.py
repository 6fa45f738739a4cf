"""Journal and played scenes, as text."""

import random

import pytest

from ontogeny.scenes.journal import make_journal_scene
from ontogeny.scenes.played import can_play, question_about
from ontogeny.scenes.shape import render_until_repair

BEFORE, HARD, AFTER = (
    "The river had risen in the night.",
    "Therefore the ferry lay still on the other bank.",
    "The merchants waited beside their waggons until noon.",
)
OTHERS = ["Therefore the bread was dear in every market.", "The king was old.", "It rained."]
MADE = {"language": "en", "scene_id": "j-1", "field": "travel", "level": "school"}


def test_a_hard_sentence_is_the_repair_of_its_scene():
    scene = make_journal_scene(BEFORE, HARD, AFTER, OTHERS, **MADE, rng=random.Random(1))
    assert scene.kind == "journal" and [turn.span for turn in scene.turns] == [
        "question",
        "attempt",
        "objection",
        "repair",
    ]
    assert scene.turns[1].text == OTHERS[0], "the one of its length, with its connective"
    assert scene.turns[3].text == scene.resolution_expected == HARD
    assert "merchants" in scene.turns[2].text and HARD not in render_until_repair(scene)
    assert scene == make_journal_scene(BEFORE, HARD, AFTER, OTHERS, **MADE, rng=random.Random(1))


def test_a_line_broken_sentence_is_one_line():
    scene = make_journal_scene(BEFORE, HARD.replace("ferry ", "ferry\n"), AFTER, OTHERS, **MADE, rng=random.Random(1))
    assert scene.turns[3].text == HARD


@pytest.mark.parametrize(("after", "others"), [(AFTER, []), ("It is so.", OTHERS)])
def test_no_scene_without_an_attempt_and_an_objection(after, others):
    assert make_journal_scene(BEFORE, HARD, after, others, **MADE, rng=random.Random(1)) is None


def test_the_question_about_a_hard_place():
    assert question_about("The river had risen in the night.", "en").text == (
        'After "… river had risen in the night" we did not foresee what came. What comes next, and why?'
    )
    assert (
        "«… вода поднялась за одну ночь высоко»" in question_about("Вся вода поднялась за одну ночь высоко.", "ru").text
    )
    assert can_play("ru") and not can_play("fi")
