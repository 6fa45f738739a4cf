"""Items of the conflict_resolution probe: held-out authored scenes, and gaps in held-out passages."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.heldout import HeldOut
from ontogeny.corpus.items.shape import Item, Material
from ontogeny.corpus.passages import DEALT, SPLITS, iterate_paragraphs, rank_of
from ontogeny.scenes.gap import (
    Sentence,
    choose_attempt,
    connective_of,
    gap_context,
    has_gaps,
    linking_sentences,
    split_sentences,
)
from ontogeny.scenes.shape import Scene, led, render_until_repair

ITEMS_PER_SPLIT = 40
FOILS_NEAR = 8  # with so many sentences of the same book to choose from, a foil comes from it
ITEM_CHARS = (15, 400)  # a sentence of a probe may be shorter and longer than one that is taken out of a book
SHORT_CHARS, LONGER_CHARS = 70, 40  # shorter sentences are asked for first: every token of an item is paid for
ENDS = ".!?…\"'”’»):;,-—"


@dataclass(frozen=True)
class Candidate:
    """A sentence of a held-out passage that a gap could be about; `offset` is its place in the cleaned book."""

    passage: HeldOut
    before: str
    sentence: str
    lead: str  # the blank or the line's end before the sentence
    after: str
    offset: int
    rank: int  # 0 begins with or holds a connective, 1 stands within a paragraph, 2 at its edge; the longer, the more


def make_gap_items(material: Material) -> list[Item]:
    """The items of a stage: authored scenes, and gaps up to ITEMS_PER_SPLIT a split; contaminated passages give none.

    An answer and its foil begin with the blank (in verse: the line's end) that parts them from the label;
    the foil is a sentence of another held-out passage, of the same book where it offers enough, near in length, of the
    same connective where there is one."""
    items = [
        _item(
            material.stage,
            scene.id,
            "conflict",
            split,
            render_until_repair(scene),
            (led(scene.resolution_expected), led(scene.foil)),
        )
        for scene, split in dealt_scenes(material.scenes)
    ]
    if not has_gaps(material.language):
        return items
    sound = [passage for passage in material.passages if not passage.contaminated]
    candidates = [found for passage in sound for found in gap_candidates(passage, material.language)]
    for split in SPLITS:
        mine = [one for one in candidates if one.passage.split == split]
        mine.sort(key=lambda one: (one.rank, rank_of("item|" + one.passage.book, one.offset)))
        count = sum(item.split == split for item in items)
        for one in mine:
            if count < ITEMS_PER_SPLIT and (item := _gap_item(one, candidates, material)) is not None:
                items.append(item)
                count += 1
    return items


def _item(
    stage: str, name: str, kind: str, split: str, context: str, ends: tuple[str, str], book: str | None = None
) -> Item:
    answer, foil = ends
    return Item(name, "conflict_resolution", kind, stage, split, name, context, answer, (foil,), book)


def dealt_scenes(scenes: Sequence[Scene]) -> list[tuple[Scene, str]]:
    """Held-out authored scenes, each with its split: dealt in turn, in an order by hash."""
    ordered = sorted(scenes, key=lambda scene: rank_of("item|" + scene.id, 0))
    return [(scene, DEALT[index % len(DEALT)]) for index, scene in enumerate(ordered)]


def gap_candidates(passage: HeldOut, language: str) -> list[Candidate]:
    """The sentences of a passage that stand between two others (at its ends, those of the book), the best ranked 0."""
    text, first = passage.above + passage.text + passage.below, len(passage.above)
    last = first + len(passage.text)
    sentences, inside = [], set()
    for start, end in iterate_paragraphs(text, 0, len(text)):
        here = [Sentence(s.text, start + s.start, start + s.end) for s in split_sentences(text[start:end])]
        sentences += [sentence for sentence in here if sentence.text[-1] in ENDS]
        inside |= {start + s.start for _, s, _ in linking_sentences(text[start:end], language, any_sentence=True)}
    found = []
    for before, sentence, after in zip(sentences, sentences[1:], sentences[2:], strict=False):
        within = sentence.start in inside
        fits = len(sentence.text) <= ITEM_CHARS[1] and (within or ITEM_CHARS[0] <= len(sentence.text))
        if not (fits and first <= sentence.start and sentence.end <= last):
            continue
        lead = "\n" if within and text[sentence.start - 1] == "\n" else " "
        rank = 2 if not within else int(connective_of(sentence.text, language) is None)
        rank += 3 * max(0, math.ceil((len(sentence.text) - SHORT_CHARS) / LONGER_CHARS))
        found.append(
            Candidate(
                passage,
                before.text,
                sentence.text,
                lead,
                after.text,
                passage.start + sentence.start - first,
                rank,
            )
        )
    return found


def gap_id(one: Candidate) -> str:
    """The id of the item about a candidate; the proof of a corpus finds the answer in the book by it."""
    return f"gap-{one.passage.book}-{one.offset}"


def _gap_item(one: Candidate, candidates: list[Candidate], material: Material) -> Item | None:
    language = material.language
    rng = random.Random(f"{seed_of(material.seed, material.stage, 'items')}|{one.passage.book}|{one.offset}")
    others = [other for other in candidates if other.passage is not one.passage]
    near = [other.sentence for other in others if other.passage.book == one.passage.book]
    others = near if len(near) >= FOILS_NEAR else [other.sentence for other in others]
    foil = choose_attempt(one.sentence, others, rng, (one.before, one.after), language)
    if foil is None:
        return None
    context = gap_context(one.before, one.after, language)
    name = gap_id(one)
    ends = (one.lead + one.sentence, one.lead + foil)
    return _item(material.stage, name, "gap", one.passage.split, context, ends, one.passage.book)
