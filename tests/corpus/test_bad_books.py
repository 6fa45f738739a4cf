"""Books that are none: each is refused by name in one fault, or read with a note that says what was wrong."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from binding import as_fb2, as_pdf, as_zip, read_bytes, refused, shared_book

from ontogeny.corpus import readers

ROOT = Path(__file__).parents[2]
LOGIN = """<html><head><title>Log in</title></head><body><h1>Welcome back</h1><p>Please sign in.</p>
<form><input name="user"><input class="x" type="password" name="p"><button>Go</button></form></body></html>"""


def test_a_form_to_log_in_is_no_book(tmp_path):
    for name, content in (("a.html", LOGIN), ("b.txt", LOGIN), ("c.pdf", LOGIN), ("d.zip", as_zip({"a.html": LOGIN}))):
        content = content if isinstance(content, bytes) else content.encode()
        assert "log in" in refused(tmp_path, name, content).what
    words = "<p>" + "A page of the book that has a form at its side. " * 60 + "</p>"
    assert "A page of the book" in read_bytes(tmp_path, "e.html", LOGIN.replace("<h1>", words + "<h1>").encode()).text


def test_scans_and_broken_pdfs(tmp_path):
    scan = as_pdf([[]] * 4, stream=bytes(range(256)))
    fault = refused(tmp_path, "scan.pdf", scan)
    assert "a scan" in fault.what and "0 letters on 4 pages of scan.pdf" in fault.got
    whole = as_pdf([[(40, 500, 11, "A page of words that can be read by anyone.")]])
    assert "can be read" in read_bytes(tmp_path, "a.pdf", whole).text
    for content in (whole[:200], b"%PDF-1.7\n" + bytes(range(256)) * 20):
        assert refused(tmp_path, "b.pdf", content).got


def test_a_suffix_that_lies_is_told(tmp_path):
    page = b"<!DOCTYPE html>\n<html><body><p>Words of a page.</p></body></html>"
    pdf = as_pdf([[(40, 500, 11, "Words of a page, set in lead.")]])
    fb2 = as_fb2("<section><p>Words of a book.</p></section>")
    for name, content, kind in (
        ("a.txt", page, "HTML"),
        ("b.md", pdf, "PDF"),
        ("c.txt", fb2, "FB2"),
        ("d.epub", page, "HTML"),
    ):
        book = read_bytes(tmp_path, name, content)
        assert "Words of a" in book.text and ("kind", f"{name} is {kind} inside") in book.notes
    assert ("kind", "e.txt is ZIP inside") in read_bytes(tmp_path, "e.txt", as_zip({"a.txt": "Words of it."})).notes


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", gzip.compress(b"words " * 50), "a gzip archive"),
        ("a.txt", b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG picture"),
        ("a.epub", b"\0" * 60 + b"BOOKMOBI", "a Kindle book"),
        ("a.doc", b"\xd0\xcf\x11\xe0" + bytes(50), "an old Office document"),
        ("a.txt", b"{\\rtf1 words}", "an RTF document"),
        ("a.fb2", b"<FictionBook><description/></FictionBook>", "without a body"),
        ("a.rst", b"Words.", "kind of file"),
        ("a.epub", b"no archive at all", "no EPUB inside"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "not JSON"),
        ("a.json", b'[{"q": "x"}]', "nobody says what to read"),
        ("a.json", b'[{"text": "x", "n": %s}]' % (b"1" * 5000), "not JSON"),
        ("a.jsonl", b'{"text": "x"}\n{"text": "x", "n": %s}\n' % (b"1" * 5000), "not JSON"),
        ("a.html", b"<html><body><script>x</script></body></html>", "is empty"),
        ("a.txt", b"", "is empty"),
        ("a.txt", b" \n\t\n", "is empty"),
        ("a.txt", b"31415 92653\n58979 32384\n" * 99, "holds no words"),
        ("a.txt", b"\0" * 4000, "is not text"),
    ],
)
def test_files_that_are_no_books(tmp_path, name, content, said):
    assert said in refused(tmp_path, name, content).what


def test_books_in_a_zip_are_bounded_together(tmp_path, monkeypatch):
    packed = as_zip({f"{number}.txt": f"Words of book {number}. " * 40 for number in range(5)})
    assert "book 4" in read_bytes(tmp_path, "a.zip", packed).text
    monkeypatch.setattr(readers, "MAX_TEXT_CHARS", 2000)
    fault = refused(tmp_path, "a.zip", packed)
    assert "more text than a book" in fault.what and "2.txt" in fault.got


def test_a_broken_line_of_records_is_named(tmp_path):
    fault = refused(tmp_path, "a.jsonl", b'{"text": "a"}\n\n{"text": \n{"text": "b"}\n')
    assert "a.jsonl, line 3" in fault.got


def test_entities_do_not_multiply(tmp_path):
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e0 "word "> {entities}]>'
    book = as_fb2("<section><p>Words. &e11;</p></section>")[38:]
    text = read_bytes(tmp_path, "a.fb2", bomb.encode() + book).text
    assert "Words." in text and len(text) < 1000


def test_two_gigabytes_on_a_line_are_refused_unread(tmp_path):
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(2 << 30)
    code = (
        "import re, sys; from pathlib import Path; from types import SimpleNamespace as N\n"
        "from ontogeny.core.errors import LibraryError\n"
        "from ontogeny.corpus.sources import read_source\n"
        "try:\n"
        "    entry = N(id='b', source='file:a.txt', language='en', form='reader', sha256=None)\n"
        "    read_source(entry, Path(sys.argv[1]))\n"
        "except LibraryError as error:\n"
        "    assert 'too large' in str(error), error\n"
        "    print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) < 500


def test_one_line_of_many_megabytes(tmp_path):
    line = "A sentence of the endless line. " * 100_000
    book = read_bytes(tmp_path, "a.txt", line.encode())
    assert book.text == line and book.notes == ()
    assert (
        read_bytes(tmp_path, "a.html", f"<html><body><p>{line}</p></body></html>".encode()).text.strip() == line.strip()
    )


def test_plain_text_needs_no_extractor(tmp_path):
    (tmp_path / "a.txt").write_text("Plain words — and naïve ones.\n" * 99, encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from types import SimpleNamespace as N\n"
        "from ontogeny.corpus.sources import read_source\n"
        "read_source(N(id='b', source='file:a.txt', language='en', form='reader', sha256=None), Path(sys.argv[1]))\n"
        "sys.exit(any(name in sys.modules for name in ('kreuzberg', 'ftfy', 'charset_normalizer', 'torch')))\n"
    )
    assert (
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, timeout=60, check=False).returncode == 0
    )


def test_extraction_leaves_nothing_behind(tmp_path, monkeypatch):
    for folder in ("home", "cache", "here"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here" / "a.html").write_text("<html><body><p>Words of a page.</p></body></html>")
    (tmp_path / "here" / "b.pdf").write_bytes(as_pdf([[(40, 500, 11, "Words of a page, set in lead.")]]))
    code = (
        "from pathlib import Path; from types import SimpleNamespace as N\n"
        "from ontogeny.corpus.sources import read_source\n"
        "for name in ('a.html', 'b.pdf'):\n"
        "    read_source(N(id='b', source=f'file:{name}', language='en', form='reader', sha256=None), Path('.'))\n"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    subprocess.run(command, cwd=tmp_path / "here", timeout=60, check=True)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"here/a.html", "here/b.pdf"}


def test_a_real_book_is_read_as_it_is(tmp_path):
    text = shared_book("11-alice")
    assert read_bytes(tmp_path, "a.txt", text.encode()).text == text
