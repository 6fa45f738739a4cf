"""Turns of reading: a pure order, and what an interleaved stage makes of it."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_library, make_plan, make_prose, make_stage, scene_yaml, span

from ontogeny.core.errors import CorpusError
from ontogeny.corpus.passages import Passage
from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.corpus.proof import verify_corpus
from ontogeny.corpus.reading import StageWriter
from ontogeny.corpus.shelf import BookRecord, OpenBook, Shelf
from ontogeny.corpus.turns import TURN_PASSAGES, Turn, clipped, cut_turns, interleaved, joined
from ontogeny.corpus.vocabulary import make_encoder

PASSAGES = st.lists(st.tuples(st.integers(1, 900), st.booleans()), min_size=1, max_size=40)


def passages_of(shape: list[tuple[int, bool]]) -> list[Passage]:
    """Passages of these lengths; a chapter begins where told."""
    ends = list(accumulate(size for size, _ in shape))
    chapters = list(accumulate(int(begins) for _, begins in shape))
    return [Passage(end - size, end, c) for (size, _), end, c in zip(shape, ends, chapters, strict=True)]


@given(PASSAGES)
def test_the_turns_of_a_book_are_its_passages_and_never_two_chapters(shape):
    passages = passages_of(shape)
    turns = list(cut_turns(3, passages))
    assert [i for turn in turns for i in range(turn.first, turn.last)] == list(range(len(passages)))
    for turn in turns:
        mine = passages[turn.first : turn.last]
        assert turn.book == 3 and turn.characters == sum(p.end - p.start for p in mine)
        assert len({p.chapter for p in mine}) == 1 and len(mine) <= TURN_PASSAGES
        whole = [p for p in passages if p.chapter == mine[0].chapter]
        assert len(mine) == TURN_PASSAGES or mine[-1] == whole[-1]


def slow_order(sections: list[list[Turn]]) -> list[Turn]:
    """The rule, as it is written: shares compared by cross-multiplying, the earlier section first."""
    left, read, order = [list(turns) for turns in sections], [0] * len(sections), []
    wholes = [sum(turn.characters for turn in turns) for turns in sections]
    while any(left):
        least = None
        for section, turns in enumerate(left):
            if turns and (least is None or read[section] * wholes[least] < read[least] * wholes[section]):
                least = section
        order.append(left[least].pop(0))
        read[least] += order[-1].characters
    return order


@settings(max_examples=60)
@given(st.lists(st.lists(PASSAGES, max_size=3), min_size=1, max_size=5))
def test_sections_take_turns_by_the_share_they_have_read(shapes):
    number, sections = 0, []
    for shape in shapes:
        sections.append([turn for n, book in enumerate(shape, number) for turn in cut_turns(n, passages_of(book))])
        number += len(shape)
    order = list(interleaved(sections))
    assert order == slow_order(sections)
    for turns in sections:
        assert [turn for turn in order if turn in turns] == turns, "within a section, in declared order"
    for turns in sections:  # no section runs ahead of another by more than a turn
        if len(order) > 1 and turns:
            whole, read = sum(t.characters for t in turns), 0
            for turn in order:
                read += turn.characters * (turn in turns)
                assert read <= whole


def test_equal_shares_go_to_the_earlier_section():
    one, two = ([Turn(book, i, i + 1, 10) for i in range(3)] for book in (0, 1))
    assert [turn.book for turn in interleaved([one, two])] == [0, 1, 0, 1, 0, 1]
    assert [turn.book for turn in interleaved([one, [], two[:1]])] == [0, 1, 0, 0]


def test_runs_are_joined_and_cut_to_what_was_read():
    turns = joined([(0, 0, 10), (0, 10, 30), (1, 0, 5), (0, 30, 50), (1, 5, 9)])
    assert turns == [[0, 0, 30], [1, 0, 5], [0, 30, 50], [1, 5, 9]]
    training = [[(0, 12), (20, 40), (45, 50)], [(0, 9)]]
    assert clipped(turns, training) == [
        (0, 0, 12),
        (0, 20, 30),
        (1, 0, 5),
        (0, 30, 40),
        (0, 45, 50),
        (1, 5, 9),
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    books = {name: make_prose(seed, size, 5) for seed, (name, size) in enumerate({"a": 30, "b": 50, "c": 20}.items())}
    scenes = "".join(scene_yaml(f"s{i}", trigger) for i, trigger in enumerate(("phrase: river with", "after: chapter")))
    return make_library(tmp_path_factory.mktemp("turns"), books, {"one": scenes})


def interleaving(library, folder, stage_span=None, sections=(("x", ["a", "b"]), ("y", ["c"])), every_tokens=300):
    stage = make_stage(0, "one", [], stage_span=stage_span, reading="interleaved", every_tokens=every_tokens)
    stage.sections = [(name, list(books)) for name, books in sections]
    return prepare_corpus(make_plan([stage]), library, folder)


def test_an_interleaved_stage_goes_from_section_to_section(library, tmp_path):
    corpus = interleaving(library, tmp_path / "corpus")
    stage = corpus.manifest["stages"][0]
    books = [book for book, _, _ in stage["turns"]]
    assert books.count(2) > 3 and books[:2] == [0, 2] and stage["sections"] == [["x", 2], ["y", 1]]
    assert all(a != b for a, b in pairwise(books))
    segments = corpus.shard(0).segments()
    sources = segments["source"][segments["kind"] == 0]
    assert np.count_nonzero(np.diff(sources.astype(int))) == len(books) - 1
    assert verify_corpus(corpus.folder) == []


class ForgetfulShelf(Shelf):
    """A shelf that keeps no book open, and counts how often each is opened."""

    def open(self, book_id: str) -> OpenBook:
        self._open.clear()
        self.opened[book_id] += 1
        return super().open(book_id)


def test_a_book_is_opened_as_often_however_many_turns_it_has(library, tmp_path):
    sections = (("x", ["a"]), ("y", ["b"]), ("z", ["c"]))
    corpus = interleaving(library, tmp_path / "corpus", sections=sections)
    (tmp_path / "again").mkdir()
    stage = make_stage(0, "one", [], reading="interleaved")
    stage.sections = sections
    shelf = ForgetfulShelf(corpus.folder, [BookRecord(**book) for book in corpus.manifest["books"]])
    shelf.opened = Counter()
    encoder = make_encoder(corpus.folder / "tokenizer")
    StageWriter(stage, make_plan([stage]), shelf, encoder, [], tmp_path / "again/one").write()
    turns = Counter(book for book, _, _ in corpus.manifest["stages"][0]["turns"])
    assert min(turns.values()) > 3 and turns.total() > 14
    assert max(shelf.opened.values()) <= 5, "the rate of tokens, the turns, twice the survey, the reading"


def test_the_span_ends_what_is_read_of_every_section(library, tmp_path):
    corpus = interleaving(library, tmp_path / "corpus", span(tokens=1500))
    stage = corpus.manifest["stages"][0]
    read = [book["tokens"] for book in stage["books"]]
    assert 1500 <= stage["tokens"] < 1500 + 600
    assert read[0] > 0 and read[2] > 0 and sum(len(book["unread"]) for book in stage["books"]) >= 3
    assert verify_corpus(corpus.folder) == []
    with pytest.raises(CorpusError, match="more tokens than its books hold"):
        interleaving(library, tmp_path / "other", span(tokens=10**6))


def test_a_book_named_in_two_sections_is_read_in_each(library, tmp_path):
    corpus = interleaving(library, tmp_path / "corpus", sections=(("x", ["c"]), ("y", ["b", "c"])), every_tokens=None)
    stage = corpus.manifest["stages"][0]
    assert stage["books"][0]["training"] == stage["books"][2]["training"]
    assert {book for book, _, _ in stage["turns"]} == {0, 1, 2}
    assert verify_corpus(corpus.folder) == []


def test_a_self_chosen_book_fills_packs_of_its_own(library, tmp_path):
    stage = make_stage(0, "one", ["a", "b", "c"], reading="self_chosen", batch_packs=4, stage_span=span(epochs=2))
    corpus = prepare_corpus(make_plan([stage]), library, tmp_path / "corpus")
    entry = corpus.manifest["stages"][0]
    assert list(entry["book_packs"]) == ["a", "b", "c"] and entry["turns"] == []
    reached = steps = 0
    for first, packs in entry["book_packs"].values():
        assert first == reached and packs > 1
        reached, steps = reached + packs, steps - (-packs // 4)
    assert reached == entry["packs"] and entry["phases"]["books"]["steps"] == 2 * steps
    order = ["c", "a", "b"]
    rows = [row for batch in corpus.batches(0, "books", 0, order) for row in batch.rows_B.tolist()]
    packs = [first + at for book in order for first, n in [entry["book_packs"][book]] for at in range(n)]
    assert rows == packs + [reached + pack for pack in packs]
    assert verify_corpus(corpus.folder) == []
    stage.sections = [("x", ["a"]), ("y", ["b", "a"])]
    with pytest.raises(CorpusError, match="names a book twice"):
        prepare_corpus(make_plan([stage]), library, tmp_path / "twice")
