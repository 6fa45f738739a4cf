"""What a paragraph is: prose, verse, a turn of a dialogue, a question, a table; and where it really ends."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from ontogeny.corpus.blocks import Block, Cuts, closing_bracket
from ontogeny.corpus.lines import (
    dedent,
    has_long_line,
    join_around_formulas,
    join_items,
    join_lines,
    kept_kind,
    likely_wrapped,
    runs_of,
    stanzas_of,
    surely_wrapped,
)
from ontogeny.corpus.pages import cut_marks

KINDS = ("prose", "verse", "dialogue", "question", "answer", "table", "list", "code", "heading", "note", "illustration")
_ILLUSTRATION = re.compile(
    r"^\s*\[_?(?:Illustration|Illustrations|Frontispiece|Figure|Fig\.|Figures|Plate|Map|Иллюстрация|Рис\.|Abbildung)\b",
    re.I,
)
_NOTE = re.compile(
    r"^\s*(?:\[(?:Footnote|Note|Endnote|Сноска|Примечание|Fußnote|Note de)\b|\[(?:\d{1,4}|[A-Z*†‡])\]\s"
    r"|\(\d{1,3}\)\s.{0,3}$)",
    re.I,
)
_EMPTY = re.compile(r"\[(?:Illustration|ILLUSTRATION|Иллюстрация)s?[:.]? ?\]")
_FOOTNOTE = re.compile(r"\[(?:Footnote|Сноска)\b", re.IGNORECASE)
_BRACKETS = re.compile(r"[\[\]]")
_TURN = re.compile(
    r"^(?:[—–]\s?[\w«\"„(¡¿]|(?P<caps>[A-ZА-ЯЁ][A-ZА-ЯЁ'’. -]{1,28})[.:]\s+\S"
    r"|(?P<name>[A-ZА-ЯЁ][\w'’]+(?: [A-ZА-ЯЁ][\w'’]+){0,2})(?P<mark>[.:])\s+\S)"
)
NOT_SPEAKERS = {
    "note",
    "fig",
    "figure",
    "no",
    "yes",
    "example",
    "remark",
    "chapter",
    "table",
    "illustration",
    "question",
    "answer",
    "step",
    "well",
    "see",
    "oh",
    "ah",
    "nb",
    "ps",
    "exercise",
    "problem",
    "proof",
    "theorem",
    "fact",
    "case",
}
_QUESTION = re.compile(r"^(?:\d{1,4}\.? )?(?:Q|Question|Quest|Вопрос|В)\.?(?: ?\d{1,4})?[.:)]\s+\S", re.I)
_ANSWER = re.compile(r"^(?:\d{1,4}\.? )?(?:A|Answer|Ans|Ответ|О)\.?(?: ?\d{1,4})?[.:)]\s+\S", re.I)
_ASKED_SIGNS = frozenset("QqAaВвОо")
_NUMBERED_QUESTION = re.compile(r"^(?:\(?\d{1,4}[.)]|\d{1,4}\s)\s*\S[^?]{0,400}\?[\"'”’]?$")
_LIST_ITEM = re.compile(r"^(?:[*+•]|\(?(?:\d{1,3}|[a-z])[.)])\s+\S")
MIN_SPEAKER_TURNS, MIN_CATECHISM = 4, 3
MAX_NOTE_CHARS, MAX_BETWEEN, MAX_BRACKET_BLOCKS = 6000, 4, 30
OPEN_CHARS = 60
_RUNS_ON = re.compile(r"[^\W\d_][,;]?$|[\w)\]],$")


@dataclass(slots=True)
class Paragraph:
    """A paragraph of the cleaned book; `depth` is a heading's, 0 for anything else."""

    text: str
    kind: str = "prose"
    depth: int = 0


def cut_empty_illustrations(text: str, cuts: Cuts) -> str:
    """Marks of pictures that have no caption, in a line or on one."""
    return cut_marks("empty_illustration", _EMPTY, text, cuts) if cuts.on("empty_illustration") else text


def mark_brackets(blocks: list[Block]) -> None:
    """Pictures and notes in brackets, each to where its bracket is closed, are told by their kind."""
    index = 0
    while index < len(blocks):
        block = blocks[index]
        first = block.lines[0]
        kind = "illustration" if _ILLUSTRATION.match(first) else "note" if _NOTE.match(first) else ""
        if kind and not block.kind:
            stop = closing_bracket(blocks, index, MAX_BRACKET_BLOCKS) if first.lstrip().startswith("[") else index
            for within in blocks[index : (index if stop is None else stop) + 1]:
                within.kind = kind
            index = stop or index
        index += 1


