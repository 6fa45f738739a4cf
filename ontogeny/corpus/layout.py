"""How a corpus lies on the disk: names of files, kinds of columns, codes of tokens. See docs/design/0001."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.scenes.shape import NARRATOR, SPANS

VERSION = 3
NO_TARGET = 255
MAX_ROLES = 30
PASSAGE, SCENE = 0, 1
PHASES = ("books", "replay", "roles")
WEIGHTED_SPANS = ("question", "attempt", "objection", "repair")  # of loop_loss
SEGMENT = np.dtype(
    [
        ("pack", "<u4"),
        ("first_token", "<u4"),
        ("tokens", "<u4"),
        ("kind", "u1"),
        ("source", "<u4"),
        ("start", "<u8"),
        ("end", "<u8"),
        ("skip", "<u4"),
    ]
)


def code_of(span: str, speaker: str, roles: Sequence[str]) -> int:
    """The byte that says what a token is: its span, and who speaks (0 narrator, 1.. roles in order)."""
    return SPANS.index(span) + 8 * (0 if speaker == NARRATOR else 1 + list(roles).index(speaker))


def trunk_weights(loop_loss: dict[str, float]) -> np.ndarray:
    """Weight of each code in the trunk's loss, float32[256]: loop_loss by span, 1 elsewhere, 0 for no target."""
    weights = np.ones(256, dtype=np.float32)
    spans = np.arange(256) % 8
    for span, weight in loop_loss.items():
        weights[spans == SPANS.index(span)] = weight
    weights[NO_TARGET] = 0.0
    return weights


def role_weights(role: int) -> np.ndarray:
    """Weight of each code in one role's loss, float32[256]: 1 on its own turns, except wrong attempts."""
    codes = np.arange(256)
    mine = (codes // 8 == role + 1) & (codes % 8 != SPANS.index("attempt"))
    mine[NO_TARGET] = False
    return mine.astype(np.float32)


def row_digest(ids_T: np.ndarray, weights_T: np.ndarray) -> bytes:
    """SHA-256(ids as int32 LE || weights as float32 LE): what a step is fed, and what consumed.bin records."""
    digest = hashlib.sha256(np.ascontiguousarray(ids_T, dtype="<i4").data)
    digest.update(np.ascontiguousarray(weights_T, dtype="<f4").data)
    return digest.digest()


def row_digests(ids_RT: np.ndarray, codes_RT: np.ndarray, weight_of_code: np.ndarray) -> list[bytes]:
    """`row_digest` of each row, its weights looked up by code."""
    return [row_digest(ids, weight_of_code[codes]) for ids, codes in zip(ids_RT, codes_RT, strict=True)]


def root_name(stage: str, phase: str) -> str:
    """What a phase list is called in its order root."""
    return f"{stage}/{phase}"


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a .jsonl file."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def write_json_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """A .jsonl file, one record a line."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def merge_ranges(ranges: Iterable[Sequence[int]]) -> list[list[int]]:
    """Ranges in order, those that touch joined."""
    merged: list[list[int]] = []
    for start, end in ranges:
        if start == end:
            continue
        if merged and merged[-1][1] == start:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return merged
