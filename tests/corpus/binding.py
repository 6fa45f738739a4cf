"""Books bound as files of each format, by hand, and a way to read them as a catalogue would."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pytest

from ontogeny.core.errors import Fault, LibraryError
from ontogeny.corpus.sources import SourceText, read_source

BOOKS = Path(__file__).parents[3] / "shared" / "books"
CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
CHAPTER_PARAGRAPHS = 40


@dataclass(frozen=True)
class Entry:
    source: str
    id: str = "book"
    title: str = "A Book"
    author: str = "Somebody"
    language: str = "en"
    form: str = "reader"
    sha256: str | None = None


def read_bytes(folder: Path, name: str, content: bytes, query: str = "", **fields) -> SourceText:
    """What a catalogue's entry makes of a file of these bytes."""
    (folder / name).write_bytes(content)
    return read_source(Entry(f"file:{name}{query}", **fields), folder)


def refused(folder: Path, name: str, content: bytes, query: str = "", **fields) -> Fault:
    """The one fault that a file of these bytes is refused with; nothing is left in the folder but the file."""
    before = {path.name for path in folder.iterdir()} | {name}
    with pytest.raises(LibraryError) as caught:
        read_bytes(folder, name, content, query, **fields)
    (fault,) = caught.value.faults
    assert all((fault.what, fault.where, fault.got, fault.expected, fault.fix)), fault
    assert {path.name for path in folder.iterdir()} == before
    return fault


def shared_book(name: str) -> str:
    """The text of a book of the shared library, or the test is skipped."""
    found = sorted(BOOKS.glob(f"*/{name}*"))
    if not found:
        pytest.skip(f"shared/books/*/{name}* is not here")
    return found[0].read_text(encoding="utf-8")


def paragraphs(text: str) -> list[str]:
    return [block for block in re.split(r"\n\s*\n", text) if block.strip()]


def chapters(text: str) -> list[list[str]]:
    blocks = paragraphs(text)
    return [blocks[at : at + CHAPTER_PARAGRAPHS] for at in range(0, len(blocks), CHAPTER_PARAGRAPHS)]


def sentences(text: str) -> list[str]:
    """The sentences of a text as words alone, those of more than twenty characters."""
    pieces = re.split(r"(?<=[.!?])\s+", " ".join(text.split()))
    return [words for piece in pieces if len(words := " ".join(re.findall(r"\w+", piece))) > 20]


def kept_frac(text: str, out: str) -> float:
    """How many sentences of the paragraphs of a text stand in another."""
    whole = " ".join(re.findall(r"\w+", out))
    told = [sentence for block in paragraphs(text) for sentence in sentences(block)]
    return sum(sentence in whole for sentence in told) / len(told)


def as_html(text: str, title: str = "A Title of the Window") -> str:
    """Each paragraph a <p>, the lines of verse divided by <br>, a heading before each chapter."""
    body = []
    for number, chapter in enumerate(chapters(text), 1):
        body.append(f"<h2>Chapter the {number}th</h2>")
        for block in chapter:
            lines = block.split("\n")
            verse = len(lines) > 1 and max(map(len, lines)) < 50
            body.append(f"<p>{'<br/>'.join(map(escape, lines)) if verse else escape(block)}</p>")
    told = "\n".join(body)
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>\n{told}\n</body></html>"


def document(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml" '
        'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>Title of a file</title></head>'
        f"<body>{body}</body></html>"
    )


def as_epub(documents: dict[str, str], spine: list[str] | None = None, more: dict[str, str] | None = None) -> bytes:
    """An EPUB of XHTML documents by name; `nav.xhtml` is its navigation, `toc.ncx` may be among `more`."""
    spine = list(documents) if spine is None else spine
    navigation = ' properties="nav"'
    items = "".join(
        f'<item id="{name}" href="text/{name}" media-type="application/xhtml+xml"'
        f"{navigation if name == 'nav.xhtml' else ''}/>"
        for name in sorted({*documents, *spine})
    )
    items += '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>' if more else ""
    refs = "".join(f'<itemref idref="{name}"/>' for name in spine)
    package = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A Title of the Package</dc:title></metadata>'
        f"<manifest>{items}</manifest><spine>{refs}</spine></package>"
    )
    files = {"META-INF/container.xml": CONTAINER, "OEBPS/content.opf": package}
    files |= {f"OEBPS/text/{name}": text for name, text in documents.items()}
    return as_zip({"mimetype": "application/epub+zip"} | files | {f"OEBPS/{k}": v for k, v in (more or {}).items()})


