"""Sources as catalogues write them: what is refused before anything is fetched, with its place."""

from __future__ import annotations

import pytest

from ontogeny.core.address import is_remote, source_fault
from ontogeny.core.errors import LibraryError
from ontogeny.core.library import load_library

ENTRY = """\
books:
  far:
    title: A Book
    source: "{source}"
    author: Nobody
    language: en
    field: stories
    level: primer
    form: reader
    licence: MIT
"""
PIN = f'    sha256: "{"0" * 64}"\n'


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("https://me:secret@example.org/a.txt", "holds credentials"),
        ("https://me@example.org/a.txt", "holds credentials"),
        ("http://example.org/a.txt", "anybody on the way could change"),
        ("https:///a.txt", "names no host"),
        ("https://example.org:port/a.txt", "is none"),
        ("gutenberg:eleven", "names no book"),
        ("gutenberg:011", "names no book"),
        ("gutenberg:11/../12", "names no book"),
        ("hf:org/name", "is not complete"),
        ("hf:../name#train", "is not complete"),
        ("hf:./sets/../../name#train", "is not complete"),
        ("hf:/etc#train", "is not complete"),
    ],
)
def test_a_source_that_is_refused_is_told_with_its_place(project, source, told):
    path = project.write("far.library.yaml", ENTRY.format(source=source))
    with pytest.raises(LibraryError) as caught:
        load_library(project.root, (path,))
    (fault,) = caught.value.faults
    assert "book 'far'" in fault.what and told in fault.what and "secret" not in fault.render()
    assert fault.where == "far.library.yaml:4:13  books.far.source" and fault.expected and fault.fix


@pytest.mark.parametrize(
    ("source", "remote"),
    [
        ("https://example.org/a.txt", True),
        ("http://127.0.0.1:8000/a.txt", True),
        ("http://localhost/a.txt", True),
        ("http://[::1]/a.txt", True),
        ("gutenberg:11", True),
        ("hf:name#train", True),
        ("hf:org/name:config#train&heading=title&body=text", True),
        ("hf:./sets/name#train", False),
        ("file:a.txt", False),
        ("package:dist/a.txt", False),
    ],
)
def test_sources_that_may_be(source, remote):
    assert source_fault(source, pinned=False) is None and is_remote(source) == remote


def test_plain_http_needs_a_pin(project):
    path = project.write("far.library.yaml", ENTRY.format(source="http://example.org/a.txt") + PIN)
    assert load_library(project.root, (path,)).entries["far"].sha256 == "0" * 64


def test_an_id_stands_once_in_a_catalogue_and_in_all_of_them(project):
    text = ENTRY.format(source="file:a.txt")
    path = project.write("far.library.yaml", text + text.partition("books:\n")[2])
    with pytest.raises(LibraryError) as caught:
        load_library(project.root, (path,))
    assert "far.library.yaml:11:" in caught.value.faults[0].where and "duplicate key" in caught.value.faults[0].got
    path = project.write("far.library.yaml", text.replace("far:", "fox:"))
    with pytest.raises(LibraryError) as caught:
        load_library(project.root, (path,))
    assert "two catalogues name a book 'fox'" in caught.value.faults[0].what
