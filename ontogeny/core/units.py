"""Units and how they are shown."""

from __future__ import annotations

import math

LN2 = math.log(2.0)
GIB = 1 << 30


def bits_per_byte(nats: float, utf8_bytes: int) -> float:
    """nats / ln 2 / bytes of the scored text in UTF-8."""
    return nats / LN2 / utf8_bytes


def counted(number: float) -> str:
    """A count for a person: 1,234,567."""
    return f"{round(number):,}"


def lasting(seconds: float) -> str:
    """A length of time for a person: 42 s, 3 min 5 s, 2 h 10 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
