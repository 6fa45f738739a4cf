"""The law of the book, and the order, over generated libraries of every shape, in every mode of reading."""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from making import ROLES, make_library, make_plan, make_prose, make_stage, scene_yaml, span
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ontogeny.core.errors import CorpusError
from ontogeny.corpus.clean import CleanBook, clean
from ontogeny.corpus.layout import NO_TARGET, PASSAGE
from ontogeny.corpus.passages import make_passages
from ontogeny.corpus.phases import dealt, role_steps
from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.corpus.proof import verify_corpus
from ontogeny.corpus.rows import Corpus, slice_of_rank
from ontogeny.corpus.turns import clipped
from ontogeny.corpus.vocabulary import load_encoder, train_tokenizer

SETTINGS = settings(
    max_examples=16,
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
SEEDS = st.integers(0, 10**6)
AUTHORED_AND_GAPS = ("conflict", "gap")
MADE = ("gap", "contradiction", "bridge", "mismatch", "dialogue")


def make_talk(seed: int, turns: int) -> str:
    """A dialogue of three, some of whom talk at length, amid prose that shares rare words with that of other books."""
    rng = random.Random(seed)
    prose = make_prose(seed, 12).split("\n\n")
    words = [rng.choice(["zephyr", "quarry"]) for _ in range(2)]
    rare = f"The {words[0]} is not forgotten: the {words[1]} was seen."
    said = [
        f"{rng.choice(['Anna', 'Boris', 'Clara'])}: {'Is it so? ' * rng.randint(0, 1)}{rng.choice(prose)[: n * 40]} Y."
        for n in range(turns)
    ]
    told = [f"{block} {rare} So it was told. {block}" for block in prose[:3]]
    return "\n\n".join([*told, *said, *prose[3:], *said[::-1]]) + "\n"


BOOKS = st.one_of(
    st.builds(make_talk, SEEDS, st.integers(3, 20)),
    st.just("Two words.\n"),  # next to nothing
    st.builds(lambda seed, words: make_prose(seed, 8) + "\n" + "\n\n".join(words), SEEDS, st.lists(WORDS, max_size=4)),
    st.builds(lambda seed: " ".join(make_prose(seed, 12).split()) + "\n", SEEDS),  # one giant paragraph
    st.builds(make_prose, SEEDS, st.integers(4, 14), st.just(1)),  # a chapter a paragraph
    st.builds(make_prose, SEEDS, st.integers(10, 30), st.sampled_from([0, 5])),
)


@dataclass(frozen=True)
class Shape:
    """A generated library, and how its first stage reads it."""

    books: dict[str, str]
    sections: list[list[str]]
    reading: str
    span: dict[str, object]
    every_tokens: int | None
    kinds: tuple[str, ...]
    rhythm: str
    context_tokens: int
    batch_packs: int
    replay_frac: float
    tokenizer: str
    seed: int


@st.composite
def shapes(draw, **fixed) -> Shape:
    texts = draw(st.lists(BOOKS, min_size=1, max_size=4))
    books = {f"book{i}": text for i, text in enumerate(texts)}
    cuts = sorted(draw(st.sets(st.integers(1, len(books)), max_size=2)) | {0, len(books)})
    drawn = {
        "reading": st.sampled_from(["sequential", "interleaved", "self_chosen"]),
        "span": st.sampled_from([{"books": "all"}, {"epochs": 2}, {"tokens": draw(st.integers(5, 500))}]),
        "every_tokens": st.sampled_from([None, 120, 400]),
        "kinds": st.sampled_from([AUTHORED_AND_GAPS, MADE, ("conflict", *MADE), ("dialogue", "mismatch", "bridge")]),
        "rhythm": st.sampled_from(["interleaved", "spaced", "massed"]),
        "context_tokens": st.sampled_from([32, 100, 256]),
        "batch_packs": st.integers(1, 5),
        "replay_frac": st.sampled_from([0.0, 0.5, 1.0]),
        "tokenizer": st.sampled_from(["trained", "given", "other"]),
        "seed": st.integers(0, 10**9),
    }
    told = {name: fixed[name] if name in fixed else draw(strategy) for name, strategy in drawn.items()}
    return Shape(books, [list(books)[first:last] for first, last in pairwise(cuts)], **told)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """Two that exist: one as ours are trained, one that splits digits and begins with the last of its entries."""
    given, other = tmp_path_factory.mktemp("given"), tmp_path_factory.mktemp("other")
    train_tokenizer([make_prose(9, 60)], 400, given)
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, show_progress=False, initial_alphabet=sorted(alphabet))
    made.train_from_iterator([make_prose(3, 30)], trainer)
    made.add_special_tokens(["<begin>"])
    made.save(str(other / "tokenizer.json"))
    (other / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<begin>"}))
    return {"given": given, "other": other, "trained": None}


def stage_of(shape: Shape, index: int, name: str, roomy: bool) -> SimpleNamespace:
    stage = make_stage(
        index,
        name,
        [],
        stage_span=span(**shape.span),
        every_tokens=shape.every_tokens,
        kinds=[kind for kind in shape.kinds if kind != "conflict" or roomy],
        rhythm=shape.rhythm,
        reading=shape.reading,
        batch_packs=shape.batch_packs,
        replay_frac=shape.replay_frac if index else 0.0,
    )
    stage.sections = [(f"section {number}", ids) for number, ids in enumerate(shape.sections)]
    return stage


def prepare(shape: Shape, folder: Path, tokenizers: dict, later: tuple[Shape, ...] = ()) -> Corpus:
    """A corpus of a stage of this shape, and one of each later shape; a span too long for its books is passed over."""
    triggers = ("phrase: absent", "after: chapter", "pattern: 'gard[e]n.*noon'", "topic: lantern")
    scenes = "".join(scene_yaml(f"s{i}", trigger) for i, trigger in enumerate(triggers))
    scenes += scene_yaml("odd", "phrase: zephyr").replace("kind: conflict", "kind: mismatch")
    every = [shape, *later]
    books = {book: text for one in every for book, text in one.books.items()}
    names = [f"stage{index}" for index in range(len(every))]
    roomy = shape.context_tokens >= 256  # else no authored scene fits a pack
    library = make_library(folder, books, dict.fromkeys(names, scenes) if roomy else None)
    plan = make_plan(
        [stage_of(one, index, names[index], roomy) for index, one in enumerate(every)],
        seed=shape.seed,
        context_tokens=shape.context_tokens,
        vocab_size=260,
    )
    try:
        return prepare_corpus(plan, library, folder / "corpus", tokenizers[shape.tokenizer])
    except CorpusError as problem:
        assert all(
            "more tokens than its books hold" in f.what or "too small for the vocab" in f.what for f in problem.faults
        )
        return reject()


@SETTINGS
@given(shape=shapes(), again=shapes())
def test_the_law_of_the_book(shape, again, tokenizers):
    with tempfile.TemporaryDirectory() as root:
        corpus = prepare(shape, Path(root), tokenizers, (replace(again, books=shape.books, sections=shape.sections),))
        for stage in corpus.manifest["stages"]:
            for book in stage["books"]:
                text = (corpus.folder / "books" / f"{book['id']}.txt").read_bytes().decode()
                kinds = ("training", "held_out", "moved", "unread")
                ranges = sorted((r[0], r[1]) for kind in kinds for r in book[kind])
                assert "".join(text[s:e] for s, e in ranges) == text
                assert all(a[1] == b[0] for a, b in pairwise(ranges))
        assert verify_corpus(corpus.folder) == []


@SETTINGS
@given(shape=shapes())
def test_packs_decode_to_the_declared_ranges_in_order(shape, tokenizers):
    """The independent reading: bytes of the packs, in order, without the corpus's own proof."""
    with tempfile.TemporaryDirectory() as root:
        corpus = prepare(shape, Path(root), tokenizers)
        encoder, bos = load_encoder(corpus.folder / "tokenizer"), corpus.manifest["tokenizer"]["bos_id"]
        books = [book["id"] for book in corpus.manifest["books"]]
        texts = [(corpus.folder / "books" / f"{book}.txt").read_bytes().decode() for book in books]
        (stage,), shard = corpus.manifest["stages"], corpus.shard(0)
        read, scenes, filled = [], [], np.ones(stage["packs"], dtype=int)
        for s in shard.segments():
            assert filled[s["pack"]] == s["first_token"]
            filled[s["pack"]] += s["tokens"]
            ids = shard.ids_RT[s["pack"], s["first_token"] : s["first_token"] + s["tokens"]].tolist()
            if s["kind"] == PASSAGE:
                read += [[(int(s["source"]), int(s["start"]), int(s["end"])), []]] if s["skip"] == 0 else []
                read[-1][1].extend(ids)
            else:
                scenes.extend(ids)
        assert np.array_equal(filled, 1 + (shard.codes_RT[:, 1:] != NO_TARGET).sum(axis=1))
        assert (shard.ids_RT[:, 0] == bos).all() and (shard.codes_RT[:, 0] == NO_TARGET).all()
        for (k, s, e), ids in read:
            assert encoder.decode(ids, skip_special_tokens=False) == texts[k][s:e]
        turns = stage["turns"] or [(n, 0, len(texts[books.index(b["id"])])) for n, b in enumerate(stage["books"])]
        declared = clipped(turns, [book["training"] for book in stage["books"]])
        of_stage = [texts[books.index(book["id"])] for book in stage["books"]]
        assert "".join(texts[k][s:e] for (k, s, e), _ in read) == "".join(of_stage[n][s:e] for n, s, e in declared)
        for n, book in enumerate(stage["books"]):  # within a book, always forward
            mine = [(s, e) for k, s, e in declared if k == n]
            assert mine == sorted(mine) and sum(e - s for s, e in mine) == sum(e - s for s, e in book["training"])
        said = encoder.decode(scenes, skip_special_tokens=False)
        for record in shard.scenes:
            assert all(turn[2] in said for turn in record["turns"])
            removed = texts[books.index(record["book"])][slice(*record["removed"])] if record["removed"] else ""
            if record["kind"] == "dialogue":
                assert removed.split("\n\n")[0].endswith(f": {record['turns'][0][2]}")
                assert removed.count(": ") >= len(record["turns"]) >= 2
            elif removed:
                assert f":{removed}\n\n" in said


def order_for(corpus: Corpus, index: int, data) -> list[str] | None:
    """Some order in which a self-chosen stage might have read its books; the first is the declared one."""
    books = list(corpus.book_packs(index))
    return [*books[:1], *data.draw(st.permutations(books[1:]))] if books else None


@SETTINGS
@given(shape=shapes(every_tokens=120), later=shapes(replay_frac=1.0), data=st.data())
def test_a_batch_anywhere_is_the_batch_walked_to(shape, later, data, tokenizers):
    with tempfile.TemporaryDirectory() as root:
        later = replace(later, books=shape.books, sections=shape.sections)
        corpus = prepare(shape, Path(root), tokenizers, (later,))
        for index in range(2):
            order = order_for(corpus, index, data)
            for phase in ("books", "replay", "roles"):
                walked = list(corpus.batches(index, phase, 0, order))
                fed = [row for batch in walked for row in batch.rows_B.tolist()]
                assert sorted(fed) == list(range(corpus.phase_rows(index, phase)))
                assert fed == sorted(fed) or (order is not None and phase == "books")
                if not walked:
                    continue
                first = data.draw(st.integers(0, len(walked) - 1))
                fresh = Corpus(corpus.folder)
                for here, there in zip(walked[first:], fresh.batches(index, phase, first, order), strict=True):
                    assert here.step == there.step
                    assert_same(here, there)
                    assert (here.weights_BT[:, 0] == 0).all()
                    for ranks in (1, 2, 3, 8):
                        assert_dealt(here, ranks, data.draw(st.integers(1, 3)))


FIELDS = ("rows_B", "ids_BT", "weights_BT", "group_B")


def assert_same(one, other) -> None:
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in FIELDS)


