"""Played scenes: what the orchestra made of a hard place. The teacher's question is given, the rest is the cast's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ontogeny.scenes.gap import QUOTED_WORDS
from ontogeny.scenes.language import TABLES
from ontogeny.scenes.shape import Scene, Turn

ASKED = {
    "en": 'After "{before}" we did not foresee what came. What comes next, and why?',
    "ru": "После слов «{before}» мы не предвидели того, что последовало. Что следует дальше и почему?",
}
VERDICTS = {  # (it leads on, it does not): what a critic may say of a rewrite, alike in form
    "en": ("Yes. What follows comes of that.", "No. What follows does not come of that."),
    "ru": ("Да. То, что следует, отсюда вытекает.", "Нет. То, что следует, отсюда не вытекает."),
}
FORM = (("student", "attempt"), ("critic", "objection"), ("reformulator", "repair"))


def can_play(language: str) -> bool:
    """Whether hard places are played in a language."""
    return language in ASKED and language in TABLES


def question_about(before: str, language: str) -> Turn:
    """The teacher's question about what came after a sentence: its last words, quoted."""
    words = before.split()
    quoted = ("… " if len(words) > QUOTED_WORDS else "") + TABLES[language].within(words[-QUOTED_WORDS:])
    return Turn("teacher", "question", ASKED[language].format(before=quoted))


def scene_of_played(line: Mapping[str, Any]) -> Scene:
    """The scene of a line of played.jsonl."""
    turns: Sequence[Mapping[str, Any]] = line["turns"]
    said = tuple(Turn(turn["speaker"], turn["span"], turn["text"]) for turn in turns)
    return Scene(line["id"], "played", "", "", {}, said, "", "", (), line["language"])
