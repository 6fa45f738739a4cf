"""Every format of book: what is kept of it, what is left out, and whole books that come back out of each."""

from __future__ import annotations

import json
import sqlite3
import time
from urllib.parse import quote

import pytest
from binding import (
    as_epub,
    as_fb2,
    as_html,
    as_pdf,
    as_zip,
    changed,
    chapters,
    document,
    epub_of,
    fb2_of,
    kept_frac,
    read_bytes,
    shared_book,
    typeset,
)

from ontogeny.corpus import columns
from ontogeny.corpus.clean import clean

PAGE = """<!DOCTYPE html><html><head><title>The Window</title><style>p { color: red }</style>
<script>var p = 1</script></head><body><nav><a href="/">Home</a></nav><div class="sidebar"><p>Buy this.</p></div>
<h1>The Book of <i>Things</i></h1>
<p>Some <i>leaning</i> and <b>bold</b> words,
broken by the editor.<a href="#n1"><sup>1</sup></a> See <a href="http://a.b/c_(d)">the link</a>.</p>
<h2>Verses</h2>
<p>The winter evening settles down<br>With smell of steaks in passageways.<br/>Six o'clock.</p>
<pre>
  O rose,
    thou art sick.

  The worm
</pre>
<p>Water is H<sub>2</sub>O, and x<sup>2</sup> + e<sup>i x</sup>; \\[ y = x \\] \\\\ and a_b *c*.</p>
<table><tr><th>Metal</th><th>Melts</th></tr><tr><td>tin</td><td>232</td></tr></table>
<ul><li>one</li><li>two</li></ul><blockquote><p>Said another.</p></blockquote>
<p>Before <span class="pagenum"><a id="p12">12</a></span>the page.</p><img src="a.png" alt="A lamp">
<math alttext="x^2"><mi>x</mi></math>
<footer>All rights</footer></body></html>"""


def test_a_page_keeps_what_is_read_and_drops_what_is_not(tmp_path):
    book = read_bytes(tmp_path, "a.html", PAGE.encode())
    blocks = book.text.strip().split("\n\n")
    assert book.markup == "markdown"
    assert blocks[:5] == [
        "# The Book of Things",
        "Some leaning and bold words, broken by the editor.[1] See the link.",
        "## Verses",
        "The winter evening settles down\nWith smell of steaks in passageways.\nSix o'clock.",
        "O rose,\n  thou art sick.",
    ]
    assert "Water is H_2O, and x^2 + e^{i x}; \\[ y = x \\] \\\\ and a_b *c*." in blocks
    assert "| Metal | Melts |\n| --- | --- |\n| tin | 232 |" in blocks
    assert "- one\n- two" in blocks and "Said another." in blocks and "$x^2$" in book.text
    assert "Before [Pg 12]the page." in blocks and "[Illustration: A lamp]" in book.text
    for gone in ("Window", "color", "var p", "Home", "Buy this", "All rights", "<", "http"):
        assert gone not in book.text
    numbered = "".join(f"<p>Told on<span class='pagenum'>[{n}]</span> page {n}.</p>" for n in range(7, 12))
    book = read_bytes(tmp_path, "b.html", f"<html><body>{numbered}</body></html>".encode())
    assert "[" not in clean(book.text, book.markup).text


def test_what_only_looks_like_a_heading_is_none_and_code_keeps_its_lines(tmp_path):
    code = "# count the men\nx = 1\n\n## and the horses\nfor y in x:\n    print(y)"
    said = "<p># 4 in the list,\n# 5 below it.</p><p>One<br># two</p><h2># 3</h2>"
    for begin, end in (("", ""), ("<code>", "</code>")):
        page = f"<html><body><h1>T</h1><pre>{begin}{code}\n{end}</pre>{said}</body></html>"
        book = read_bytes(tmp_path, "a.html", page.encode())
        told = clean(book.text, book.markup)
        fence = "```\n" if begin else ""
        assert told.text.startswith(f"T\n\n{fence}{code}\n{fence}")
        assert told.text.endswith("\n\n# 4 in the list, # 5 below it.\n\nOne\n# two\n\n# 3\n\n")
        assert [title for title, *_ in told.chapters] == ["T", "# 3"]


