"""Units and how they are shown."""

from __future__ import annotations

import math

LN2 = math.log(2.0)
GIB = 1 << 30
TWO_BYTE_FACTOR = 1.6
TWO_BYTE_LANGUAGES = ("be", "bg", "el", "he", "hy", "kk", "mk", "ru", "sr", "uk")


def bits_per_byte(nats: float, utf8_bytes: float) -> float:
    """nats / ln 2 / bytes of the scored text in UTF-8."""
    return nats / LN2 / utf8_bytes


def usual_bytes_per_token(vocab_size: int, language: str) -> float:
    """UTF-8 bytes of a token of a byte-level vocabulary, before a tokenizer was trained.

    Computes: 3.4 + (log2(entries) - 12) / 3, measured on English books (3.4 at 4,096, 4.4 at 32,768); times 1.6 where
    letters take two bytes (4.9 at 2,048, measured on a Russian history)."""
    return (3.4 + (math.log2(vocab_size) - 12) / 3) * (TWO_BYTE_FACTOR if language in TWO_BYTE_LANGUAGES else 1.0)


def counted(number: float) -> str:
    """A count for a person: 1,234,567."""
    return f"{round(number):,}"
