"""Figures as text, one way on every page: what is absent is said, what is small is not rounded to nothing."""

from __future__ import annotations

import time
import unicodedata

from ontogeny.report.read import Measurement, number

ABSENT = "–"
MINUS = "−"


def count(value: object) -> str:
    """A whole number with thousands apart: 1,234,567."""
    figure = number(value)
    return ABSENT if figure is None else f"{figure:,.0f}".replace("-", MINUS)


def real(value: object, digits: int = 3) -> str:
    """A number with fixed digits; in powers of ten where those would hide it."""
    figure = number(value)
    if figure is None:
        return ABSENT
    if figure and (abs(figure) < 10**-digits or abs(figure) >= 1e6):
        return f"{figure:.2e}".replace("-", MINUS)
    return f"{figure:,.{digits}f}".replace("-", MINUS)


def signed(value: object, digits: int = 3) -> str:
    """A change, its sign always printed."""
    figure = number(value)
    return ABSENT if figure is None else f"{figure:+.{digits}f}".replace("-", MINUS)


def rate(value: object) -> str:
    """A learning rate: 1e-3, 2.5e-4."""
    figure = number(value)
    if figure is None:
        return ABSENT
    mantissa, _, power = f"{figure:.2e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}" if figure else "0"


def interval(row: Measurement | None, digits: int = 3) -> str:
    """The 95 % interval of a measurement, in brackets."""
    if row is None or row.low is None or row.high is None:
        return ABSENT
    return f"[{real(row.low, digits)}, {real(row.high, digits)}]"


def duration(value: object) -> str:
    """Seconds as a person reads them: 0.4 s, 52 s, 4 min 10 s, 3 h 02 min."""
    seconds = number(value)
    if seconds is None:
        return ABSENT
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def moment(value: object) -> str:
    """Unix seconds as a date and time in UTC."""
    seconds = number(value)
    return ABSENT if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def share(part: object, whole: object) -> str:
    """A part of a whole, in percent."""
    above, below = number(part), number(whole)
    return ABSENT if above is None or not below else f"{100 * above / below:.1f} %"


def plural(amount: int, noun: str) -> str:
    """'1 stage', '3 stages'."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def sentence_list(words: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} and {words[-1]}"


def visible(text: object) -> str:
    """Text of a model as it can stand on a page: characters that no page may hold show as �."""
    plain = str(text).encode("utf-8", "replace").decode("utf-8")
    return "".join("\ufffd" if unicodedata.category(mark) == "Cc" and mark not in "\n\t" else mark for mark in plain)
