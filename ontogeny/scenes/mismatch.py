"""Mismatch scenes: where one sentence is expected, another from elsewhere is read on until it is noticed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ontogeny.scenes.gap import (
    ask,
    choose_attempt,
    content_words,
    lacking_words,
    linking_sentences,
    object_to,
    repair_text,
)
from ontogeny.scenes.language import TABLES
from ontogeny.scenes.shape import Made, Scene, Turn

MIN_EXPECTED_WORDS = 2  # content words of the sentence before: a number or a mark leads one to expect nothing


def make_mismatch_scene(
    paragraph: str, foreign: Sequence[str], *, language: str, scene_id: str, field: str, level: str, rng: random.Random
) -> Made | None:
    """A mismatch scene about one sentence of a paragraph, or None where no foreign sentence breaks what it leads to.

    `foreign` are sentences of elsewhere; taken is one near in length that shares no content word with the sentence
    before. The student reads it as what follows: the attempt is that sentence alone, so that it and the repair answer
    the same question. What comes after stays unsaid until the critic names it. What is taken out of the book is the
    true sentence and the blank before it, as in a gap scene."""
    table = TABLES[language]
    candidates = linking_sentences(paragraph, language, any_sentence=True)
    rng.shuffle(candidates)
    for before, sentence, after in candidates:
        expected = content_words(before.text, table).keys()
        if len(expected) < MIN_EXPECTED_WORDS:
            continue
        strange = [text for text in foreign if expected.isdisjoint(content_words(text, table))]
        attempt = choose_attempt(sentence.text, strange, rng, (before.text, after.text), language)
        lacking = lacking_words(attempt, after.text, table) if attempt else []
        if not lacking:
            continue
        repair = repair_text(paragraph, sentence)
        lead = repair.removesuffix(sentence.text)
        turns = (
            Turn("teacher", "question", ask(before.text, after.text, table, rng.choice(table.sequels))),
            Turn("student", "attempt", lead + attempt),
            Turn("critic", "objection", object_to(lacking, table, rng.choice(table.breaks))),
            Turn("reformulator", "repair", repair),
        )
        scene = Scene(scene_id, "mismatch", field, level, {}, turns, sentence.text, attempt, (), language)
        return Made(scene, sentence.start - 1, sentence.end)
    return None
