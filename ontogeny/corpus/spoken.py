"""Runs of turns in a cleaned book: paragraphs that follow each other and name their speakers, or begin with a dash."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ontogeny.corpus.passages import iterate_paragraphs
from ontogeny.corpus.shelf import OpenBook
from ontogeny.corpus.speakers import NOT_NAMES
from ontogeny.corpus.structure import MIN_SPEAKER_TURNS, NOT_SPEAKERS
from ontogeny.scenes.dialogue import MAX_TURNS, MIN_TURNS

DASH = "—"
_LABEL = re.compile(r"(?P<name>[^\W\d_a-zа-яё][\w'’.-]{0,30}(?: [\w'’.&-]{1,20}){0,3}):\s+(?=\S)")
_DASH = re.compile(r"[—–]\s?(?=[\w«\"„“(¡¿…])")


@dataclass(frozen=True)
class Run:
    """Turns that follow each other: paragraphs `first` to `last` (not included) of a passage.

    `turns`: (speaker, start, end) of each one's words in the book, the speaker's name and outer blanks apart."""

    first: int
    last: int
    turns: tuple[tuple[str, int, int], ...]


def label_of(paragraph: str) -> tuple[str, int] | None:
    """(who speaks, where the words begin) in a paragraph that says so; DASH where only a dash does."""
    if found := _LABEL.match(paragraph):
        return _key(found["name"]), found.end()
    if found := _DASH.match(paragraph):
        return DASH, found.end()
    return None


def cast_of(book: OpenBook) -> frozenset[str]:
    """Who speaks again and again in a book, and answers one who answers: the heads of a list follow one order only."""
    turns: Counter[str] = Counter()
    follows: set[tuple[str, str]] = set()
    before = ""
    for start, end in iterate_paragraphs(book.text, 0, len(book.text)):
        found = label_of(book.text[start:end])
        name = found[0] if found else ""
        turns[name] += 1
        follows.add((before, name))
        before = name
    no_speakers = {"", *NOT_NAMES, *NOT_SPEAKERS}
    often = {name for name, count in turns.items() if count >= MIN_SPEAKER_TURNS and name not in no_speakers}
    answer = {a for a, b in follows if a in often and b in often and (b, a) in follows and (a != b or a == DASH)}
    return frozenset(answer)


def runs_of(
    text: str, paragraphs: Sequence[tuple[int, int]], cast: frozenset[str], max_chars: int, max_speakers: int
) -> list[Run]:
    """The runs of turns of a passage's paragraphs.

    A run goes on until a paragraph is no turn, or one more would be too many, longer than `max_chars`, or bring one
    speaker too many. It has two turns at least, of two speakers; behind dashes two speak in turn."""
    runs: list[Run] = []
    first = 0
    turns: list[tuple[str, int, int]] = []
    for at, end, name, words in _turns(text, paragraphs, cast):
        speaker = f"{DASH}{len(turns) % 2}" if name == DASH else name
        too_many = len({*(told for told, _, _ in turns), speaker}) > max_speakers or len(turns) == MAX_TURNS
        if at != first + len(turns) or too_many or end - paragraphs[first][0] > max_chars:
            runs += _run(first, turns)
            first, turns, speaker = at, [], f"{DASH}0" if name == DASH else name
        turns.append((speaker, *words))
    return [*runs, *_run(first, turns)]


def _turns(
    text: str, paragraphs: Sequence[tuple[int, int]], cast: frozenset[str]
) -> Iterator[tuple[int, int, str, tuple[int, int]]]:
    """(number, end, speaker, words) of each paragraph that one of the cast speaks."""
    for at, (start, end) in enumerate(paragraphs):
        paragraph = text[start:end].rstrip()
        told = label_of(paragraph)
        if told is not None and told[0] in cast and told[1] < len(paragraph):
            yield at, end, told[0], (start + told[1], start + len(paragraph))


def _run(first: int, turns: Sequence[tuple[str, int, int]]) -> list[Run]:
    enough = len(turns) >= MIN_TURNS and len({speaker for speaker, _, _ in turns}) > 1
    return [Run(first, first + len(turns), tuple(turns))] if enough else []


def _key(name: str) -> str:
    return " ".join(name.strip(" .").casefold().split())
