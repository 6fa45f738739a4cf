"""What a replay reads of a hard place: the scene played there, the scene that a rule makes of it, or its paragraph."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ontogeny.corpus.journal import Texts
from ontogeny.corpus.layout import code_of
from ontogeny.scenes.gap import has_gaps, split_sentences
from ontogeny.scenes.journal import make_journal_scene
from ontogeny.scenes.played import scene_of_played
from ontogeny.scenes.shape import Scene, render

NEAR_CHARS = 6000  # on each side: where the sentences stand that serve as attempts


@dataclass(frozen=True)
class Unit:
    """Tokens that stay together in a row, their span codes, and what they are: {kind, ...}."""

    ids: np.ndarray
    codes: np.ndarray
    told: dict[str, Any]


def played_unit(texts: Texts, line: Mapping[str, Any]) -> Unit | None:
    """A scene of played.jsonl behind the text it was played about; None where it does not fit a row."""
    place = {key: line[key] for key in ("id", "stage", "book", "start")}
    return _scene(texts, line["text"], scene_of_played(line), {"kind": "played", **place})


def entry_unit(texts: Texts, entry: Mapping[str, Any], as_scene: bool) -> Unit:
    """An entry of a journal as it is replayed: a journal scene where one is wanted and can be made, else its paragraph,
    weighed as plain text."""
    place = {key: entry[key] for key in ("stage", "pass", "book", "start", "end")}
    if as_scene and (unit := _journal_scene(texts, entry, place)) is not None:
        return unit
    ids = texts.context_ids(entry, texts.corpus.context_tokens - 1)
    return Unit(ids, np.zeros(len(ids), np.uint8), {"kind": "journal", **place})


def _journal_scene(texts: Texts, entry: Mapping[str, Any], place: dict[str, Any]) -> Unit | None:
    """The scene about an entry, behind what its paragraph says before it. None: none can be made, or it is too long.

    A pure function of the entry, its book and the seed; nothing that the stage did not read is looked at."""
    manifest, book = texts.corpus.manifest, texts.of(entry["book"])
    if not has_gaps(manifest["language"]):
        return None
    ranges = texts.paragraph(entry)
    above = "".join(book[start : min(end, entry["start"])] for start, end in ranges if start < entry["start"]).strip()
    below = "".join(book[max(start, entry["end"]) : end] for start, end in ranges if end > entry["end"]).strip()
    before, after = book[entry["before_start"] : entry["start"]].strip(), split_sentences(below)
    if not (above and before and after):
        return None
    near = texts.read_of(entry, entry["start"] - NEAR_CHARS, entry["end"] + NEAR_CHARS)
    record = next(one for one in manifest["books"] if one["id"] == entry["book"])
    scene = make_journal_scene(
        before,
        entry["text"],
        after[0].text,
        _sentences(book, near),
        language=manifest["language"],
        scene_id=f"journal-{entry['book']}-{entry['start']}",
        field=record["field"],
        level=record["level"],
        rng=random.Random(f"{manifest['seed']}|journal scene|{entry['book']}|{entry['start']}"),
    )
    return scene and _scene(texts, above, scene, {**place, "kind": "journal scene"})


def _sentences(book: str, ranges: Sequence[tuple[int, int]]) -> list[str]:
    paragraphs = (paragraph for start, end in ranges for paragraph in book[start:end].split("\n\n"))
    return [sentence.text for paragraph in paragraphs for sentence in split_sentences(paragraph.strip())]


def _scene(texts: Texts, above: str, scene: Scene, place: dict[str, Any]) -> Unit | None:
    """Text, then a scene, as packs hold them."""
    pieces = render(scene)
    coded = texts.encoder.encode([f"{above}\n\n", *(piece.text for piece in pieces)], f"scene {scene.id}")
    kinds = [0, *(code_of(piece.span, piece.speaker, texts.corpus.role_names) for piece in pieces)]
    codes = [np.full(len(ids), kind, np.uint8) for ids, kind in zip(coded, kinds, strict=True)]
    ids = np.concatenate(coded)
    return Unit(ids, np.concatenate(codes), place) if len(ids) < texts.corpus.context_tokens else None
