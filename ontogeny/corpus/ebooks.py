"""EPUB and FB2 made ready for the extractor.

An EPUB is packed anew: its documents decoded and tidied, without pictures, and a document without a heading given the
title its table of contents has for it. An FB2 is written as HTML, tag by tag, so that a file that is not quite XML is
still read; verse lines, notes and the depth of sections are kept."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterable
from html import escape, unescape
from pathlib import PurePosixPath
from posixpath import normpath
from urllib.parse import unquote

from ontogeny.corpus.archives import Member
from ontogeny.corpus.encodings import decoded
from ontogeny.corpus.hypertext import plain_text, replaced, tidied
from ontogeny.corpus.selectors import Note, ReadProblem

DOCUMENTS = (".xhtml", ".html", ".htm", ".xml")
NOT_DOCUMENTS = ("META-INF/container.xml", "META-INF/encryption.xml")
HEAD_CHARS = 600

_ATTRIBUTE = re.compile(r"""(?<![\w:-])([\w:-]++)\s*+=\s*+(?:"([^"]*)"|'([^']*)')""")
_EMPTY = re.compile(r"<(?!(?:br|hr|img|input|meta|link|col|area|base|wbr)\b)([\w:]++)([^<>]*)/>", re.IGNORECASE)
_BODY = re.compile(r"<body\b[^<>]*>", re.IGNORECASE)
_PICTURE = re.compile(r"<(?:img|image|svg|object)\b", re.IGNORECASE)
_HEADED = re.compile(r"<h([1-6])\b", re.IGNORECASE)
_NCX = re.compile(
    r"<(?:\w+:)?text>([^<]{1,300})</(?:\w+:)?text>\s*</(?:\w+:)?navLabel>\s*<(?:\w+:)?content\b([^<>]*)>", re.IGNORECASE
)
_NAV = re.compile(r"<a\b([^<>]*)>((?:(?!</a>).){1,400})</a>", re.IGNORECASE | re.DOTALL)
_LINE = re.compile(r"<(p|div)\b[^<>]*>((?:(?!</?(?:p|div)\b).){1,400})</\1>", re.IGNORECASE | re.DOTALL)


def packed_anew(members: list[Member], name: str, language: str) -> tuple[bytes, list[Note]]:
    """An EPUB of the same spine with tidied documents.

    Raises: ReadProblem if it is locked, has no spine, or names a file outside its own archive."""
    files = {member.name: member for member in members}
    package, items, spine = _package(files, name)
    said = {item["path"] for item in items.values() if item.get("media-type") == "application/xhtml+xml"}
    documents = {path for path in files if path.lower().endswith(DOCUMENTS) or path in said} - set(NOT_DOCUMENTS)
    locked = b"".join(files[key].read() for key in NOT_DOCUMENTS[1:] if key in files)
    if locked and any(path.encode() in locked for path in documents):
        raise _problem("is locked: its documents are encrypted.", name, "an EPUB without copy protection")
    notes: list[Note] = []
    if missing := [path for path in spine if path not in files]:
        notes.append(("missing", f"{len(missing)} documents of the spine, the first {missing[0]}"))
    bodies: dict[str, str] = {}
    for path in _told_documents(items, spine, documents):
        text, found = decoded(files[path].read(), path, language)
        notes += [note for note in found if note not in notes]
        bodies[path] = _inside(tidied(_EMPTY.sub(r"<\1\2></\1>", text)))
        if not plain_text(bodies[path]) and not _PICTURE.search(text):
            notes.append(("empty", f"{path} holds no words"))
    titles, level = _titles(files, items, package), _usual_level(bodies.values())
    return _packed([_headed(bodies[path], titles.get(path, ""), level) for path in spine if path in bodies]), notes


def _told_documents(items: dict[str, dict[str, str]], spine: list[str], documents: set[str]) -> list[str]:
    """The documents of the spine, each once, without the navigation."""
    navigation = {item["path"] for item in items.values() if "nav" in item.get("properties", "").split()}
    return [path for path in dict.fromkeys(spine) if path in documents and path not in navigation]