def test_tables_that_lay_out_a_page_are_no_tables(tmp_path):
    inner = "".join(f"<p>Paragraph {number} of the cell, told at some length.</p>" for number in range(5))
    page = f"<html><body><table><tr><td>{inner}<h2>Two</h2></td><td>beside</td></tr></table></body></html>"
    text = read_bytes(tmp_path, "a.html", page.encode()).text
    assert "|" not in text and "## Two" in text and text.count("\n\nParagraph") == 4


@pytest.mark.parametrize("tag", ["div", "font", "b", "ul", "blockquote", "center"])
def test_what_is_nested_or_never_closed_loses_nothing(tmp_path, tag):
    page = "<html><body>" + "".join(f"<{tag}><p>Told as number {number}." for number in range(500))
    text = read_bytes(tmp_path, "a.html", page.encode()).text
    assert all(f"Told as number {number}." in text for number in range(500))


@pytest.mark.parametrize(
    "piece", ["<", "<a ", "<!--", "<head><script>", "<math", "<span class=pagenum>", "<table><td>", "&amp;"]
)
def test_hostile_pages_take_no_longer_than_others(tmp_path, piece):
    page = "<html><body><p>First words of it.</p>" + piece * 20_000
    assert "First words" in read_bytes(tmp_path, "a.html", page.encode()).text


def epub_documents() -> dict[str, str]:
    return {
        "nav.xhtml": document(
            '<nav epub:type="toc"><h1>Contents</h1><ol><li><a href="b.xhtml">One</a></li></ol></nav>'
        ),
        "a.xhtml": document("<p>Said in the second place.</p>"),
        "b.xhtml": document(
            "<section><header><h1>The First</h1></header>"
            "<p>Said in the first place.<a epub:type='noteref' href='#n'>1</a></p><a id='empty'/>"
            "<p>After an empty element.</p><aside epub:type='footnote' id='n'><p>1. A note.</p></aside></section>"
        ),
        "c.xhtml": document('<p class="t">A  Title\n in a Paragraph</p><p>Said in the third place.</p>'),
    }


def test_an_epub_is_read_in_the_order_of_its_spine(tmp_path):
    points = "".join(
        f'<navPoint><navLabel><text>{title}</text></navLabel><content src="text/{name}#x"/></navPoint>'
        for title, name in (
            ("Of the Second", "a.xhtml"),
            ("A Title in a Paragraph", "c.xhtml"),
            ("The First", "b.xhtml"),
        )
    )
    ncx = f'<?xml version="1.0"?><ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap></ncx>'
    spine = ["nav.xhtml", "b.xhtml", "a.xhtml", "c.xhtml"]
    book = read_bytes(tmp_path, "a.epub", as_epub(epub_documents(), spine, {"toc.ncx": ncx}))
    assert book.text.strip().split("\n\n") == [
        "# The First",
        "Said in the first place.[1]",
        "After an empty element.",
        "1. A note.",
        "# Of the Second",
        "Said in the second place.",
        "# A Title in a Paragraph",
        "Said in the third place.",
    ]
    assert not book.notes


def test_a_hostile_epub_takes_no_longer_than_others(tmp_path):
    long = "a" * 60_000  # a name without an end, in a document's tag and in the package: once quadratic
    said = {"b.xhtml": document(f"<p>First words of it.</p><{long} ><p>Last words.</p>")}
    book = as_epub(said, more={"toc.ncx": f"<ncx><navLabel><text>T</text></navLabel><content {long}/></ncx>"})
    began = time.process_time()
    assert "Last words." in read_bytes(tmp_path, "a.epub", book).text
    assert time.process_time() - began < 8


def test_a_document_that_an_epub_lacks_is_told(tmp_path):
    book = read_bytes(tmp_path, "a.epub", as_epub(epub_documents(), ["b.xhtml", "lost.xhtml"]))
    assert ("missing", "1 documents of the spine, the first OEBPS/text/lost.xhtml") in book.notes
    assert "first place" in book.text and "second" not in book.text


