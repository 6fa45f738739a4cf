"""Journal scenes: a hard transition of a book already read, put as a scene that mends with the sentence itself."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ontogeny.scenes.gap import ask, choose_attempt, lacking_words, object_to
from ontogeny.scenes.language import TABLES
from ontogeny.scenes.shape import Scene, Turn


def make_journal_scene(
    before: str,
    hard: str,
    after: str,
    attempts: Sequence[str],
    *,
    language: str,
    scene_id: str,
    field: str,
    level: str,
    rng: random.Random,
) -> Scene | None:
    """A scene about the sentence that was `hard` to foresee between two others; None where no attempt will do.

    `attempts` are sentences of the same book. Nothing is moved: the book was read before, and is read again here."""
    table = TABLES[language]
    attempt = choose_attempt(hard, attempts, rng, (before, after), language)
    lacking = lacking_words(attempt, after, table) if attempt else []
    if attempt is None or not lacking:
        return None
    turns = (
        Turn("teacher", "question", ask(before, after, table, rng.choice(table.missing))),
        Turn("student", "attempt", attempt),
        Turn("critic", "objection", object_to(lacking, table, rng.choice(table.objections))),
        Turn("reformulator", "repair", " ".join(hard.split())),
    )
    return Scene(scene_id, "journal", field, level, {}, turns, " ".join(hard.split()), attempt, (), language)
