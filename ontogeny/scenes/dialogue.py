"""Dialogue scenes: turns of a book's dialogue, a play or a transcript, told by the roles instead of its speakers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ontogeny.scenes.shape import Made, Scene, Turn

MIN_TURNS, MAX_TURNS = 2, 8
MIN_SPEAKERS, MAX_SPEAKERS = 2, 4
ROLES = ("student", "teacher", "critic", "reformulator")  # in this order; roles of other names come after them
PERSON, MODEL = "student", "teacher"
PERSONS = frozenset(
    ("user", "human", "person", "prompter", "you", "asker", "пользователь", "пользовательница", "человек", "вы")
)
MODELS = frozenset(
    (
        *("assistant", "ai", "model", "agent", "bot", "chatbot", "llm", "gpt", "chatgpt", "claude", "gemini"),
        *("ассистент", "ассистентка", "ии", "модель", "агент", "бот", "нейросеть"),
    )
)

_ASKS = re.compile(r"\?[!?.…]*[\"'”’»)\]]*\Z")
_PARAGRAPH_END = re.compile(r"\n{2,}")


def make_dialogue_scene(
    text: str,
    turns: Sequence[tuple[str, int, int]],
    *,
    cast: Sequence[str],
    language: str,
    scene_id: str,
    field: str,
    level: str,
) -> Made | None:
    """A dialogue of a text as a scene, or None where it has too few or too many turns or speakers.

    `turns` are (speaker, start, end) of the words of each, labels apart, in order and of a paragraph each. What is
    moved are their paragraphs, labels and blank lines included: the labels of the roles stand in for them. Nothing is
    wrong in a dialogue: it has no attempt, no repair and an empty foil, and what should come of it is its last turn."""
    told = roles_of((speaker for speaker, _, _ in turns), cast)
    if not MIN_TURNS <= len(turns) <= MAX_TURNS or not told:
        return None
    said = tuple(_turn(told[speaker], text[start:end].strip()) for speaker, start, end in turns)
    if not all(turn.text for turn in said):
        return None
    scene = Scene(scene_id, "dialogue", field, level, {}, said, said[-1].text, "", (), language)
    before = text.rfind("\n\n", 0, turns[0][1])
    after = _PARAGRAPH_END.search(text, turns[-1][2])
    return Made(scene, before + 2 if before >= 0 else 0, after.end() if after else len(text))


def roles_of(speakers: Iterable[str], cast: Sequence[str]) -> dict[str, str]:
    """Which role tells the words of each speaker; nothing where there are too few or too many of them.

    A person, as the labels of transcripts say, is PERSON, a model MODEL; the others take the roles that are left, in
    order of appearance."""
    names = list(dict.fromkeys(speakers))
    free = [role for role in ROLES if role in cast] + [role for role in cast if role not in ROLES]
    if not MIN_SPEAKERS <= len(names) <= min(MAX_SPEAKERS, len(free)):
        return {}
    told: dict[str, str] = {}
    for name in names:
        words = set(re.findall(r"[^\W\d_]+", name.casefold()))
        role = PERSON if words & PERSONS else MODEL if words & MODELS else None
        if role in free:
            told[name] = role
            free.remove(role)
    return told | dict(zip((name for name in names if name not in told), free, strict=False))


def _turn(role: str, words: str) -> Turn:
    return Turn(role, "question" if _ASKS.search(words) else "plain", words)
