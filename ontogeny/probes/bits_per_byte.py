"""Bits per byte of held-out passages: how well a model foresees a stage's own text."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ontogeny.core.errors import Fault, ModelError
from ontogeny.corpus.vocabulary import Encoder
from ontogeny.probes.intervals import interval_of_ratio
from ontogeny.probes.scoring import Row

MAX_SET_TOKENS = 1600


@dataclass(frozen=True)
class PassageSet:
    """The held-out passages of one stage and split, as rows to be scored; `rows_of` says which rows a passage has."""

    on: str
    split: str
    rows: tuple[Row, ...]
    rows_of: tuple[tuple[int, ...], ...]
    bytes_of: tuple[int, ...]


def make_passage_set(folder: Path, on: str, split: str, encoder: Encoder, context_tokens: int) -> PassageSet | None:
    """Uncontaminated passages in an order given by their hash, until MAX_SET_TOKENS are full.

    A passage longer than a row goes on in a next row, which begins with BOS again, as a pack does. None: the split
    holds no passage. Raises: ModelError if the file cannot be read."""
    passages = [
        one
        for one in read_lines(folder / on / "heldout.jsonl")
        if one["split"] == split and not one["contaminated"] and one["text"].strip()
    ]
    if not passages:
        return None
    passages.sort(key=lambda one: hashlib.sha256(f"{one['book']}|{one['start']}".encode()).digest())
    coded = encoder.encode([one["text"] for one in passages], f"corpus/{on}/heldout.jsonl")
    chosen = _within(coded)
    rows: list[Row] = []
    rows_of = []
    for i in chosen:
        pieces = [coded[i][k : k + context_tokens - 1] for k in range(0, len(coded[i]), context_tokens - 1)]
        rows_of.append(tuple(range(len(rows), len(rows) + len(pieces))))
        rows += [Row((encoder.bos_id,), (tuple(map(int, piece)),)) for piece in pieces]
    return PassageSet(on, split, tuple(rows), tuple(rows_of), tuple(len(passages[i]["text"].encode()) for i in chosen))


def passage_results(
    passages: PassageSet, nats: Mapping[int, Sequence[float]], vocab_size: int, seed: int
) -> list[dict[str, Any]]:
    """The probe's row of one set. `chance` is what guessing every token alike would cost."""
    bits = [sum(nats[i][0] for i in rows) / math.log(2) for rows in passages.rows_of]
    total_bytes = sum(passages.bytes_of)
    tokens = sum(len(row.ends[0]) for row in passages.rows)
    return [
        {
            "probe": "bits_per_byte",
            "on": passages.on,
            "split": passages.split,
            "form": "per_byte",
            "value": sum(bits) / total_bytes,
            "unit": "bits/byte",
            "chance": tokens * math.log2(vocab_size) / total_bytes,
            "n": len(bits),
            "ci95": interval_of_ratio(bits, passages.bytes_of, seed),
            "higher_is_better": False,
            "parts": [[round(one, 6), size] for one, size in zip(bits, passages.bytes_of, strict=True)],
        }
    ]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """A JSONL file of the corpus. Raises: ModelError that names the file and the line."""
    lines: list[dict[str, Any]] = []
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                lines.append(json.loads(line))
        return lines
    except (OSError, ValueError) as error:
        where = f"corpus/{path.parent.name}/{path.name}:{len(lines) + 1}"
        raise ModelError(
            Fault(
                "a probe cannot read its items.",
                where,
                getattr(error, "strerror", None) or str(error),
                "a JSONL file written by prepare",
                "prepare the corpus again",
            )
        ) from error


def _within(coded: Sequence[Any]) -> list[int]:
    """The numbers of the passages that fit, in order; the shortest where none does."""
    chosen, total = [], 0
    for i, ids in enumerate(coded):
        if total + len(ids) <= MAX_SET_TOKENS:
            chosen.append(i)
            total += len(ids)
    return chosen or [min(range(len(coded)), key=lambda i: len(coded[i]))]
