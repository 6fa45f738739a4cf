"""Kinds of file to text: one small reader a kind. Structured data becomes `# Heading` lines and paragraphs.

A selector is a query string (`key=value&key=value`); a key may come several times.

    .txt .md                  whole; no selector
    .json .db, folder of .json   heading=PATH[,PATH]   the first of them that says something
                              body=PATH,PATH           a paragraph group each
                              labelled=PATH,PATH       the same, each begun with its own name: `Climate: ...`
                              strip=html               the fields hold HTML
                              min_chars=N  without=TEXT (records shorter, or holding TEXT, are left out)
                              skip=N  take=N           of the records that are left
                              table=NAME               of a SQLite file
                              any other key: a field that must equal the value, or one of its values
                              PATH is a key, or keys joined by `/`; lists on the way are gone through
    .py, folder of .py        docstrings [min_chars=N skip=N take=N]: the prose of docstrings, by object
    .py of pythonbible        book=N: verses as paragraphs of four to six, chapters as headings
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from ontogeny.core.errors import closest

VERSES_A_PARAGRAPH = 6
MIN_DOCSTRING_CHARS = 160
BLOCK_TAGS = ("p", "div", "ul", "ol", "li", "table", "tr", "h1", "h2", "h3", "h4")
NO_END = sys.maxsize
SILENT = ("", "none", "None", "N/A", "NA")


@dataclass(frozen=True)
class RawFile:
    """One file of a source: its name within the source, where it lies, and its bytes."""

    name: str
    path: Path
    content: bytes


class ReadProblem(Exception):
    """Why a source gives no text; the room above says which book it was."""

    def __init__(self, what: str, got: str, expected: str, fix: str = "correct the selector of the source"):
        super().__init__(what)
        self.what, self.got, self.expected, self.fix = what, got, expected, fix


@dataclass
class Selector:
    """The part of a source after `#`, which remembers what was asked of it."""

    pairs: list[tuple[str, str]]
    used: set[str] = field(default_factory=set)

    def all(self, key: str) -> list[str]:
        self.used.add(key)
        return [value for name, value in self.pairs if name == key]

    def paths(self, key: str) -> list[str]:
        return [path.strip() for value in self.all(key) for path in value.split(",") if path.strip()]

    def count(self, key: str, default: int = 0) -> int:
        values = self.all(key)
        if values and not (values[-1].isascii() and values[-1].isdigit()):
            raise ReadProblem(f"has a selector whose '{key}' is no count.", values[-1], "a whole number, 0 or more")
        return int(values[-1]) if values else default

    def has(self, key: str) -> bool:
        return bool(self.all(key))

    def rest(self) -> dict[str, set[str]]:
        """The keys no reader knows: fields to filter by, each with the values it may have."""
        return {key: set(self.all(key)) for key in dict(self.pairs) if key not in self.used}

    def check_all_used(self) -> None:
        if left := [key for key, _ in self.pairs if key not in self.used]:
            raise ReadProblem(
                "has a selector that its kind of file does not know.",
                left[0],
                f"one of: {', '.join(sorted(self.used)) or 'no selector at all'}",
            )


Reader = Callable[[list[RawFile], Selector], str]


def reader_of(path: str, folder: bool, selector: Selector) -> tuple[Reader, str]:
    """The reader for a kind of file, and the markup of what it gives."""
    suffix = PurePosixPath(path).suffix.lower()
    if selector.has("docstrings"):
        return read_docstrings, "markdown"
    if folder or suffix == ".json":
        return read_json, "markdown"
    if suffix in (".db", ".sqlite", ".sqlite3"):
        return read_sqlite, "markdown"
    if suffix == ".py" and selector.has("book"):
        return read_pythonbible, "markdown"
    if suffix in (".txt", ".md"):
        return read_whole, "markdown" if suffix == ".md" else "plain"
    raise ReadProblem(
        "is a kind of file that needs another selector, or none reads.",
        suffix or "no suffix",
        ".txt, .md, .json, .db, a folder of .json, or .py with `docstrings` or `book=N`",
    )


def read_whole(files: list[RawFile], selector: Selector) -> str:
    return _decode(files[0])


def _decode(file: RawFile) -> str:
    try:
        return file.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadProblem(
            "holds bytes that are not UTF-8.",
            f"byte {error.object[error.start]:#04x} at {error.start} of {file.name}",
            "UTF-8 text",
            "save the file as UTF-8",
        ) from None


# Records: JSON, a folder of JSON, SQLite


def read_json(files: list[RawFile], selector: Selector) -> str:
    """One file of many records, or a folder in which each file is a record."""
    values = []
    for file in files:
        try:
            values.append(json.loads(_decode(file)))
        except (json.JSONDecodeError, RecursionError) as error:
            raise ReadProblem(
                "holds a file that is not JSON.", f"{file.name}: {error}", "JSON", "mend the file"
            ) from None
    records = values if len(values) != 1 else values[0]
    if isinstance(records, dict):
        records = list(records.values())
    return _render_records([record for record in records if isinstance(record, dict)], selector)


def read_sqlite(files: list[RawFile], selector: Selector) -> str:
    """The rows of one table. The file is opened read-only, as a thing that does not change."""
    tables = selector.all("table")
    connection = sqlite3.connect(files[0].path.resolve().as_uri() + "?mode=ro&immutable=1", uri=True)
    try:
        known = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        if len(tables) != 1 or tables[0] not in known:
            raise ReadProblem(
                "names a table the file does not hold.",
                ", ".join(tables) or "no table",
                f"table=NAME, one of: {', '.join(sorted(known))}",
            )
        quoted = tables[0].replace('"', '""')
        cursor = connection.execute(f'select * from "{quoted}" order by rowid')
        names = [column[0] for column in cursor.description]
        return _render_records([dict(zip(names, row, strict=True)) for row in cursor], selector)
    except sqlite3.DatabaseError as error:
        raise ReadProblem("is not a SQLite file.", str(error), "a SQLite database", "bring the file again") from None
    finally:
        connection.close()


def _render_records(records: list[dict[str, Any]], selector: Selector) -> str:
    """Records as chapters, filtered, cut, each with its heading."""
    headings, bodies, labelled = selector.paths("heading"), selector.paths("body"), selector.paths("labelled")
    min_chars, skip, take = selector.count("min_chars", 1), selector.count("skip"), selector.count("take", NO_END)
    if (strip := selector.all("strip")) not in ([], ["html"]):
        raise ReadProblem("asks to strip what nobody can strip.", f"strip={strip[-1]}", "strip=html")
    html = bool(strip)
    unwanted = [text.lower() for text in selector.all("without")]
    wanted = selector.rest()
    for path in (*headings, *bodies, *labelled, *wanted):
        if records and not any(_values(record, path) for record in records):
            raise ReadProblem(
                "has a selector that names a field no record has.",
                path,
                f"a field of the records{closest(path, records[0])}",
            )
    chapters = []
    for record in records:
        if not all(values & set(_values(record, path)) for path, values in wanted.items()):
            continue
        title = next((v for path in headings for v in _values(record, path) if v.strip() not in SILENT), "")
        found = [p for path in bodies for v in _values(record, path) for p in _paragraphs(v, html)]
        chars = sum(map(len, found))
        found += [
            f"{path.rsplit('/', 1)[-1]}: {p}"
            for path in labelled
            for v in _values(record, path)
            for p in _paragraphs(v, html)[:1]
        ]
        whole = " ".join((title, *found)).lower()
        if chars >= min_chars and not any(text in whole for text in unwanted) and (title or not headings):
            chapters.append((" ".join(_plain_html(title).split()) if html else title, found))
    return _chapters(chapters[skip:][:take])


def _values(record: Any, path: str) -> list[str]:
    """What stands at a path: text and numbers; a mapping gives its `text`; lists are gone through."""
    level = [record]
    for key in path.split("/"):
        level = [value[key] for value in _flat(level) if isinstance(value, dict) and key in value]
    level = [value.get("text") if isinstance(value, dict) else value for value in _flat(level)]
    return [str(value) for value in level if isinstance(value, (str, int, float))]


def _flat(values: list[Any]) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, list) else [value])]


def _chapters(chapters: Iterable[tuple[str, list[str]]]) -> str:
    lines = []
    for title, paragraphs in chapters:
        lines += [f"# {' '.join(title.split())}"] if title else []
        lines += [f"\\{text}" if text.startswith("#") else text for text in paragraphs]
    return "\n\n".join(lines) + "\n" if lines else ""


def _paragraphs(text: str, html: bool = False) -> list[str]:
    """Paragraphs of a field: at blank lines, and at line ends that also end a sentence."""
    text = _plain_html(text) if html else text
    pieces = re.split(r"\n\s*\n|(?<=[.!?])[ \t]*\n", text)
    return [joined for piece in pieces if (joined := " ".join(piece.split()))]


class _Stripper(HTMLParser):
    """Gathers the text of an HTML fragment: blocks apart, everything else dissolved."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.pieces.append("\n\n" if tag in BLOCK_TAGS else "\n" if tag == "br" else "")

    def handle_endtag(self, tag: str) -> None:
        self.pieces.append("\n\n" if tag in BLOCK_TAGS else "")

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def _plain_html(text: str) -> str:
    stripper = _Stripper()
    stripper.feed(text)
    stripper.close()
    return "".join(stripper.pieces)


# Docstrings


def read_docstrings(files: list[RawFile], selector: Selector) -> str:
    """The prose of public modules, classes and functions; no code, no parameter lists, nothing twice."""
    least = selector.count("min_chars", MIN_DOCSTRING_CHARS)
    skip, take = selector.count("skip"), selector.count("take", NO_END)
    seen: set[str] = set()
    chapters = []
    for file in files:
        try:
            tree = ast.parse(_decode(file))
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
    return _chapters(chapters[skip:][:take])


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


def read_pythonbible(files: list[RawFile], selector: Selector) -> str:
    """One book of a pythonbible version, by its number in the usual order (Genesis is 1)."""
    text, starts = _verses(files[0].content)
    book = selector.count("book")
    bounds = [*starts, (0, len(text))]
    chapters: dict[int, list[str]] = {}
    for (verse, start), (_, end) in pairwise(bounds):
        if verse // 1_000_000 == book:
            clean = re.sub(r"\\+[\d:]+\\+|\*{3}|[\[\]]", " ", text[start:end])
            chapters.setdefault(verse // 1000 % 1000, []).append(" ".join(clean.split()))
    return _chapters((f"Chapter {number}", _in_groups(verses)) for number, verses in sorted(chapters.items()))


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