def _packed(bodies: list[str]) -> bytes:
    """Bodies of documents as an EPUB; under plain names, since the extractor takes an address as it is written."""
    out = io.BytesIO()
    names = [f"{number}.xhtml" for number in range(len(bodies))]
    items = "".join(f'<item id="i{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in names)
    refs = "".join(f'<itemref idref="i{name}"/>' for name in names)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            NOT_DOCUMENTS[0], '<container><rootfiles><rootfile full-path="book.opf"/></rootfiles></container>'
        )
        archive.writestr("book.opf", f"<package><manifest>{items}</manifest><spine>{refs}</spine></package>")
        for name, body in zip(names, bodies, strict=True):
            archive.writestr(name, f"<html><body>{body}</body></html>")
    return out.getvalue()


def _package(files: dict[str, Member], name: str) -> tuple[str, dict[str, dict[str, str]], list[str]]:
    """(path of the package document, its items by id with their full paths, the paths of the spine in order)."""
    container = files["META-INF/container.xml"].read().decode("utf-8", "replace")
    package = _attributes(container, "rootfile")[0].get("full-path", "") if "rootfile" in container else ""
    if package not in files:
        raise _problem("is an EPUB without a package.", name, "META-INF/container.xml that names an .opf file")
    opf = decoded(files[package].read(), package)[0]
    items = {}
    for item in _attributes(opf, "item"):
        path = unquote(item.get("href", ""))
        full = normpath(str(PurePosixPath(package).parent / path))
        if path.startswith("/") or full.startswith("../"):
            raise _problem("names a file outside its own archive.", path, "paths inside the EPUB")
        items[item.get("id", "")] = {**item, "path": full}
    spine = [items[ref["idref"]]["path"] for ref in _attributes(opf, "itemref") if ref.get("idref") in items]
    if not spine:
        raise _problem("is an EPUB without a spine.", name, "a reading order of documents")
    return package, items, spine


def _attributes(xml: str, tag: str) -> list[dict[str, str]]:
    return [
        {key: unescape(double or single) for key, double, single in _ATTRIBUTE.findall(found[1])}
        for found in re.finditer(rf"<(?:\w+:)?{tag}\b([^<>]*)>", xml)
    ]


def _titles(files: dict[str, Member], items: dict[str, dict[str, str]], package: str) -> dict[str, str]:
    """The first title that the table of contents (NCX, or the navigation document) has for each document."""
    titles: dict[str, str] = {}
    for item in items.values():
        path = item["path"]
        is_ncx = item.get("media-type") == "application/x-dtbncx+xml" or path.endswith(".ncx")
        if path not in files or not (is_ncx or "nav" in item.get("properties", "").split()):
            continue
        text = decoded(files[path].read(), path)[0]
        for found in (_NCX if is_ncx else _NAV).finditer(text):
            title, told = (found[1], found[2]) if is_ncx else (found[2], found[1])
            place = dict((key, double or single) for key, double, single in _ATTRIBUTE.findall(told))
            href = unquote(unescape(place.get("src") or place.get("href") or "")).partition("#")[0]
            if href and plain_text(title):
                titles.setdefault(normpath(str(PurePosixPath(path).parent / href)), plain_text(title))
    return titles


def _inside(html: str) -> str:
    """The body of a document."""
    body = _BODY.search(html)
    start = body.end() if body else 0
    end = html.lower().rfind("</body")
    return html[start : end if end > start else len(html)]


def _usual_level(bodies: Iterable[str]) -> int:
    """The level that most documents' first heading has, of several the deeper; 2 where none has a heading."""
    levels = Counter(int(found[1]) for body in bodies if (found := _HEADED.search(body)))
    return max(levels, key=lambda level: (levels[level], level), default=2)


def _headed(body: str, title: str, level: int) -> str:
    """A document's body, its title made a heading if it has none."""
    if not title or _HEADED.search(body) or not plain_text(body[: 20 * HEAD_CHARS]):
        return body
    for found in _LINE.finditer(body[: 4 * HEAD_CHARS]):
        if plain_text(found[2]).casefold() == title.casefold():
            return f"{body[: found.start()]}<h{level}>{found[2]}</h{level}>{body[found.end() :]}"
    told = plain_text(body[:HEAD_CHARS]).casefold()
    return body if told.startswith(title.casefold()) else f"<h{level}>{escape(title)}</h{level}>{body}"


