"""Structured data as chapters: JSON, JSON lines, a folder of JSON, a table of SQLite; chats among them become turns.

    heading=PATH[,PATH]   the first of them that says something
    body=PATH,PATH        a paragraph group each
    labelled=PATH,PATH    the same, each begun with its own name: `Climate: ...`
    strip=html            the fields hold HTML
    min_chars=N  without=TEXT    records shorter, or holding TEXT, are left out
    skip=N  take=N        of the records that are left
    table=NAME            of a SQLite file
    any other key         a field that must equal the value, or one of its values
PATH is a key, or keys joined by `/`; lists on the way are gone through. Without `body` and `labelled`, a chat export is
told by its shape, and of other records the first of the fields `text`, `content` or `body` is read, its line ends
kept; it may be a list of paragraphs. Of a mapping that holds one list of such records, they are the records."""

from __future__ import annotations

import json
import re
import sqlite3
from html.parser import HTMLParser
from typing import Any

from ontogeny.core.errors import closest
from ontogeny.corpus.encodings import decoded
from ontogeny.corpus.selectors import NO_END, Note, RawFile, Reading, ReadProblem, Selector, chapters_text
from ontogeny.corpus.transcripts import Conversation, conversations

BLOCK_TAGS = ("p", "div", "ul", "ol", "li", "table", "tr", "h1", "h2", "h3", "h4")
SILENT = ("", "none", "None", "N/A", "NA")
OBVIOUS_BODIES = ("text", "content", "body")
OBVIOUS_HEADINGS = ("title", "heading", "chapter")


def read_json(files: list[RawFile], selector: Selector, language: str = "") -> Reading:
    """One file of many records (also a record a line), or a folder in which each file is a record."""
    values, notes = [], []
    for file in files:
        text, found = decoded(file.content, file.name, language)
        values.append(_parsed(text, file.name))
        notes += [note for note in found if note not in notes]
    value = values if len(values) != 1 else values[0]
    if not any([selector.has(key) for key in ("body", "labelled")]) and (chats := _chats(value)):
        return _render_chats(chats, selector, notes)
    records, beside = _records(value)
    told = [{"text": record} if isinstance(record, str) else record for record in records]
    known = [record for record in told if isinstance(record, dict)]
    if left_out := beside + len(told) - len(known):
        notes.append(("left_out", f"{left_out} values that are no records"))
    reading = _render_records(known, selector)
    return Reading(reading.text, "markdown", (*notes, *reading.notes))


def _records(value: Any) -> tuple[list[Any], int]:
    """(the records of a file, how many values stand beside them)."""
    if not isinstance(value, dict) or _is_record(value):
        return value if isinstance(value, list) else [value], 0
    held = [inner for inner in value.values() if isinstance(inner, list) and any(map(_is_record, inner))]
    if len(held) == 1 and not any(map(_is_record, value.values())):
        return held[0], len(value) - 1
    return list(value.values()), 0


def _chats(value: Any) -> list[Conversation] | None:
    try:
        return conversations(value)
    except RecursionError:  # parts within parts without end: no chat program writes them
        return None


def _is_record(value: Any) -> bool:
    """Whether a value is one record with an obvious body, not a mapping from names to records."""
    bodies = [value.get(key) for key in OBVIOUS_BODIES] if isinstance(value, dict) else []
    return any(isinstance(part, str) for body in bodies for part in _flat([body]))