@pytest.mark.parametrize(("heads", "level"), [("112", 1), ("122", 2), ("12", 2), ("333", 3), ("", 2)])
def test_a_title_of_the_contents_stands_beside_the_headings_of_other_documents(tmp_path, heads, level):
    documents = {f"{n}.xhtml": document(f"<h{h}>Head {n}</h{h}><p>Told.</p>") for n, h in enumerate(heads)}
    documents["last.xhtml"] = document("<p>Told at last.</p>")
    ncx = '<ncx><navLabel><text>The End</text></navLabel><content src="text/last.xhtml"/></ncx>'
    text = read_bytes(tmp_path, "a.epub", as_epub(documents, more={"toc.ncx": ncx})).text
    assert f"\n{text}".endswith(f"\n{'#' * level} The End\n\nTold at last.\n")


@pytest.mark.parametrize("name", ["chapter 2.xhtml", "глава.xhtml", "a+b&c.xhtml", "50%.xhtml", "2"])
def test_a_document_whose_address_is_quoted_is_read(tmp_path, name):
    whole = as_epub({"one.xhtml": document("<p>Told first.</p>"), "two": document("<p>Told second.</p>")})
    quoted = {b"text/two": f"text/{quote(name)}".encode()}
    book = read_bytes(tmp_path, "a.epub", changed(whole, quoted, {"OEBPS/text/two": f"OEBPS/text/{name}"}))
    assert book.text == "Told first.\n\nTold second.\n" and not book.notes


def test_a_document_without_words_is_told(tmp_path):
    picture = document('<svg><image href="cover.jpg"/></svg>')
    documents = {"a.xhtml": picture, "b.xhtml": document("<p>Told.</p>"), "c.xhtml": document("<p> </p>")}
    book = read_bytes(tmp_path, "a.epub", as_epub(documents))
    assert book.text == "Told.\n" and book.notes == (("empty", "OEBPS/text/c.xhtml holds no words"),)


FB2 = """<title><p>Лев Толстой</p><p>Книга</p></title>
<epigraph><p>Эпиграф.</p><text-author>Автор</text-author></epigraph>
<section><title><p>Часть первая</p></title><section><title><p>Глава I.</p><p>О погоде</p></title>
<p>Первый <emphasis>абзац</emphasis><a l:href="#n1" type="note">1</a> и H<sub>2</sub>O.</p><empty-line/>
<poem><stanza><v>Мороз и солнце;</v><v>день чудесный!</v></stanza>
<stanza><v>Ещё ты дремлешь,</v><v>друг</v></stanza></poem><table><tr><th>А</th></tr><tr><td>1</td></tr></table>
<subtitle>* * *</subtitle><p>После & до.</p></section></section>"""
FB2_NOTES = (
    '<body name="notes"><title><p>Примечания</p></title><section id="n1"><title><p>1</p></title>'
    "<p>Сноска.</p></section></body>"
)
FB2_TOLD = """# Лев Толстой. Книга

Эпиграф.

Автор

## Часть первая

### Глава I. О погоде

Первый абзац[1] и H_2O.

Мороз и солнце;
день чудесный!

Ещё ты дремлешь,
друг

| А |
| --- |
| 1 |

* * *

После & до.

# Примечания

[1] Сноска.
"""


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251"])
def test_an_fb2_keeps_titles_stanzas_and_notes(tmp_path, encoding):
    content = as_fb2(FB2, encoding, FB2_NOTES)
    assert read_bytes(tmp_path, "a.fb2", content, language="ru").text == FB2_TOLD
    zipped = read_bytes(tmp_path, "a.fb2.zip", as_zip({"a.fb2": content}), language="ru")
    assert (zipped.text, zipped.markup) == (FB2_TOLD, "markdown")


VERSE = (
    "Mary had a little lamb,\nIts fleece was white as snow,\nAnd everywhere that Mary went\nThe lamb was sure to go."
)


