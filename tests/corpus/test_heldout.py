"""What of held-out passages and of items stands in training text: against sets of words, slow and plain."""

from __future__ import annotations

import random
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_library, make_plan, make_prose, make_stage, scene_yaml
from tokenizers import Tokenizer

from ontogeny.core.hashes import sha256_hex
from ontogeny.corpus import prepare as prepare_module
from ontogeny.corpus import shingles as shingles_module
from ontogeny.corpus.heldout import CONTAMINATED_FRAC, SENTENCE_WORDS, held_out_of, mark_contaminated, standing
from ontogeny.corpus.items.shape import Item
from ontogeny.corpus.layout import merge_ranges, read_json_lines
from ontogeny.corpus.passages import iterate_paragraphs
from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.corpus.shelf import BookRecord, Shelf
from ontogeny.corpus.shingles import (
    SHINGLE_WORDS,
    make_known,
    read_known,
    shingles_each,
    shingles_of,
    shingles_within,
    write_known,
)
from ontogeny.corpus.workers import Workers

BOOKS = Path(__file__).parents[3] / "shared" / "books"
WORD = st.text("abcЖ_é-. \n", min_size=0, max_size=5)
TEXT = st.lists(WORD, max_size=40).map(" ".join)


@settings(deadline=None, max_examples=100)
@given(texts=st.lists(TEXT, max_size=6), words=st.integers(1, 9), group_chars=st.sampled_from([1, 30, 100_000]))
def test_runs_of_words_never_go_on_from_one_text_to_the_next(texts, words, group_chars):
    usual = shingles_module.GROUP_CHARS
    try:
        shingles_module.GROUP_CHARS = group_chars
        found = shingles_within(texts, words).tolist()
        each = [one.tolist() for one in shingles_each(texts, words)]
    finally:
        shingles_module.GROUP_CHARS = usual
    assert found == [number for text in texts for number in shingles_of(text, words).tolist()]
    assert len(found) == sum(len(runs(text, words)) for text in texts)
    assert each == [sorted(set(shingles_of(text, words).tolist())) for text in texts]


def runs(text, words):
    told = re.findall(r"\w+", text.lower())
    return [tuple(told[at : at + words]) for at in range(len(told) - words + 1)]


NUMBER = st.one_of(
    st.integers(0, (1 << 64) - 1), st.integers(0, 40), st.integers((1 << 64) - 40, (1 << 64) - 1), st.just(1 << 63)
)


@settings(deadline=None, max_examples=100)
@given(known=st.sets(NUMBER, max_size=60), some=st.lists(NUMBER, max_size=60))
def test_what_is_known_is_found_and_nothing_else(known, some):
    ordered = sorted(known)
    found = make_known(np.array(ordered, dtype=np.uint64)).find(np.array(some, dtype=np.uint64))
    assert sorted(found.tolist()) == sorted(ordered.index(number) for number in some if number in known)


def test_an_index_of_many_finds_the_same_from_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(shingles_module, "INDEXED_AT_ONCE", 1000)
    rng = np.random.default_rng(3)
    known = np.unique(rng.integers(0, 1 << 64, 20_000, dtype=np.uint64) >> rng.integers(0, 3, 20_000, dtype=np.uint64))
    some = np.concatenate([rng.choice(known, 500), rng.integers(0, 1 << 64, 500, dtype=np.uint64)])
    write_known(tmp_path, make_known(known))
    found = read_known(tmp_path).find(some)
    assert sorted(found.tolist()) == sorted(np.flatnonzero(known == number)[0] for number in some if number in known)


def a_shelf(folder, texts):
    """Books as a corpus keeps them, without a store."""
    (folder / "books").mkdir(parents=True)
    records = []
    for name, text in texts.items():
        raw = text.encode()
        (folder / "books" / f"{name}.txt").write_bytes(raw)
        starts = [start for start, _ in iterate_paragraphs(text, 0, len(text))]
        chapters = [["", start, 1] for start in starts if start % 2]
        rest = {"cuts": [], "chapters": chapters, "kinds": {}, "notes": [], "field": "", "level": ""}
        records.append(BookRecord(name, name, "", "", "", sha256_hex(raw), len(text), len(raw), **rest))
    return Shelf(folder, records)


def prose_of(rng, vocabulary, paragraphs):
    told = [" ".join(rng.choices(vocabulary, k=rng.choice((3, 9, 150)))) + "." for _ in range(paragraphs)]
    return "\n\n".join(told) + "\n\n"