def split_questions(blocks: list[Block], cuts: Cuts) -> list[Block]:
    """Questions and answers that no blank line parts, a block each, where the book has many of them."""
    if not cuts.on("paragraph_lines"):
        return blocks
    parted = [[block.lines] if block.kind else _questions_of(block.lines) for block in blocks]
    asking = sum("?" in "".join(part) for parts in parted if len(parts) > 1 for part in parts)
    if asking < MIN_CATECHISM:  # В. and О. may be initials as well
        return blocks
    split: list[Block] = []
    for block, parts in zip(blocks, parted, strict=True):
        block.lines = parts[0]
        split += [block, *map(Block, parts[1:])]
        cuts.add("paragraph_lines", len(parts) - 1, 0)
    return split


def _questions_of(lines: list[str]) -> list[list[str]]:
    """Lines parted before each answer to a question above it, and before the question after that."""
    opens, asked = [0], False
    for index, line in enumerate(map(str.lstrip, lines)):
        if line[:1] not in _ASKED_SIGNS and not line[:1].isdigit():
            continue
        if (_ANSWER if asked else _QUESTION).match(line):
            opens += [index] if asked or len(opens) > 1 else []
            asked = not asked
    return [lines[start:end] for start, end in pairwise([*opens, len(lines)])]


def make_paragraphs(blocks: list[Block], cuts: Cuts) -> list[Paragraph]:
    """Blocks with their line breaks settled, what was broken put together, and all named by kind."""
    shapes = [_shape(block) for block in blocks]
    widths = sorted(width for _, _, width in shapes if width)
    wrap_chars = widths[len(widths) // 2] if widths else 0
    paragraphs = [
        paragraph
        for block, (kept, sure, _) in zip(blocks, shapes, strict=True)
        for paragraph in _paragraphs(block, kept, sure, wrap_chars, cuts)
    ]
    before: list[str] = []
    while before != (now := [paragraph.text for paragraph in paragraphs]):
        before = now  # what one of them parts or joins, the other may go on with
        if cuts.on("footnote"):
            paragraphs = _lift_footnotes(paragraphs, cuts)
        if cuts.on("broken_paragraph"):
            paragraphs = _join_broken(paragraphs, cuts)
    _name_speech(paragraphs)
    return paragraphs


def count_kinds(paragraphs: list[Paragraph]) -> dict[str, int]:
    """How many paragraphs there are of each kind that occurs."""
    found = Counter(paragraph.kind for paragraph in paragraphs)
    return {kind: found[kind] for kind in KINDS if found[kind]}


def _shape(block: Block) -> tuple[str | None, bool, int]:
    """(what keeps its lines, whether it surely was wrapped, at which width) of a block."""
    if block.kind in ("heading", "code") or len(block.lines) == 1:
        return None, False, 0
    kept = kept_kind(block.lines)
    sure = kept is None and surely_wrapped(block.lines)
    return kept, sure, max(map(len, block.lines)) if sure and len(block.lines) >= 4 else 0


def _paragraphs(block: Block, kept: str | None, sure: bool, wrap_chars: int, cuts: Cuts) -> list[Paragraph]:
    """A block with its line breaks settled. `wrap_chars`: where the book's prose is wrapped, 0 where none is."""
    lines = block.lines
    if block.kind == "heading":
        return [Paragraph(block.text, "heading", block.depth)]
    if block.kind == "code":
        return [Paragraph(block.text, "code")]
    kind = block.kind
    if len(lines) == 1:
        return [Paragraph(_without_margin(lines, cuts)[0], kind or _kind_of_line(lines[0]))]
    if cuts.on("hard_wrap") and kept is None and (sure or (wrap_chars and likely_wrapped(lines, wrap_chars))):
        text = join_lines(lines)
        cuts.add("hard_wrap", len(lines) - 1, sum(map(len, lines)) + len(lines) - 1 - len(text))
        return [Paragraph(text, kind or _kind_of_line(text))]
    lines = _without_margin(lines, cuts)
    if kept in ("list", "dialogue") and cuts.on("hard_wrap"):
        items = join_items(lines, kept)
        cuts.add(
            "hard_wrap", len(lines) - len(items), sum(map(len, lines)) + len(lines) - sum(map(len, items)) - len(items)
        )
        if not kind and has_long_line(items) and cuts.on("paragraph_lines"):
            return [
                Paragraph("\n".join(run), kept if len(run) > 1 else _kind_of_line(run[0])) for run in runs_of(items)
            ]
        lines = items
    if kept == "code" and cuts.on("hard_wrap"):
        whole = join_around_formulas(lines)
        cuts.add("hard_wrap", len(lines) - len(whole), 0)
        lines = whole
    text = "\n".join(lines)
    if len(lines) == 1:
        return [Paragraph(text, kind or _kind_of_line(text))]
    kind = kind or kept or ("prose" if text == text.upper() else "verse")
    if kind != "verse" or not cuts.on("long_verse"):
        return [Paragraph(text, kind)]
    stanzas = stanzas_of(lines, wrap_chars)
    cuts.add("long_verse", len(stanzas) - 1, 0)
    return [Paragraph("\n".join(stanza), kind) for stanza in stanzas]


def _without_margin(lines: list[str], cuts: Cuts) -> list[str]:
    if not cuts.on("indent"):
        return lines
    bare = dedent(lines)
    if bare is not lines:
        cuts.add("indent", 1, sum(map(len, lines)) - sum(map(len, bare)))
    return bare


def _kind_of_line(line: str) -> str:
    if len(line) < 200 and kept_kind([line]) == "code":
        return "code"
    return "list" if _LIST_ITEM.match(line) and not line.rstrip().endswith("?") else "prose"


def _lift_footnotes(paragraphs: list[Paragraph], cuts: Cuts) -> list[Paragraph]:
    """A footnote within a paragraph goes behind it, a paragraph of its own."""
    lifted: list[Paragraph] = []
    for paragraph in paragraphs:
        notes: list[str] = []
        if paragraph.kind in ("prose", "list") and "[" in paragraph.text and "\n" not in paragraph.text:
            paragraph.text, notes = _parted(paragraph.text)
        lifted.append(paragraph)
        for note in notes:
            cuts.add("footnote", 1, 0)
            lifted.append(Paragraph(note, "note"))
    return lifted


def _parted(text: str) -> tuple[str, list[str]]:
    """(text without the footnotes in it, the footnotes). What is not closed in time stays where it is."""
    pieces, notes, at = [], [], 0
    for found in _FOOTNOTE.finditer(text):
        if found.start() < at or found.start() == 0:
            continue
        depth, end = 0, 0
        for bracket in _BRACKETS.finditer(text, found.start(), found.start() + MAX_NOTE_CHARS):
            depth += 1 if bracket.group() == "[" else -1
            if not depth:
                end = bracket.end()
                break
        if not end:
            break
        pieces.append(text[at : found.start()].rstrip(" "))
        notes.append(text[found.start() : end])
        at = end
    return ("".join([*pieces, text[at:]]).strip(), notes) if notes else (text, [])


def _join_broken(paragraphs: list[Paragraph], cuts: Cuts) -> list[Paragraph]:
    """Prose that ends in mid-sentence and goes on small after it, or after a picture or a note, is one paragraph."""
    whole: list[Paragraph] = []
    parts: dict[int, list[str]] = {}
    last = -1  # the last paragraph of prose, where nothing but pictures and notes stand after it
    end, length = "", 0  # of that paragraph
    for paragraph in paragraphs:
        text = paragraph.text
        if paragraph.kind == "prose" and "\n" not in text:
            near = last >= 0 and len(whole) - last <= MAX_BETWEEN
            if near and length >= OPEN_CHARS and text[:1].islower() and _RUNS_ON.search(end):
                parts.setdefault(last, [whole[last].text]).append(text)
                cuts.add("broken_paragraph", 1, 1)
                end, length = text[-3:], length + 1 + len(text)
                continue
            last, end, length = len(whole), text[-3:], len(text)
        elif paragraph.kind not in ("illustration", "note"):
            last = -1
        whole.append(paragraph)
    for index, found in parts.items():
        whole[index].text = " ".join(found)
    return whole


def _name_speech(paragraphs: list[Paragraph]) -> None:
    """Which prose is a speaker's turn, a question, or the answer to it."""
    speakers: Counter[str] = Counter()
    named: list[tuple[Paragraph, str]] = []
    questions = [p for p in paragraphs if p.kind == "prose" and _QUESTION.match(p.text)]
    answers = [p for p in paragraphs if p.kind == "prose" and _ANSWER.match(p.text)]
    if min(len(questions), len(answers)) >= MIN_CATECHISM:
        for kind, found in (("question", questions), ("answer", answers)):
            for paragraph in found:
                paragraph.kind = kind
    for paragraph in paragraphs:
        if paragraph.kind == "prose" and (found := _TURN.match(paragraph.text)):
            name = (found["caps"] or found["name"] or "—").strip(" .").casefold()
            speakers[name] += 1
            named.append((paragraph, name))
    known = {name for name, turns in speakers.items() if turns >= MIN_SPEAKER_TURNS and name not in NOT_SPEAKERS}
    if len(known) >= 2 or "—" in known:
        for paragraph, name in named:
            if name in known:
                paragraph.kind = "dialogue"
    _name_catechism(paragraphs)


def _name_catechism(paragraphs: list[Paragraph]) -> None:
    """Numbered questions, each with an answer that asks nothing."""
    pairs = [
        (a, b)
        for a, b in pairwise(paragraphs)
        if a.kind in ("prose", "list") and b.kind == "prose" and len(a.text) < 500 and _NUMBERED_QUESTION.match(a.text)
        and not b.text.endswith("?") and not _NUMBERED_QUESTION.match(b.text) and not b.text[:1].isdigit()
    ]  # fmt: skip
    if len(pairs) >= MIN_CATECHISM:
        for asked, told in pairs:
            asked.kind, told.kind = "question", "answer"
