"""Bits per byte of held-out passages: how well a model foresees a stage's own text."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ontogeny.probes.intervals import interval_of_ratio
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked, read_lines, result_row

MAX_SET_TOKENS = 1400


@dataclass(frozen=True)
class PassageSet:
    """The held-out passages of one stage and split, as rows to be scored; `rows_of` says which rows a passage has."""

    on: str
    split: str
    rows: tuple[Row, ...]
    rows_of: tuple[tuple[int, ...], ...]
    bytes_of: tuple[int, ...]
    vocab_size: int
    probe: str = "bits_per_byte"

    def results(self, nats: Mapping[int, Sequence[float]], seed: int) -> list[dict[str, Any]]:
        """The probe's row of one set. `chance` is what guessing every token alike would cost."""
        bits = [sum(nats[i][0] for i in rows) / math.log(2) for rows in self.rows_of]
        total_bytes = sum(self.bytes_of)
        tokens = sum(len(row.ends[0]) for row in self.rows)
        chance = tokens * math.log2(self.vocab_size) / total_bytes
        interval = interval_of_ratio(bits, self.bytes_of, seed)
        row = result_row(
            self, "per_byte", sum(bits) / total_bytes, "bits/byte", chance, len(bits), interval, higher=False
        )
        return [row | {"parts": [[round(one, 6), size] for one, size in zip(bits, self.bytes_of, strict=True)]}]


def make_passage_sets(asked: Asked) -> list[PassageSet]:
    """The passages of every stage asked, a set a split; a split without passages has none."""
    made = [
        make_passage_set(asked, on, split) for on in asked.stages for split in asked.splits_of(PassageSet.probe, on)
    ]
    return [one for one in made if one is not None]


def make_passage_set(asked: Asked, on: str, split: str) -> PassageSet | None:
    """Uncontaminated passages in an order given by their hash, until MAX_SET_TOKENS are full.

    A passage longer than a row goes on in a next row, which begins with BOS again, as a pack does. None: the split
    holds no passage. Raises: ModelError if the file cannot be read."""
    passages = [
        one
        for one in read_lines(asked.folder / on / "heldout.jsonl")
        if one["split"] == split and not one["contaminated"] and one["text"].strip()
    ]
    if not passages:
        return None
    passages.sort(key=lambda one: hashlib.sha256(f"{one['book']}|{one['start']}".encode()).digest())
    coded = asked.encoder.encode([one["text"] for one in passages], f"corpus/{on}/heldout.jsonl")
    chosen = _within(coded)
    rows: list[Row] = []
    rows_of = []
    for i in chosen:
        pieces = [coded[i][k : k + asked.context_tokens - 1] for k in range(0, len(coded[i]), asked.context_tokens - 1)]
        rows_of.append(tuple(range(len(rows), len(rows) + len(pieces))))
        rows += [Row((asked.encoder.bos_id,), (tuple(map(int, piece)),)) for piece in pieces]
    sizes = tuple(len(passages[i]["text"].encode()) for i in chosen)
    return PassageSet(on, split, tuple(rows), tuple(rows_of), sizes, asked.encoder.vocab_size)


def _within(coded: Sequence[Any]) -> list[int]:
    """The numbers of the passages that fit, in order; the shortest where none does."""
    chosen, total = [], 0
    for i, ids in enumerate(coded):
        if total + len(ids) <= MAX_SET_TOKENS:
            chosen.append(i)
            total += len(ids)
    return chosen or [min(range(len(coded)), key=lambda i: len(coded[i]))]
