"""Which reader fits a file: by what its bytes say it is, then by its suffix; and what each makes of it.

    .txt .md .html .epub .fb2 .pdf     whole; no selector
    .json .jsonl .db, folder of .json  records and chats, by a selector: see `ontogeny.corpus.records`
    .py, folder of .py                 docstrings, or the verses of pythonbible: see `ontogeny.corpus.docstrings`
    .zip                               its readable files in the order of their names, each a chapter or more

A text whose speakers stand in callouts is a play whatever its catalogue says. In the forms `play`, `dialogue` and
`transcript`, speakers named in other ways become `Name: words`; Markdown of the form `play` is a play as well."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from ontogeny.corpus.archives import MAX_UNPACKED_BYTES, Member, members
from ontogeny.corpus.clean import clean
from ontogeny.corpus.docstrings import read_docstrings, read_pythonbible
from ontogeny.corpus.encodings import decoded
from ontogeny.corpus.records import read_json, read_sqlite
from ontogeny.corpus.selectors import Note, RawFile, Reading, ReadProblem, Selector
from ontogeny.corpus.speakers import named_turns
from ontogeny.corpus.transcripts import from_callouts

SPOKEN_FORMS = ("play", "dialogue", "transcript")
KIND_OF_SUFFIX = {
    **dict.fromkeys((".txt", ".text", ".asc", ".utf-8", ""), "txt"),
    **dict.fromkeys((".md", ".markdown"), "md"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "sqlite"),
    **{suffix: suffix[1:] for suffix in (".epub", ".fb2", ".pdf", ".zip")},
}
READABLE = ".txt, .md, .html, .epub, .fb2, .pdf, .json, .jsonl, .zip, .db, .py with `docstrings` or `book=N`"
MAX_TEXT_CHARS = MAX_UNPACKED_BYTES  # of an archive's books together: each may be an archive of its own
_MAGIC = (
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"AT&TFORM", "a DjVu book"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"ITOLITLS", "a Microsoft Reader book"),
    (b"%!PS", "a PostScript document"),
)
_HTML = re.compile(r"\s*(?:<\?xml[^<>]*>\s*)?(?:<!--[^<>]*-->\s*)*(?:<!doctype html|<html\b)", re.IGNORECASE)
_FB2 = re.compile(r"\s*(?:<\?xml[^<>]*>\s*)?(?:<!--[^<>]*-->\s*)*<FictionBook\b")


@dataclass(frozen=True)
class Told:
    """What a catalogue says of a book that helps to read it."""

    language: str = ""
    form: str = ""


def read_files(files: list[RawFile], folder: bool, selector: Selector, told: Told) -> Reading:
    """The text of a source's files, its markup, and notes of what was found on the way.

    Raises: ReadProblem if they cannot be read, or the selector asks for what is not there."""
    name = files[0].name
    suffix = PurePosixPath(name).suffix.lower()
    if selector.has("docstrings"):
        return read_docstrings(files, selector)
    if folder:
        return read_json(files, selector, told.language)
    if suffix == ".py" and selector.has("book"):
        return read_pythonbible(files, selector)
    kind, notes = kind_of(name, files[0].content)
    if kind == "sqlite":
        return read_sqlite(files, selector)
    if kind == "json":
        reading = read_json(files, selector, told.language)
    else:
        reading = READERS[kind](files[0], told)
    return replace(reading, notes=(*notes, *reading.notes))


def kind_of(name: str, content: bytes) -> tuple[str, list[Note]]:
    """What kind of file it is: a key of READERS, "json" or "sqlite"; with a note where its suffix says another.

    Raises: ReadProblem if nobody reads it."""
    suffix = PurePosixPath(name).suffix.lower()
    suffix = "" if re.fullmatch(r"\.\d+|\.{1,2}", suffix) else suffix
    said, found = KIND_OF_SUFFIX.get(suffix), _kind_inside(name, content)
    if found == "epub" and said == "zip":
        found = said = "epub"
    if found and found != said:
        return found, [("kind", f"{name} is {found.upper()} inside")]
    if said is None or (said in ("epub", "zip", "pdf") and not found):
        raise ReadProblem(
            f"is no {said.upper()} inside."
            if said
            else "is a kind of file that needs another selector, or none reads.",
            f"{name}, which begins with {content[:16]!r}" if said else suffix or "no suffix",
            f"a {said.upper()} file" if said else READABLE,
            "bring the file again" if said else "convert the book, or correct the selector of the source",
        )
    return said, []


def _kind_inside(name: str, content: bytes) -> str | None:
    """The kind that a file's first bytes tell, None if they tell none. Raises: ReadProblem for one nobody reads."""
    alien = next((told for magic, told in _MAGIC if content.startswith(magic)), None)
    if content[60:68] == b"BOOKMOBI":
        alien = "a Kindle book"
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        names = {member.name for member in members(content, name)}
        if "META-INF/container.xml" in names:
            return "epub"
        if "[Content_Types].xml" not in names and "content.xml" not in names:
            return "zip"
        alien = "an Office document"
    if alien:
        raise ReadProblem(f"is {alien}, which nobody reads here.", name, READABLE, "unpack or convert it")
    if content.startswith(b"SQLite format 3\0"):
        return "sqlite"
    if b"%PDF-" in content[:1024] and (content[:5] == b"%PDF-" or content[:1024].lstrip().startswith(b"%PDF-")):
        return "pdf"
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    head = content[:4096].decode("utf-16" if wide else "latin-1", "replace").removeprefix("\xef\xbb\xbf")
    return "html" if _HTML.match(head) else "fb2" if _FB2.match(head) else None


# One reader a kind


