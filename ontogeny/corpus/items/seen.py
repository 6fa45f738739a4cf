"""Which items are no test any more, because what they ask for stands in training text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ontogeny.corpus.heldout import standing
from ontogeny.corpus.items.shape import Item
from ontogeny.corpus.reading import BookReading
from ontogeny.corpus.shelf import Shelf
from ontogeny.corpus.workers import Workers


def mark_seen(
    stages: list[list[Item]],
    general: list[Item],
    readings: list[list[BookReading]],
    scene_texts: Sequence[str],
    shelf: Shelf,
    workers: Workers,
) -> tuple[list[list[Item]], list[Item]]:
    """Marks as contaminated the items whose answer (of a general item: or a foil) `standing` finds in training text."""
    ends = {item.answer for stage in stages for item in stage}
    ends |= {end for item in general for end in (item.answer, *item.foils)}
    told = sorted(ends)
    found = {
        end for end, stands in zip(told, standing(told, readings, scene_texts, shelf, workers), strict=True) if stands
    }
    marked = [
        [replace(item, contaminated=True) if item.answer in found else item for item in stage] for stage in stages
    ]
    return marked, [
        replace(item, contaminated=True) if found & {item.answer, *item.foils} else item for item in general
    ]
