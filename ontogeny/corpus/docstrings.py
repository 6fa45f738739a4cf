"""Prose that stands in Python source: docstrings, and the verses of pythonbible.

    .py, folder of .py        docstrings [min_chars=N skip=N take=N]: the prose of docstrings, by object
    .py of pythonbible        book=N: verses as paragraphs of four to six, chapters as headings

No source is imported or run: it is parsed, and only literals are looked at."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePosixPath

from ontogeny.corpus.selectors import NO_END, RawFile, Reading, ReadProblem, Selector, chapters_text

VERSES_A_PARAGRAPH = 6
MIN_DOCSTRING_CHARS = 160


def read_docstrings(files: list[RawFile], selector: Selector) -> Reading:
    """The prose of public modules, classes and functions; no code, no parameter lists, nothing twice."""
    least = selector.count("min_chars", MIN_DOCSTRING_CHARS)
    skip, take = selector.count("skip"), selector.count("take", NO_END)
    seen: set[str] = set()
    chapters = []
    for file in files:
        try:
            tree = ast.parse(file.content)
        except (SyntaxError, ValueError, RecursionError) as error:
            raise ReadProblem(
                "holds a file that is not Python.",
                f"{file.name}: {error}",
                "Python source",
                "install the version the lock names",
            ) from None
        for name, doc in _docstrings(tree, PurePosixPath(file.name)):
            prose = [text for text in _prose(doc) if text not in seen]
            seen.update(prose)
            if sum(map(len, prose)) >= least:
                chapters.append((name, prose))
    return Reading(chapters_text(chapters[skip:][:take]), "markdown")


def _docstrings(tree: ast.Module, path: PurePosixPath) -> Iterator[tuple[str, str]]:
    module = path.parent.name if path.name == "__init__.py" else path.stem
    if doc := ast.get_docstring(tree, clean=False):
        yield module or path.stem, doc
    stack: list[tuple[str, ast.AST]] = [("", node) for node in reversed(tree.body)]
    while stack:
        prefix, node = stack.pop()
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            if doc := ast.get_docstring(node, clean=False):
                yield prefix + node.name, doc
            if isinstance(node, ast.ClassDef):
                stack += [(f"{prefix}{node.name}.", child) for child in reversed(node.body)]


NOT_PROSE = {
    "parameters",
    "returns",
    "return",
    "yields",
    "raises",
    "examples",
    "example",
    "references",
    "see also",
    "attributes",
    "methods",
    "warns",
    "other parameters",
    "doctests",
    "usage",
}
INLINE = (
    (re.compile(r":[\w:]+:`~?([^`<]*?)\s*(?:<[^>]*>)?`"), r"\1"),
    (re.compile(r"`{1,2}([^`]+)`{1,2}_{0,2}"), r"\1"),
    (re.compile(r"(?:(?<=[.:] )|^)[^.]*\b(?:in|on|by|from|of|at|see|See) \[[\w*#]+\]_\.?"), ""),
    (re.compile(r"\s*\[[\w*#]+\]_"), ""),
    (re.compile(r"\*{1,2}(\w[^*]*\w|\w)\*{1,2}"), r"\1"),
)


def _prose(doc: str) -> list[str]:
    """The paragraphs of a docstring that a person would read aloud."""
    kept, speaking = [], True
    for block in re.split(r"\n\s*\n", inspect.cleandoc(doc)):
        lines = [line for line in block.split("\n") if line.strip()]
        if len(lines) >= 2 and re.fullmatch(r"\s*([=\-~^*#+\"'])\1{2,}\s*", lines[1]):
            speaking = lines[0].strip().rstrip(":").lower() not in NOT_PROSE
            lines = lines[2:]
        text = " ".join(" ".join(lines).split())
        for pattern, plain in INLINE:
            text = pattern.sub(plain, text).strip()
        if speaking and lines and _reads_aloud(lines, text):
            kept.append(text.rstrip(":") + "." if text.endswith(":") else text)
    return kept


def _reads_aloud(lines: list[str], text: str) -> bool:
    first = lines[0]
    if first[0].isspace() or first.startswith((">>>", "..", "- ", "* ", "|", "+", ":", "#", "@")) or ">>>" in text:
        return False
    letters = sum(char.isalpha() or char.isspace() for char in text)
    return len(text.split()) >= 6 and letters >= 0.85 * len(text) and "\\" not in text


# The verses of pythonbible


def read_pythonbible(files: list[RawFile], selector: Selector) -> Reading:
    """One book of a pythonbible version, by its number in the usual order (Genesis is 1)."""
    text, starts = _verses(files[0].content)
    book = selector.count("book")
    bounds = [*starts, (0, len(text))]
    chapters: dict[int, list[str]] = {}
    for (verse, start), (_, end) in pairwise(bounds):
        if verse // 1_000_000 == book:
            clean = re.sub(r"\\+[\d:]+\\+|\*{3}|[\[\]]", " ", text[start:end])
            chapters.setdefault(verse // 1000 % 1000, []).append(" ".join(clean.split()))
    told = ((f"Chapter {number}", _in_groups(verses)) for number, verses in sorted(chapters.items()))
    return Reading(chapters_text(told), "markdown")


@lru_cache(maxsize=2)
def _verses(content: bytes) -> tuple[str, list[tuple[int, int]]]:
    """The whole text and where each verse begins, off the literal `Bible(version, text, starts, ...)`."""
    try:
        calls = [node for node in ast.walk(ast.parse(content)) if isinstance(node, ast.Call) and len(node.args) > 2]
        text, starts = (ast.literal_eval(node) for node in calls[0].args[1:3])
        return text.replace("\\", 2 * "\\"), sorted(starts.items())  # its offsets count a backslash twice
    except (SyntaxError, ValueError, RecursionError, IndexError, AttributeError):
        raise ReadProblem(
            "is not a Bible as pythonbible writes it.",
            "no such literal",
            "Bible(version, text, starts, ...)",
            "install the version the lock names",
        ) from None


def _in_groups(verses: list[str]) -> list[str]:
    """Verses joined into paragraphs of even size, at most VERSES_A_PARAGRAPH each."""
    count = -(-len(verses) // VERSES_A_PARAGRAPH)
    edges = [round(i * len(verses) / count) for i in range(count + 1)]
    return [" ".join(verses[a:b]) for a, b in pairwise(edges)]