@pytest.mark.parametrize("vocabulary", [3, 12, 60])
@pytest.mark.parametrize("seed", range(4))
def test_contamination_is_what_sets_of_words_say(tmp_path, seed, vocabulary):
    rng = random.Random(f"{seed}|{vocabulary}")
    words = [f"{a}{b}" for a in "klmnprst" for b in "aeiouyäö"][:vocabulary]
    texts = {name: prose_of(rng, words, 60) for name in ("alpha", "beta", "gamma")}
    texts["delta"] = texts["alpha"][: len(texts["alpha"]) // 2] + prose_of(rng, words, 20)
    shelf = a_shelf(tmp_path, texts)
    read = {"alpha": len(texts["alpha"]), "beta": len(texts["beta"]) // 2, "gamma": 0, "delta": len(texts["delta"])}
    readings = [
        [SimpleNamespace(id=n, read_to=read[n]) for n in half] for half in (("alpha", "beta"), ("gamma", "delta"))
    ]
    scenes = [prose_of(rng, words, 1), texts["beta"][-900:]]
    held_out = [held_out_of(half, shelf) for half in readings]
    sentences = [" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(60)]
    sentences += [" ".join(texts["delta"].upper().split()[at : at + 7]) for at in range(0, 700, 50)]
    with Workers(1) as workers:
        marked = mark_contaminated(held_out, readings, scenes, shelf, workers)
        stands = standing(sentences, readings, scenes, shelf, workers)

    books, short = [], set()
    for name, read_to in read.items():
        passages = [p for _, p in shelf.open(name).training() if p.start < read_to]
        books.append([texts[name][a:b] for a, b in merge_ranges((p.start, p.end) for p in passages)])
        short |= {texts[name][p.start : p.end].strip() for p in passages}

    def told(parts, words):
        return {run for part in parts for run in runs(part, words)}

    trained = told([part for parts in books for part in parts] + scenes, SHINGLE_WORDS)
    for passage in (p for stage in marked for p in stage):
        mine = told([passage.text], SHINGLE_WORDS)
        expected = len(mine & trained) > CONTAMINATED_FRAC * len(mine) if mine else passage.text.strip() in short
        assert passage.contaminated == expected, passage
    sources = [told(parts, SENTENCE_WORDS) for parts in [*books, *([scene] for scene in scenes)]]
    for sentence, found in zip(sentences, stands, strict=True):
        mine = told([sentence], SENTENCE_WORDS)
        assert found == (bool(mine) and any(mine <= source for source in sources)), sentence
    assert any(stands) and not all(stands)
    assert vocabulary == 12 or (vocabulary == 3) in {p.contaminated for stage in marked for p in stage}
    assert vocabulary != 3 or any(p.text.strip() in short for stage in marked for p in stage)


def item(name, answer, foil, **fields):
    return Item(
        name, "definition", "planted", fields.pop("on", "one"), "test", name, "Asked:", answer, (foil,), **fields
    )


PLANTED = "Seven grey herons were counting the slow barges of the harbour."
FOIL = "Nobody had ever painted such a crooked and cheerful lighthouse before."
ABSENT = "Eleven quiet astronomers forgot their umbrellas beneath an orange comet."
SPOKEN = "The lamplighter keeps his longest ladder behind the bakery."


def test_an_item_whose_answer_stands_in_training_text_is_marked_and_not_counted(tmp_path, monkeypatch):
    lines = make_prose(1, 60).split("\n\n")
    lines[0] = f"{lines[0]} seven GREY herons, were counting the slow\nbarges -- of the harbour! {lines[1]}"
    lines[2] = f"{lines[2]} {FOIL}"
    scenes = scene_yaml("one-scene", "phrase: river with").replace("Weight is not what one-scene is about.", SPOKEN)
    library = make_library(tmp_path, {"alpha": "\n\n".join(lines), "beta": make_prose(2, 60)}, {"one": scenes})
    made = [
        item("planted", " " + PLANTED, ABSENT),
        item("spoken", " " + SPOKEN, ABSENT),
        item("foil alone", " " + ABSENT, FOIL),
        item("a part of it", " Seven grey herons were painting the slow barges of the harbour.", ABSENT),
        item("short", " herons were counting the", "slow"),
    ]
    general = [item("foil", ABSENT, FOIL, on="simple"), item("sound", ABSENT, ABSENT + " Twice.", on="simple")]
    monkeypatch.setattr(prepare_module, "stage_items", lambda material, _: made if material.stage == "one" else [])
    monkeypatch.setattr(prepare_module, "general_items", lambda seed, language: general)
    stages = [make_stage(0, "one", ["beta"]), make_stage(1, "two", ["alpha"], kinds=["gap"])]
    plan = make_plan(stages, context_tokens=160)
    corpus = prepare_corpus(plan, library, tmp_path / "corpus")

    def marked(path):
        return [line["id"] for line in read_json_lines(corpus.folder / path) if line["contaminated"]]

    assert marked("one/items.jsonl") == ["planted", "spoken"] and marked("items.jsonl") == ["foil"]
    assert corpus.manifest["stages"][0]["items"] == {"definition": {"test": 3, "gate": 0, "search": 0}}


def plainly(text):
    return " " + " ".join(re.findall(r"\w+", text.lower())) + " "


@pytest.mark.skipif(not BOOKS.is_dir(), reason="shared/books is not here")
def test_no_answer_that_is_scored_stands_in_what_a_life_reads(tmp_path):
    names = ("11-*", "2591-*", "19994-*")
    books = {f"book{n}": next(BOOKS.glob(f"*/{name}")).read_text(encoding="utf-8") for n, name in enumerate(names)}
    plan = make_plan([make_stage(n, f"stage{n}", [book], kinds=["gap"]) for n, book in enumerate(books)])
    corpus = prepare_corpus(plan, make_library(tmp_path, books), tmp_path / "corpus")
    tokenizer, texts = Tokenizer.from_file(str(corpus.folder / "tokenizer/tokenizer.json")), []
    for stage in corpus.manifest["stages"]:
        ids = np.fromfile(corpus.folder / stage["name"] / "ids.bin", corpus.manifest["ids_dtype"])
        texts.append(plainly(tokenizer.decode(ids.tolist(), skip_special_tokens=True)))
    assert texts[0].count(" the mock turtle ") > 40
    items = [line for path in corpus.folder.glob("**/items.jsonl") for line in read_json_lines(path)]
    scored = [
        line for line in items if not line["contaminated"] and len(plainly(line["answer"]).split()) >= SENTENCE_WORDS
    ]
    assert len(scored) > 100
    assert not [line for line in scored if any(plainly(line["answer"]) in text for text in texts)]
