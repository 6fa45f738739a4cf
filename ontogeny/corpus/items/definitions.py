"""Items of the definition probe: from what a word means to the word, authored in stages/<stage>/probes.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ontogeny.core.errors import Fault, LibraryError
from ontogeny.core.positions import Document, load_known_yaml, model_faults
from ontogeny.corpus.items.shape import Item, Material
from ontogeny.corpus.passages import DEALT, SPLITS, rank_of

PROBE = "definition"
FILE = "probes.yaml"
FOILS = 3
ASKED = {"en": "The word for this is", "ru": "Это называется словом"}
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
Words = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Definitions(BaseModel):
    """The file: a list under `definitions`, so that other material of probes can stand beside it later."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    definitions: list[Any]


class Definition(BaseModel):
    """What one word means, in one sentence that does not hold it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    word: Annotated[str, Field(pattern=r"^[^\W\d_]+([ '’-][^\W\d_]+)*$")]
    definition: Words
    pos: Literal["noun", "verb", "adjective", "adverb"]
    language: Annotated[str, Field(min_length=2, max_length=3)]

    @model_validator(mode="after")
    def _not_of_itself(self) -> Definition:
        if self.word.casefold() in _WORD.findall(self.definition.casefold()):
            raise ValueError(f"a definition without the word '{self.word}'")
        return self


def load_definitions(path: Path, language: str) -> list[dict[str, str]]:
    """The definitions of a file that are in `language`: {word, definition, pos, language}, in the file's order.

    A file without one in that language gives none. Raises: LibraryError with every fault of the file."""
    document = load_known_yaml(path, LibraryError)
    faults, file = model_faults(Definitions, document.value, document)
    found: list[tuple[int, Definition]] = []
    for index, value in enumerate(file.definitions if file else ()):
        told, definition = model_faults(Definition, value, document, ("definitions", index))
        faults.extend(told)
        if definition is not None:
            found.append((index, definition))
    faults += [*_double_words(document, found), *_lonely_words(document, found)]
    if faults:
        raise LibraryError(faults)
    return [
        {**one.model_dump(), "definition": " ".join(one.definition.split())}
        for _, one in found
        if one.language == language
    ]


def _double_words(document: Document, found: Sequence[tuple[int, Definition]]) -> list[Fault]:
    """A word twice could be the answer and a foil at once."""
    seen: set[tuple[str, str]] = set()
    faults = []
    for index, one in found:
        key = one.language, one.word.casefold()
        if key in seen:
            where = document.at(("definitions", index, "word"))
            fix = "remove one of them, or take another word"
            faults.append(Fault(f"the word '{one.word}' is defined twice.", where, one.word, "each word once", fix))
        seen.add(key)
    return faults


def _lonely_words(document: Document, found: Sequence[tuple[int, Definition]]) -> list[Fault]:
    """A word is asked among others of its part of speech: there must be as many."""
    faults, kinds = [], [(one.language, one.pos) for _, one in found]
    for index, one in found:
        kind = one.language, one.pos
        if kinds.index(kind) == [i for i, _ in found].index(index) and (count := kinds.count(kind)) <= FOILS:
            faults.append(
                Fault(
                    f"a word needs {FOILS} others of its part of speech as foils.",
                    document.at(("definitions", index, "pos")),
                    f"{count} of language '{one.language}' and pos '{one.pos}'",
                    f"at least {FOILS + 1}",
                    "define more of them, or none",
                )
            )
    return faults


def make_definition_items(material: Material) -> list[Item]:
    """The items of a stage: its definitions, dealt by hash within each part of speech; the foils are three other words.

    Within a split and a part of speech, words of nearly equal length make groups of four (the last holds the rest too),
    so each is the answer once and a foil three times, and neither its length nor its frequency tells which it is now.
    A split that has fewer takes its foils, the nearest in length, from the other splits."""
    items: list[Item] = []
    if (asked := ASKED.get(material.language)) is None:
        return items
    for pos in dict.fromkeys(one["pos"] for one in material.definitions):
        ranked = sorted(
            (one for one in material.definitions if one["pos"] == pos),
            key=lambda one: rank_of("definition|" + one["word"], 0),
        )
        for split in SPLITS:
            mine = [one for index, one in enumerate(ranked) if DEALT[index % len(DEALT)] == split]
            mine.sort(key=lambda one: len(one["word"]))
            foils = _foils(mine, ranked)
            items += [_item(material.stage, asked, one, split, foils[one["word"]]) for one in mine]
    return items


def _foils(mine: Sequence[Mapping[str, str]], everyone: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Word -> its foils. `mine` are the words of a split by length, `everyone` those of all splits by hash.

    In a group each word's foils are the three that follow it, the first following the last."""
    words, found = [one["word"] for one in mine], {}
    if len(words) <= FOILS:
        for word in words:
            near = sorted(everyone, key=lambda one: abs(len(one["word"]) - len(word)))
            found[word] = [one["word"] for one in near if one["word"] != word][:FOILS]
        return found
    size = FOILS + 1
    starts = range(0, len(words) - len(words) % size, size)
    for start in starts:
        group = words[start : start + size] if start != starts[-1] else words[start:]
        group = sorted(group, key=lambda word: rank_of("foils|" + word, 0))  # the next is not always the longer
        for place, word in enumerate(group):
            found[word] = [group[(place + step) % len(group)] for step in range(1, FOILS + 1)]
    return found


def _item(stage: str, asked: str, one: Mapping[str, str], split: str, foils: Sequence[str]) -> Item:
    name = f"definition-{one['word'].replace(' ', '-')}"
    context, ends = f"{one['definition']} {asked}", tuple(f" {foil}." for foil in foils)
    return Item(name, PROBE, one["pos"], stage, split, name, context, f" {one['word']}.", ends)
