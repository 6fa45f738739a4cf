"""How hard a book reads: measures on windows spread evenly over it, each with an interval.

A measure of a window hangs on the window's length, so all windows are of one length; a book shorter than one is
measured whole, and its compression ratio is not told, because it could not be compared."""

from __future__ import annotations

import math
import re
import statistics
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ontogeny.scenes.gap import split_sentences

WINDOW_CHARS = 4096
MAX_WINDOWS = 128
MTLD_FACTOR = 0.72
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# intercept, of words a sentence, of syllables a word: a school grade
GRADES = {"en": (-15.59, 0.39, 11.8), "ru": (-15.59, 0.5, 8.4)}
_SENTENCE_END = re.compile(r"[.!?…]")
_RUSSIAN_VOWEL = re.compile(r"[аеёиоуыэюя]")
_ENGLISH_VOWELS = re.compile(r"[aeiouy]+")
_HISSING = re.compile(r"(?:[sxz]|[cs]h|[cg])es$")


def windows_of(text: str) -> list[str]:
    """At most MAX_WINDOWS pieces of WINDOW_CHARS, spread evenly, each from a word's beginning on."""
    count = min(MAX_WINDOWS, len(text) // WINDOW_CHARS)
    if count < 2:
        return [text[:WINDOW_CHARS]]
    step = (len(text) - WINDOW_CHARS) / (count - 1)
    windows = []
    for index in range(count):
        start = round(index * step)
        if index and (blank := re.compile(r"\s+").search(text, start, start + WINDOW_CHARS // 8)):
            start = blank.end()
        windows.append(text[start : start + WINDOW_CHARS])
    return windows


def words_of(text: str) -> list[str]:
    """The words, in lower case: letters, with apostrophes and hyphens inside."""
    return WORD.findall(text.lower())


def measure_difficulty(windows: Sequence[str], language: str) -> dict[str, Any]:
    """Every measure of a book's windows: {value, se, ci95, n}, or None where there is none for it.

    value: the mean over the n windows; se: its standard error; ci95: Student's t over windows. Both are None for one
    window. Higher is harder in every measure."""
    whole = [window for window in windows if len(window) >= WINDOW_CHARS * 7 // 8]
    sentences = [_sentence_counts(window) for window in windows]
    counted = [one for one in sentences if one is not None]
    return {
        "compression_ratio": _mean([compression_ratio(window) for window in whole]),
        "mtld": _mean([value for window in windows if (value := mtld(words_of(window))) is not None]),
        "grade": _mean(
            [grade for words, count in counted if (grade := readability(words, count, language)) is not None]
        ),
        "sentence_words": _mean([len(words) / count for words, count in counted]),
    }


def _mean(values: Sequence[float]) -> dict[str, Any] | None:
    if not values:
        return None
    mean = statistics.fmean(values)
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    interval = None
    if error is not None:
        from scipy.special import stdtrit

        reach = float(stdtrit(len(values) - 1, 0.975)) * error
        interval = [round(mean - reach, 4), round(mean + reach, 4)]
    return {
        "value": round(mean, 4),
        "se": None if error is None else round(error, 5),
        "ci95": interval,
        "n": len(values),
    }


def compression_ratio(text: str) -> float:
    """Bytes after deflate (level 9) by bytes before, of UTF-8."""
    raw = text.encode("utf-8")
    return len(zlib.compress(raw, 9)) / len(raw)


def mtld(words: Sequence[str]) -> float | None:
    """Measure of textual lexical diversity: how many words a text goes on before it repeats itself.

    Computes: the mean, forwards and backwards, of words / factors. A factor ends where the share of different words
    since the last one falls to MTLD_FACTOR; what is left at the end counts as (1 - share) / (1 - MTLD_FACTOR) of one.
    Returns: None for a text without a factor, such as one of no words or of different words alone.
    Source: McCarthy and Jarvis 2010."""
    forwards, backwards = _factors(words), _factors(words[::-1])
    if not forwards or not backwards:
        return None
    return (len(words) / forwards + len(words) / backwards) / 2


def _factors(words: Sequence[str]) -> float:
    factors, count, share = 0.0, 0, 1.0
    types: set[str] = set()
    for word in words:
        types.add(word)
        count += 1
        share = len(types) / count
        if share <= MTLD_FACTOR:
            factors, count, share = factors + 1, 0, 1.0
            types.clear()
    return factors + (1 - share) / (1 - MTLD_FACTOR)


def readability(words: Sequence[str], sentences: int, language: str) -> float | None:
    """The school grade a text suits: intercept + a * words a sentence + b * syllables a word.

    Source: English, Kincaid et al. 1975 (Flesch-Kincaid grade); Russian, the coefficients of Oborneva 2006.
    Returns: None for other languages."""
    if language not in GRADES or not words or not sentences:
        return None
    intercept, of_sentences, of_syllables = GRADES[language]
    count = _SYLLABLES[language]
    return intercept + of_sentences * len(words) / sentences + of_syllables * sum(map(count, words)) / len(words)


def _sentence_counts(window: str) -> tuple[list[str], int] | None:
    """The words of a window's sentences, and how many those are; headings and other lines without an end left out."""
    words: list[str] = []
    count = 0
    for paragraph in window.split("\n\n"):
        if _SENTENCE_END.search(paragraph):
            told = [found for sentence in split_sentences(paragraph) if (found := words_of(sentence.text))]
            words += [word for found in told for word in found]
            count += len(told)
    return (words, count) if count else None


@lru_cache(maxsize=1 << 16)
def english_syllables(word: str) -> int:
    """Syllables of an English word in lower case: groups of vowels, silent endings left out.

    Measured on the running words of 45 English books that the CMU dictionary knows: right for 95.5 %, 1.470 syllables
    a word where the dictionary has 1.485; hyphenation patterns were right for 92.3 % (1.422)."""
    count = len(_ENGLISH_VOWELS.findall(word))
    silent_e = word.endswith("e") and not word.endswith(("le", "ee"))
    silent_le = word.endswith("le") and word[-3:-2] in tuple("aeiouy")
    silent_ed = word.endswith("ed") and word[-3:-2] not in tuple("td")
    silent_es = word.endswith("es") and not _HISSING.search(word)
    return max(1, count - (count > 1 and (silent_e or silent_le)) - (count > 1 and (silent_ed or silent_es)))


@lru_cache(maxsize=1 << 16)
def russian_syllables(word: str) -> int:
    """Syllables of a Russian word in lower case: its vowels."""
    return max(1, len(_RUSSIAN_VOWEL.findall(word)))


_SYLLABLES: dict[str, Callable[[str], int]] = {"en": english_syllables, "ru": russian_syllables}
