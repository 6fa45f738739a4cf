from __future__ import annotations

import random

import pytest

from ontogeny.scenes.opposites import Change, make_swaps, sure_changes
from ontogeny.scenes.opposites_en import ENGLISH
from ontogeny.scenes.opposites_ru import RUSSIAN


def altered(sentence, opposites, paragraph=""):
    return {change.altered(sentence) for change in sure_changes(sentence, paragraph, opposites, random.Random("a"))}


@pytest.mark.parametrize(
    ("sentence", "other"),
    [
        ("The earth is round and warm.", "The earth is not round and warm."),
        ("But the king of France was at home.", "But the king of France was not at home."),
        ("It can be seen from the hill.", "It cannot be seen from the hill."),
        ("They have been found in the sea.", "They have not been found in the sea."),
        ("Water is a compound of two gases.", "Water is not a compound of two gases."),
        ("Plants are found in the sea.", "Plants are not found in the sea."),
        ("Your quills are not worth having.", "Your quills are worth having."),
        ("We cannot see the stars by day.", "We can see the stars by day."),
        ("He came home after the battle.", "He came home before the battle."),
        ("This is harder than iron.", "This is easier than iron."),
        ("Iron is more useful than gold.", "Iron is less useful than gold."),
        ("The sea lies above the rock.", "The sea lies below the rock."),
        ("All the men were at home.", "None of the men were at home."),
        ("Every child knows the story.", "No child knows the story."),
        ("She always came in spring.", "She never came in spring."),
        ("They sailed to the north of the island.", "They sailed to the south of the island."),
        ("It fell on the first day.", "It fell on the last day."),
        ("He told the cause of the fire.", "He told the effect of the fire."),
        ("There was an increase of heat.", "There was a decrease of heat."),
        ("It was an easy task.", "It was a difficult task."),
        ("He stayed, because the night was cold.", "He stayed, although the night was cold."),
        ("She got up one morning and went.", "She got up one evening and went."),
    ],
)
def test_english(sentence, other):
    assert other in altered(sentence, ENGLISH)


@pytest.mark.parametrize(
    "sentence",
    [
        "Is it round and warm?",
        "There is a tree in the garden.",
        "Great is the power of the sea.",
        "The man who was here went away.",
        "It was only a boy who had no coat and he was never seen there.",
        "That is, the sea.",
        "It may be so.",
        "The old can is on the table.",
        "He is not only rich but wise.",
        "He could not help laughing.",
        "He was no longer than his brother.",
        "He did his best of all.",
        "First of all, he sat down at last.",
        "More or less he knew it.",
        "After all, he came before long.",
        "They went from north to south.",
        "One or two men came.",
        "Twenty-five men came in 1815.",
        "The answer is (see the table.",
    ],
)
def test_english_sentences_without_a_sure_change(sentence):
    assert altered(sentence, ENGLISH) == set()


def test_numbers_change_to_numbers_that_the_sentence_does_not_hold():
    words = altered("He lived there for seven years of three moons.", ENGLISH)
    assert len(words) == 1 and not words & {
        "He lived there for seven years of three moons.",
        "He lived there for three years of three moons.",
    }
    assert altered("It is 1,200 miles long, in 1815.", ENGLISH) <= {
        "It is not 1,200 miles long, in 1815.",
        "It is 2,400 miles long, in 1815.",
        "It is 3,600 miles long, in 1815.",
    }


@pytest.mark.parametrize(
    ("sentence", "other"),
    [
        ("Он пошёл к морю.", "Он не пошёл к морю."),
        ("Тогда она велела позвать старика.", "Тогда она не велела позвать старика."),
        ("Они идут через лес.", "Они не идут через лес."),
        ("Солдат может ждать до вечера.", "Солдат не может ждать до вечера."),
        ("Река является границей.", "Река не является границей."),
        ("Река не является границей.", "Река является границей."),
        ("Казак должен был вернуться.", "Казак не должен был вернуться."),
        ("Это было до войны.", "Это было после войны."),
        ("После этого всё стихло.", "До этого всё стихло."),
        ("Дом стоял на левом берегу.", "Дом стоял на правом берегу."),
        ("Старший сын ушёл, а старшего брата ждали.", "Старший сын ушёл, а младшего брата ждали."),
        ("Всадники шли к северу от города.", "Всадники шли к югу от города."),
        ("Это случилось в первый день.", "Это случилось в последний день."),
        ("В начале ноября выпал снег.", None),
        ("Снег выпал в начале ноября.", "Снег выпал в конце ноября."),
        ("Здесь можно пройти.", "Здесь нельзя пройти."),
        ("Поэтому все молчали.", "Тем не менее все молчали."),
        ("Никто не спал, потому что было холодно.", "Никто не спал, хотя было холодно."),
        ("Мы всегда говорили правду.", "Мы никогда не говорили правду."),
        ("Сражение продолжалось три часа.", "Сражение продолжалось четыре часа."),
    ],
)
def test_russian(sentence, other):
    assert altered(sentence, RUSSIAN) == set() if other is None else other in altered(sentence, RUSSIAN)


@pytest.mark.parametrize(
    "sentence",
    [
        "Он тут сидел.",
        "Они или сёстры.",
        "Он чуть не упал.",
        "Как можно молчать.",
        "Он сказал: иди домой.",
        "Так продолжалось до города.",
        "Рано или поздно все узнают.",
        "Он пришёл бы, если бы знал.",
        "Он не пришёл.",
    ],
)
def test_russian_sentences_without_a_sure_change(sentence):
    assert altered(sentence, RUSSIAN) == set()


def test_a_word_that_begins_a_russian_sentence_takes_a_negation_only_if_it_is_a_name():
    sentence = "Пугачев пошёл вперёд к реке."
    assert "Пугачев не пошёл вперёд к реке." in altered(sentence, RUSSIAN, "Туда прибыл Пугачев.")
    assert "Пугачев не пошёл вперёд к реке." not in altered(sentence, RUSSIAN, sentence)


def test_a_swap_is_barred_where_its_other_word_stands_already():
    assert altered("He sang in the morning, and one evening in June.", ENGLISH) == set()


def test_a_change_is_named_with_the_words_beside_it_up_to_a_mark():
    sentence = "Once, the old earth is round, they said."
    change = Change(sentence.index("is"), sentence.index("is") + 2, "is not")
    assert change.named(sentence) == "old earth is not round"
    assert change.altered(sentence) == "Once, the old earth is not round, they said."


def test_pairs_go_both_ways_or_one_and_underscores_are_blanks():
    (swap,) = make_swaps((("large/small all>none_of", r"the {}"),))
    assert swap.other == {"large": "small", "small": "large", "all": "none of"}
    assert swap.pattern.search("the small house")["word"] == "small"
    assert swap.pattern.search("the smaller house") is None


def test_changes_are_the_same_for_the_same_seed_and_each_differs_from_the_sentence():
    sentence = "The first part of the war was always longer than twelve years."
    one, two = (sure_changes(sentence, "", ENGLISH, random.Random(7)) for _ in range(2))
    assert one == two and sentence not in {change.altered(sentence) for change in one}
