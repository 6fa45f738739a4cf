"""From a source's text to a clean book: paragraphs separated by one blank line, chapters found.

Every rule has a name; what it did is counted. Characters stay what they are (NFC, never NFKC)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from ontogeny.corpus.lines import is_verse_or_table, join_lines

_START = re.compile(
    r"^\W{0,3}\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG(?:[^*\n]*(?:\n[^*\n]+){0,2}\*{3}|.*$)"
    r"|^\*END[* ]THE SMALL PRINT!.*$",
    re.MULTILINE | re.IGNORECASE,
)
_END = re.compile(
    r"^\W{0,3}\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG.*$"
    r"|^\s*End of (?:the |this )?Project Gutenberg(?:'s|’s|'S)? .*$",
    re.MULTILINE | re.IGNORECASE,
)
_CREDITS = re.compile(
    r"^(?:e-?text )?(?:this e-?(?:text|book) was )?(?:produced|prepared|transcribed|scanned) by\b", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufeff\u200b\u2060]")
_MARKDOWN_HEADING = re.compile(r"^(#{1,6}) +(.+?) *#*$")
_ROMAN = r"(?=[IVXLC])(?:X{0,3}|XL|LX{0,3}|C)(?:IX|IV|V?I{0,3})"
_HEADING = re.compile(
    rf"^(?:(?:CHAPTER|Chapter|ГЛАВА|Глава|BOOK|PART|LECTURE|Lecture|SECTION|ACT|SCENE|ЧАСТЬ|Часть)"
    rf"\s+(?:[0-9]+|{_ROMAN}|[A-ZА-ЯЁ][A-ZА-ЯЁa-zа-яё]+)\b.{{0,80}}|{_ROMAN}\.?(?:\s+[A-ZА-ЯЁ][^a-zа-яё]{{0,60}})?)$"
)
_SPEAKER = re.compile(r"^\*\*(.+?)\*\* *$")
_DIRECTION = re.compile(r"_([^_]+)_")
_ROMAN_WORD = re.compile(r"^(?:I{2,3}|IV|VI{0,3}|IX)$")
MAX_HEADING_CHARS = 120


@dataclass(frozen=True)
class CleanBook:
    """A cleaned book; every paragraph, the last too, ends with a blank line.

    `chapters` are (title, offset of the title's paragraph); `cuts` are (rule, how often, characters less)."""

    text: str
    chapters: list[tuple[str, int]]
    cuts: list[tuple[str, int, int]]


@dataclass
class _Cuts:
    """What each rule did, by its name."""

    found: dict[str, list[int]] = field(default_factory=dict)

    def add(self, rule: str, count: int, chars: int) -> None:
        if count:
            entry = self.found.setdefault(rule, [0, 0])
            entry[0] += count
            entry[1] += chars

    def apply(self, rule: str, text: str, change: Callable[[str], tuple[str, int]]) -> str:
        changed, count = change(text)
        self.add(rule, count, len(text) - len(changed))
        return changed


def clean(text: str, markup: str) -> CleanBook:
    """A book's text by the rules of its markup (plain | markdown | play). Pure."""
    cuts = _Cuts()
    text = cuts.apply("newlines", text, _newlines)
    text = cuts.apply("control_characters", text, lambda text: _CONTROL.subn("", text))
    text = cuts.apply("unicode_nfc", text, _compose)
    text = cuts.apply("gutenberg_header", text, _cut_header)
    text = cuts.apply("gutenberg_footer", text, _cut_footer)
    blocks = [block for block in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")) if block.strip()]
    if "gutenberg_header" in cuts.found:
        blocks = _cut_credits(blocks, cuts)
    paragraphs = _play(blocks, cuts) if markup == "play" else _prose(blocks, markup, cuts)
    return _assemble(paragraphs, cuts)


def _newlines(text: str) -> tuple[str, int]:
    changed, count = re.subn(r"\r\n?|[\u2028\u2029\x85\x0b]", "\n", text)
    changed, pages = re.subn(r"\x0c", "\n\n", changed)
    return changed, count + pages


def _compose(text: str) -> tuple[str, int]:
    composed = text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)
    return composed, int(composed != text)


def _cut_header(text: str) -> tuple[str, int]:
    """Up to the last start marker in the first third: the older books carry two."""
    starts = [found for found in _START.finditer(text) if found.start() < max(len(text) // 3, 20_000)]
    return (text[starts[-1].end() :], 1) if starts else (text, 0)


def _cut_footer(text: str) -> tuple[str, int]:
    """From the first end marker: one between asterisks anywhere, a mere phrase in the last two thirds."""
    ends = [found for found in _END.finditer(text) if "***" in found.group() or found.start() > len(text) // 3]
    return (text[: ends[0].start()], 1) if ends else (text, 0)


def _cut_credits(blocks: list[str], cuts: _Cuts) -> list[str]:
    """Who typed the book, where the header was."""
    kept = []
    for index, block in enumerate(blocks):
        if index < 12 and len(block) < 600 and _CREDITS.match(block.strip().lstrip("_[(")):
            cuts.add("produced_by", 1, len(block))
        else:
            kept.append(block)
    return kept


def _prose(blocks: list[str], markup: str, cuts: _Cuts) -> list[tuple[str, str | None]]:
    """Paragraphs of plain text or markdown, each with a chapter's title where it is one."""
    paragraphs: list[tuple[str, str | None]] = []
    for block in blocks:
        lines = [line.rstrip() for line in block.split("\n")]
        while markup != "plain" and lines and (heading := _MARKDOWN_HEADING.match(lines[0])):
            title = heading.group(2).strip()
            cuts.add("markdown_heading", 1, len(lines[0]) - len(title))
            paragraphs.append((title, title))
            lines = lines[1:]
        if not lines:
            continue
        title = _plain_heading(lines)
        if title is None and len(lines) > 1 and not is_verse_or_table(lines):
            joined = join_lines(lines)
            cuts.add("hard_wrap", len(lines) - 1, sum(map(len, lines)) + len(lines) - 1 - len(joined))
            paragraphs.append((joined, None))
        else:
            paragraphs.append(("\n".join(lines) if title is None else title, title))
    return paragraphs


def _plain_heading(lines: list[str]) -> str | None:
    """A chapter's title on one or two short lines, or None."""
    title = " ".join(line.strip() for line in lines)
    if len(lines) <= 2 and len(title) <= MAX_HEADING_CHARS and _HEADING.match(lines[0].strip()):
        return title
    return None


def _play(blocks: list[str], cuts: _Cuts) -> list[tuple[str, str | None]]:
    """A speaker-tagged play: `Name: speech`, verse lines kept, stage directions in parentheses."""
    paragraphs: list[tuple[str, str | None]] = []
    for block in blocks:
        lines = [line.rstrip() for line in block.split("\n")]
        if (heading := _MARKDOWN_HEADING.match(lines[0])) and len(lines) == 1:
            cuts.add("markdown_heading", 1, len(lines[0]) - len(heading.group(2)))
            paragraphs.append((heading.group(2), heading.group(2)))
            continue
        speech = "\n".join(lines)
        if speaker := _SPEAKER.match(lines[0]):
            speech = f"{_name(speaker.group(1))}: " + "\n".join(lines[1:])
            cuts.add("play_speaker", 1, 4)
        speech, directions = _DIRECTION.subn(r"(\1)", speech)
        cuts.add("stage_direction", directions, 0)
        paragraphs.append((speech.strip(), None))
    return paragraphs


def _name(spoken: str) -> str:
    """FIRST CLOWN -> First Clown; HENRY IV keeps its number."""
    return " ".join(word if _ROMAN_WORD.match(word) else word.capitalize() for word in spoken.split())


def _assemble(paragraphs: list[tuple[str, str | None]], cuts: _Cuts) -> CleanBook:
    pieces, chapters, offset = [], [], 0
    for text, title in paragraphs:
        if not text.strip():
            continue
        if title is not None:
            chapters.append((title, offset))
        pieces.append(text + "\n\n")
        offset += len(text) + 2
    return CleanBook("".join(pieces), chapters, [(rule, *counts) for rule, counts in cuts.found.items()])
