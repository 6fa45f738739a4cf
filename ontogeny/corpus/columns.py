"""A PDF's text layer as a book: paragraphs out of the lines of its pages, headings where the type says so.

Heads and numbers of pages are left out and counted. Form feeds stand between pages, and divided words keep their hyphen
and the end of their line, so that cleaning puts together what a page or a line divided, as it does in any text."""

from __future__ import annotations

import re
from itertools import pairwise

from ontogeny.corpus.extract import pdf_pages
from ontogeny.corpus.selectors import Note, ReadProblem

FULL_LINE_FRAC = 0.93
MIN_LETTERS_A_PAGE = 20
MIN_HEADS = 3
HEAD_PAGES = 4  # left and right pages have heads of their own, and a chapter's first page has none
MAX_HEADING_LINES = 3
BEGINNING_CHARS = 24

_ENDS_SENTENCE = re.compile(r"[.!?:…»”\"’)\]]['\"”’)\]]*$")
_NUMBER = re.compile(r"[\W_]*(?:\d{1,4}|[ivxlc]{1,8})[\W_]*$", re.IGNORECASE)


def pdf_text(content: bytes, name: str) -> tuple[str, list[Note]]:
    """The text of a PDF's pages as Markdown.

    Raises: ReadProblem if it is locked, damaged, or has no text layer (a scan)."""
    pages, nodes = pdf_pages(content)
    letters = sum(sum(map(str.isalpha, page)) for page in pages)
    if letters < MIN_LETTERS_A_PAGE * min(len(pages), 10):
        raise ReadProblem(
            "is a PDF without text: a scan.",
            f"{letters} letters on {len(pages)} pages of {name}",
            "a PDF with a text layer",
            "run a text recognition program over it, or bring the book in another format",
        )
    lines = [[line.strip() for line in re.sub("\x02\n?", "-\n", page).split("\n") if line.strip()] for page in pages]
    kept = _without_furniture(lines)
    headings = {
        _norm(node["content"].get("text", "")): int(node["content"].get("level") or 1)
        for node in nodes
        if node["content"].get("node_type") in ("heading", "title")
    }
    beginnings = {
        _norm(node["content"].get("text", ""))[:BEGINNING_CHARS]
        for node in nodes
        if node["content"].get("node_type") in ("paragraph", "list_item", "quote")
    }
    width = _usual_width([line for page in lines for line in page])
    told = [_page_blocks(page, headings, beginnings, width) for page in kept]
    text = "\n\n\x0c".join("\n\n".join(blocks) for blocks in told) + "\n"
    left_out = sum(map(len, lines)) - sum(map(len, kept))
    return text, [("pdf_pages", f"{len(pages)}, {left_out} of their heads and numbers left out")]


def _without_furniture(pages: list[list[str]]) -> list[list[str]]:
    """Pages without what comes at the head or foot of several pages near one another, whatever number stands in it.

    What a book merely says often ("No, he said.") comes at the edges of pages too, but of pages far apart."""
    edges: dict[str, list[int]] = {}
    for number, page in enumerate(pages):
        for line in {_unnumbered(line) for line in (*page[:2], *page[-2:])}:
            edges.setdefault(line, []).append(number)
    heads = [set[str]() for _ in pages]
    for line, numbers in edges.items():
        for number in _near_one_another(numbers) if line or len(pages) > MIN_HEADS else ():
            heads[number].add(line)
    kept = []
    for page, common in zip(pages, heads, strict=True):
        outer = {*range(2), len(page) - 1, len(page) - 2}
        kept.append(
            [
                line
                for index, line in enumerate(page)
                if not (index in outer and _unnumbered(line) in common and (_unnumbered(line) or _NUMBER.match(line)))
            ]
        )
    return kept


def _near_one_another(numbers: list[int]) -> list[int]:
    """Of ascending page numbers those that stand in a run of MIN_HEADS or more, no gap in it over HEAD_PAGES."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number - runs[-1][-1] <= HEAD_PAGES:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [number for run in runs if len(run) >= MIN_HEADS for number in run]


def _page_blocks(lines: list[str], headings: dict[str, int], beginnings: set[str], width: int) -> list[str]:
    blocks: list[str] = []
    column: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        taken, told = 1, ""
        for count in range(min(MAX_HEADING_LINES, len(lines) - at), 0, -1):
            if level := headings.get(_norm(" ".join(lines[at : at + count]))):
                taken, told = count, f"{'#' * min(level, 6)} {' '.join(lines[at : at + count])}"
                break
        if told or _norm(line)[:BEGINNING_CHARS] in beginnings:
            blocks += _paragraphs(column, width)
            column = []
        if told:
            blocks.append(told)
        else:
            column.append(line)
        at += taken
    return [*blocks, *_paragraphs(column, width)]


def _paragraphs(lines: list[str], width: int) -> list[str]:
    """Lines of a column as paragraphs: one ends where a sentence does and the next word would have had room.

    Several such line ends in a row, sentence or not, are the author's: verse, kept apart with its lines."""
    if not lines:
        return []
    free = [
        len(line) + 1 + len(after.split(maxsplit=1)[0]) <= FULL_LINE_FRAC * width and not line.endswith("-")
        for line, after in pairwise(lines)
    ]
    blocks: list[str] = []
    begun, in_verse = [lines[0]], free[:2] == [True, True]
    for index, line in enumerate(lines[1:]):
        goes_on = free[index] and free[index + 1 : index + 2] != [False]
        begins_verse = free[index : index + 3] == [True, True, True]
        sentence_ends = free[index] and bool(_ENDS_SENTENCE.search(lines[index]))
        if (in_verse and not goes_on) or (not in_verse and (sentence_ends or begins_verse)):
            blocks.append("\n".join(begun))
            begun, in_verse = [], begins_verse
        begun.append(line)
    return [*blocks, "\n".join(begun)]


def _usual_width(lines: list[str]) -> int:
    """How many characters a full line of the book's column holds."""
    widths = sorted(map(len, lines))
    return widths[int(0.9 * (len(widths) - 1))] if widths else 0


def _norm(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _unnumbered(line: str) -> str:
    return re.sub(r"[\W\d_]+", "", line).casefold()