def epub_of(text: str) -> bytes:
    bodies = [as_html("\n\n".join(chapter)).split("<body>")[1].split("</body>")[0] for chapter in chapters(text)]
    return as_epub({f"c{number:03}.xhtml": document(body) for number, body in enumerate(bodies)})


def as_fb2(body: str, encoding: str = "utf-8", notes: str = "") -> bytes:
    told = (
        f'<?xml version="1.0" encoding="{encoding}"?><FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0" '
        'xmlns:l="http://www.w3.org/1999/xlink"><description><title-info><annotation><p>What the publisher says.</p>'
        f"</annotation></title-info></description><body>{body}</body>{notes}"
        '<binary id="a.jpg" content-type="image/jpeg">QUJD</binary></FictionBook>'
    )
    return told.encode(encoding)


def fb2_of(text: str) -> bytes:
    sections = []
    for number, chapter in enumerate(chapters(text), 1):
        told = []
        for block in chapter:
            lines = [escape(line) for line in block.split("\n")]
            verse = len(lines) > 1 and max(map(len, lines)) < 50
            stanza = "".join(f"<v>{line}</v>" for line in lines)
            told.append(f"<poem><stanza>{stanza}</stanza></poem>" if verse else f"<p>{escape(block)}</p>")
        sections.append(f"<section><title><p>Chapter the {number}th</p></title>{''.join(told)}</section>")
    return as_fb2("".join(sections))


def as_zip(files: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def changed(archive: bytes, told: dict[bytes, bytes], names: dict[str, str] | None = None) -> bytes:
    """An archive with some of its members' bytes replaced, and some of their names."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as before, zipfile.ZipFile(out, "w") as after:
        for info in before.infolist():
            content = before.read(info)
            for old, new in told.items():
                content = content.replace(old, new)
            after.writestr((names or {}).get(info.filename, info.filename), content)
    return out.getvalue()


def as_pdf(pages: list[list[tuple[int, int, int, str]]], stream: bytes = b"") -> bytes:
    """A PDF of pages of (x, y, size, line), in one Latin font; with `stream`, a picture on every page instead."""
    objects = [b"", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman /Encoding /WinAnsiEncoding >>"]
    objects.append(
        b"<< /Type /XObject /Subtype /Image /Width 16 /Height 16 /ColorSpace /DeviceGray /BitsPerComponent 8 "
        b"/Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)
    )
    kids = []
    for lines in pages:
        told = b"q 400 0 0 500 10 40 cm /I Do Q" if stream else b""
        for x, y, size, line in lines:
            shown = re.sub(rb"([\\()])", rb"\\\1", line.encode("cp1252"))
            told += b"BT /F %d Tf 1 0 0 1 %d %d Tm (%s) Tj ET\n" % (size, x, y, shown)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(told), told))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 420 595] /Contents %d 0 R "
            b"/Resources << /Font << /F 3 0 R >> /XObject << /I 4 0 R >> >> >>" % len(objects)
        )
        kids.append(len(objects))
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    out, places = b"%PDF-1.4\n", []
    for number, told in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, told)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return (
        out
        + b"xref\n0 %d\n0000000000 65535 f \n" % size
        + table
        + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    )


def typeset(blocks: list[str], width: int = 66, page_lines: int = 34) -> list[list[tuple[int, int, int, str]]]:
    """Paragraphs set in a column with heads, page numbers and divided words; `# ` is a heading, lines are verse."""
    pages: list[list[tuple[int, int, int, str]]] = []
    page: list[tuple[int, int, int, str]] = []

    def put(x: int, size: int, line: str) -> None:
        if len(page) >= page_lines:
            turn()
        page.append((x, 540 - 14 * len(page), size, line))

    def turn() -> None:
        number = len(pages) + 1
        head = "THE HEAD OF A LEFT PAGE" if number % 2 else "Of the Right"
        pages.append([(150, 570, 9, head), *page, (205, 20, 9, str(number))])
        page.clear()

    for block in blocks:
        if block.startswith("# "):
            put(140, 16, block[2:])
            page.append((40, 540 - 14 * len(page), 11, " "))
        elif "\n" in block:
            for line in block.split("\n"):
                put(80, 11, line)
        else:
            for number, line in enumerate(_column(block, width)):
                put(52 if number == 0 else 40, 11, line)
    turn()
    return pages


def _column(block: str, width: int) -> list[str]:
    lines, line = [], ""
    for word in block.split():
        room = width - len(line) - 1
        if len(word) <= room:
            line = f"{line} {word}".strip()
        elif len(word) > 8 and word.isalpha() and room > 5:
            lines.append(f"{line} {word[: room - 2]}-")
            line = word[room - 2 :]
        else:
            lines.append(line)
            line = word
    return [*lines, line]