def _problem(what: str, got: str, expected: str) -> ReadProblem:
    return ReadProblem(what, got, expected, "bring another copy")


# FB2

_DROPPED = ("description", "binary", "stylesheet")
_NOTE = re.compile(
    r"<a\b([^<>]*)>\s*(?:<sup>)?\s*[\[({]?([^<\[\](){}]{1,8})[\])}]?\s*(?:</sup>)?\s*</a>", re.IGNORECASE
)
_TOKEN = re.compile(r"<(/?)(?:\w+:)?([\w-]+)([^<>]*)>")
_ENDS_A_TITLE = ("title", "section", "/section", "body", "/body", "poem", "subtitle")
_NOTES_BODY = re.compile(r"name\s*=\s*[\"'](?:notes|comments|footnotes)", re.IGNORECASE)
_PLAIN = {
    "p": "p",
    "subtitle": "p",
    "stanza": "p",
    "table": "table",
    "tr": "tr",
    "td": "td",
    "th": "th",
    "sup": "sup",
    "sub": "sub",
    "code": "tt",
    "strong": "b",
    "text-author": "p",
    "date": "p",
    "cite": "blockquote",
    "epigraph": "blockquote",
}


def fb2_html(text: str, keep_bold: bool = False) -> str:
    """An FB2 as tidied HTML: titles by the depth of their sections, stanzas as lines, notes as paragraphs `[1] ...`."""
    for name in _DROPPED:
        text = replaced(text, name, lambda _: "")
    text = _NOTE.sub(lambda found: f"[{found[2].strip()}]" if "note" in found[1] else found[2], text)
    return tidied(_Fb2Writer().html(text), keep_bold)


class _Fb2Writer:
    """Goes over the tags of an FB2 once and remembers where it stands."""

    def __init__(self) -> None:
        self.depth = 0
        self.in_notes = False
        self.in_poem = False
        self.title: list[str] | None = None
        self.label = ""

    def html(self, text: str) -> str:
        """The bodies as one HTML document."""
        pieces: list[str] = []
        at = 0
        for token in _TOKEN.finditer(text):
            self._add(pieces, text[at : token.start()])
            if self.title is not None and token[1] + token[2].lower() in _ENDS_A_TITLE:
                pieces += self.title  # it was never closed: what stands in it is text
                self.title = None
            self._add(pieces, self._tag(bool(token[1]), token[2].lower(), token[3]))
            at = token.end()
        self._add(pieces, text[at:])
        pieces += self.title or []
        return f"<html><body>{''.join(pieces)}</body></html>"

    def _add(self, pieces: list[str], told: str) -> None:
        (pieces if self.title is None else self.title).append(told)

    def _tag(self, closing: bool, name: str, rest: str) -> str:
        if name == "title":
            return self._end_title() if closing else self._begin_title()
        if name == "section":
            self.depth = max(0, self.depth + (-1 if closing else 1))
        elif name == "body":
            self.depth = 0
            self.in_notes = not closing and bool(_NOTES_BODY.search(rest))
        elif name == "poem":
            self.in_poem = not closing
        elif name == "v":
            return "<br>" if closing else ""
        elif name == "p" and not closing and self.label:
            told, self.label = self.label, ""
            return f"<p>{told} "
        elif known := _PLAIN.get(name):
            return f"<{'/' if closing else ''}{known}>"
        return ""

    def _begin_title(self) -> str:
        self.title = []
        return ""

    def _end_title(self) -> str:
        parts = [plain_text(part) for part in "".join(self.title or []).split("</p>")]
        self.title = None
        told = ""
        for part in filter(None, parts):
            told += part if not told else f" {part}" if told[-1] in ".!?:,;—–-" else f". {part}"
        if self.in_notes and self.depth:
            self.label = f"[{told.strip('[]')}]"
            return ""
        level = min(6, self.depth + (2 if self.in_poem else 1))
        return f"<h{level}>{escape(told)}</h{level}>" if told else ""
