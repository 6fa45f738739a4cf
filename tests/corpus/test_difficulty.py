"""Measures of difficulty against published values, and what they say of easy and hard text."""

from __future__ import annotations

import random
import zlib
from itertools import pairwise

import pytest

from ontogeny.corpus.difficulty import (
    MAX_WINDOWS,
    WINDOW_CHARS,
    compression_ratio,
    english_syllables,
    measure_difficulty,
    mtld,
    readability,
    russian_syllables,
    windows_of,
    words_of,
)

# the example of the package lexicalrichness, with the values it documents: 57 words, 39 types, MTLD 46.79226361031519
PUBLISHED = """Measure of textual lexical diversity, computed as the mean length of sequential words in
a text that maintains a minimum threshold TTR score.

Iterates over words until TTR scores falls below a threshold, then increase factor
counter by 1 and start over. McCarthy and Jarvis (2010, pg. 385) recommends a factor
threshold in the range of [0.660, 0.750].
(McCarthy 2005, McCarthy and Jarvis 2010)"""


def sentences(rng: random.Random, words: list[str], length: int, chars: int) -> str:
    """Paragraphs of sentences of one length, drawn from some words."""
    text = ""
    while len(text) < chars:
        lines = (" ".join(rng.choices(words, k=length)).capitalize() + "." for _ in range(6))
        text += " ".join(lines) + "\n\n"
    return text


def test_mtld_has_the_published_value():
    words = words_of(PUBLISHED)
    assert (len(words), len(set(words))) == (57, 39)
    assert mtld(words) == pytest.approx(46.79226361031519, abs=1e-9)


def test_mtld_by_hand():
    """a b a b: the share falls to 2/3 at the third word (a factor), the fourth alone is none: 4 words a factor."""
    assert mtld(["a", "b", "a", "b"]) == pytest.approx(4.0)
    assert mtld(["a"] * 10) == pytest.approx(2.0)
    assert mtld(["one", "two", "three"]) is None and mtld([]) is None


def test_readability_by_the_formulas():
    words = words_of("The cat sat on the mat. The dog ran away.")
    syllables = sum(map(english_syllables, words))
    assert (len(words), syllables) == (10, 11)
    assert readability(words, 2, "en") == pytest.approx(0.39 * 5 + 11.8 * 1.1 - 15.59)
    russian = words_of("Мама мыла раму. Кот спит.")
    assert sum(map(russian_syllables, russian)) == 8
    assert readability(russian, 2, "ru") == pytest.approx(0.5 * 2.5 + 8.4 * 1.6 - 15.59)
    assert readability(words, 2, "fr") is None and readability([], 0, "en") is None


@pytest.mark.parametrize(
    ("word", "count"),
    [("the", 1), ("table", 2), ("walked", 1), ("wanted", 2), ("whole", 1), ("boxes", 2), ("tree", 1), ("rhythm", 1)],
)
def test_english_syllables(word, count):
    assert english_syllables(word) == count


def test_compression_is_of_utf8():
    text = "да и нет " * 200
    raw = text.encode()
    assert compression_ratio(text) == len(zlib.compress(raw, 9)) / len(raw) < 0.1


def test_windows_are_even_bounded_and_begin_with_a_word():
    text = " ".join(f"word{number}" for number in range(200_000))
    windows = windows_of(text)
    assert len(windows) == MAX_WINDOWS and {len(window) for window in windows[:-1]} == {WINDOW_CHARS}
    assert all(window.startswith("word") for window in windows)
    starts = [text.index(window[:40]) for window in windows]
    gaps = [after - before for before, after in pairwise(starts)]
    assert max(gaps) - min(gaps) < 40 and starts[0] == 0 and starts[-1] + WINDOW_CHARS > len(text) - 40
    assert windows_of("short") == ["short"] and len(windows_of("x" * (5 * WINDOW_CHARS))) == 5


def test_hard_text_measures_harder_than_easy_text():
    rng = random.Random(4)
    easy = sentences(rng, ["cat", "dog", "sat", "ran", "red", "hat"], 5, 40_000)
    hard_words = ["".join(rng.choices("abcdefghilmnoprstu", k=rng.randint(5, 14))) for _ in range(4000)]
    hard = sentences(rng, hard_words, 30, 40_000)
    low, high = (measure_difficulty(windows_of(text), "en") for text in (easy, hard))
    for measure, told in low.items():
        assert told["ci95"][0] <= told["value"] <= told["ci95"][1] < high[measure]["ci95"][0], measure
        assert told["n"] >= 9 and told["se"] > 0
    assert low["sentence_words"]["value"] == pytest.approx(5.0, abs=0.1)


def test_what_cannot_be_measured_is_none():
    told = measure_difficulty(windows_of("The cat sat. The dog ran."), "en")
    assert told["compression_ratio"] is None and told["mtld"] is not None
    assert told["grade"]["n"] == 1 and told["grade"]["ci95"] is None and told["grade"]["se"] is None
    assert measure_difficulty([""], "en") == dict.fromkeys(told) == measure_difficulty(["1 2 3"], "en")
    assert measure_difficulty(windows_of("Le chat dort. " * 600), "fr")["grade"] is None


def test_headings_and_tables_are_no_sentences():
    prose = "The cat sat on the mat. " * 20 + "\n\n"
    told = measure_difficulty([prose + "CHAPTER ONE\n\nOf cats and many other things without an end\n\n" + prose], "en")
    assert told["sentence_words"]["value"] == 6.0
