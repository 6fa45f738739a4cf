"""Conflict resolution: does a model prefer what resolves a scene over a matched foil?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ontogeny.corpus.vocabulary import Encoder
from ontogeny.probes.bits_per_byte import read_lines
from ontogeny.probes.intervals import interval_of_mean, interval_of_share
from ontogeny.probes.scoring import Row


@dataclass(frozen=True)
class ItemSet:
    """Items of one stage and split: a row each, its stem the context, its ends the answer and the foil."""

    on: str
    split: str
    rows: tuple[Row, ...]
    bytes_of: tuple[tuple[int, int], ...]


def make_item_set(folder: Path, on: str, split: str, encoder: Encoder, context_tokens: int) -> ItemSet | None:
    """The items of a split as rows. Context and continuation are encoded apart, as turns are when packs are made.

    A context too long loses its beginning, equally for answer and foil; an item whose answer alone fills a row is left
    out, which n shows. None: nothing is left. Raises: ModelError if the file cannot be read."""
    lines = read_lines(folder / on / "items.jsonl")
    items = [item for item in lines if (item["probe"], item["split"]) == ("conflict_resolution", split)]
    where = f"corpus/{on}/items.jsonl"
    texts = (
        [item["context"] for item in items],
        [item["answer"] for item in items],
        [item["foils"][0] for item in items],
    )
    context, answer, foil = (encoder.encode(some, where) for some in texts)
    rows, sizes = [], []
    for i, item in enumerate(items):
        room = context_tokens - 1 - max(len(answer[i]), len(foil[i]))
        if room < 1 or not len(answer[i]) or not len(foil[i]):
            continue
        stem = (encoder.bos_id, *map(int, context[i][-room:]))
        rows.append(Row(stem, tuple(tuple(map(int, end[i])) for end in (answer, foil))))
        sizes.append((len(item["answer"].encode()), len(item["foils"][0].encode())))
    if not sizes:
        return None
    return ItemSet(on, split, tuple(rows), tuple(sizes))


def item_results(items: ItemSet, nats: Mapping[int, Sequence[float]], seed: int) -> list[dict[str, Any]]:
    """Three forms: the share of answers more likely than their foil, by sum and by byte; the margin in nats a byte."""
    pairs = [(nats[i][0], nats[i][1]) for i in range(len(items.rows))]
    summed = [_preferred(foil - answer) for answer, foil in pairs]
    margins = [
        foil / foil_bytes - answer / answer_bytes
        for (answer, foil), (answer_bytes, foil_bytes) in zip(pairs, items.bytes_of, strict=True)
    ]
    by_byte = [_preferred(margin) for margin in margins]
    common = {"probe": "conflict_resolution", "on": items.on, "split": items.split}
    n = len(pairs)
    return [
        {
            **common,
            "form": "sum",
            "value": sum(summed) / n,
            "unit": "fraction",
            "chance": 0.5,
            "n": n,
            "ci95": interval_of_share(summed, seed),
            "higher_is_better": True,
        },
        {
            **common,
            "form": "per_byte",
            "value": sum(by_byte) / n,
            "unit": "fraction",
            "chance": 0.5,
            "n": n,
            "ci95": interval_of_share(by_byte, seed),
            "higher_is_better": True,
        },
        {
            **common,
            "form": "margin",
            "value": sum(margins) / n,
            "unit": "nats/byte",
            "chance": 0.0,
            "n": n,
            "ci95": interval_of_mean(margins, seed),
            "higher_is_better": True,
        },
    ]


def _preferred(margin: float) -> float:
    """1 for the answer, 0 for the foil, one half for a tie."""
    return 0.5 if margin == 0 else float(margin > 0)
