"""Every maker of items, in one place."""

from __future__ import annotations

from collections.abc import Sequence

from ontogeny.corpus.items.bridges import make_bridge_items
from ontogeny.corpus.items.clozes import make_cloze_items
from ontogeny.corpus.items.definitions import make_definition_items
from ontogeny.corpus.items.gaps import make_gap_items
from ontogeny.corpus.items.minimal_pairs import make_minimal_pairs
from ontogeny.corpus.items.mismatches import make_mismatch_items
from ontogeny.corpus.items.repairs import make_repair_items
from ontogeny.corpus.items.shape import Item, Material, check_items
from ontogeny.corpus.items.trails import make_trails
from ontogeny.corpus.items.turns import make_coherence_items, make_dialogue_items


def stage_items(material: Material, earlier: Sequence[Material] = ()) -> list[Item]:
    """The items of a stage, from its own material; `earlier` stages give bridges their far side, and scenes foils."""
    gaps = make_gap_items(material)
    items = [*gaps, *make_repair_items(material, gaps), *make_coherence_items(material, gaps, earlier)]
    items += make_dialogue_items(material)
    items += make_bridge_items(material, earlier)
    items += make_mismatch_items(material)
    items += [*make_definition_items(material), *make_cloze_items(material)]
    check_items(items, f"corpus/{material.stage}/items.jsonl")
    return items


def general_items(seed: int, language: str) -> list[Item]:
    """The items that belong to no stage."""
    items = [*make_minimal_pairs(seed, language), *make_trails(seed, language)]
    check_items(items, "corpus/items.jsonl")
    return items
