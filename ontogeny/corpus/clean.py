"""From a source's text to a clean book: paragraphs with a blank line after each, chapters found, kinds told.

Every rule has a name (`ontogeny.core.cleaning.RULES`), can be switched off, and what it did is counted. Characters
stay what they are (NFC, never NFKC). The rules' patterns use bounded or possessive repetition: the work grows with
the text and no faster. Cleaning what is clean changes nothing: a rule may decide by the whole book only where what
it looks at is gone once it has done its work."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field

from ontogeny.corpus.blocks import Block, Cuts, split_blocks
from ontogeny.corpus.contents import cut_contents
from ontogeny.corpus.furniture import cut_advertisements, cut_notes
from ontogeny.corpus.gutenberg import cut_credits, cut_gutenberg, cut_licences
from ontogeny.corpus.headings import mark_headings
from ontogeny.corpus.lines import split_heads, split_paragraph_lines
from ontogeny.corpus.pages import cut_pages
from ontogeny.corpus.structure import (
    Paragraph,
    count_kinds,
    cut_empty_illustrations,
    make_paragraphs,
    mark_brackets,
    split_questions,
)

_BLANKS = " \t\xa0\u3000\r"
_NEWLINES = re.compile(r"(?<!\r)\r++\n|[\r\u2028\u2029\x85\x0b]")
_FORM_FEED = re.compile(r"(?<![ \t])[ \t]*+\x0c")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufeff\u200b\u2060]")
_UNSEEN = re.compile(rf"{_CONTROL.pattern}|\u00ad")
_SOFT_HYPHEN = re.compile("(?<!\u00ad)\u00ad++(?=\\S)")  # one at a line's end divides a word: `cut_pages`
_COMMON = bytes([*b"\t\n\x0c", *range(0x20, 0x7F)])
_COMPOSED = re.compile(r"[\x00-\u02ff\u0400-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e]")  # and joins no other
_BLANK_END = re.compile(rf"\n(?<=[{_BLANKS}]\n)")
_MARKDOWN_HEADING = re.compile(r"^(#{1,6}) +(.*[^\s#]|#+)[ #]*$")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_SPEAKER = re.compile(r"^\*\*([^*]+)\*\* *$")
_DIRECTION = re.compile(r"(?<!\w)_([^_]+)_(?!\w)")
_ROMAN_WORD = re.compile(r"^(?:I{2,3}|IV|VI{0,3}|IX)$")


@dataclass(frozen=True)
class CleanBook:
    """A cleaned book; every paragraph, the last too, ends with a blank line.

    `chapters` are (title, offset of the title's paragraph, depth from 1); `cuts` are (rule, how often, characters
    less); `kinds` count the paragraphs by kind; `shown` are (rule, first characters of what it cut), 8 a rule."""

    text: str
    chapters: list[tuple[str, int, int]]
    cuts: list[tuple[str, int, int]]
    kinds: dict[str, int] = field(default_factory=dict)
    shown: tuple[tuple[str, str], ...] = ()


def clean(text: str, markup: str, language: str = "en", skip: Collection[str] = frozenset()) -> CleanBook:
    """A book's text by the rules of its markup (plain | markdown | play), but for those to `skip`. Pure."""
    cuts = Cuts(skip)
    text, had_header = cut_gutenberg(_characters(text, cuts), cuts)
    text = whole = _without_line_ends(text)
    text = cut_empty_illustrations(text, cuts)
    if markup == "plain" or "\x0c" in text or "[Pg " in text:
        text = cut_pages(text if text is whole else _without_line_ends(text), cuts)
    text = text if text is whole else _without_line_ends(text)
    if "\x0c" in text and cuts.on("newlines"):
        cuts.add("newlines", text.count("\x0c"), 0)
        text = _FORM_FEED.sub("\n\n", text)
    blocks = split_blocks(text)
    if markup == "play":
        return _assemble(_play(blocks, cuts), cuts)
    if markup == "markdown":
        blocks = _markdown(blocks, cuts)
    lowered = text.lower()
    blocks = cut_credits(blocks, had_header, cuts)
    blocks = cut_notes(lowered, blocks, cuts)
    blocks = cut_licences(lowered, blocks, cuts)
    mark_brackets(blocks)
    blocks = split_heads(split_paragraph_lines(split_questions(blocks, cuts), cuts), cuts)
    blocks, titles, begin = cut_contents(blocks, cuts)
    for block in blocks[:begin]:  # a title page is no chapter, whatever the contents say
        block.front = True
    blocks = cut_advertisements(lowered, blocks, cuts)
    blocks = mark_headings(blocks, titles, cuts)
    return _assemble(make_paragraphs(blocks, cuts), cuts)


