"""Answers without foils: how well a model foresees them, in bits per byte."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ontogeny.probes.intervals import interval_of_ratio
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked, result_row, row_of


@dataclass(frozen=True)
class AnswerSet:
    """Items as rows of one end: the answer after its context."""

    probe: str
    on: str
    split: str | None
    rows: tuple[Row, ...]
    bytes_of: tuple[int, ...]
    vocab_size: int

    def results(self, nats: Mapping[int, Sequence[float]], seed: int) -> list[dict[str, Any]]:
        """One form, as bits_per_byte has it; `chance` is what guessing every token alike would cost."""
        bits = [nats[i][0] / math.log(2) for i in range(len(self.rows))]
        total_bytes, tokens = sum(self.bytes_of), sum(len(row.ends[0]) for row in self.rows)
        chance = tokens * math.log2(self.vocab_size) / total_bytes
        interval = interval_of_ratio(bits, self.bytes_of, seed)
        value = sum(bits) / total_bytes
        return [result_row(self, "per_byte", value, "bits/byte", chance, len(bits), interval, higher=False)]


def make_answer_set(
    asked: Asked, probe: str, on: str, split: str | None, lines: Sequence[Mapping[str, Any]]
) -> AnswerSet | None:
    """The answers as rows; those that fit no row are left out. None: nothing is left."""
    where = f"{probe} items of {on}"
    contexts, answers = (asked.encoder.encode([line[key] for line in lines], where) for key in ("context", "answer"))
    rows = [row_of(asked, context, [answer]) for context, answer in zip(contexts, answers, strict=True)]
    sizes = [len(line["answer"].encode()) for line in lines]
    kept = [(row, size) for row, size in zip(rows, sizes, strict=True) if row is not None]
    if not kept:
        return None
    some, bytes_of = zip(*kept, strict=True)
    return AnswerSet(probe, on, split, some, bytes_of, asked.encoder.vocab_size)
