"""What an item of a probe is, and what its makers are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ontogeny.core.errors import CorpusError, Fault
from ontogeny.corpus.heldout import HeldOut
from ontogeny.scenes.shape import Scene


@dataclass(frozen=True)
class Item:
    """A context, an answer, and foils matched to it; scored are the ends, each as if it alone followed the context.

    `on` is the stage or the item set, `template` what items share that are not independent (its own id where nothing),
    `more` what a probe needs beside these (texts of other conditions, numbers)."""

    id: str
    probe: str
    kind: str
    on: str
    split: str
    template: str
    context: str
    answer: str
    foils: tuple[str, ...]
    book: str | None = None
    contaminated: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_line(self) -> dict[str, Any]:
        """The item as a line of items.jsonl."""
        return asdict(self)


@dataclass(frozen=True)
class Material:
    """What the makers of a stage's items are given: its held-out passages and authored scenes, its definitions."""

    stage: str
    seed: int
    language: str
    passages: Sequence[HeldOut]
    scenes: Sequence[Scene] = ()
    definitions: Sequence[Mapping[str, Any]] = ()


def check_items(items: Sequence[Item], where: str) -> None:
    """Refuses what no probe could score. Raises: CorpusError with the faults of all items."""
    seen: set[tuple[str, str]] = set()
    faults = []
    for item in items:
        if item.answer.strip() in {foil.strip() for foil in item.foils}:
            faults.append(_fault("an item's foil equals its answer.", where, item, repr(item.answer), "another foil"))
        if not item.answer.strip() or not item.foils:
            faults.append(_fault("an item has no answer or no foil.", where, item, "nothing", "an answer and a foil"))
        if (item.probe, item.id) in seen:
            faults.append(_fault("two items have one id.", where, item, repr(item.id), "an id of its own"))
        seen.add((item.probe, item.id))
    if faults:
        raise CorpusError(faults)


def _fault(what: str, where: str, item: Item, got: str, expected: str) -> Fault:
    return Fault(what, f"{where}, {item.probe} item '{item.id}'", got, expected, "correct the item")
