"""Which line breaks a typesetter forced, and which the author meant."""

from __future__ import annotations

import re
from itertools import pairwise

MIN_WRAP_CHARS = 50
MAX_FREE_BREAKS_FRAC = 0.12
_TURN = re.compile(r"^\s*(?:[—–-] ?\w|[A-ZА-ЯЁ][\w.]*(?: [A-ZА-ЯЁ][\w.]*){0,2}: \S)")
_COLUMNS = re.compile(r"\S {3,}\S|\t|\|.*\|")
_LIST = re.compile(r"^\s*(?:[*+•-]|\d{1,3}[.)])\s+\S")


def is_verse_or_table(lines: list[str]) -> bool:
    """Whether a block's line breaks are the author's: verse, a table, a list, a dialogue, code.

    A line break is forced where the next line's first word would not have fitted; a block is hard-wrapped
    when it is wide enough and nearly all its breaks are forced."""
    if any(_COLUMNS.search(line.strip()) for line in lines) or lines[0].startswith(("    ", "```", "\t")):
        return True
    if sum(bool(_TURN.match(line)) for line in lines) >= 2 or sum(bool(_LIST.match(line)) for line in lines) >= 2:
        return True
    if len({len(line) - len(line.lstrip()) for line in lines[1:]}) > 1:
        return True
    width = max(len(line) for line in lines)
    if width < MIN_WRAP_CHARS:
        return True
    free = sum(len(line) + 1 + len(following.split(maxsplit=1)[0]) <= width for line, following in pairwise(lines))
    return free > max(1, MAX_FREE_BREAKS_FRAC * (len(lines) - 1))


def join_lines(lines: list[str]) -> str:
    """A hard-wrapped block as one line."""
    return " ".join(line.strip() for line in lines)
