from __future__ import annotations

import random

from ontogeny.scenes.language import ENGLISH
from ontogeny.scenes.mismatch import make_mismatch_scene
from ontogeny.scenes.shape import render

PARAGRAPH = (
    "The plant stands in the dark room. Its leaves turn slowly towards the small window. "
    "The gardener moves it every evening.\n\n"
)
FOREIGN = [
    "The water went down into the copper pipe again.",
    "The plant and the room were painted green that year.",
    "He laughed.",
    "Gardener and evening: all that moves was said to the king in his own great hall that day.",
]


def made(paragraph=PARAGRAPH, foreign=FOREIGN, seed="a", language="en"):
    return make_mismatch_scene(
        paragraph, foreign, language=language, scene_id="m-1", field="f", level="l", rng=random.Random(seed)
    )


def test_the_foreign_sentence_is_the_attempt_and_the_moved_text_the_repair():
    found = made()
    question, attempt, objection, repair = found.scene.turns
    assert [turn.span for turn in found.scene.turns] == ["question", "attempt", "objection", "repair"]
    assert (
        PARAGRAPH[found.start : found.end] == f" {repair.text}" == " Its leaves turn slowly towards the small window."
    )
    assert render(found.scene)[-1].text == PARAGRAPH[found.start : found.end] + "\n\n"
    assert attempt.text == found.scene.foil and found.scene.foil in FOREIGN
    assert found.scene.resolution_expected == repair.text and found.scene.kind == "mismatch"
    assert "plant stands in the dark room" in question.text and "gardener" not in question.text
    assert '"gardener" and "moves" and "evening"' in objection.text


def test_a_sentence_that_speaks_of_the_same_things_is_not_foreign():
    assert {made(seed=str(seed)).scene.foil for seed in range(30)} == {FOREIGN[0]}
    assert made(foreign=FOREIGN[1:3]).scene.foil == FOREIGN[2]
    assert made(foreign=[FOREIGN[1]]) is None
    assert made(foreign=[FOREIGN[3]]) is None  # it says every word that follows
    assert made(foreign=[]) is None


def test_a_number_leads_one_to_expect_nothing():
    assert made("1448. Its leaves turn slowly towards the small window. The gardener moves it.\n\n") is None


def test_phrasings_vary_with_the_seed_and_repeat_with_it():
    scenes = [made(seed=str(seed)).scene for seed in range(40)]
    assert len({scene.turns[0].text for scene in scenes}) == len(ENGLISH.sequels)
    assert len({scene.turns[2].text for scene in scenes}) >= len(ENGLISH.breaks)
    assert made(seed="x") == made(seed="x")


def test_verse_keeps_its_lines_and_the_attempt_begins_as_the_repair_does():
    verse = "The ghost of Denmark walked.\nAnd nobody would look at him again.\nThe kings came. They saw.\n\n"
    found = made(verse, ["The copper pipe was cold in winter."])
    assert verse[found.start : found.end] == found.scene.turns[3].text == "\nAnd nobody would look at him again."
    assert found.scene.turns[1].text == "\nThe copper pipe was cold in winter."
    assert found.scene.foil == "The copper pipe was cold in winter."


def test_russian():
    paragraph = "Растение стоит в тёмной комнате. Листья медленно тянутся к окну. Садовник поворачивает горшок.\n\n"
    found = made(paragraph, ["Вода снова ушла в трубу до вечера."], language="ru")
    assert paragraph[found.start : found.end] == " Листья медленно тянутся к окну."
    assert "«садовник» и «поворачивает» и «горшок»" in found.scene.turns[2].text