def test_a_pdf_gives_paragraphs_without_heads_and_numbers(tmp_path):
    text = shared_book("14474-chemical-history")
    blocks = [" ".join(block.split()) for block in clean(text, "plain").text[9000:40000].split("\n\n")][1:-1]
    blocks = [block for block in blocks if len(block) > 200]
    blocks.insert(0, "# THE FIRST LECTURE")
    blocks.insert(6, VERSE)
    blocks.insert(11, "# THE SECOND LECTURE")
    book = read_bytes(tmp_path, "a.pdf", as_pdf(typeset(blocks)))
    told = clean(book.text, book.markup)
    assert [title for title, *_ in told.chapters] == ["THE FIRST LECTURE", "THE SECOND LECTURE"]
    assert VERSE in told.text and "HEAD OF A LEFT" not in told.text and "Of the Right" not in told.text
    assert not any(block.isdigit() for block in told.text.split("\n\n"))
    assert {rule: count for rule, count, _ in told.cuts}["hyphenation"] > 10
    assert "hyphenation" not in {rule for rule, *_ in clean(book.text, book.markup, skip={"hyphenation"}).cuts}
    assert kept_frac("\n\n".join(block for block in blocks if block[0] != "#"), told.text) > 0.97
    whole = {" ".join(block.split()) for block in told.text.split("\n\n")}
    assert sum(block in whole for block in blocks) > 0.4 * len(blocks)


def test_what_a_book_often_says_is_no_head_of_its_pages():
    pages = [[f"Line {chr(97 + at)} of page {chr(97 + page % 26)}{page}." for at in range(20)] for page in range(200)]
    for page in (10, 100, 190):
        pages[page][-1] = "No, he said."
    heads = [["The Book", *page] if number % 2 else page for number, page in enumerate(pages)]
    assert columns._without_furniture(heads) == columns._without_furniture(pages) == pages


def test_an_fb2_whose_title_is_never_closed_loses_nothing(tmp_path):
    body = "<section><title><p>One</p><p>Told here.</p>{}<section><title><p>Two</p></title><p>Told there.</p></section>"
    for end, marks in (("</section>", "##"), ("", "###")):
        told = read_bytes(tmp_path, "a.fb2", as_fb2(body.format(end))).text
        assert " ".join(told.split()) == f"One Told here. {marks} Two Told there."
    assert "Told here." in read_bytes(tmp_path, "a.fb2", as_fb2("<section><title><p>One</p><p>Told here.</p>")).text


def test_markdown_leaves_out_what_is_not_read(tmp_path):
    text = (
        "---\ntitle: T\ntags: [a]\n---\n\nThe Title\n=========\n\n"
        "A [link](http://x.y/z_(w)) and ![a lamp](l.png).<!-- no -->\n\n"
        "Under\n-----\n\n> [!note] Mark\n> this\n\na - b\n\n---\n\nlast [^1] [x]\n"
    )
    assert read_bytes(tmp_path, "a.md", text.encode()).text == (
        "\n# The Title\n\nA link and [Illustration: a lamp].\n\n## Under\n\n"
        "> Mark\n> this\n\na - b\n\n---\n\nlast [^1] [x]\n"
    )
    ruled = "The table was laid for all\nthe company.\n---\nThen they rose.\n"
    assert read_bytes(tmp_path, "c.md", ruled.encode()).text == ruled
    between_rules = "---\nIt was a dark night: nobody slept.\n\nA storm came.\n\n---\n\nThe end.\n"
    assert read_bytes(tmp_path, "b.md", between_rules.encode()).text == between_rules


def test_json_lines_are_records(tmp_path):
    lines = [{"id": n, "title": f"T{n}", "text": f"Line one\nline {n}\u2028\n\nNext."} for n in (1, 2)]
    content = "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode() + b"\n"
    assert read_bytes(tmp_path, "a.jsonl", content).text == (
        "# T1\n\nLine one\nline 1\u2028\n\nNext.\n\n# T2\n\nLine one\nline 2\u2028\n\nNext.\n"
    )
    told = read_bytes(tmp_path, "a.jsonl", content, "#heading=id&body=text&skip=1").text
    assert told == "# 2\n\nLine one line 2\n\nNext.\n"
    assert read_bytes(tmp_path, "b.jsonl", b'{"body": "One."}\n{"body": "Two."}').text == "One.\n\nTwo.\n"


