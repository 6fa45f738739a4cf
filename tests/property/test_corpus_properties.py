"""The law of the book, and the order, over generated libraries."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from making import ROLES, make_library, make_plan, make_prose, make_stage, scene_yaml, span

from ontogeny.corpus.clean import CleanBook, clean
from ontogeny.corpus.layout import NO_TARGET, PASSAGE
from ontogeny.corpus.passages import make_passages
from ontogeny.corpus.phases import dealt, role_steps
from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.corpus.rows import Corpus, slice_of_rank
from ontogeny.corpus.vocabulary import load_encoder, train_tokenizer

SETTINGS = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
)  # a failing library is small enough without shrinking
WORDS = st.sampled_from(
    [
        "",
        "Ёлка стоит. Но снег идёт. Потом весна.",
        "ÆØÅ 中文 🙂 e\u0301",
        "x" * 700,
        "A. B. So D. E.",
        "<|endoftext|> is a word here. So it is. It was.",
        "   indented\n   verse\n   lines",
    ]
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    out = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer([make_prose(9, 60)], 400, out)
    return out


@st.composite
def libraries(draw):
    """(books, spans, every_tokens, context, seed): two stages over one to four books."""
    count = draw(st.integers(1, 4))
    books = {}
    for i in range(count):
        prose = make_prose(draw(st.integers(0, 10**6)), draw(st.integers(4, 30)), draw(st.sampled_from([0, 5])))
        books[f"book{i}"] = prose + "\n" + "\n\n".join(draw(st.lists(WORDS, max_size=4)))
    unit = draw(st.sampled_from([{"books": "all"}, {"epochs": 2}, {"tokens": draw(st.integers(50, 600))}]))
    return (
        books,
        span(**unit),
        draw(st.sampled_from([None, 120, 400])),
        draw(st.sampled_from([32, 100, 256])),
        draw(st.integers(0, 10**9)),
    )


def prepare(made, folder: Path, tokenizer: Path, second_books=None) -> Corpus:
    books, stage_span, every_tokens, context, seed = made
    scenes = "".join(
        scene_yaml(f"s{i}", trigger)
        for i, trigger in enumerate(("phrase: river", "after: chapter", "pattern: 'gard[e]n'", "phrase: absent"))
    )
    ids = list(books)
    library = make_library(folder, books | (second_books or {}), {"one": scenes, "two": scenes})
    plan = make_plan(
        [
            make_stage(0, "one", ids, stage_span=stage_span, every_tokens=every_tokens),
            make_stage(1, "two", list(second_books or ids[:1]), every_tokens=every_tokens, replay_frac=0.5),
        ],
        seed=seed,
        context_tokens=context,
    )
    return prepare_corpus(plan, library, folder / "corpus", tokenizer)


@SETTINGS
@given(made=libraries())
def test_the_law_of_the_book(made, tokenizer):
    with tempfile.TemporaryDirectory() as root:
        corpus = prepare(made, Path(root), tokenizer)
        for stage in corpus.manifest["stages"]:
            for book in stage["books"]:
                text = (corpus.folder / "books" / f"{book['id']}.txt").read_bytes().decode()
                kinds = ("training", "held_out", "moved", "unread")
                ranges = sorted((r[0], r[1]) for kind in kinds for r in book[kind])
                assert "".join(text[s:e] for s, e in ranges) == text
                assert all(a[1] == b[0] for a, b in pairwise(ranges))


@SETTINGS
@given(made=libraries())
def test_packs_decode_to_the_declared_ranges(made, tokenizer):
    """The independent reading: bytes of the packs, in order, without the corpus's own proof."""
    encoder = load_encoder(tokenizer)
    with tempfile.TemporaryDirectory() as root:
        corpus = prepare(made, Path(root), tokenizer)
        for index, stage in enumerate(corpus.manifest["stages"]):
            shard = corpus.shard(index)
            read, scenes, filled = {}, [], np.ones(stage["packs"], dtype=int)
            order = []
            for s in shard.segments():
                assert filled[s["pack"]] == s["first_token"]
                filled[s["pack"]] += s["tokens"]
                ids = shard.ids_RT[s["pack"], s["first_token"] : s["first_token"] + s["tokens"]].tolist()
                if s["kind"] == PASSAGE:
                    key = (int(s["source"]), int(s["start"]), int(s["end"]))
                    order.append(key)
                    read.setdefault(key, []).extend(ids)
                else:
                    scenes.extend(ids)
            assert np.array_equal(filled, 1 + (shard.codes_RT[:, 1:] != NO_TARGET).sum(axis=1))
            assert (shard.ids_RT[:, 0] == 0).all() and (shard.codes_RT[:, 0] == NO_TARGET).all()
            books = [book["id"] for book in corpus.manifest["books"]]
            texts = [(corpus.folder / "books" / f"{book}.txt").read_bytes().decode() for book in books]
            for (k, s, e), ids in read.items():
                assert encoder.decode(ids, skip_special_tokens=False) == texts[k][s:e]
            declared = "".join(
                texts[books.index(book["id"])][s:e] for book in stage["books"] for s, e in book["training"]
            )
            assert "".join(texts[k][s:e] for k, s, e in dict.fromkeys(order)) == declared
            said = encoder.decode(scenes, skip_special_tokens=False)
            for record in shard.scenes:
                assert all(turn[2] in said for turn in record["turns"])
                if record["removed"]:
                    removed = texts[books.index(record["book"])][slice(*record["removed"])]
                    assert f":{removed}\n\n" in said


