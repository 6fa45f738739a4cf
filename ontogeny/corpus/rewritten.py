"""What a replay reads of a hard place, as units of a pack: the scene that was played there, the scene that a rule makes
of it, or the paragraph it stands in."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from ontogeny.corpus.journal import Texts
from ontogeny.corpus.layout import PASSAGE, SCENE, code_of
from ontogeny.corpus.pack import Part
from ontogeny.scenes.gap import has_gaps, split_sentences
from ontogeny.scenes.journal import make_journal_scene
from ontogeny.scenes.played import scene_of_played
from ontogeny.scenes.shape import Scene, render

Unit = list[list[Part]]  # the text before, then turn by turn
PLAYED, JOURNAL_SCENE, JOURNAL = "played", "journal scene", "journal"
NEAR_CHARS = 6000  # on each side: where the sentences stand that serve as attempts


def played_unit(texts: Texts, line: Mapping[str, Any], number: int, most_tokens: int) -> Unit | None:
    """A scene of played.jsonl behind the text it was played about; None where it does not fit a row."""
    unit = _unit(texts, f"{line['text']}\n\n", scene_of_played(line), number)
    return unit if _tokens(unit) <= most_tokens else None


def paragraph_unit(texts: Texts, entry: Mapping[str, Any], number: int, most_tokens: int) -> Unit:
    """An entry as it was read: its paragraph."""
    ids = texts.context_ids(entry, most_tokens)
    return [[Part(ids, np.zeros(len(ids), np.uint8), PASSAGE, number)]]


def scene_unit(texts: Texts, entry: Mapping[str, Any], number: int, most_tokens: int) -> Unit | None:
    """An entry as a journal scene behind what its paragraph says before it. None: no scene can be made of it, or it does
    not fit a row.

    A pure function of the entry, its book and the seed; nothing that the stage did not read is looked at."""
    manifest, book = texts.corpus.manifest, texts.of(entry["book"])
    if not has_gaps(manifest["language"]):
        return None
    ranges = texts.paragraph(entry)
    above = "".join(book[start : min(end, entry["start"])] for start, end in ranges if start < entry["start"]).rstrip()
    below = "".join(book[max(start, entry["end"]) : end] for start, end in ranges if end > entry["end"])
    before = book[entry["before_start"] : entry["start"]].strip()
    after = split_sentences(below.strip())
    if not (above and before and after):
        return None
    near = texts.read_of(entry, entry["start"] - NEAR_CHARS, entry["end"] + NEAR_CHARS)
    attempts = [one.text for start, end in near for one in split_sentences(book[start:end].replace("\n\n", "\n"))]
    record = next(one for one in manifest["books"] if one["id"] == entry["book"])
    scene = make_journal_scene(
        before,
        entry["text"],
        after[0].text,
        attempts,
        language=manifest["language"],
        scene_id=f"journal-{entry['book']}-{entry['start']}",
        field=record["field"],
        level=record["level"],
        rng=random.Random(f"{manifest['seed']}|journal scene|{entry['book']}|{entry['start']}"),
    )
    if scene is None:
        return None
    unit = _unit(texts, f"{above}\n\n", scene, number)
    return unit if _tokens(unit) <= most_tokens else None


def _unit(texts: Texts, text: str, scene: Scene, number: int) -> Unit:
    pieces, roles = render(scene), texts.corpus.role_names
    coded = texts.encoder.encode([text, *(piece.text for piece in pieces)], f"scene {scene.id}")
    unit: Unit = [[Part(coded[0], np.zeros(len(coded[0]), np.uint8), PASSAGE, number)]]
    turns: list[list[Part]] = [[] for _ in scene.turns]
    for piece, ids in zip(pieces, coded[1:], strict=True):
        codes = np.full(len(ids), code_of(piece.span, piece.speaker, roles), np.uint8)
        turns[piece.turn].append(Part(ids, codes, SCENE, number))
    return [*unit, *turns]


def _tokens(unit: Unit) -> int:
    return sum(len(part.ids) for turn in unit for part in turn)
