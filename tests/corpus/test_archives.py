"""What a zip may hold, and what it is refused for before anything of it is unpacked."""

from __future__ import annotations

import io
import stat
import struct
import zipfile

import pytest
from binding import as_epub, as_zip, changed, document, read_bytes, refused

from ontogeny.corpus import archives
from ontogeny.corpus.archives import natural

TEXT = "Some words of a text that is long enough to be read.\n"


def zip_with(info: zipfile.ZipInfo, content: str = TEXT) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", TEXT)
        archive.writestr(info, content)
    return out.getvalue()


@pytest.mark.parametrize(
    "name", ["../up.txt", "/etc/passwd.txt", "a/../../b.txt", "..", "C:/b.txt", "\\\\host\\b.txt", "a\\..\\b.txt"]
)
def test_names_that_leave_the_archive(tmp_path, name):
    for suffix, content in (
        ("zip", zip_with(zipfile.ZipInfo(name))),
        ("epub", as_zip({"META-INF/container.xml": "", name: ""})),
    ):
        fault = refused(tmp_path, f"a.{suffix}", content)
        assert "leaves the archive" in fault.what
    assert not (tmp_path.parent / "up.txt").exists()


def test_links_and_locked_files(tmp_path):
    link = zipfile.ZipInfo("link.txt")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    assert "a link" in refused(tmp_path, "a.zip", zip_with(link, "/etc/passwd")).what
    raw = bytearray(as_zip({"a.txt": TEXT}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + offset] |= 1
    assert "password" in refused(tmp_path, "b.zip", bytes(raw)).what


def test_bombs_are_refused_unopened(tmp_path, monkeypatch):
    def unopened(*_, **__):
        raise AssertionError("a member was unpacked")

    dense, large, many = ({"a.txt": b"0" * (4 << 20)}, {"a.txt": TEXT * 9}, {f"{n}.txt": "" for n in range(4)})
    bombs = [as_zip(files) for files in (dense, large, many)]
    monkeypatch.setattr(zipfile.ZipFile, "open", unopened)
    assert "zip bomb" in refused(tmp_path, "a.zip", bombs[0]).what
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 100)
    assert "unpacks to too much" in refused(tmp_path, "b.zip", bombs[1]).what
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    assert "too many files" in refused(tmp_path, "c.zip", bombs[2]).what


def test_a_member_never_gives_more_than_it_was_said_to_hold(tmp_path):
    raw = as_zip({"a.txt": TEXT * 2000})
    size = struct.pack("<I", len(TEXT) * 2000)
    assert raw.count(size) == 2
    fault = refused(tmp_path, "a.zip", raw.replace(size, struct.pack("<I", 20)))
    assert "damaged" in fault.what and "a.txt" in fault.got


def test_archives_in_archives_and_what_is_none(tmp_path):
    inner = as_zip({"a.txt": TEXT})
    assert "inside a zip" in refused(tmp_path, "a.zip", as_zip({"b.zip": inner})).what
    assert "no file that can be read" in refused(tmp_path, "b.zip", as_zip({"a.exe": TEXT})).what
    assert "no file that can be read" in refused(tmp_path, "c.zip", as_zip({})).what
    assert "not a whole zip" in refused(tmp_path, "d.zip", inner[: len(inner) // 2]).what
    assert "no ZIP inside" in refused(tmp_path, "e.zip", TEXT.encode()).what
    office = as_zip({"[Content_Types].xml": "", "word/document.xml": ""})
    assert "Office document" in refused(tmp_path, "f.zip", office).what
    damaged = bytearray(as_zip({"a.txt": TEXT * 50}))
    damaged[40:60] = b"\xff" * 20
    assert "damaged" in refused(tmp_path, "g.zip", bytes(damaged)).what


def test_a_fault_of_a_member_names_it(tmp_path):
    fault = refused(tmp_path, "a.zip", as_zip({"one.txt": TEXT, "two.pdf": "%PDF-1.4 and nothing"}))
    assert "two.pdf" in fault.got


def test_an_epub_whose_package_leaves_it(tmp_path):
    pages = {"a.xhtml": document("<p>Words of it.</p>")}
    whole = as_epub(pages)
    assert "Words of it." in read_bytes(tmp_path, "a.epub", whole).text

    for href in ("../../../etc/passwd", "/etc/passwd", "%2e%2e/%2e%2e/secret.xhtml"):
        told = changed(whole, {b'href="text/a.xhtml"': f'href="{href}"'.encode()})
        assert "outside its own archive" in refused(tmp_path, "b.epub", told).what
    told = changed(whole, {b"OEBPS/content.opf": b"OEBPS/none.opf"})
    assert "without a package" in refused(tmp_path, "c.epub", told).what
    assert "without a spine" in refused(tmp_path, "d.epub", changed(whole, {b"itemref": b"other"})).what
    locked = as_epub(pages, more={"../META-INF/encryption.xml": ""})
    assert "leaves the archive" in refused(tmp_path, "e.epub", locked).what


def test_a_locked_epub(tmp_path):
    whole = as_epub({"a.xhtml": document("<p>Words of it.</p>")})
    out = io.BytesIO(whole)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("META-INF/encryption.xml", '<CipherReference URI="OEBPS/text/a.xhtml"/>')
    assert "locked" in refused(tmp_path, "a.epub", out.getvalue()).what


def test_names_sort_as_people_number_them():
    names = ["b10", "a", "b2", "B1", "10", "9", "b2a", "²"]
    assert sorted(names, key=natural) == ["9", "10", "a", "B1", "b2", "b2a", "b10", "²"]