@SETTINGS
@given(made=libraries(), data=st.data())
def test_a_batch_anywhere_is_the_batch_walked_to(made, data, tokenizer):
    with tempfile.TemporaryDirectory() as root:
        corpus = prepare(made, Path(root), tokenizer)
        for index in range(2):
            for phase in ("books", "replay", "roles"):
                walked = list(corpus.batches(index, phase, 0))
                assert sum(len(batch.rows_B) for batch in walked) == corpus.phase_rows(index, phase)
                assert np.array_equal(
                    np.concatenate([b.rows_B for b in walked]) if walked else [],
                    np.arange(corpus.phase_rows(index, phase)),
                )
                if not walked:
                    continue
                first = data.draw(st.integers(0, len(walked) - 1))
                fresh = Corpus(corpus.folder)
                for here, there in zip(walked[first:], fresh.batches(index, phase, first), strict=True):
                    assert here.step == there.step
                    for name in ("rows_B", "ids_BT", "weights_BT", "group_B"):
                        assert np.array_equal(getattr(here, name), getattr(there, name))
                    assert (here.weights_BT[:, 0] == 0).all() and (phase == "books" or here.weights_BT.sum() > 0)
                    for ranks in (1, 2, 3, 8):
                        slices = [slice_of_rank(here, rank, ranks) for rank in range(ranks)]
                        for name in ("rows_B", "ids_BT", "weights_BT", "group_B"):
                            assert np.array_equal(
                                np.concatenate([getattr(s, name) for s in slices]), getattr(here, name)
                            )


@SETTINGS
@given(made=libraries(), other=st.integers(0, 10**6))
def test_another_second_stage_leaves_the_first_alone(made, other, tokenizer):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        a = prepare(made, Path(one), tokenizer)
        b = prepare(made, Path(two), tokenizer, {"other": make_prose(other, 20)})
        for name in ("ids.bin", "codes.bin", "digests.bin", "segments.npy", "role_ids.bin", "scenes.jsonl"):
            assert (a.folder / "one" / name).read_bytes() == (b.folder / "one" / name).read_bytes()
        for phase in ("books", "replay", "roles"):
            assert a.manifest["stages"][0]["phases"][phase]["root"] == b.manifest["stages"][0]["phases"][phase]["root"]
        assert a.manifest["corpus_hash"] != b.manifest["corpus_hash"]


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=400)
    | st.lists(WORDS, max_size=12).map("\n\n".join),
    markup=st.sampled_from(["plain", "markdown", "play"]),
)
def test_passages_partition_any_text(text, markup):
    book = clean(text, markup)
    passages = make_passages(book)
    assert "".join(book.text[p.start : p.end] for p in passages) == book.text
    starts = {start for _, start in book.chapters}
    assert not any(p.start < start < p.end for p in passages for start in starts)
    assert clean(text, markup) == book
    assert isinstance(book, CleanBook)


@given(
    rows=st.lists(st.integers(0, 40), min_size=1, max_size=4), context=st.integers(1, 400), batch=st.integers(1, 900)
)
def test_each_role_with_rows_has_a_row_in_each_step(rows, context, batch):
    by_role = dict(zip(ROLES, rows, strict=False))
    steps = role_steps(by_role, dict.fromkeys(by_role, batch), context)
    assert (steps == 0) == (not any(rows))
    for n in filter(None, rows):
        bounds = [dealt(step, n, steps) for step in range(steps)]
        assert all(last > first for first, last in bounds)
        assert bounds[0][0] == 0 and bounds[-1][1] == n
        assert all(a[1] == b[0] for a, b in pairwise(bounds))