def assert_dealt(batch, ranks: int, micro: int) -> None:
    """Over ranks, and over forward passes of `micro` rows, the rows stay in their order."""
    slices = [slice_of_rank(batch, rank, ranks) for rank in range(ranks)]
    for name in FIELDS:
        parts = [getattr(s, name)[at : at + micro] for s in slices for at in range(0, len(s.rows_B), micro)]
        assert np.array_equal(np.concatenate(parts), getattr(batch, name))


@SETTINGS
@given(shape=shapes(reading="self_chosen"), data=st.data())
def test_a_chosen_order_feeds_each_book_whole_from_a_step_of_its_own(shape, data, tokenizers):
    with tempfile.TemporaryDirectory() as root:
        corpus = prepare(shape, Path(root), tokenizers)
        runs, packs = corpus.book_packs(0), corpus.manifest["stages"][0]["packs"]
        order = order_for(corpus, 0, data)
        rows = []
        steps = [-(-runs[book][1] // shape.batch_packs) for book in order]
        begins = [sum(steps[:n]) for n in range(len(order))]
        for step, batch in enumerate(corpus.batches(0, "books", 0, Growing(order))):
            rows += batch.rows_B.tolist()
            book = next(book for book, (first, n) in runs.items() if first <= batch.rows_B[0] % packs < first + n)
            assert {int(row) % packs for row in batch.rows_B} <= set(range(runs[book][0], sum(runs[book])))
            if step in begins:
                assert batch.rows_B[0] % packs == runs[order[begins.index(step)]][0]
        once = [first + at for book in order for first, n in [runs[book]] for at in range(n)]
        times = shape.span.get("epochs", 1)
        assert rows == [epoch * packs + pack for epoch in range(times) for pack in once]
        declared = [row for batch in corpus.batches(0, "books") for row in batch.rows_B.tolist()]
        assert declared == list(range(times * packs)), "without choices, as declared"


class Growing(list):
    """An order of which no more is known than the next book, each time it is gone through."""

    def __init__(self, order: list[str]):
        super().__init__(order[:1])
        self.left = order[1:]

    def __iter__(self):
        yield from [*super().__iter__()]
        while self.left:
            self.append(self.left.pop(0))
            yield self[-1]


@SETTINGS
@given(shape=shapes(), later=shapes(), data=st.data())
def test_replay_feeds_earlier_packs_as_they_are_stored(shape, later, data, tokenizers):
    with tempfile.TemporaryDirectory() as root:
        later = replace(later, books=shape.books, sections=shape.sections)
        corpus = prepare(shape, Path(root), tokenizers, (later,))
        first, second = corpus.manifest["stages"]
        chosen = [tuple(place) for place in second["phases"]["replay"]["list"]]
        assert first["phases"]["replay"]["rows"] == 0
        assert len(chosen) == min(int(later.replay_frac * second["packs"] + 1e-9), first["packs"])
        assert len(set(chosen)) == len(chosen) and {stage for stage, _ in chosen} <= {0}
        ids = [row for batch in corpus.batches(1, "replay", 0, order_for(corpus, 1, data)) for row in batch.ids_BT]
        shard, tokens = corpus.shard(0), 0
        for (_, pack), row in zip(chosen, ids, strict=True):
            assert np.array_equal(row, shard.ids_RT[pack])
            tokens += int((shard.trunk_weights[shard.codes_RT[pack]] > 0).sum())
        assert tokens == second["phases"]["replay"]["tokens"]


@SETTINGS
@given(shape=shapes(tokenizer="given"), six=shapes(), other=shapes())
def test_another_sixth_stage_leaves_the_others_alone(shape, six, other, tokenizers):
    kept = [replace(shape, reading=reading) for reading in ("interleaved", "self_chosen", "sequential", "interleaved")]
    others = {f"new{i}": text for i, text in enumerate(other.books.values())}
    sections = [[f"new{book.removeprefix('book')}" for book in books] for books in other.sections]
    six = replace(six, books=shape.books, sections=shape.sections)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        a = prepare(shape, Path(one), tokenizers, (*kept, six))
        b = prepare(shape, Path(two), tokenizers, (*kept, replace(other, books=others, sections=sections)))
        for index in range(5):
            for name in ("ids.bin", "codes.bin", "digests.bin", "segments.npy", "role_ids.bin", "scenes.jsonl"):
                here, there = (corpus.folder / f"stage{index}" / name for corpus in (a, b))
                assert here.read_bytes() == there.read_bytes()
            mine, theirs = (corpus.manifest["stages"][index] for corpus in (a, b))
            for phase in ("books", "replay", "roles"):
                assert mine["phases"][phase]["root"] == theirs["phases"][phase]["root"]
            assert (mine["turns"], mine["book_packs"]) == (theirs["turns"], theirs["book_packs"])
        assert a.manifest["corpus_hash"] != b.manifest["corpus_hash"]


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=400)
    | st.lists(WORDS, max_size=12).map("\n\n".join),
    markup=st.sampled_from(["plain", "markdown", "play"]),
)
def test_passages_partition_any_text(text, markup):
    book = clean(text, markup)
    passages = make_passages(book.text, [chapter[1] for chapter in book.chapters])
    assert "".join(book.text[p.start : p.end] for p in passages) == book.text
    starts = {chapter[1] for chapter in book.chapters}
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
