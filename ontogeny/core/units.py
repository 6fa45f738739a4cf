"""Units and how they are shown."""

from __future__ import annotations

import math

LN2 = math.log(2.0)
GIB = 1 << 30


def bits_per_byte(nats: float, utf8_bytes: float) -> float:
    """nats / ln 2 / bytes of the scored text in UTF-8."""
    return nats / LN2 / utf8_bytes


def counted(number: float) -> str:
    """A count for a person: 1,234,567."""
    return f"{round(number):,}"
