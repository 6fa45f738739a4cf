"""What a scene is, and how it becomes lines of text.

A scene is a group of turns put into a book. In plain rendering a turn is a line, `Student: ...`; no token
is added to any vocabulary. The blank after the colon belongs to the turn, not to the label, because
byte-level vocabularies hold their words with the blank before them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ontogeny.scenes.language import speaker_label

NARRATOR = "narrator"
SPANS = ("plain", "question", "attempt", "objection", "repair", "reflection")


@dataclass(frozen=True)
class Turn:
    """One speaker's words in a scene; `span` says what they are for (one of SPANS)."""

    speaker: str
    span: str
    text: str


@dataclass(frozen=True)
class Scene:
    """Turns, where they belong, and what should come of them. `where`: the file and line of an authored one."""

    id: str
    kind: str
    field: str
    level: str
    trigger: dict[str, str]
    turns: tuple[Turn, ...]
    resolution_expected: str
    foil: str
    tags: tuple[str, ...]
    language: str
    where: str = dataclasses.field(default="", compare=False)


@dataclass(frozen=True)
class Made:
    """A scene made of a book's own sentences, and the characters of the text at hand that it moves: [start, end)."""

    scene: Scene
    start: int
    end: int


@dataclass(frozen=True)
class Piece:
    """A run of rendered text that one speaker says in one span; `turn` counts the turns from 0."""

    text: str
    span: str
    speaker: str
    turn: int


def render(scene: Scene) -> list[Piece]:
    """The scene in plain rendering: for each turn a label (the narrator has none), then its text and "\\n".

    The last turn ends with a blank line, so that a scene is a paragraph group."""
    pieces = []
    for index, turn in enumerate(scene.turns):
        end = "\n\n" if index == len(scene.turns) - 1 else "\n"
        if turn.speaker == NARRATOR:
            pieces.append(Piece(turn.text + end, turn.span, NARRATOR, index))
        else:
            pieces.append(Piece(label(turn.speaker, scene.language), "plain", NARRATOR, index))
            pieces.append(Piece(led(turn.text) + end, turn.span, turn.speaker, index))
    return pieces


def led(text: str) -> str:
    """A turn's text as it follows its label: after a blank, or on a line of its own where it begins with one."""
    return text if text.startswith("\n") else f" {text}"


def label(speaker: str, language: str) -> str:
    """How a speaker's line begins: `Student:`."""
    return f"{speaker_label(speaker, language)}:"


def render_until_repair(scene: Scene) -> str:
    """The scene's text up to and including the label of its last repair: what a probe asks to continue."""
    last = max(index for index, turn in enumerate(scene.turns) if turn.span == "repair")
    before = "".join(piece.text for piece in render(scene) if piece.turn < last)
    return before + label(scene.turns[last].speaker, scene.language)
