"""Headings that only their like tell: numbers alone that count up through a book."""

from __future__ import annotations

import re
from itertools import pairwise

from ontogeny.corpus.blocks import Block
from ontogeny.corpus.pages import number_of

MAX_SMALL, MIN_CHAPTER_CHARS = 0.2, 800
BARE = re.compile(r"^[-–—*_= ]{0,3}\d{1,3}\.?[-–—*_= ]{0,3}$")
SMALL_START = re.compile(r"^\s*[a-zа-яёà-ÿ]")
_COUNT: dict[str, int] = {
    word: number
    for words in (
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
        " eighteen nineteen twenty",
        "один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать"
        " пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать",
    )
    for number, word in enumerate(words.split(), 1)
}
_COUNT |= {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "тридцать": 30, "сорок": 40, "пятьдесят": 50}


def numbers_alone(blocks: list[Block]) -> list[int]:
    """Numbers alone that count up from one, with text of a chapter's length between them.

    Where sentences run on below them they are a page's; a text that begins small below one number is its note."""
    places = [
        (index, number)
        for index, block in enumerate(blocks)
        if not block.kind and len(block.lines) == 1 and (number := _number_alone(block.lines[0]))
    ]
    run: list[int] = []
    expected = 1
    for index, number in places:
        if number == expected or (number == 1 and expected > 2):
            run.append(index)
            expected = number + 1
    small = {index for index in run if index + 1 < len(blocks) and SMALL_START.match(blocks[index + 1].lines[0])}
    if len(run) < 3 or len(small) > MAX_SMALL * len(run):
        return []
    sizes = sorted(sum(block.chars for block in blocks[a:b]) for a, b in pairwise(run))
    return [index for index in run if index not in small] if sizes[len(sizes) // 2] >= MIN_CHAPTER_CHARS else []


def _number_alone(line: str) -> int:
    """The number that a line is, in figures or in words; 0 where it is more, or nothing."""
    if BARE.match(line):
        return number_of(re.sub(r"\D", "", line))
    words = line.strip(" *_=.").replace("-", " ")
    first, _, second = words.casefold().partition(" ")
    tens, ones = _COUNT.get(first, 0), _COUNT.get(second, 0)
    whole = not second or (tens in (20, 30, 40, 50, 60) and 0 < ones < 10)
    return tens + ones if whole and words[:1].isupper() else 0