def _parsed(text: str, name: str) -> Any:
    """A file's value; of several values, a line each, their list."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # a ValueError alone: a number of more digits than Python reads
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        fault = f"{name}: {error}"
        if len(lines) < 2 or not isinstance(error, json.JSONDecodeError):
            raise _not_json(fault) from None
    values = []
    for number, line in lines:
        try:
            values.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise _not_json(fault if number == lines[0][0] else f"{name}, line {number}: {error}") from None
    return values


def _not_json(told: str) -> ReadProblem:
    return ReadProblem("holds a file that is not JSON.", told, "JSON", "mend the file")


def _render_chats(chats: list[Conversation], selector: Selector, notes: list[Note]) -> Reading:
    """Conversations as chapters of turns, filtered by `min_chars`, `without`, `skip`, `take`."""
    least, skip, take = selector.count("min_chars", 1), selector.count("skip"), selector.count("take", NO_END)
    unwanted = [text.lower() for text in selector.all("without")]
    told = []
    for number, chat in enumerate(chats, 1):
        paragraphs = chat.paragraphs()
        whole = " ".join((chat.title, *paragraphs)).lower()
        if paragraphs and sum(map(len, paragraphs)) >= least and not any(text in whole for text in unwanted):
            told.append((chat.title or (f"Conversation {number}" if len(chats) > 1 else ""), paragraphs))
    if left_out := sum(chat.left_out for chat in chats):
        notes = [*notes, ("left_out", f"{left_out} messages of systems, tools and other branches")]
    return Reading(chapters_text(told[skip:][:take]), "play", tuple(notes))


def read_sqlite(files: list[RawFile], selector: Selector) -> Reading:
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
        try:
            cursor = connection.execute(f'select * from "{quoted}" order by rowid')
        except sqlite3.OperationalError:  # a table WITHOUT ROWID, which its primary key orders
            cursor = connection.execute(f'select * from "{quoted}"')
        names = [column[0] for column in cursor.description]
        records = [dict(zip(names, row, strict=True)) for row in cursor]
        return _render_records(records, selector)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter for the name of a table
        raise ReadProblem("is not a SQLite file.", str(error), "a SQLite database", "bring the file again") from None
    finally:
        connection.close()


def _render_records(records: list[dict[str, Any]], selector: Selector) -> Reading:
    """Records as chapters, filtered, cut, each with its heading; those without an obvious body are counted."""
    headings, bodies, labelled = selector.paths("heading"), selector.paths("body"), selector.paths("labelled")
    min_chars, skip, take = selector.count("min_chars", 1), selector.count("skip"), selector.count("take", NO_END)
    if (strip := selector.all("strip")) not in ([], ["html"]):
        raise ReadProblem("asks to strip what nobody can strip.", f"strip={strip[-1]}", "strip=html")
    html = bool(strip)
    obvious = not bodies and not labelled
    if obvious:
        bodies = [key for key in OBVIOUS_BODIES if any(_says(record, key) for record in records)]
        headings = headings or [key for key in OBVIOUS_HEADINGS if any(record.get(key) for record in records)][:1]
        if records and not bodies:
            raise ReadProblem(
                "has records of which nobody says what to read.",
                f"the fields {', '.join(map(repr, list(records[0])[:12]))}",
                f"body=FIELD, or a field named {', '.join(OBVIOUS_BODIES)}",
            )
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
    empty = 0
    for record in records:
        if not all(values & set(_values(record, path)) for path, values in wanted.items()):
            continue
        title = next((v for path in headings for v in _values(record, path) if v.strip() not in SILENT), "")
        read = [path for path in bodies if _says(record, path)][:1] if obvious else bodies
        found = [p for path in read for v in _values(record, path) for p in _paragraphs(v, html, obvious)]
        empty += obvious and not found
        chars = sum(map(len, found))
        found += [
            f"{path.rsplit('/', 1)[-1]}: {p}"
            for path in labelled
            for v in _values(record, path)
            for p in _paragraphs(v, html)[:1]
        ]
        whole = " ".join((title, *found)).lower()
        if chars >= min_chars and not any(text in whole for text in unwanted) and (title or obvious or not headings):
            chapters.append((" ".join(_plain_html(title).split()) if html else title, found))
    notes = (("left_out", f"{empty} records without {', '.join(OBVIOUS_BODIES)}"),) if empty else ()
    return Reading(chapters_text(chapters[skip:][:take]), "markdown", notes)


def _says(record: dict[str, Any], path: str) -> bool:
    return any(value.strip() for value in _values(record, path))


def _values(record: Any, path: str) -> list[str]:
    """What stands at a path: text and numbers; a mapping gives its `text`; lists are gone through."""
    level = [record]
    for key in path.split("/"):
        level = [value[key] for value in _flat(level) if isinstance(value, dict) and key in value]
    level = [value.get("text") if isinstance(value, dict) else value for value in _flat(level)]
    return [str(value) for value in level if isinstance(value, (str, int, float))]


def _flat(values: list[Any]) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, list) else [value])]


def _paragraphs(text: str, html: bool = False, keep_lines: bool = False) -> list[str]:
    """Paragraphs of a field: at blank lines, and unless lines are kept, at line ends that also end a sentence."""
    text = _plain_html(text) if html else text
    if keep_lines:
        return [piece.strip("\r\n") for piece in re.split(r"\r?\n(?:[ \t]*\r?\n)+", text) if piece.strip()]
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