def _read_txt(file: RawFile, told: Told, markup: str = "plain") -> Reading:
    text, notes = decoded(file.content, file.name, told.language)
    if (play := from_callouts(text)) is not None:
        return Reading(play, "play", tuple(notes))
    if markup == "markdown":
        from ontogeny.corpus.extract import markdown_text

        text = markdown_text(text)
    return _spoken(Reading(text, markup, tuple(notes)), told)


def _spoken(reading: Reading, told: Told) -> Reading:
    """A reading with its speakers named as turns, if its book is of a form in which people speak."""
    if told.form not in SPOKEN_FORMS:
        return reading
    text = named_turns(reading.text, paragraphs_join=told.form == "transcript")
    markup = "play" if told.form == "play" and reading.markup == "markdown" else reading.markup
    return replace(reading, text=reading.text if text is None else text, markup=markup)


def _read_md(file: RawFile, told: Told) -> Reading:
    return _read_txt(file, told, "markdown")


def _read_html(file: RawFile, told: Told) -> Reading:
    from ontogeny.corpus.extract import html_text

    html, notes = decoded(file.content, file.name, told.language)
    text = html_text(html, keep_bold=told.form in SPOKEN_FORMS)
    return _spoken(Reading(text, "markdown", tuple(notes)), told)


def _read_fb2(file: RawFile, told: Told) -> Reading:
    from ontogeny.corpus.ebooks import fb2_html
    from ontogeny.corpus.extract import tidied_text

    text, notes = decoded(file.content, file.name, told.language)
    if "<body" not in text:
        raise ReadProblem("is an FB2 without a body.", file.name, "a FictionBook with <body>", "bring the file again")
    spoken = told.form in SPOKEN_FORMS
    return _spoken(Reading(tidied_text(fb2_html(text, keep_bold=spoken)), "markdown", tuple(notes)), told)


def _read_epub(file: RawFile, told: Told) -> Reading:
    from ontogeny.corpus.ebooks import packed_anew
    from ontogeny.corpus.extract import epub_text

    content, notes = packed_anew(members(file.content, file.name), file.name, told.language)
    return _spoken(Reading(epub_text(content), "markdown", tuple(notes)), told)


def _read_pdf(file: RawFile, told: Told) -> Reading:
    from ontogeny.corpus.columns import pdf_text

    text, notes = pdf_text(file.content, file.name)
    return _spoken(Reading(text, "markdown", tuple(notes)), told)


def _read_zip(file: RawFile, told: Told) -> Reading:
    """The readable files of an archive, each at least a chapter; of a chat export, only the conversations."""
    found = [member for member in members(file.content, file.name) if not _is_hidden(member.name)]
    chats = [member for member in found if PurePosixPath(member.name).name == "conversations.json"]
    read = chats or [m for m in found if PurePosixPath(m.name).suffix.lower() in KIND_OF_SUFFIX.keys() - {""}]
    if not read:
        raise ReadProblem(
            "holds no file that can be read.", f"{len(found)} files in {file.name}", READABLE, "pack texts"
        )
    readings: list[tuple[Member, Reading]] = []
    chars = 0
    for member in read:
        readings.append((member, _read_member(file, member, told)))
        chars += len(readings[-1][1].text)
        if chars > MAX_TEXT_CHARS:
            raise ReadProblem(
                "holds more text than a book: a zip bomb of books, or a library.",
                f"{chars} characters and more, up to {member.name}",
                f"at most {MAX_TEXT_CHARS} characters",
                "unpack the archive and name its books one by one",
            )
    notes = [(name, f"{member.name}: {what}") for member, reading in readings for name, what in reading.notes]
    if left := len(found) - len(read):
        first = next(member.name for member in found if member not in read)
        notes.append(("left_out", f"{left} files of other kinds, such as {first}"))
    if len(readings) == 1:
        return replace(readings[0][1], notes=tuple(notes))
    markups = {reading.markup for _, reading in readings}
    text = "".join(_as_chapter(member, reading) for member, reading in readings if reading.text.strip())
    return Reading(text, "play" if markups == {"play"} else "markdown", tuple(notes))


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or any(part.startswith(".") for part in parts)


def _read_member(file: RawFile, member: Member, told: Told) -> Reading:
    content = member.read()
    kind, notes = kind_of(member.name, content)
    if kind in ("zip", "sqlite"):
        raise ReadProblem(f"holds a {kind} file inside a zip.", member.name, "texts and books", "unpack it first")
    inner = RawFile(member.name, file.path, content)
    try:
        reading = read_json([inner], Selector([]), told.language) if kind == "json" else READERS[kind](inner, told)
    except ReadProblem as problem:
        got = problem.got if member.name in problem.got else f"{problem.got} in {member.name}"
        raise ReadProblem(problem.what, got, problem.expected, problem.fix) from None
    return replace(reading, notes=(*notes, *reading.notes))


def _as_chapter(member: Member, reading: Reading) -> str:
    """A member's text, under its file's name unless it begins with a heading of its own."""
    text = reading.text.strip("\r\n")
    if reading.markup == "plain":
        text = re.sub(r"^#", r"\\#", text, flags=re.MULTILINE)
    chapters = clean(text[:4000], reading.markup).chapters
    title = "" if chapters and chapters[0][1] == 0 else f"# {PurePosixPath(member.name).stem.replace('_', ' ')}\n\n"
    return f"{title}{text}\n\n"


READERS: dict[str, Callable[[RawFile, Told], Reading]] = {
    "txt": _read_txt,
    "md": _read_md,
    "html": _read_html,
    "fb2": _read_fb2,
    "epub": _read_epub,
    "pdf": _read_pdf,
    "zip": _read_zip,
}
