from __future__ import annotations

import random

from ontogeny.scenes.contradiction import OPPOSITES, has_contradictions, make_contradiction_scene
from ontogeny.scenes.language import ENGLISH, RUSSIAN, TABLES
from ontogeny.scenes.shape import render

PARAGRAPH = (
    "We set a plant in a dark room. The plant is green and strong. It was always turned to the window. We waited.\n\n"
)


def made(paragraph=PARAGRAPH, seed="a", language="en"):
    return make_contradiction_scene(
        paragraph, language=language, scene_id="contradiction-1", field="f", level="l", rng=random.Random(seed)
    )


def test_the_repair_is_the_moved_text_and_the_attempt_differs_in_one_change():
    seen = set()
    for seed in range(40):
        scene, start, end = (found := made(seed=str(seed))).scene, found.start, found.end
        question, attempt, objection, repair = scene.turns
        assert [turn.span for turn in scene.turns] == ["question", "attempt", "objection", "repair"]
        assert [turn.speaker for turn in scene.turns] == ["teacher", "student", "critic", "reformulator"]
        assert PARAGRAPH[start:end] == f" {repair.text}"
        assert render(scene)[-1].text == PARAGRAPH[start:end] + "\n\n"
        assert scene.resolution_expected == repair.text and scene.foil == attempt.text != repair.text
        assert repair.text not in question.text + objection.text
        seen.add(attempt.text)
    assert seen == {"The plant is not green and strong.", "It was never turned to the window."}


def test_the_question_quotes_what_stands_around_and_the_objection_what_was_altered():
    for seed in range(20):
        question, attempt, objection, _ = made(seed=str(seed)).scene.turns
        before = "We set a plant in" if "plant" in attempt.text else "The plant is green and strong"
        assert before.split()[-1] in question.text
        named = objection.text.split('"')[1]
        assert named in attempt.text and (" not " in f" {named} " or " never " in f" {named} ")


def test_phrasings_vary_with_the_seed_and_repeat_with_it():
    scenes = [made(seed=str(seed)).scene for seed in range(60)]
    assert len({scene.turns[2].text.replace(scene.turns[2].text.split('"')[1], "") for scene in scenes}) == len(
        ENGLISH.denials
    )
    assert made(seed="x") == made(seed="x")


def test_no_scene_where_no_statement_has_a_sure_change():
    assert made("One fell. Then two birds flew away over the hill. Three fell.\n\n") is None
    assert made("Only one sentence is here in this place.\n\n") is None
    assert made("Who came? Is the plant green and strong in there? We waited.\n\n") is None


def test_verse_keeps_its_lines_and_the_attempt_begins_as_the_repair_does():
    verse = "He went away.\nThe house was empty in the evening light.\nHe came. He saw.\n\n"
    found = made(verse)
    _, attempt, _, repair = found.scene.turns
    assert verse[found.start : found.end] == repair.text == "\nThe house was empty in the evening light."
    assert attempt.text in (
        "\nThe house was not empty in the evening light.",
        "\nThe house was empty in the morning light.",
    )
    assert found.scene.foil == attempt.text[1:] and found.scene.resolution_expected == repair.text[1:]


def test_russian():
    paragraph = "Войско пришло к реке. Он велел казакам переправиться до рассвета. Ночь была тёмная.\n\n"
    attempts = {made(paragraph, seed=str(seed), language="ru").scene.turns[1].text for seed in range(20)}
    assert attempts == {
        "Он не велел казакам переправиться до рассвета.",
        "Он велел казакам переправиться после рассвета.",
    }
    assert "«" in made(paragraph, language="ru").scene.turns[2].text


def test_every_language_that_has_gap_scenes_has_contradictions_and_forms_for_all_made_kinds():
    assert all(has_contradictions(language) for language in TABLES) and not has_contradictions("de")
    assert set(OPPOSITES) == set(TABLES)
    for table in (ENGLISH, RUSSIAN):
        assert all("{before}" in form and "{after}" in form for form in table.claims)
        assert all("{before}" in form and "{after}" not in form for form in table.sequels)
        assert all("{words}" in form for form in table.denials + table.breaks)
