"""Headings that only their like tell: titles that are underlined, numbers alone that count up."""

from __future__ import annotations

import re
from itertools import pairwise

from ontogeny.corpus.blocks import Block, Cuts
from ontogeny.corpus.pages import number_of

MIN_UNDERLINED, MAX_UNDERLINED_CHARS = 3, 58
MAX_SMALL, MIN_CHAPTER_CHARS = 0.2, 800
BARE = re.compile(r"^[-–—*_= ]{0,3}\d{1,3}\.?[-–—*_= ]{0,3}$")
_UNDERLINE = re.compile(r"^ {0,40}(={3,}|-{3,})$")
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


def cut_underlines(blocks: list[Block], cuts: Cuts) -> dict[int, int]:
    """The titles that are underlined, `=` above `-`, as index -> rank, where a book has a few; the lines go."""
    found = [index for index, block in enumerate(blocks) if _is_underlined(block)]
    if len(found) < MIN_UNDERLINED or not cuts.on("heading_lines"):
        return {}
    greatest = max(blocks[index].lines[1].strip()[0] for index in found)
    ranks: dict[int, int] = {}
    for index in found:
        title, line = blocks[index].lines
        cuts.add("heading_lines", 1, len(line) + 1)
        blocks[index].lines = [title]
        ranks[index] = 4 if line.strip()[0] == greatest else 5
    return ranks


def _is_underlined(block: Block) -> bool:
    """Whether a block is a short title above a line of about its length, and no sum or table."""
    if block.kind or len(block.lines) != 2 or not (found := _UNDERLINE.match(block.lines[1])):
        return False
    title = block.lines[0].strip()
    if len(title) > MAX_UNDERLINED_CHARS or abs(len(found[1]) - len(title)) > max(2, len(title) // 5):
        return False
    return title[0].isalnum() and not title[0].islower() and any(map(str.isalpha, title)) and "   " not in title


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
