"""General text: books that no stage holds, scored to see damage."""

from __future__ import annotations

from dataclasses import replace

import pytest
from making import make_library, make_plan, make_prose, make_stage, span

from ontogeny.core.errors import LibraryError
from ontogeny.core.library import load_library
from ontogeny.corpus.general import GENERAL, GENERAL_CHARS, general_passages
from ontogeny.corpus.layout import read_json_lines
from ontogeny.corpus.prepare import prepare_corpus


def library_of(tmp_path, general):
    books = {"alpha": make_prose(1, 60), "beta": make_prose(2, 60), "gamma": make_prose(3, 400)}
    return replace(make_library(tmp_path, books), general=general)


def test_passages_of_a_book_that_is_read_are_not_general(tmp_path):
    library = library_of(tmp_path, ("alpha", "gamma"))
    plan = make_plan([make_stage(0, "one", ["alpha"], stage_span=span(books="all"), every_tokens=None)])
    passages = general_passages(plan, library)
    assert {one.book for one in passages} == {"gamma"}
    size = sum(len(one.text) for one in passages)
    assert GENERAL_CHARS <= size < GENERAL_CHARS + 8000
    assert {one.split for one in passages} == {"test", "gate", "search"}
    assert passages == general_passages(plan, library)


def test_general_text_that_stands_in_training_is_marked(tmp_path):
    library = library_of(tmp_path, ("beta", "gamma"))
    with open(library.root / "stages/alpha.txt", "a", encoding="utf-8") as file:
        file.write(make_prose(2, 60))
    plan = make_plan([make_stage(0, "one", ["alpha"], stage_span=span(books="all"), every_tokens=None)])
    corpus = prepare_corpus(plan, library, tmp_path / "corpus")
    lines = list(read_json_lines(corpus.folder / GENERAL / "heldout.jsonl"))
    marked = {one["book"]: [] for one in lines}
    for one in lines:
        marked[one["book"]].append(one["contaminated"])
    assert sum(marked["beta"]) > 0.8 * len(marked["beta"]) and not any(marked["gamma"])


def test_a_catalogue_without_general_books_has_no_general_text(tmp_path):
    library = library_of(tmp_path, ())
    plan = make_plan([make_stage(0, "one", ["alpha"], stage_span=span(books="all"), every_tokens=None)])
    assert not (prepare_corpus(plan, library, tmp_path / "corpus").folder / GENERAL).exists()


def test_a_general_book_must_be_in_the_catalogue(tmp_path):
    library = make_library(tmp_path, {"alpha": make_prose(1, 10)})
    path = library.root / "stages/library.yaml"
    path.write_text("general: [alpa]\n" + path.read_text(), encoding="utf-8")
    with pytest.raises(LibraryError, match="a general book is not in the catalogue") as problem:
        load_library(library.root)
    assert "closest: 'alpha'" in str(problem.value) and "library.yaml:1:11" in str(problem.value)