def _characters(text: str, cuts: Cuts) -> str:
    """Line ends of one kind, nothing that no reader sees, accents composed."""
    raw = text.encode("utf-8", "surrogatepass")
    odd = frozenset(raw.translate(None, _COMMON).decode("utf-8", "surrogatepass"))  # what else the text holds
    if cuts.on("newlines") and not odd.isdisjoint("\r\u2028\u2029\x85\x0b"):
        before = len(text)
        text, count = _NEWLINES.subn("\n", text)
        cuts.add("newlines", count, before - len(text))
    if cuts.on("control_characters") and any(map(_UNSEEN.match, odd)):
        before = len(text)
        text, count = _CONTROL.subn("", text)
        text, soft = _SOFT_HYPHEN.subn("", text)
        cuts.add("control_characters", count + soft, before - len(text))
    is_composed = all(map(_COMPOSED.match, odd)) or unicodedata.is_normalized("NFC", text)
    if cuts.on("unicode_nfc") and not is_composed:
        composed = unicodedata.normalize("NFC", text)
        cuts.add("unicode_nfc", 1, len(text) - len(composed))
        text = composed
    return text


def _without_line_ends(text: str) -> str:
    """A text with no space at the end of a line; the same one where none is."""
    if not text.endswith(tuple(_BLANKS)) and not _BLANK_END.search(text):
        return text
    return "\n".join([line.rstrip(_BLANKS) for line in text.split("\n")])


def _markdown(blocks: list[Block], cuts: Cuts) -> list[Block]:
    """Headings by their marks, fenced code as it is; the rest as plain text, without the escape of a `#`."""
    marked: list[Block] = []
    fenced = False
    for block in blocks:
        fences = sum(bool(_FENCE.match(line)) for line in block.lines)
        if fenced or fences:
            marked.append(Block(block.lines, block.gap, "code"))
            fenced ^= fences % 2 == 1
            continue
        lines = block.lines
        while cuts.on("markdown_heading") and lines and (heading := _MARKDOWN_HEADING.match(lines[0])):
            title = heading[2].strip()
            cuts.add("markdown_heading", 1, len(lines[0]) - len(title))
            marked.append(Block([title], block.gap, "heading", len(heading[1])))
            lines = lines[1:]
        if lines:
            escaped = sum(line.startswith("\\#") for line in lines) if cuts.on("markdown_heading") else 0
            cuts.add("markdown_heading", escaped, escaped)
            marked.append(
                Block([line[1:] if escaped and line.startswith("\\#") else line for line in lines], block.gap)
            )
    return marked


def _play(blocks: list[Block], cuts: Cuts) -> list[Paragraph]:
    """A speaker-tagged play: `Name: speech`, verse lines kept, stage directions in parentheses."""
    paragraphs: list[Paragraph] = []
    for block in blocks:
        heading = _MARKDOWN_HEADING.match(block.lines[0]) if len(block.lines) == 1 else None
        if heading and cuts.on("markdown_heading"):
            cuts.add("markdown_heading", 1, len(block.lines[0]) - len(heading[2]))
            paragraphs.append(Paragraph(heading[2], "heading", len(heading[1])))
            continue
        speech = block.text
        if (speaker := _SPEAKER.match(block.lines[0])) and cuts.on("play_speaker"):
            speech = f"{_name(speaker[1])}: " + "\n".join(block.lines[1:])
            cuts.add("play_speaker", 1, 4)
        if cuts.on("stage_direction"):
            speech, directions = _DIRECTION.subn(r"(\1)", speech)
            cuts.add("stage_direction", directions, 0)
        paragraphs.append(Paragraph(speech.strip(), "dialogue" if re.match(r"[^\n:.]{1,40}: ", speech) else "prose"))
    return paragraphs


def _name(spoken: str) -> str:
    """FIRST CLOWN -> First Clown; HENRY IV keeps its number."""
    return " ".join(word if _ROMAN_WORD.match(word) else word.capitalize() for word in spoken.split())


def _assemble(paragraphs: list[Paragraph], cuts: Cuts) -> CleanBook:
    """The book of its paragraphs; depths are counted anew, so that the greatest part in use has depth 1."""
    paragraphs = [paragraph for paragraph in paragraphs if paragraph.text.strip()]
    used = sorted({paragraph.depth for paragraph in paragraphs if paragraph.kind == "heading"})
    depth_of = {depth: rank for rank, depth in enumerate(used, 1)}
    chapters, offset = [], 0
    for paragraph in paragraphs:
        if paragraph.kind == "heading":
            chapters.append((paragraph.text, offset, depth_of[paragraph.depth]))
        offset += len(paragraph.text) + 2
    text = "".join([paragraph.text + "\n\n" for paragraph in paragraphs])
    return CleanBook(text, chapters, cuts.counts(), count_kinds(paragraphs), tuple(cuts.shown))
