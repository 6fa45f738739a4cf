"""All the books beside the repository, whole: nothing of their digital editions left, chapters as their contents say.

The counts were written down after looking at each book's own table of contents."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from ontogeny.corpus.clean import clean

BOOKS = Path(__file__).parents[3] / "shared" / "books"
FILES = sorted(BOOKS.glob("*/*.txt"))
RESIDUE = re.compile(
    r"project gutenberg|gutenberg\.(?:org|net)|\be-?texts?\b|\be-?books?\b|transcriber|transcription note|proofread"
    r"|pgdp|https?:|www\.|archive\.org|small print!|preparer|poster's note|\.htm\b|PDF file|LaTeX source|erratum\d"
    r"|distributed proof|this file",
    re.IGNORECASE,
)
# how many headings of a book match, and the pattern: its chapters as its contents count them; "." is all of depth 1
FORM = ("newlines", "unicode_nfc", "hard_wrap", "indent", "heading_lines", "gutenberg_header", "gutenberg_footer")
CHAPTERS = {
    "11-alice": (12, r"^CHAPTER [IVX]+\. "),
    "12228": (45, r"^LESSON [IVXL]+\. "),
    "1228": (14, r"^\d+\. |^NATURAL SELECTION"),
    "136-childs": (64, r"^[IVXL]+ [A-Z]"),
    "14328": (39, r"^SONG "),
    "14474": (7, r"^LECTURE "),
    "14640": (63, r"^LESSON "),
    "14642": (52, r"^L(?:ESSON|esson) "),
    "1497": (10, r"^BOOK [IVX]+\.$"),
    "14986": (14, r"^[A-Z]+ SERIES\."),
    "16729": (14, r"^[IVX]+\. "),
    "17367": (26, r"^CHAPTER "),
    "19994": (147, r"."),
    "20417": (8, r"^[IVX]+ [A-Z]"),
    "20848": (32, r"^CHAPTER "),
    "2591": (63, r"^[A-Z][^.]+$"),
    "27378": (27, r"^CHAPTER "),
    "27942": (66, r"^Chapter "),
    "28775": (15, r"^CHAPTER "),
    "33283": (21, r"^CHAPTER "),
    "33504": (7, r"^_?PART [IV]+"),
    "36114": (32, r"^CHAPTER "),
    "37134": (18, r"^\d+\. "),
    "39088": (17, r"^CHAPTER "),
    "40175": (18, r"^CHAPTER "),
    "41568": (17, r"^CHAPTER "),
    "4583": (12, r"^PART \d+$"),
    "4724": (3, r"DIALOGUE"),
    "55262": (26, r"^CHAPTER "),
    "5827": (15, r"^CHAPTER "),
    "66712": (17, r"^CHAPTER "),
    "699-": (37, r"^CHAPTER "),
    "754": (64, r"."),
    "972": (26, r"^[A-Z]$"),
    "pugacheva": (8, r"^Глава "),
}


@cache
def cleaned(path: Path):
    return clean(path.read_text(encoding="utf-8"), "plain", "ru" if "ruslit" in path.name else "en")


pytestmark = pytest.mark.skipif(not FILES, reason="no ../shared/books beside the repository")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_book_is_clean_whole_and_steady(path):
    book = cleaned(path)
    assert not (found := RESIDUE.search(book.text.replace("Gutenberg method", ""))), book.text[found.start() - 80 :][
        :200
    ]
    assert book.text.endswith("\n\n") and "\n\n\n" not in book.text and not re.search(r"[ \t]\n", book.text)
    assert clean(book.text, "plain", "ru" if "ruslit" in path.name else "en").text == book.text
    assert all(book.text.startswith(title + "\n\n", offset) for title, offset, _ in book.chapters)
    assert sum(book.kinds.values()) == book.text.count("\n\n")


@pytest.mark.parametrize(("name", "expected"), CHAPTERS.items(), ids=CHAPTERS)
def test_chapters_are_those_of_the_books_own_contents(name, expected):
    (path,) = [path for path in FILES if name in path.name]
    count, pattern = expected
    found = [
        title
        for title, _, depth in cleaned(path).chapters
        if re.search(pattern, title) and (pattern != "." or depth == 1)
    ]
    assert abs(len(found) - count) <= count // 20, found


def test_the_table_of_what_is_kept(capsys):
    """Prints the table of docs/corpus.md: `pytest tests/corpus/test_whole_books.py -k table -s`."""
    rows = []
    for path in FILES:
        raw, book = path.read_text(encoding="utf-8"), cleaned(path)
        cuts = ", ".join(f"{rule} {count}" for rule, count, _ in book.cuts if rule not in FORM)
        outer = sum(chars for rule, _, chars in book.cuts if rule in ("gutenberg_header", "gutenberg_footer"))
        kept, own = len(book.text) / len(raw), len(book.text) / (len(raw) - outer)
        top = sum(depth == 1 for _, _, depth in book.chapters)
        rows.append(f"| {path.stem} | {kept:.1%} | {own:.1%} | {top}, {len(book.chapters)} | {cuts} |")
        assert own > 0.7, rows[-1]
    with capsys.disabled():
        print("", *rows, sep="\n")
