"""The order in which a self-chosen stage was really read: what its trunk chose, as sealed/choices.json keeps it.

    {"entry_nats": {book: surprise on entering the stage},
     "chosen": [{"book": the first declared, "now_nats": {}}, {"book": ..., "now_nats": {unread book: surprise}}, ...]}

Surprise is the mean over the loss-bearing tokens of the book's first pack, in nats a token."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ontogeny.core.errors import Fault
from ontogeny.core.hashes import chain_root, file_sha256
from ontogeny.core.positions import shown
from ontogeny.corpus.layout import root_name
from ontogeny.corpus.phases import epochs_of
from ontogeny.corpus.rows import Corpus

CHOICES = "sealed/choices.json"
MEND = "bring the file back from a copy; without it the order that was lived cannot be proven"


def choose(entry_nats: Mapping[str, float], now_nats: Mapping[str, float], declared: Sequence[str]) -> str:
    """The unread book whose surprise fell most since the stage was entered; of equals, the one declared first."""
    return max((book for book in declared if book in now_nats), key=lambda book: entry_nats[book] - now_nats[book])


def order_of(choices: dict[str, Any]) -> list[str]:
    """The books as they were chosen."""
    return [choice["book"] for choice in choices["chosen"]]


def read_choices(folder: Path, declared: Sequence[str]) -> tuple[dict[str, Any], list[Fault]]:
    """What a stage folder has sealed, and what is wrong with it; `declared`: the books in declared order."""
    path = Path(folder) / CHOICES
    try:
        choices = json.loads(path.read_bytes())
        problem = _shape_problem(choices, declared)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as unreadable:
        choices, problem = {}, ("", f"{type(unreadable).__name__}: {unreadable}", "the choices as they were sealed")
    if problem is None:
        return choices, []
    place, got, expected = problem
    what = "the sealed choices of a stage are not what its trunk decided."
    return choices, [Fault(what, shown(path) + place, got, expected, MEND)]


def _shape_problem(choices: dict[str, Any], declared: Sequence[str]) -> tuple[str, str, str] | None:
    """(place, got, expected) of the first thing that no trunk can have decided."""
    if set(choices) != {"entry_nats", "chosen"}:
        return "", f"{', '.join(choices)}", "entry_nats and chosen"
    entry = choices["entry_nats"]
    if list(entry) != list(declared[1:]):
        return ": entry_nats", f"books {', '.join(entry)}", f"every book but the first: {', '.join(declared[1:])}"
    unread = list(declared)
    for number, choice in enumerate(choices["chosen"]):
        book, now = choice["book"], choice["now_nats"]
        place = f": choice {number + 1}"
        if book not in unread:
            return place, f"book '{book}'", f"one of the unread: {', '.join(unread)}"
        if set(choice) != {"book", "now_nats"} or list(now) != (unread if number else []):
            return place, f"the surprise of {', '.join(now)}", f"that of the unread: {', '.join(unread)}"
        if not all(isinstance(nats, float) and math.isfinite(nats) for nats in (*entry.values(), *now.values())):
            return place, "a surprise that is no number", "numbers"
        best = choose(entry, now, declared) if number else declared[0]
        if book != best:
            return place, f"book '{book}'", f"book '{best}', {_gain(entry, now, best)}"
        unread.remove(book)
    return None


def _gain(entry: Mapping[str, float], now: Mapping[str, float], book: str) -> str:
    if book not in now:
        return "the first declared"
    return f"whose surprise fell most: {entry[book]:.6f} - {now[book]:.6f} nats"


def lived_root(corpus: Corpus, stage_index: int, folder: Path) -> str | None:
    """The order root of the books as a self-chosen stage read them; None for a stage read as declared.

    Computes: chain_root("<stage>/books", [SHA-256 of choices.json, digests of the packs in the chosen order, each
    epoch])."""
    runs = corpus.book_packs(stage_index)
    if not runs:
        return None
    choices, _ = read_choices(folder, list(runs))
    shard = corpus.shard(stage_index)
    packs = [first + at for first, count in (runs[book] for book in order_of(choices)) for at in range(count)]
    digests = [shard.digests[pack].tobytes() for pack in packs] * epochs_of(shard.entry["span"])
    sealed = bytes.fromhex(file_sha256(Path(folder) / CHOICES))
    return chain_root(root_name(shard.entry["name"], "books"), [sealed, *digests])
