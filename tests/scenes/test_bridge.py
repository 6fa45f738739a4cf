from __future__ import annotations

import random

import pytest

from ontogeny.scenes.bridge import BRIDGES, holds, make_bridge_scene
from ontogeny.scenes.shape import render

PARAGRAPH = "The mill stands by the water. Its barley is ground before the sun is up. The miller sleeps until noon.\n\n"
FAR = "Beer is brewed from malted barley in large copper vessels."
POOL = [
    "The old road goes over the hill to the next town.",
    "Much barley was lost in the flood of that spring.",
    "A letter came from the king with nothing in it.",
]


def bridge_of(paragraph=PARAGRAPH, far=FAR, term="barley", pool=POOL, language="en", seed="a"):
    return make_bridge_scene(
        paragraph,
        far,
        term,
        pool,
        language=language,
        scene_id="bridge-1",
        field="f",
        level="l",
        rng=random.Random(seed),
    )


def test_the_other_book_is_quoted_and_the_repair_is_the_removed_text():
    made = bridge_of()
    question, attempt, objection, repair = made.scene.turns
    assert FAR in question.text and '"barley"' in objection.text
    assert PARAGRAPH[made.start : made.end] == f" {repair.text}" == " Its barley is ground before the sun is up."
    assert render(made.scene)[-1].text == PARAGRAPH[made.start : made.end] + "\n\n"
    assert attempt.text == made.scene.foil != repair.text and repair.text == made.scene.resolution_expected
    assert [turn.span for turn in made.scene.turns] == ["question", "attempt", "objection", "repair"]


def test_the_attempt_never_holds_the_term():
    attempts = {bridge_of(seed=str(seed)).scene.foil for seed in range(20)}
    assert attempts == {POOL[0], POOL[2]}
    assert bridge_of(pool=POOL[1:2]) is None


def test_no_bridge_without_the_term_between_two_sentences_or_to_the_same_sentence():
    assert bridge_of(term="copper") is None
    assert (
        bridge_of("Barley is ground here every day of the year. The miller sleeps until noon. So it goes.\n\n") is None
    )
    assert bridge_of(far="Its barley is ground before the sun is up.") is None


def test_questions_and_objections_vary_with_the_seed_and_repeat_with_it():
    made = [bridge_of(seed=str(seed)).scene for seed in range(40)]
    assert len({scene.turns[0].text for scene in made}) == len(BRIDGES["en"].asked)
    assert len({scene.turns[2].text for scene in made}) == len(BRIDGES["en"].objections)
    assert bridge_of(seed="x") == bridge_of(seed="x")


def test_russian():
    paragraph = "Мельница стоит у воды. Ячмень мелют ещё до рассвета каждый день. Мельник спит до полудня.\n\n"
    far = "Пиво варят из ячменя, и ячмень для него везут издалека."
    made = bridge_of(paragraph, far, "ячмень", ["Старая дорога идёт через холм в другой город."], "ru")
    assert paragraph[made.start : made.end] == " Ячмень мелют ещё до рассвета каждый день."
    assert f"«{far}»" in made.scene.turns[0].text and "«ячмень»" in made.scene.turns[2].text


@pytest.mark.parametrize(
    ("sentence", "term", "there"),
    [
        ("The Barley grows.", "barley", True),
        ("The barley's price fell.", "barley", True),
        ("The barleycorn grows.", "barley", False),
        ("Sky-blue it was.", "sky", False),
    ],
)
def test_a_term_is_a_word(sentence, term, there):
    assert holds(sentence, term) is there
