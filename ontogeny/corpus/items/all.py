"""Every maker of items, in one place."""

from __future__ import annotations

from collections.abc import Sequence

from ontogeny.corpus.items.gaps import make_gap_items
from ontogeny.corpus.items.shape import Item, Material, check_items


def stage_items(material: Material, earlier: Sequence[Material] = ()) -> list[Item]:
    """The items of a stage, from its own material alone but for bridges, which lead to that of `earlier` stages."""
    items = make_gap_items(material)
    check_items(items, f"corpus/{material.stage}/items.jsonl")
    return items


def general_items(seed: int, language: str) -> list[Item]:
    """The items that belong to no stage."""
    items: list[Item] = []
    check_items(items, "corpus/items.jsonl")
    return items
