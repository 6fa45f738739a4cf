"""Contradiction scenes: a statement of a book is said turned round, found to be wrong, and said as the book says it."""

from __future__ import annotations

import random

from ontogeny.scenes.gap import ask, linking_sentences, object_to, repair_text
from ontogeny.scenes.language import TABLES
from ontogeny.scenes.opposites import Opposites, sure_changes
from ontogeny.scenes.opposites_en import ENGLISH
from ontogeny.scenes.opposites_ru import RUSSIAN
from ontogeny.scenes.shape import Made, Scene, Turn

OPPOSITES: dict[str, Opposites] = {"en": ENGLISH, "ru": RUSSIAN}


def has_contradictions(language: str) -> bool:
    """Whether contradiction scenes exist in a language."""
    return language in OPPOSITES


def make_contradiction_scene(
    paragraph: str, *, language: str, scene_id: str, field: str, level: str, rng: random.Random
) -> Made | None:
    """A contradiction scene about one statement of a paragraph, or None where none has a sure change.

    The attempt is the repair with one thing in it changed, its lead included, so that nothing else tells them apart.
    What is taken out of the book is the sentence and the blank before it, as in a gap scene."""
    table = TABLES[language]
    candidates = linking_sentences(paragraph, language, any_sentence=True)
    rng.shuffle(candidates)
    for before, sentence, after in candidates:
        changes = sure_changes(sentence.text, paragraph, OPPOSITES[language], rng)
        if not changes:
            continue
        change = rng.choice(changes)
        repair = repair_text(paragraph, sentence)
        lead, attempt = repair.removesuffix(sentence.text), change.altered(sentence.text)
        turns = (
            Turn("teacher", "question", ask(before.text, after.text, table, rng.choice(table.claims))),
            Turn("student", "attempt", lead + attempt),
            Turn("critic", "objection", object_to([change.named(sentence.text)], table, rng.choice(table.denials))),
            Turn("reformulator", "repair", repair),
        )
        scene = Scene(scene_id, "contradiction", field, level, {}, turns, sentence.text, attempt, (), language)
        return Made(scene, sentence.start - 1, sentence.end)
    return None
