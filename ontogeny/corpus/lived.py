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
from ontogeny.corpus.sealed import Sealed

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


def lived_roots(corpus: Corpus, stage_index: int, folder: Path) -> dict[str, str]:
    """The order root of each phase of which a stage's weights decided something; nothing of a stage read as declared.

    Computes: chain_root("<stage>/<phase>", [SHA-256 of each file sealed for the phase, digests of the rows as fed]).
    A self-chosen stage's packs come in the chosen order, each epoch."""
    sealed, entry = Sealed(folder, corpus, stage_index), corpus.manifest["stages"][stage_index]
    roots = {}
    if corpus.book_packs(stage_index) or sealed.attempts:
        roots["books"] = chain_root(root_name(entry["name"], "books"), _books(corpus, stage_index, sealed))
    for phase, decided in (("replay", sealed.replay_rows), ("roles", sealed.attempts)):
        if decided:
            digests = [*sealed.digests(phase), *corpus.phase_digests(stage_index, phase, sealed)]
            roots[phase] = chain_root(root_name(entry["name"], phase), digests)
    return roots


def _books(corpus: Corpus, stage_index: int, sealed: Sealed) -> list[bytes]:
    """What is hashed of a stage's books: the files sealed for them, then each row as fed."""
    fed = list(corpus.phase_digests(stage_index, "books", sealed))
    files = sealed.digests("books")
    runs = corpus.book_packs(stage_index)
    if runs:
        choices, _ = read_choices(sealed.folder, list(runs))
        packs = [first + at for first, count in (runs[book] for book in order_of(choices)) for at in range(count)]
        files = [bytes.fromhex(file_sha256(sealed.folder / CHOICES)), *files]
        fed = [fed[pack] for pack in packs] * epochs_of(corpus.manifest["stages"][stage_index]["span"])
    return files + fed
