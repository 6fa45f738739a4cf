"""Items of the cloze_fact probe: a name, a number or a content word near the end of a held-out sentence."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.heldout import HeldOut
from ontogeny.corpus.items.sentences import ITEMS_PER_SPLIT, cheap_first, matched, sound_passages
from ontogeny.corpus.items.shape import Item, Material
from ontogeny.corpus.passages import SPLITS, iterate_paragraphs
from ontogeny.scenes.gap import split_sentences
from ontogeny.scenes.language import TABLES

PROBE = "cloze_fact"
FOILS = 3
CONTEXT_CHARS, MIN_CONTEXT_CHARS = 150, 30
WORD_CHARS = 5  # of a content word, at least; shorter ones are mostly small
DIGITS, LETTERS = 1, 8  # by so many may the lengths of a number or a word and its foils differ
LAST_WORDS = 3  # of a sentence: the answer is one of them
KINDS = ("number", "name", "word")
POOL = 500  # words of a kind that foils are drawn from, those that would be asked first
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*\Z")
_PLAIN = re.compile(r"[^\W\d_]+\Z")
_TOKEN = re.compile(r"\S+")
OPENING = ":.!?…—–-"  # behind these a capital says nothing of the word
_EDGES = "\"'“”‘’«»„()[]{}.,;:!?…*_"


@dataclass(frozen=True)
class _Cloze:
    """A word that can be asked; `offset` is its place in the cleaned book, `text` is without marks at its edges."""

    passage: HeldOut
    sentence: int  # where its sentence begins, in the cleaned book
    kind: str
    text: str
    context: str
    offset: int


def make_cloze_items(material: Material) -> list[Item]:
    """Up to ITEMS_PER_SPLIT items a split of a stage's held-out passages, numbers, names and other words in turn.

    The context is the passage's text before the answer, whole words, about CONTEXT_CHARS of it; the answer is the word
    with its leading blank. The foils are words of the same class and near in length out of other passages, none of them
    in the passage; of the same split where it offers enough, where they are asked for themselves.
    `template` is the passage."""
    small = TABLES[material.language].small_words if material.language in TABLES else frozenset()
    found = [cloze for passage in sound_passages(material) for cloze in _clozes(passage, small)]
    found.sort(key=lambda one: cheap_first(len(one.context.encode()), one.passage.book, one.offset))
    pools = {kind: [one for one in found if one.kind == kind] for kind in KINDS}
    items: list[Item] = []
    for split in SPLITS:
        beside = {kind: [one for one in pool if one.passage.split == split] for kind, pool in pools.items()}
        items += _of_split(material, beside, pools)
    return items


def _of_split(
    material: Material, beside: Mapping[str, Sequence[_Cloze]], pools: Mapping[str, Sequence[_Cloze]]
) -> list[Item]:
    """The kinds in turn until none has a word left or the split is full; no word and no sentence is asked twice."""
    waiting = {kind: iter(pool) for kind, pool in beside.items()}
    items: list[Item] = []
    asked: set[str | tuple[str, int]] = set()
    while waiting and len(items) < ITEMS_PER_SPLIT:
        for kind in list(waiting)[: ITEMS_PER_SPLIT - len(items)]:
            for one in waiting[kind]:
                names = {one.text, (one.passage.book, one.sentence)}
                if not names & asked and (item := _item(material, one, (beside[kind], pools[kind]))) is not None:
                    items.append(item)
                    asked |= names
                    break
            else:
                del waiting[kind]
    return items


def _item(material: Material, one: _Cloze, pools: Sequence[Sequence[_Cloze]]) -> Item | None:
    rng = random.Random(f"{seed_of(material.seed, material.stage, PROBE)}|{one.passage.book}|{one.offset}")
    told = _told(one.passage.above + one.passage.text)
    reach = DIGITS if one.kind == "number" else LETTERS
    others = [
        [
            other.text
            for other in pool[:POOL]
            if other.passage is not one.passage
            and other.text.casefold() not in told
            and abs(len(other.text) - len(one.text)) <= reach
        ]
        for pool in pools
    ]
    foils = matched(one.text, others, FOILS, rng)
    if foils is None:
        return None
    return Item(
        f"cloze-{one.passage.book}-{one.offset}",
        PROBE,
        one.kind,
        material.stage,
        one.passage.split,
        f"{one.passage.book}-{one.passage.start}",
        one.context,
        f" {one.text}",
        tuple(f" {foil}" for foil in foils),
        one.passage.book,
    )


def _clozes(passage: HeldOut, small: frozenset[str]) -> Iterator[_Cloze]:
    """The words of a passage that can be asked: after a blank, among the last of their sentence, not yet said."""
    told, reached = _told(passage.above), 0
    for start, end in iterate_paragraphs(passage.text, 0, len(passage.text)):
        for sentence in split_sentences(passage.text[start:end]):
            tokens = list(_TOKEN.finditer(sentence.text))
            for before, token in list(pairwise(tokens))[-LAST_WORDS:]:
                at, text = start + sentence.start + token.start(), token[0].rstrip(_EDGES)
                told |= _told(passage.text[reached:at])
                reached, kind, context = at, _kind(text), _context(passage.text[:at])
                if not kind or text.casefold() in told | small or len(context) < MIN_CONTEXT_CHARS:
                    continue
                if kind == "name" and before[0][-1] in OPENING:
                    continue
                if passage.text[at - 1] == " ":
                    begins = passage.start + start + sentence.start
                    yield _Cloze(passage, begins, kind, text, context, passage.start + at)


def _told(text: str) -> set[str]:
    """The words of a text as they are compared: in small letters, without marks at their edges."""
    return {word.strip(_EDGES).casefold() for word in text.split()}


def _kind(text: str) -> str | None:
    """The class of a word within a sentence, by its form alone; None of one that is not asked."""
    if _NUMBER.match(text):
        return "number"
    if not _PLAIN.match(text):
        return None
    if text[0].isupper():
        return "name" if len(text) > 2 and text[1:].islower() else None
    return "word" if len(text) >= WORD_CHARS and text.islower() else None


def _context(before: str) -> str:
    """The last words of what stands before, of its own paragraph where that says enough; without the last blank."""
    before = before.rstrip()
    cut = before[-CONTEXT_CHARS:]
    if len(cut) < len(before) and not before[-CONTEXT_CHARS - 1].isspace():
        cut = cut.partition(" ")[2] if " " in cut else ""
    paragraph = cut.rpartition("\n\n")[2]
    return (paragraph if len(paragraph) >= MIN_CONTEXT_CHARS else cut).lstrip()
