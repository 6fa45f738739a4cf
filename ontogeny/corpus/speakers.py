"""Plays and dialogues whose speakers are named before their words, in whatever way: `Name: words` in the end.

A way of naming counts where names of a cast come again and again at the beginning of most paragraphs, so that a text in
which nobody is named stays as it is. A line that names one of the cast begins a paragraph."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_UPPER = r"[^\W\d_a-zа-яё]"
_NAME = r"[^\W\d_][\w'’-]*\.?(?:[ ][\w'’.&-]{1,20}){0,3}"
_ASIDE = r"(?:[ ]?[(\[](?P<aside>[^()\[\]\n]{1,120})[)\]])?"
NOT_NAMES = (
    *("act", "scene", "chapter", "part", "book", "note", "enter", "exit", "exeunt", "prologue", "epilogue", "contents"),
    *(
        "yes",
        "no",
        "ah",
        "oh",
        "well",
        "the end",
        "finis",
        "curtain",
        "ps",
        "nb",
        "p.s",
        "n.b",
        "mr",
        "mrs",
        "dr",
        "st",
    ),
    *("да", "нет", "ах", "ох", "ну", "действие", "акт", "сцена", "явление", "картина", "глава", "часть", "занавес"),
    *("конец", "входит", "уходит"),
)
_STAGE = (  # what begins so tells of the stage, whatever comes after
    *("act", "scene", "chapter", "enter", "exit", "exeunt"),
    *("акт", "действие", "сцена", "явление", "картина", "глава", "входит", "входят", "уходит", "уходят"),
)


@dataclass(frozen=True)
class _Way:
    """A way of naming a speaker: how a line of it looks, how often a name has to come, in what share of paragraphs."""

    pattern: re.Pattern[str]
    min_turns: int
    min_frac: float


_CAPITALS = rf"{_UPPER}[^\Wa-zа-яё]{{0,30}}(?:[ '’.&-]{_UPPER}[^\Wa-zа-яё]{{0,30}}){{0,4}}"
_CAPITALISED = rf"{_UPPER}[\w'’-]{{1,30}}(?:[ ][\w'’-]{{1,20}}){{0,2}}"
_BY_MARKS = _Way(
    re.compile(
        r"^(?!\s*(?:\*\*|__|\*|_)[^*_]*[^.:*_](?:\*\*|__|\*|_)\s*$)"  # that is cleaning's own way: `**NAME**`
        rf"\s{{0,12}}(?P<mark>\*\*|__|\*|_)(?P<name>{_NAME}){_ASIDE}[.:]?(?P=mark){_ASIDE.replace('aside', 'later')}"
        r"[.:]?(?=[\s—-]|$)(?P<words>.*)$"
    ),
    2,
    0.3,
)
_BY_COLON = _Way(re.compile(rf"^\s{{0,12}}(?P<name>{_NAME}){_ASIDE}:(?=\s|$)(?P<words>.*)$"), 2, 0.3)
_BY_CAPITALS = _Way(re.compile(rf"^\s{{0,12}}(?P<name>{_CAPITALS}){_ASIDE}\.(?=[\s—-]|$)(?P<words>.*)$"), 2, 0.3)
_ALONE = _Way(re.compile(rf"^\s{{0,40}}(?P<name>{_CAPITALS}){_ASIDE}$(?P<words>)"), 3, 0.3)
_BY_STOP = _Way(re.compile(rf"^\s{{0,12}}(?P<name>{_CAPITALISED}){_ASIDE}\.[ ](?P<words>.*)$"), 4, 0.5)
_WAYS = (_BY_MARKS, _BY_COLON, _BY_CAPITALS, _ALONE, _BY_STOP)
_ROMAN = re.compile(r"^(?:I{2,3}|IV|VI{0,3}|IX)$")


def named_turns(text: str, paragraphs_join: bool = False) -> str | None:
    """The text with every turn as a paragraph `Name: words`, or None if nobody is named in it.

    With `paragraphs_join`, paragraphs that name nobody belong to the turn before them, but for headings and
    what tells of the stage."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    blocks = [block.split("\n") for block in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")) if block.strip()]
    best: tuple[int, _Way, frozenset[str]] | None = None
    for way in _WAYS:
        heads = (line for block in blocks for line in (block if way is _BY_COLON else block[:1]))
        named = [found["name"] for line in heads if (found := way.pattern.match(line))]
        counts = Counter(_key(name) for name in named)
        cast = frozenset(name for name, turns in counts.items() if turns >= way.min_turns and _is_name(name))
        turns = sum(_begins(block, way, cast) for block in blocks)
        all_turns = sum(counts[name] for name in cast)
        if len(cast) >= 2 and turns >= way.min_frac * len(blocks) and (best is None or all_turns > best[0]):
            best = (all_turns, way, cast)
    if best is None:
        return None
    return _told(blocks, best[1], best[2], paragraphs_join)


def _is_name(key: str) -> bool:
    return key not in NOT_NAMES and not _is_of_stage(key)


def _is_of_stage(key: str) -> bool:
    return key.split(" ")[0].rstrip(".") in _STAGE


def _begins(block: list[str], way: _Way, cast: frozenset[str]) -> bool:
    found = way.pattern.match(block[0])
    return bool(found and _key(found["name"]) in cast)


def _told(blocks: list[list[str]], way: _Way, cast: frozenset[str], join: bool) -> str:
    told: list[str] = []
    in_turn = False
    for block in blocks:
        for index, line in enumerate(block):
            found = way.pattern.match(line)
            key = _key(found["name"]) if found else ""
            apart = line.startswith("#") or _is_of_stage(key)
            if found and key in cast:
                told.append(_turn(found))
                in_turn = True
            elif index == 0 and (apart or not (join and in_turn)):
                told.append(line)
                in_turn = False
            elif told[-1].endswith(": "):
                told[-1] += line.strip()
            else:
                told[-1] += f"\n{line}"
    return "\n\n".join(told) + "\n"


def _turn(found: re.Match[str]) -> str:
    groups = found.groupdict()
    aside = groups.get("aside") or groups.get("later")
    words = found["words"].lstrip(" \t—-") if found["words"] else ""
    return f"{_shown(found['name'])}: " + (f"({aside}) " if aside else "") + words


def _key(name: str) -> str:
    return " ".join(name.strip(" .").casefold().split())


def _shown(name: str) -> str:
    """FIRST CLOWN -> First Clown; HENRY IV keeps its number."""
    name = " ".join(name.strip(" .").split())
    if name.upper() != name:
        return name
    return " ".join(word if _ROMAN.match(word) else word.capitalize() for word in name.split(" "))
