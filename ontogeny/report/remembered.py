"""What was hard and what became of it: the journal's entries, and the scenes that the orchestra played about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ontogeny.report.figures import count, plural, real, signed
from ontogeny.report.read import Life, listed, number
from ontogeny.report.tables import Table

FATES = ("learned", "still hard", "noise")
SHOWN_ENTRIES, SHOWN_SCENES, SHOWN_CHARS = 12, 6, 160


def newest_journal(life: Life) -> list[dict[str, Any]]:
    """The entries as the last stage that wrote a journal left them; it carries those of the stages before."""
    return next((list(stage.journal) for stage in reversed(life.stages) if stage.journal), [])


def fate_table(life: Life) -> Table | None:
    """How many entries of each stage met which fate."""
    entries = newest_journal(life)
    if not entries:
        return None
    by_stage = {
        name: Counter(str(one.get("fate")) for one in entries if one.get("stage") == name) for name in _stages(entries)
    }
    rows = [
        (
            name,
            count(sum(fates.values())),
            *(count(fates[fate]) for fate in FATES),
            _mean(entries, name, lambda one: number(one.get("surprise_nats"))),
            _mean(entries, name, _now),
            _mean(entries, name, lambda one: number(one.get("reducible_nats"))),
        )
        for name, fates in by_stage.items()
    ]
    return Table(
        ("entered in", "entries", *FATES, "surprise when read", "now", "reducible"),
        tuple(rows),
        note="Transitions between sentences, by the surprise (nats a token) of the second. Reducible: under the trunk "
        "that entered the stage, less under the trunk that ended it. Now: under the newest trunk that was asked.",
    )


def entry_table(life: Life) -> Table | None:
    """The entries of greatest reducible surprise."""
    entries = newest_journal(life)
    entries.sort(key=lambda one: -(number(one.get("reducible_nats")) or 0.0))
    if not entries:
        return None
    rows = tuple(
        (
            str(one.get("stage")),
            str(one.get("book")),
            _cut(str(one.get("text"))),
            str(one.get("fate")),
            real(number(one.get("surprise_nats"))),
            real(_now(one)),
            signed(number(one.get("reducible_nats"))),
        )
        for one in entries[:SHOWN_ENTRIES]
    )
    columns = ("stage", "book", "the sentence that surprised", "fate", "when read", "now", "reducible")
    title = f"The {len(rows)} of greatest reducible surprise"
    return Table(columns, rows, 4, title=title, fold="open")


def played_table(life: Life) -> Table | None:
    """How many scenes were played on entering each stage, and why those that were not taken were not."""
    rows = []
    for stage in life.stages:
        if stage.played:
            taken = sum(bool(one.get("accepted")) for one in stage.played)
            why = Counter(str(one.get("refused")) for one in stage.played if not one.get("accepted"))
            told = ", ".join(f"{plural(times, 'time')} {reason}" for reason, times in why.most_common())
            rows.append((stage.folder, count(len(stage.played)), count(taken), told or "-"))
    if not rows:
        return None
    return Table(("on entering", "played", "taken", "not taken"), tuple(rows), title="Scenes the orchestra played")


def transcripts(life: Life) -> list[tuple[str, str, list[tuple[str, str, bool]]]]:
    """(stage folder, verdict, [(speaker, text, whether it was played)]) of some played scenes, the newest stages first;
    those that were taken come before those that were not."""
    found = []
    for stage in reversed(life.stages):
        for one in sorted(stage.played, key=lambda one: not one.get("accepted")):
            turns = [
                (str(turn.get("speaker")), str(turn.get("text")), bool(turn.get("played")))
                for turn in listed(one.get("turns"))
                if isinstance(turn, dict)
            ]
            gain = signed(number(one.get("gain_nats")))
            verdict = f"taken, gain {gain} nats/token" if one.get("accepted") else f"not taken: {one.get('refused')}"
            found.append((stage.folder, verdict, turns))
    return found[:SHOWN_SCENES]


def _stages(entries: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(str(one.get("stage")) for one in entries))


def _mean(entries: list[dict[str, Any]], stage: str, value: Callable[[dict[str, Any]], float | None]) -> str:
    values = [found for one in entries if one.get("stage") == stage and (found := value(one)) is not None]
    return real(sum(values) / len(values)) if values else ""


def _now(entry: dict[str, Any]) -> float | None:
    """Under the newest trunk that was asked: the last of surprise_by_stage."""
    followed = listed(entry.get("surprise_by_stage"))
    return number(followed[-1][1]) if followed else number(entry.get("now_nats"))


def _cut(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= SHOWN_CHARS else words[: SHOWN_CHARS - 1] + "…"
