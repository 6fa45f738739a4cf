"""Transitions as packs tell them, against a plain reading of the tokens; the journal's entries, back in their books."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from making import make_library, make_plan, make_prose, make_stage

from ontogeny.core.errors import RunError
from ontogeny.corpus.journal import (
    JOURNAL,
    KEYS,
    LEARNED,
    NOISE,
    STILL_HARD,
    Texts,
    fate_of,
    lots,
    ranked,
    read_journal,
)
from ontogeny.corpus.layout import PASSAGE
from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.corpus.transitions import MAX_CLOSING_TOKENS, MIN_TOKENS, BookRuns, SentenceStarts, transitions
from ontogeny.corpus.vocabulary import make_encoder

MET = "And Mr. Fox met J. Smith there.\n\n"  # often, so that the tokenizer has tokens for it
RUSSIAN = (
    "Старик ловил неводом рыбу. Старуха пряла свою пряжу! «Отпусти ты, старче, меня в море.» "
    "Удивился старик, испугался… Он рыбачил тридцать лет и три года.\n\n"
)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """(corpus, encoder): English prose with chapters and scenes, and Russian tales without."""
    made = []
    for language, text, every in (
        ("en", make_prose(1, 60, chapter_every=6) + "\n" + MET * 200, 300),
        ("ru", RUSSIAN * 60, None),
    ):
        root = tmp_path_factory.mktemp(language)
        library = make_library(root, {"book": text})
        plan = make_plan(
            [make_stage(0, "one", ["book"], every_tokens=every, kinds=["gap"])], language=language, vocab_size=360
        )
        corpus = prepare_corpus(plan, library, root / "corpus")
        made.append((corpus, make_encoder(corpus.folder / "tokenizer")))
    return made


def heard(corpus, nats_RT: np.ndarray) -> np.ndarray:
    shard = corpus.shard(0)
    runs, starts = BookRuns(shard), SentenceStarts(corpus.folder / "tokenizer")
    packs = np.arange(len(shard.ids_RT))
    runs_RT = np.stack([runs.of_pack(pack) for pack in packs])
    return transitions(starts, packs, np.asarray(shard.ids_RT, np.int32), nats_RT, runs_RT)


def random_nats(corpus) -> np.ndarray:
    return np.random.default_rng(3).random(corpus.shard(0).ids_RT.shape, np.float32)


def plainly(corpus, nats_RT: np.ndarray) -> list[tuple[float, int, int, int, int]]:
    """The same in a loop over tokens: where books run on comes from the segments, where sentences begin from the tables
    of the vocabulary, read one token at a time."""
    shard, table = corpus.shard(0), SentenceStarts(corpus.folder / "tokenizer")
    found = []
    for pack, ids in enumerate(np.asarray(shard.ids_RT).tolist()):
        run = [-1] * len(ids)
        last, number = None, 0
        for one in shard.segments():
            if one["pack"] == pack:
                joined = last is not None and one["kind"] == PASSAGE == last["kind"]
                joined = joined and (one["source"], one["start"]) == (last["source"], last["end"])
                number += not joined
                for at in range(int(one["first_token"]), int(one["first_token"] + one["tokens"])):
                    run[at] = number if one["kind"] == PASSAGE else -1
                last = one
        edges, full_stop = [0], [False]
        for at in range(1, len(ids)):
            closed = at - 1
            for _ in range(MAX_CLOSING_TOKENS):
                closed -= bool(closed and table.closes_V[ids[closed]] and not table.ends_V[ids[closed]])
            stop = table.ends_V[ids[closed]] and not (closed and table.short_V[ids[closed - 1]])
            full_stop.append(bool(stop))
            blank = table.blank_first_V[ids[at]] or table.blank_last_V[ids[at - 1]]
            broken = table.break_V[ids[at - 1]] or (
                at > 1 and table.line_first_V[ids[at - 1]] and table.line_last_V[ids[at - 2]]
            )
            starts = (stop and table.begins_V[ids[at]] and blank) or (broken and not table.line_first_V[ids[at]])
            if starts or run[at] != run[at - 1]:
                edges.append(at)
        edges.append(len(ids))
        for before, first, end in zip(edges, edges[1:], edges[2:], strict=False):
            whole = before > 1 and end < len(ids) and min(first - before, end - first) >= MIN_TOKENS
            if whole and run[first] == run[before] != -1 and full_stop[end]:
                found.append((float(np.mean(nats_RT[pack, first:end], dtype=np.float64)), pack, before, first, end))
    return found


@pytest.mark.parametrize("number", [0, 1])
def test_transitions_are_those_that_a_plain_loop_finds(corpora, number):
    corpus, _ = corpora[number]
    nats_RT = random_nats(corpus)
    found, expected = heard(corpus, nats_RT), plainly(corpus, nats_RT)
    assert len(found) > 40
    assert [tuple(one)[1:] for one in found.tolist()] == [one[1:] for one in expected]
    assert np.allclose(found["nats"], [one[0] for one in expected], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "sentences",
    [
        ["He saw Mr. Fox, J. Smith and the owl.", ' "Who is it?" said the crow.', " It was late.", " Why so?!"],
        ['She said "The lamp is out."', " Then (it was cold.)", " 3.5 metres of rope, e.g. hemp, hung there."],
        ["The end of it.\n\n", "CHAPTER 2\n\n", "Of the lamp\n\n", "the rain went on. and on."],
        ["«Отпусти ты меня в море!»", " Старик удивился.", " — Иди, — сказал он.\n", "Он рыбачил там."],
    ],
)
def test_sentences_begin_where_a_reader_says(corpora, sentences):
    corpus, encoder = corpora[any("а" <= letter <= "я" for letter in "".join(sentences))]
    (ids,) = encoder.encode(["".join(sentences)])
    starts, _ = SentenceStarts(corpus.folder / "tokenizer").of(ids)
    edges = [0, *np.flatnonzero(starts).tolist(), len(ids)]
    found = [encoder.tokenizer.decode(ids[a:b].tolist()) for a, b in pairwise(edges)]
    assert [one.strip() for one in found] == [one.strip() for one in sentences]


def test_batches_of_any_size_find_the_same(corpora):
    corpus, _ = corpora[0]
    nats_RT, shard = random_nats(corpus), corpus.shard(0)
    runs, starts = BookRuns(shard), SentenceStarts(corpus.folder / "tokenizer")
    parts = []
    for first in range(0, len(shard.ids_RT), 3):
        packs = np.arange(first, min(first + 3, len(shard.ids_RT)))
        runs_BT = np.stack([runs.of_pack(pack) for pack in packs])
        parts.append(transitions(starts, packs, np.asarray(shard.ids_RT[packs], np.int32), nats_RT[packs], runs_BT))
    assert np.array_equal(np.concatenate(parts), heard(corpus, nats_RT))


@pytest.mark.parametrize("number", [0, 1])
def test_an_entry_is_a_sentence_of_its_book(corpora, number):
    corpus, encoder = corpora[number]
    texts, runs, shard = Texts(corpus, encoder), BookRuns(corpus.shard(0)), corpus.shard(0)
    text = texts.of("book")
    for one in heard(corpus, random_nats(corpus)):
        place = texts.place(runs, one)
        assert text[place["start"] : place["end"]] == place["text"] == place["text"].strip()
        ids = shard.ids_RT[one["pack"], one["first"] : one["last"]].tolist()
        assert encoder.tokenizer.decode(ids).strip() == place["text"]
        assert place["text"].endswith((".", "!", "…", "»")) and "\n\n" not in place["text"]
        assert not place["text"].startswith(("Student", "Teacher", "Critic", "Reformulator"))
        assert place["before_start"] < place["start"] and not text[place["before_start"]].isspace()


def test_no_transition_is_that_of_a_scene(corpora):
    corpus, _ = corpora[0]
    shard = corpus.shard(0)
    assert (np.asarray(shard.codes_RT) % 8 > 0).any(), "the packs hold scenes"
    for one in heard(corpus, random_nats(corpus)):
        assert (shard.codes_RT[one["pack"], one["before"] : one["last"]] == 0).all()
        inside = [s for s in shard.segments() if s["pack"] == one["pack"] and s["first_token"] < one["last"]]
        assert all(s["kind"] == PASSAGE for s in inside if s["first_token"] + s["tokens"] > one["before"])


@pytest.mark.parametrize(
    ("reference", "read", "by_stage", "fate"),
    [
        (6.0, 5.0, [3.0], LEARNED),
        (6.0, 5.0, [3.5], STILL_HARD),
        (6.0, 5.0, [4.4], STILL_HARD),
        (6.0, 5.0, [4.6], NOISE),
        (4.0, 5.0, [3.7], NOISE),
        (6.0, 5.0, [3.0, 4.6], STILL_HARD),  # learned once, and forgotten
        (6.0, 5.0, [4.8, 4.6], NOISE),
        (6.0, 5.0, [4.6, 3.0], LEARNED),
    ],
)
def test_fates_are_told_by_the_last_surprise(reference, read, by_stage, fate):
    entry = {"reference_nats": reference, "surprise_nats": read, "usual_nats": 3.2}
    assert fate_of(entry | {"surprise_by_stage": [["any", nats] for nats in by_stage]}) == fate


def test_selections_rank_by_what_they_say():
    entries = [
        {"stage": "one", "pack": pack, "first": 5, "reducible_nats": reducible, "surprise_nats": raw}
        for pack, (reducible, raw) in enumerate([(1.0, 9.0), (3.0, 2.0), (2.0, 5.0), (3.0, 1.0)])
    ]
    assert [entry["pack"] for entry in ranked(entries, "reducible", 7)] == [1, 3, 2, 0]
    assert [entry["pack"] for entry in ranked(entries, "raw", 7)] == [0, 2, 1, 3]
    drawn = {tuple(entry["pack"] for entry in ranked(entries, "uniform", seed)) for seed in range(40)}
    assert len(drawn) > 10


def test_lots_are_even_and_those_of_their_place():
    packs, firsts = np.repeat(np.arange(200), 50), np.tile(np.arange(50), 200)
    drawn = lots(7, "one", packs, firsts)
    assert drawn.min() >= 0.0 and drawn.max() < 1.0 and len(np.unique(drawn)) == len(drawn)
    assert np.abs(np.histogram(drawn, 10, (0, 1))[0] / 1000 - 1).max() < 0.15
    assert float(lots(7, "one", 3, 4)) == drawn[3 * 50 + 4] != float(lots(7, "two", 3, 4))


@pytest.mark.parametrize(
    ("content", "told"),
    [(b'{"stage": "one"}\n', "an entry without before"), (b"{\n", "JSONDecodeError"), (b"\xff", "Unicode")],
)
def test_a_journal_that_is_none_is_told(tmp_path, content, told):
    (tmp_path / JOURNAL).write_bytes(content)
    with pytest.raises(RunError, match="a journal cannot be read") as problem:
        read_journal(tmp_path)
    assert told in problem.value.faults[0].got


def test_text_with_a_line_separator_stays_one_entry(tmp_path):
    entry = dict.fromkeys(sorted(KEYS), 1) | {"text": "a\u2028b"}
    (tmp_path / JOURNAL).write_text(json.dumps(entry, ensure_ascii=False) + "\n", "utf-8")
    assert read_journal(tmp_path) == [entry]