RECORDS = [{"title": "One", "text": "Told first."}, {"title": "Two", "text": "Told second."}]


@pytest.mark.parametrize(
    ("value", "text", "left_out"),
    [
        (
            {"title": "A Book", "author": "X", "chapters": RECORDS},
            "# One\n\nTold first.\n\n# Two\n\nTold second.\n",
            "2 values that are no records",
        ),
        ({"data": RECORDS[:1], "version": "1.1"}, "# One\n\nTold first.\n", "1 values that are no records"),
        ({"title": "T", "text": ["Told first.", "Told second."]}, "# T\n\nTold first.\n\nTold second.\n", ""),
        (
            [{"text": "One."}, {"content": "Two."}, {"text": " ", "body": ["Three."]}, {"title": "No body"}, 3],
            "One.\n\nTwo.\n\nThree.\n",
            "1 values that are no records; 1 records without text, content, body",
        ),
        ({"text": "The whole.", "notes": RECORDS}, "The whole.\n", ""),
        ({"a": RECORDS[0], "b": RECORDS[1]}, "# One\n\nTold first.\n\n# Two\n\nTold second.\n", ""),
    ],
)
def test_where_the_records_of_a_json_file_stand(tmp_path, value, text, left_out):
    book = read_bytes(tmp_path, "a.json", json.dumps(value).encode())
    assert (book.text, "; ".join(told for _, told in book.notes)) == (text, left_out)


def test_a_table_without_row_numbers_is_read_by_its_key(tmp_path):
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("create table t (n integer primary key, body text) without rowid")
        database.executemany("insert into t values (?, ?)", [(2, "Told second."), (1, "Told first.")])
    database.close()
    told = read_bytes(tmp_path, "a.db", (tmp_path / "a.db").read_bytes(), "#table=t&body=body").text
    assert told.split("\n\n") == ["Told first.", "Told second.\n"]


def test_a_zip_is_read_in_the_order_people_number(tmp_path):
    files = {
        "b/chapter10.txt": "The tenth of them.",
        "b/chapter2.md": "# Named by Itself\n\nThe second of them.",
        "b/chapter_1.html": "<html><body><p>The first of them.</p></body></html>",
        "b/cover.jpg": b"\xff\xd8\xff",
        "__MACOSX/b/chapter10.txt": "no",
    }
    book = read_bytes(tmp_path, "a.zip", as_zip(files))
    assert book.text.strip().split("\n\n") == [
        "# Named by Itself",
        "The second of them.",
        "# chapter10",
        "The tenth of them.",
        "# chapter 1",
        "The first of them.",
    ]
    assert ("left_out", "1 files of other kinds, such as b/cover.jpg") in book.notes


@pytest.mark.parametrize("name", ["136-childs-garden", "11-alice", "ruslit-istoriya", "ruslit-skazka"])
@pytest.mark.parametrize("kind", ["html", "epub", "fb2", "zip"])
def test_a_whole_book_comes_back(tmp_path, name, kind):
    language = "ru" if name.startswith("ruslit") else "en"
    text = clean(shared_book(name), "plain", language).text
    content = {
        "html": lambda: as_html(text).encode(),
        "epub": lambda: epub_of(text),
        "fb2": lambda: fb2_of(text),
        "zip": lambda: as_zip({f"part{n}.txt": "\n\n".join(c) for n, c in enumerate(chapters(text), 1)}),
    }[kind]()
    book = read_bytes(tmp_path, f"book.{kind}", content, language=language)
    told = clean(book.text, book.markup, language)
    assert kept_frac(text, told.text) > 0.995
    assert kind == "zip" or sum(title.startswith("Chapter the") for title, *_ in told.chapters) == len(chapters(text))
