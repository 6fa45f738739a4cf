"""Authored scenes: a tension in a field of knowledge and the way out of it, read from a stage's scenes.yaml.

A conflict is a tension of its field; a mismatch breaks an expectation that the reading has built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import regex
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ontogeny.core.errors import Fault, LibraryError
from ontogeny.core.positions import Document, load_known_yaml, model_faults, shown
from ontogeny.scenes.shape import SPANS, Scene, Turn

AUTHORED = ("conflict", "mismatch")
Words = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Part(BaseModel):
    """A part of a scene's file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AuthoredTrigger(Part):
    """Where in a book a scene belongs: exactly one of the keys."""

    phrase: Words | None = Field(None, description="words a paragraph holds, in any case")
    pattern: Words | None = Field(None, description="a regular expression a paragraph holds")
    topic: Words | None = Field(None, description="a term that a paragraph, or the chapter around it, is about")
    after: Literal["chapter"] | None = Field(None, description="the end of a chapter")

    @model_validator(mode="after")
    def _one_key(self) -> AuthoredTrigger:
        if sum(value is not None for value in (self.phrase, self.pattern, self.topic, self.after)) != 1:
            raise ValueError("exactly one of {phrase: ...}, {pattern: ...}, {topic: ...}, {after: chapter}")
        if self.pattern is not None:
            try:
                regex.compile(self.pattern)
            except regex.error as problem:
                raise ValueError(f"a regular expression that compiles ({problem})") from None
        return self


class AuthoredTurn(Part):
    """One speaker's words."""

    speaker: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    span: Literal["plain", "question", "attempt", "objection", "repair", "reflection"]
    text: Words


class AuthoredScene(Part):
    """One scene as its author wrote it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    kind: Literal["conflict", "mismatch"]
    field: Words
    level: Words
    trigger: AuthoredTrigger
    turns: Annotated[list[AuthoredTurn], Field(min_length=2)]
    resolution_expected: Words
    foil: Words
    tags: list[str] = []
    language: Annotated[str, Field(min_length=2, max_length=3)]

    @model_validator(mode="after")
    def _a_way_out(self) -> AuthoredScene:
        if not any(turn.span == "repair" for turn in self.turns):
            raise ValueError("turns, one of them with span: repair")
        if self.resolution_expected.strip() == self.foil.strip():
            raise ValueError("a foil that differs from resolution_expected")
        return self

    def scene(self, where: str = "") -> Scene:
        """The scene as the rest of the house knows it: outer blanks gone, a turn's lines joined."""
        turns = tuple(Turn(turn.speaker, turn.span, " ".join(turn.text.split())) for turn in self.turns)
        trigger = {key: value for key, value in self.trigger.model_dump().items() if value is not None}
        return Scene(
            self.id,
            self.kind,
            self.field,
            self.level,
            trigger,
            turns,
            " ".join(self.resolution_expected.split()),
            " ".join(self.foil.split()),
            tuple(self.tags),
            self.language,
            where,
        )


assert set(AuthoredScene.model_fields["kind"].annotation.__args__) == set(AUTHORED)
assert set(AuthoredTurn.model_fields["span"].annotation.__args__) == set(SPANS)


def load_scenes(path: Path, language: str) -> list[Scene]:
    """The authored scenes of a file that are in `language`, in the file's order.

    Raises: LibraryError with every fault of the file; a file without a scene in that language is one."""
    scenes = read_scenes(path)
    spoken = [scene for scene in scenes if scene.language == language]
    if not spoken:
        raise LibraryError(
            Fault(
                f"a file holds no scene in language '{language}'.",
                shown(path),
                ", ".join(sorted({scene.language for scene in scenes})) or "no scene at all",
                f"scenes with language: {language}",
                "write some, or change the genome's language",
            )
        )
    return spoken


def read_scenes(path: Path) -> list[Scene]:
    """The authored scenes of a file, of every language. Raises: LibraryError with every fault of the file."""
    document = load_known_yaml(path, LibraryError)
    if not isinstance(document.value, list):
        raise LibraryError(
            Fault(
                "a file of scenes is not a list.",
                document.at(()),
                type(document.value).__name__,
                "a list of scenes, each `- id: ...`",
                "begin each scene with `- id:`",
            )
        )
    faults: list[Fault] = []
    scenes = [
        scene
        for index, value in enumerate(document.value)
        if (scene := _one(document, index, value, faults)) is not None
    ]
    faults.extend(_double_ids(document, document.value))
    if faults:
        raise LibraryError(faults)
    return scenes


def _one(document: Document, index: int, value: object, faults: list[Fault]) -> Scene | None:
    if not isinstance(value, dict):
        faults.append(
            Fault(
                "a scene is not a mapping.",
                document.at((index,)),
                repr(value)[:80],
                "id, kind, trigger, turns, ...",
                "indent the scene's fields under `- id:`",
            )
        )
        return None
    found, authored = model_faults(AuthoredScene, value, document, (index,))
    faults.extend(found)
    return authored.scene(document.at((index,))) if authored is not None else None


def _double_ids(document: Document, values: list) -> list[Fault]:
    seen: set[str] = set()
    faults = []
    for index, value in enumerate(values):
        name = value.get("id") if isinstance(value, dict) else None
        if name in seen:
            faults.append(
                Fault(
                    f"two scenes are named '{name}'.",
                    document.at((index, "id")),
                    repr(name),
                    "an id of its own for every scene",
                    "rename one of them",
                )
            )
        if isinstance(name, str):
            seen.add(name)
    return faults
