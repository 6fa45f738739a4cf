"""Trails: what follows does follow, what does not does not, and neither place nor frequency tells."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import pytest

from ontogeny.corpus.items.shape import check_items
from ontogeny.corpus.items.trails import FRAMES, KNOWN, make_trails
from ontogeny.corpus.passages import SPLITS

LANGUAGES = ("en", "ru")
ITEMS = {language: make_trails(7, language) for language in LANGUAGES}


def parse(text, template):
    """The nouns in a sentence made from a template, by name; None where it was not."""
    pattern = re.sub(r"\\\{(\w)\\\}", r"(?P<\1>\\w+)", re.escape(template))
    found = re.fullmatch(pattern, text)
    return found.groupdict() if found else None


def read(item, language):
    """(rules a -> b, the sentence that says what is given, the frame) of an item's context."""
    frame = FRAMES[language][int(item.template.partition("/")[2]) - 1]
    rules, rest = {}, item.context
    while True:
        sentence, _, after = rest.partition(". ")
        if (found := parse(sentence + ".", frame.rule)) is None:
            return rules, rest, frame
        assert found["a"] not in rules
        rules[found["a"]] = found["b"]
        rest = after


def closure(rules, noun):
    reached = [noun]
    while reached[-1] in rules:
        reached.append(rules[reached[-1]])
    return reached


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_answer_follows_and_the_foil_does_not(language):
    """A slow reader: it parses the context back and goes through the rules."""
    for item in ITEMS[language]:
        rules, rest, frame = read(item, language)
        steps = int(item.on.split()[0])
        assert len(rules) == 2 * steps
        answer, foil = (end.strip(" .") for end in (item.answer, item.foils[0]))
        if item.kind == "contradiction":
            denied = parse(rest.removesuffix(" " + frame.undone), frame.denied)["a"]
            holding = [noun for noun in {*rules, *rules.values()} if denied in closure(rules, noun)]
            assert answer in holding and foil not in holding
            assert len(closure(rules, answer)) == steps + 1
            continue
        told = rest.removesuffix(" " + frame.hence)
        told_by = (frame.given,) if item.kind == "chain" else frame.switched
        given = next(found for template in told_by if (found := parse(told, template)))
        reached = closure(rules, given["a"])
        assert reached[-1] == answer and len(reached) == steps + 1 and foil not in reached
        if item.kind == "switch":
            assert closure(rules, given["x"])[-1] == foil


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_set_has_enough_items_of_every_kind(language):
    check_items(ITEMS[language], "items.jsonl")
    counts = Counter((item.on, item.split) for item in ITEMS[language])
    assert set(counts) == {(f"{steps} steps", split) for steps in (2, 3, 4) for split in SPLITS}
    assert all(count >= (40 if split == "test" else 20) for (_, split), count in counts.items())
    kinds = Counter((item.on, item.split, item.kind) for item in ITEMS[language])
    assert len(kinds) == len(counts) * 3 and min(kinds.values()) >= 4
    sorts = Counter((item.on, item.kind, item.more["nouns"]) for item in ITEMS[language] if item.split == "test")
    assert all(sorts[on, kind, "known"] == sorts[on, kind, "invented"] for on, kind, _ in sorts)


HEURISTICS = {
    "first mentioned": lambda words, noun: -words.index(noun),
    "last mentioned": lambda words, noun: len(words) - words[::-1].index(noun),
    "most frequent": lambda words, noun: words.count(noun),
    "longest": lambda words, noun: len(noun),
    "first in the alphabet": lambda words, noun: -sorted({*words, noun}).index(noun),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", HEURISTICS)
def test_place_frequency_and_spelling_are_at_chance(language, name):
    right: dict[tuple, list[float]] = {}
    for item in ITEMS[language]:
        words = re.findall(r"\w+", item.context)
        own, other = (HEURISTICS[name](words, end.strip(" .")) for end in (item.answer, item.foils[0]))
        key = item.on, item.split, item.kind, item.more["nouns"]
        right.setdefault(key, []).append((own > other) + 0.5 * (own == other))
    assert all(sum(shares) / len(shares) == 0.5 for shares in right.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_but_and_however_turn_to_the_first_named_as_often_as_to_the_last(language):
    places = Counter()
    for item in ITEMS[language]:
        if item.kind == "switch":
            rules, rest, _ = read(item, language)
            named = [word for word in re.findall(r"\w+", rest) if word in rules]
            places[closure(rules, named[0])[-1] == item.answer.strip(" .")] += 1
    assert min(places.values()) >= 0.3 * sum(places.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_items_share_their_rules_and_what_is_right_changes_sides(language):
    pairs: dict[str, list] = {}
    for item in ITEMS[language]:
        pairs.setdefault(item.id[:-1], []).append(item)
    for one, other in pairs.values():
        assert one.split == other.split and one.template == other.template
        assert (one.answer,) == other.foils and (other.answer,) == one.foils
        assert read(one, language)[0] == read(other, language)[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_stands_in_two_splits(language):
    texts = {split: {i.context for i in ITEMS[language] if i.split == split} for split in SPLITS}
    assert not any(texts[one] & texts[other] for one, other in combinations(SPLITS, 2))
    assert len({item.context for item in ITEMS[language]}) == len(ITEMS[language])


def test_trails_are_a_function_of_the_seed():
    for language in LANGUAGES:
        assert make_trails(7, language) == ITEMS[language] != make_trails(8, language)
    assert all(len(make_trails(seed, "en")) == len(ITEMS["en"]) for seed in range(20))
    assert make_trails(7, "de") == []


def test_known_nouns_are_known_once_and_no_article_is_wrong():
    for words in map(str.split, KNOWN.values()):
        assert len(set(words)) == len(words)
    assert not any(re.search(r"\ba [aeiou]", item.context + item.answer) for item in ITEMS["en"])
