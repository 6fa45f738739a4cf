"""Definitions: faults of a file with their places, and items whose foils are matched."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from making import two_stages

from ontogeny.core.errors import LibraryError
from ontogeny.corpus.items.definitions import PROBE, load_definitions, make_definition_items
from ontogeny.corpus.items.shape import Material, check_items
from ontogeny.corpus.layout import read_json_lines
from ontogeny.corpus.passages import SPLITS
from ontogeny.corpus.prepare import corpus_hash, prepare_corpus

from .blind import SCORERS, chance, right_share

ROOT = Path(__file__).parents[3]
FILES = sorted(ROOT.glob("stages/*/probes.yaml"))
GOOD = "definitions:\n" + "".join(
    f"  - {{word: {word}, pos: {pos}, language: en, definition: A thing\n      that is told here.}}\n"
    for pos, words in (("noun", "cup door rain river tree"), ("verb", "run walk sing sit"))
    for word in words.split()
)


def load(tmp_path, text, language="en"):
    path = tmp_path / "probes.yaml"
    path.write_text(text, encoding="utf-8")
    return load_definitions(path, language)


@cache
def items_of(path):
    language = "ru" if path.parent.name.startswith("ru-") else "en"
    words = load_definitions(path, language)
    return make_definition_items(Material(path.parent.name, 7, language, (), (), words))


def test_definitions_are_read_with_their_lines_joined_and_by_language(tmp_path):
    found = load(tmp_path, GOOD)
    assert len(found) == 9
    assert found[0] == {"word": "cup", "definition": "A thing that is told here.", "pos": "noun", "language": "en"}
    assert load(tmp_path, GOOD, "ru") == []


@pytest.mark.parametrize(
    ("change", "what", "place"),
    [
        (("word: door, pos: noun", "wrod: door, pos: noun"), "unknown key 'wrod'", "probes.yaml:4:6"),
        (("word: door, pos: noun", "pos: noun"), "'word' is missing", "probes.yaml:4:5"),
        (("word: door", "word: Cup"), "the word 'Cup' is defined twice", "probes.yaml:4:"),
        (("word: door", "word: told"), "does not fit", "probes.yaml:4:"),
        (("word: door", "word: '7'"), "'word' does not fit", "probes.yaml:4:"),
        (("pos: noun", "pos: name"), "'pos' does not fit", "probes.yaml:2:"),
        (("word: sit, pos: verb", "word: sit, pos: adverb"), "needs 3 others of its part of speech", "probes.yaml:"),
        (("definitions:", "definition:"), "unknown key 'definition'", "probes.yaml:1:1"),
        (("- {word: cup", "- {word: cup, word: cup"), "cannot be parsed", "probes.yaml:2:"),
    ],
)
def test_a_fault_has_its_file_line_and_column(tmp_path, change, what, place):
    with pytest.raises(LibraryError) as caught:
        load(tmp_path, GOOD.replace(*change, 1))
    assert any(what in fault.what and place in fault.where for fault in caught.value.faults), str(caught.value)


def test_all_faults_come_at_once(tmp_path):
    text = GOOD.replace("word: door", "word: cup").replace("pos: verb", "pos: word")
    with pytest.raises(LibraryError) as caught:
        load(tmp_path, text)
    assert len(caught.value.faults) == 5
    with pytest.raises(LibraryError, match="cannot be read"):
        load_definitions(tmp_path / "absent.yaml", "en")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_items_of_a_shipped_stage(path):
    items = items_of(path)
    check_items(items, "items.jsonl")
    counts = Counter(item.split for item in items)
    assert counts["test"] >= (30 if not path.parent.name.startswith("ru-") else 16)
    assert min(counts[split] for split in SPLITS) >= 8
    for item in items:
        ends = [item.answer, *item.foils]
        assert len(set(ends)) == 4 and all(end[0] == " " and end[-1] == "." for end in ends)
        assert max(map(len, ends)) - min(map(len, ends)) <= 7
        assert not any(f" {end.strip(' .')} " in f" {item.context.lower()} " for end in ends), item.id
    for one, other in combinations(SPLITS, 2):
        assert not {i.answer for i in items if i.split == one} & {i.answer for i in items if i.split == other}
    assert items == items_of.__wrapped__(path)


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_a_scorer_that_looks_at_the_words_alone_is_at_chance(path, scorer):
    items = items_of(path)
    for split in SPLITS:
        mine = [item for item in items if item.split == split]
        assert right_share(mine, SCORERS[scorer]) == pytest.approx(chance(mine))


def test_words_that_make_no_group_are_asked_too():
    words = [
        {"word": "a" * (3 + n % 4) + "bcdefghijklmnop"[n], "definition": "It is.", "pos": "noun", "language": "en"}
        for n in range(13)
    ]
    items = make_definition_items(Material("s", 7, "en", (), (), words))
    assert sorted(item.answer for item in items) == sorted(f" {one['word']}." for one in words)
    assert all(len({item.answer, *item.foils}) == 4 for item in items)
    test = [item for item in items if item.split == "test"]
    assert Counter(foil for item in test for foil in item.foils) == {item.answer: 3 for item in test}


def test_a_corpus_holds_the_items_of_its_stages_definitions(tmp_path):
    plan, library = two_stages(tmp_path)
    bare = corpus_hash(plan, library)
    path = tmp_path / "stages/first/probes.yaml"
    path.write_text(GOOD)
    corpus = prepare_corpus(plan, library, tmp_path / "corpus")
    assert corpus.manifest["corpus_hash"] == corpus_hash(plan, library) != bare
    asked = {
        stage: [item["id"] for item in read_json_lines(corpus.folder / stage / "items.jsonl") if item["probe"] == PROBE]
        for stage in ("first", "second")
    }
    assert len(asked["first"]) == 9 and asked["second"] == []
    assert corpus.manifest["stages"][0]["items"][PROBE]["test"] == 5
    path.write_text(GOOD.replace("is told", "was told"))
    again = prepare_corpus(plan, library, tmp_path / "corpus")
    lines = list(read_json_lines(again.folder / "first" / "items.jsonl"))
    assert sum("was told" in item["context"] for item in lines) == 9
    assert again.manifest["stages"][0]["phases"] == corpus.manifest["stages"][0]["phases"]


def test_definitions_with_a_fault_stop_the_preparation(tmp_path):
    plan, library = two_stages(tmp_path)
    (tmp_path / "stages/first/probes.yaml").write_text(GOOD.replace("pos: noun", "pos: name"))
    with pytest.raises(LibraryError, match=r"probes\.yaml:2"):
        prepare_corpus(plan, library, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
