"""Bridge scenes: a sentence of another book is quoted, and what it has to do with this one is the sentence taken out.

The two share a rare term and never meet in training, so that the task needs both."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ontogeny.scenes.gap import choose_attempt, linking_sentences, repair_text
from ontogeny.scenes.shape import Made, Scene, Turn

QUOTES = (('"', '"'), ("«", "»"))  # in which the sentence of the other book stands
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True)
class BridgeWords:
    """How a language asks for a bridge and objects to a sentence that is none, as format strings."""

    asked: tuple[str, ...]
    objections: tuple[str, ...]


BRIDGES = {
    "en": BridgeWords(
        asked=(
            'In another book we read: "{far}" What has that to do with what is said here?',
            'Elsewhere it says: "{far}" A sentence was taken out here that touches on it. Which?',
            'Remember this, from another book: "{far}" Where does the text above touch on it?',
            'Two books meet here. The other one says: "{far}" What does this one say?',
        ),
        objections=(
            'The other book speaks of "{term}". Your sentence does not touch on it.',
            'What the two books share is "{term}", and you say nothing of that.',
            'No: look for "{term}". That is where the one book meets the other.',
            'Your sentence could stand without the other book. Where is "{term}"?',
        ),
    ),
    "ru": BridgeWords(
        asked=(
            "В другой книге сказано: «{far}» Какое отношение это имеет к тому, о чём говорится здесь?",
            "В другом месте мы читали: «{far}» Здесь вынуто предложение, которое с этим связано. Какое?",
            "Вспомни слова из другой книги: «{far}» Где текст выше касается того же?",
            "Здесь встречаются две книги. Другая говорит: «{far}» Что говорит эта?",
        ),
        objections=(
            "В другой книге речь идёт о слове «{term}». Твоё предложение его не касается.",
            "Общее у двух книг слово — «{term}», а ты о нём молчишь.",
            "Нет: ищи слово «{term}». Там одна книга встречает другую.",
            "Твоё предложение обошлось бы и без другой книги. Где здесь «{term}»?",
        ),
    ),
}


def has_bridges(language: str) -> bool:
    """Whether bridge scenes exist in a language."""
    return language in BRIDGES


def holds(sentence: str, term: str) -> bool:
    """Whether a sentence has a term among its words, in any case."""
    words = (word.lower() for word in _WORD.findall(sentence))
    return any(word.removesuffix("'s").removesuffix("’s") == term for word in words)


def make_bridge_scene(
    paragraph: str,
    far: str,
    term: str,
    attempts: Sequence[str],
    *,
    language: str,
    scene_id: str,
    field: str,
    level: str,
    rng: random.Random,
) -> Made | None:
    """A bridge from `far`, the sentence of the other book, to a sentence of a paragraph that holds the term, or None.

    `attempts` are real sentences from elsewhere in this book. What is taken out is as in a gap scene."""
    words = BRIDGES[language]
    candidates = [
        found
        for found in linking_sentences(paragraph, language, any_sentence=True)
        if holds(found[1].text, term) and found[1].text != far
    ]
    without = [text for text in attempts if not holds(text, term) and text != far]
    rng.shuffle(candidates)
    for before, sentence, after in candidates:
        attempt = choose_attempt(sentence.text, without, rng, (before.text, after.text))
        if attempt is None:
            continue
        turns = (
            Turn("teacher", "question", rng.choice(words.asked).format(far=far)),
            Turn("student", "attempt", attempt),
            Turn("critic", "objection", rng.choice(words.objections).format(term=term)),
            Turn("reformulator", "repair", repair_text(paragraph, sentence)),
        )
        scene = Scene(scene_id, "bridge", field, level, {}, turns, sentence.text, attempt, (), language)
        return Made(scene, sentence.start - 1, sentence.end)
    return None
