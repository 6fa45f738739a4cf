"""Items of the minimal_pairs probe: pairs of sentences from our own seeded grammar, in English and in Russian.

A frame is a sentence with slots for words, `{kind}` or `{kind2.form}`, a context that is one of two, `[a|b]`, and a
form that is one of two, `<x/y>`. The first form is right in the first context alone, the second in the second alone.
So a drawing of words gives two items, and what is right in one is wrong in the other: whatever adds up words or
counts letters without looking at how they stand together is right in exactly half of them."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.items import pairs_en, pairs_ru
from ontogeny.corpus.items.shape import Item
from ontogeny.corpus.passages import DEALT

PROBE = "minimal_pairs"
LEVELS = ("simple", "middle", "rich")
DRAWINGS = 2  # of words for a frame at a level; dealt in turn, so that every frame stands in test
MAX_TRIES = 1000
_SLOT = re.compile(r"\{([a-z]+?)(\d?)(?:\.([a-z]+))?\}")
_CONTEXT = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")
_FORM = re.compile(r"<([^/>]*)/([^>]*)>")
_BEFORE_VOWEL = re.compile(r"\b([Aa]) (?=[aeiou])")

Word = Mapping[str, str]  # form -> spelling; "" is the form that a dictionary lists


@dataclass(frozen=True)
class Grammar:
    """A language's frames by phenomenon, and its words by level and kind; no word stands in two levels."""

    frames: Mapping[str, Sequence[str]]
    words: Mapping[str, Mapping[str, Sequence[Word]]]
    articles: bool = False  # whether `a` becomes `an` before a vowel


GRAMMARS = {
    "en": Grammar(pairs_en.FRAMES, pairs_en.WORDS, articles=True),
    "ru": Grammar(pairs_ru.FRAMES, pairs_ru.WORDS),
}


def make_minimal_pairs(seed: int, language: str) -> list[Item]:
    """The pairs of a language, `on` the three levels; none where it has no grammar here.

    Of a frame, one drawing of words is test, the other gate or search; no sentence stands in two items.
    `kind` is the phenomenon, `template` the phenomenon and the number of the frame, over all levels."""
    if language not in GRAMMARS:
        return []
    grammar, seen, items = GRAMMARS[language], set(), []
    for level in LEVELS:
        for phenomenon, frames in grammar.frames.items():
            rng = random.Random(f"{seed_of(seed, language, PROBE)}|{level}|{phenomenon}")
            order = list(range(len(frames)))
            rng.shuffle(order)
            for turn in range(DRAWINGS * len(frames)):
                number, drawing = order[turn // DRAWINGS], turn % DRAWINGS
                name = f"{level}-{phenomenon}-{number + 1}-{drawing + 1}"
                pairs = _draw(frames[number], grammar, level, rng, seen)
                for end, (good, bad) in zip("ab", pairs, strict=True):
                    template = f"{phenomenon}/{number + 1}"
                    split = DEALT[turn % len(DEALT)]
                    items.append(Item(name + end, PROBE, phenomenon, level, split, template, "", good, (bad,)))
    return items


def spell_frame(frame: str, words: Mapping[tuple[str, str], Word], articles: bool = False) -> list[tuple[str, str]]:
    """The two pairs (good, bad) of a frame; `words`: (kind, number or "") of a slot -> the word that fills it."""
    filled = _SLOT.sub(lambda slot: words[slot[1], slot[2]][slot[3] or ""], frame)
    pairs = []
    for context in (1, 2):
        sentence = _CONTEXT.sub(lambda both, context=context: both[context], filled)
        right, wrong = (_FORM.sub(lambda both, form=form: both[form], sentence) for form in (context, 3 - context))
        pairs.append((_sentence(right, articles), _sentence(wrong, articles)))
    return pairs


def _draw(frame: str, grammar: Grammar, level: str, rng: random.Random, seen: set[str]) -> list[tuple[str, str]]:
    """A frame's two pairs in words of a level, in no sentence that was seen; the slots of a kind hold several words."""
    slots = dict.fromkeys((slot[1], slot[2]) for slot in _SLOT.finditer(frame))
    for _ in range(MAX_TRIES):
        words: dict[tuple[str, str], Word] = {}
        for kind in dict.fromkeys(kind for kind, _ in slots):
            mine = [slot for slot in slots if slot[0] == kind]
            words.update(zip(mine, rng.sample(grammar.words[level][kind], len(mine)), strict=True))
        pairs = spell_frame(frame, words, grammar.articles)
        sentences = {sentence for pair in pairs for sentence in pair}
        if not sentences & seen:
            seen |= sentences
            return pairs
    raise AssertionError(f"no new sentence in {MAX_TRIES} tries: {level}, {frame}")


def _sentence(text: str, articles: bool) -> str:
    text = " ".join(text.split())
    if articles:
        text = _BEFORE_VOWEL.sub(r"\1n ", text)
    return text[0].upper() + text[1:]
