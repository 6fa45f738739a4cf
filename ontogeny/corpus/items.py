"""Items of the conflict_resolution probe: held-out authored scenes, and gaps in held-out passages."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.heldout import HeldOut
from ontogeny.corpus.passages import SPLITS, iterate_paragraphs, rank_of
from ontogeny.scenes.gap import choose_attempt, connective_of, gap_context, has_gaps, linking_sentences
from ontogeny.scenes.shape import Scene, led, render_until_repair

ITEMS_PER_SPLIT = 48
CONTEXT_CHARS = 240


@dataclass(frozen=True)
class _Candidate:
    passage: HeldOut
    before_text: str
    before: str
    sentence: str
    lead: str  # the blank or the line's end before the sentence
    after: str
    offset: int
    linking: bool


def make_items(stage: str, seed: int, language: str, authored: Sequence[Scene],
               passages: Sequence[HeldOut]) -> list[dict]:
    """The items of a stage, at most ITEMS_PER_SPLIT gaps a split; contaminated passages give none.

    An answer and its foil begin with the blank (in verse: the line's end) that parts them from the label;
    the foil is a sentence of another held-out passage of the stage, near in length, of the same connective
    where there is one."""
    items = [{"id": scene.id, "kind": "conflict", "split": split, "book": None,
              "context": render_until_repair(scene), "answer": led(scene.resolution_expected),
              "foil": led(scene.foil)}
             for scene, split in zip(sorted(authored, key=lambda s: rank_of("item|" + s.id, 0)),
                                     _in_turn(len(authored)), strict=True)]
    if not has_gaps(language):
        return items
    candidates = [found for passage in passages if not passage.contaminated for found in _candidates(passage, language)]
    for split in SPLITS:
        mine = [one for one in candidates if one.passage.split == split]
        mine.sort(key=lambda one: (not one.linking, rank_of("item|" + one.passage.book, one.offset)))
        count = 0
        for one in mine:
            if count < ITEMS_PER_SPLIT and (item := _gap_item(one, candidates, stage, seed, language)) is not None:
                items.append(item)
                count += 1
    return items


def _in_turn(count: int) -> list[str]:
    return [SPLITS[index % len(SPLITS)] for index in range(count)]


def _candidates(passage: HeldOut, language: str) -> list[_Candidate]:
    found = []
    for start, end in iterate_paragraphs(passage.text, 0, len(passage.text)):
        for before, sentence, after in linking_sentences(passage.text[start:end], language, any_sentence=True):
            offset = start + sentence.start
            above = passage.text[:offset - 1]
            if len(above) > CONTEXT_CHARS:
                above = above[above.find(" ", len(above) - CONTEXT_CHARS) + 1:]
            found.append(_Candidate(passage, above, before.text, sentence.text, passage.text[offset - 1], after.text,
                                    passage.start + offset, connective_of(sentence.text, language) is not None))
    return found


def _gap_item(one: _Candidate, candidates: list[_Candidate], stage: str, seed: int, language: str) -> dict | None:
    rng = random.Random(f"{seed_of(seed, stage, 'items')}|{one.passage.book}|{one.offset}")
    others = [other.sentence for other in candidates if other.passage is not one.passage]
    foil = choose_attempt(one.sentence, others, rng, (one.before, one.after), language)
    if foil is None:
        return None
    context = f"{one.before_text}\n\n{gap_context(one.before, one.after, language, rng)}"
    return {"id": f"gap-{one.passage.book}-{one.offset}", "kind": "gap", "split": one.passage.split,
            "book": one.passage.book, "context": context, "answer": one.lead + one.sentence, "foil": one.lead + foil}
