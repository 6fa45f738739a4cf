"""Minimal pairs: of the shape that was promised, balanced, and of no use to a scorer that does not read."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import pytest

from ontogeny.corpus.items.minimal_pairs import GRAMMARS, LEVELS, make_minimal_pairs, spell_frame
from ontogeny.corpus.items.shape import check_items
from ontogeny.corpus.passages import SPLITS

from .blind import SCORERS, WORD, right_share

LANGUAGES = ("en", "ru")
PHENOMENA = {"en": 10, "ru": 6}
PAIRS = {language: make_minimal_pairs(7, language) for language in LANGUAGES}


def sentences(item):
    return {item.answer, *item.foils}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_set_has_enough_pairs_of_every_phenomenon(language):
    items = PAIRS[language]
    check_items(items, "items.jsonl")
    assert len(GRAMMARS[language].frames) >= PHENOMENA[language]
    counts = Counter((item.on, item.split, item.kind) for item in items)
    for on in LEVELS:
        for split in SPLITS:
            mine = [counts[on, split, kind] for kind in GRAMMARS[language].frames]
            assert sum(mine) >= (40 if split == "test" else 20) and min(mine) > 0
            assert max(mine) - min(mine) <= 2, "the phenomena weigh alike"
        templates = {(item.kind, item.template) for item in items if (item.on, item.split) == (on, "test")}
        assert min(Counter(kind for kind, _ in templates).values()) >= 6


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scorer", SCORERS)
def test_a_scorer_that_does_not_read_is_right_in_half_of_every_template(language, scorer):
    groups: dict[tuple, list] = {}
    for item in PAIRS[language]:
        groups.setdefault((item.on, item.split, item.template), []).append(item)
    for key, group in groups.items():
        assert right_share(group, SCORERS[scorer]) == 0.5, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_form_is_as_often_good_as_bad(language):
    for on in LEVELS:
        good, bad = Counter(), Counter()
        for item in PAIRS[language]:
            if item.on == on:
                good.update(WORD.findall(item.answer.lower()))
                bad.update(WORD.findall(item.foils[0].lower()))
        assert good == bad


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pair_differs_in_few_words_and_has_five_at_least(language):
    for item in PAIRS[language]:
        good, bad = (WORD.findall(one) for one in (item.answer, item.foils[0]))
        changed = sum(((Counter(good) - Counter(bad)) | (Counter(bad) - Counter(good))).values())
        assert 1 <= changed <= 4 and min(len(good), len(bad)) >= 5, item.id
        assert item.context == "" and item.answer[0].isupper() and item.answer[-1] in ".?"
        assert not re.search(r"[{}\[\]<>|_/]|  | [.,?]", item.answer + item.foils[0]), item.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_stands_in_two_items_or_splits(language):
    counts = Counter(sentence for item in PAIRS[language] for sentence in sentences(item))
    assert max(counts.values()) == 1
    by_split = {split: {s for i in PAIRS[language] if i.split == split for s in sentences(i)} for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        assert not by_split[one] & by_split[other]
    assert len({item.answer for item in PAIRS[language]}) == len(PAIRS[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_of_one_level_is_a_word_of_another(language):
    spelled = {
        level: {form for words in kinds.values() for word in words for key, form in word.items() if key != "prep"}
        for level, kinds in GRAMMARS[language].words.items()
    }
    for one, other in combinations(LEVELS, 2):
        assert not spelled[one] & spelled[other]


@pytest.mark.parametrize("language", LANGUAGES)
def test_pairs_are_a_function_of_the_seed(language):
    assert make_minimal_pairs(7, language) == PAIRS[language]
    other = make_minimal_pairs(8, language)
    assert {item.answer for item in other} != {item.answer for item in PAIRS[language]}
    assert Counter(item.template for item in other) == Counter(item.template for item in PAIRS[language])


def test_many_seeds_find_enough_sentences():
    for seed in range(30):
        for language in LANGUAGES:
            assert len(make_minimal_pairs(seed, language)) == len(PAIRS[language])


def test_a_language_without_a_grammar_has_no_pairs():
    assert make_minimal_pairs(7, "de") == []


def test_a_frame_is_spelled_as_it_says():
    words = {("n", ""): {"": "ant", "s": "ants"}, ("v", ""): {"": "run", "s": "runs"}}
    assert spell_frame("a [{n}|{n.s}] <{v.s}/{v}> here.", words, articles=True) == [
        ("An ant runs here.", "An ant run here."),
        ("An ants run here.", "An ants runs here."),
    ]


WRITTEN = {
    "en": (
        ("person", "s", "child", "children"),
        ("carry", "s", "carry", "carries"),
        ("carry", "ed", "carry", "carried"),
        ("rest", "ing", "smile", "smiling"),
        ("adjective", "er", "heavy", "heavier"),
        ("adjective", "est", "sleek", "sleekest"),
        ("woman", "s", "abbess", "abbesses"),
    ),
    "ru": (
        ("thing", "genpl", "стол", "столов"),
        ("book", "gen", "книга", "книги"),
        ("book", "genpl", "ваза", "ваз"),
        ("man", "pl", "мальчик", "мальчики"),
        ("woman", "ins", "соседка", "соседкой"),
        ("adjective", "f", "новый", "новая"),
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_inflected_as_they_are_written(language):
    for kind, form, word, expected in WRITTEN[language]:
        found = [one for level in GRAMMARS[language].words.values() for one in level[kind] if one[""] == word]
        assert [one[form] for one in found] == [expected]
