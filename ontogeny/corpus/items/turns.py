"""Items of coherence and dialogue: the true next turn of a scene or of a dialogue against turns of other moments."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.heldout import HeldOut
from ontogeny.corpus.items.gaps import dealt_scenes
from ontogeny.corpus.items.repairs import gap_scenes
from ontogeny.corpus.items.sentences import (
    ITEMS_PER_SPLIT,
    LABEL,
    byte_length,
    cheap_first,
    matched,
    sound_passages,
)
from ontogeny.corpus.items.shape import Item, Material
from ontogeny.corpus.passages import SPLITS, iterate_paragraphs
from ontogeny.scenes.shape import NARRATOR, Scene, label, led, render

FOILS = 3
AUTHORED_FRAC = 1 / 3  # of the items of a split, at most
TURN_CHARS = (12, 400)
CONTEXT_CHARS = 400  # of the turns before, as far back as whole paragraphs of them fit
TURNS_FRAC = 0.5  # of the paragraphs of a book of dialogue
BACK_FRAC = 0.25  # of its turns: the speaker is that of the turn before the last
MIN_TURNS = 4


@dataclass(frozen=True)
class _SceneTurn:
    """The turn of a scene that is asked; `passage` where one gave the scene."""

    scene: Scene
    split: str
    index: int
    passage: HeldOut | None = None

    @property
    def kind(self) -> tuple[str, str]:
        return self.scene.kind, self.scene.turns[self.index].span

    @property
    def speaker(self) -> str:
        return self.scene.turns[self.index].speaker

    @property
    def text(self) -> str:
        return self.scene.turns[self.index].text


@dataclass(frozen=True)
class _Spoken:
    """A turn `Name: words` of a passage; `context` is the book's text before its words, label included."""

    passage: HeldOut
    speaker: str
    context: str
    words: str
    offset: int


def make_coherence_items(material: Material, asked: Sequence[Item], earlier: Sequence[Material] = ()) -> list[Item]:
    """The next turn of a scene, of kind `scene`: the scene up to the turn's label, the true turn, FOILS others.

    Scenes: the held-out authored ones, asked for every turn but the first, and those about the gaps of `asked`
    (conflict_resolution items), asked in turn for the objection and for the repair: an attempt there is any sentence.
    Foils are turns of scenes of other passages, of the same span and kind of scene, of the same speaker where there are
    enough, near in length where there are; authored scenes of `earlier` stages give foils too: a stage holds few."""
    authored = list(_authored_turns(material))
    scenes = list(gap_scenes(material, asked, "coherence"))
    gaps = [_SceneTurn(scene, item.split, index, passage) for item, passage, scene in scenes for index in (2, 3)]
    pool = authored + gaps + [turn for one in earlier for turn in _authored_turns(one)]
    found: list[Item] = []
    for split in SPLITS:
        mine = [turn for turn in authored if turn.split == split]
        mine.sort(key=lambda turn: cheap_first(byte_length(turn.text), turn.scene.id, turn.index))
        made = _scene_items(mine, pool, material, int(AUTHORED_FRAC * ITEMS_PER_SPLIT))
        both = [turn for turn in gaps if turn.split == split]  # objection, repair, objection, repair, ...
        one_each = [turn for number, turn in enumerate(both) if number % 4 in (0, 3)]
        found += made + _scene_items(one_each, pool, material, ITEMS_PER_SPLIT - len(made))
    return found


def _authored_turns(material: Material) -> Iterator[_SceneTurn]:
    for scene, split in dealt_scenes(material.scenes):
        for index, turn in enumerate(scene.turns):
            if index and turn.speaker != NARRATOR:
                yield _SceneTurn(scene, split, index)


def _scene_items(turns: Sequence[_SceneTurn], pool: Sequence[_SceneTurn], material: Material, most: int) -> list[Item]:
    found: list[Item] = []
    for turn in turns:
        if len(found) < most and (item := _scene_item(turn, pool, material)) is not None:
            found.append(item)
    return found


def _scene_item(turn: _SceneTurn, pool: Sequence[_SceneTurn], material: Material) -> Item | None:
    rng = random.Random(f"{seed_of(material.seed, material.stage, 'coherence')}|{turn.scene.id}|{turn.index}")
    said = {one.text.strip() for one in turn.scene.turns}
    others = [one for one in pool if one.kind == turn.kind and _apart(one, turn) and one.text.strip() not in said]
    same = [one.text for one in others if one.speaker == turn.speaker]
    foils = matched(turn.text, (same, [one.text for one in others]), FOILS, rng)
    if foils is None and turn.passage is None:
        foils = _nearest(turn.text, [one.text for one in others], rng)
    if foils is None:
        return None
    before = "".join(piece.text for piece in render(turn.scene) if piece.turn < turn.index)
    context = before + label(turn.speaker, material.language)
    answer, name = led(turn.text), f"{turn.scene.id}-{turn.index}"
    lead, book = answer[0], turn.passage.book if turn.passage else None
    ends = answer, tuple(lead + foil.strip() for foil in foils)
    return Item(name, "coherence", "scene", material.stage, turn.split, turn.scene.id, context, *ends, book)


def _apart(one: _SceneTurn, other: _SceneTurn) -> bool:
    """Whether two turns are of different scenes and passages: the question quotes a gap's neighbours in its passage."""
    return one.scene.id != other.scene.id and (one.passage is None or one.passage is not other.passage)


def _nearest(true: str, pool: Sequence[str], rng: random.Random) -> tuple[str, ...] | None:
    """The FOILS turns nearest in length, however near: what there is where few scenes are held out."""
    ordered = sorted(set(pool) - {true}, key=lambda text: (abs(byte_length(text) - byte_length(true)), text))
    chosen = ordered[:FOILS]
    rng.shuffle(chosen)
    return tuple(chosen) if len(chosen) == FOILS else None


def make_dialogue_items(material: Material) -> list[Item]:
    """The next turn of a dialogue, of kind `dialogue`, from books in whose held-out passages speakers take turns.

    The context is the book's text before the turn, as far back as CONTEXT_CHARS, with the next speaker's label; foils
    are turns of other held-out passages of the book, of the same speaker where they offer enough, near in length; a
    book too short for that takes turns of a speaker of the same name in another book of the stage."""
    books: dict[str, list[HeldOut]] = {}
    for passage in sound_passages(material):
        books.setdefault(passage.book, []).append(passage)
    turns = [turn for passages in books.values() if _is_dialogue(passages) for turn in _spoken(passages)]
    found: list[Item] = []
    for split in SPLITS:
        mine = [turn for turn in turns if turn.passage.split == split]
        mine.sort(key=lambda turn: cheap_first(byte_length(turn.words), turn.passage.book, turn.offset))
        count = 0
        for turn in mine:
            if count < ITEMS_PER_SPLIT and (item := _dialogue_item(turn, turns, material)) is not None:
                found.append(item)
                count += 1
    return found


def _dialogue_item(turn: _Spoken, turns: Sequence[_Spoken], material: Material) -> Item | None:
    book, offset = turn.passage.book, turn.offset
    rng = random.Random(f"{seed_of(material.seed, material.stage, 'dialogue')}|{book}|{offset}")
    others = [one for one in turns if one.passage is not turn.passage]
    here = [one for one in others if one.passage.book == book]
    named = [one for one in others if one.speaker == turn.speaker]
    pools = ([one for one in here if one.speaker == turn.speaker], here, named)
    drawn = (matched(turn.words, ([one.words for one in pool],), FOILS, rng) for pool in pools)
    if (foils := next((some for some in drawn if some is not None), None)) is None:
        return None
    split, template = turn.passage.split, f"{book}-{turn.passage.start}"
    ends = f" {turn.words}", tuple(f" {foil}" for foil in foils)
    name = f"dialogue-{book}-{offset}"
    return Item(name, "dialogue", "dialogue", material.stage, split, template, turn.context, *ends, book)


def _is_dialogue(passages: Sequence[HeldOut]) -> bool:
    """Whether speakers take turns: at least half of the paragraphs are turns, and speakers come back after one other.

    A list of headings (`Area: ...`, `Climate: ...`) has labels too, but none comes back so."""
    paragraphs, turns, back = 0, 0, 0
    for passage in passages:
        names: list[str | None] = []
        for start, end in iterate_paragraphs(passage.text, 0, len(passage.text)):
            found = LABEL.match(passage.text, start, end)
            names.append(found["name"] if found else None)
        spoken = [name for name in names if name]
        paragraphs, turns = paragraphs + len(names), turns + len(spoken)
        back += sum(a == c != b for a, b, c in zip(spoken, spoken[1:], spoken[2:], strict=False))
    return turns >= MIN_TURNS and turns >= TURNS_FRAC * paragraphs and back >= BACK_FRAC * turns


def _spoken(passages: Sequence[HeldOut]) -> Iterator[_Spoken]:
    """The turns of a book's passages that can be asked: whole in the passage, after another speaker's turn."""
    for passage in passages:
        text = passage.above + passage.text
        spoken = [
            (found, end)
            for start, end in iterate_paragraphs(text, 0, len(text))
            if (found := LABEL.match(text, start, end)) is not None
        ]
        for (before, _), (turn, end) in pairwise(spoken):
            words = text[turn.end() : end].strip()
            offset = passage.start + turn.start() - len(passage.above)
            fits = TURN_CHARS[0] <= len(words) <= TURN_CHARS[1] and before["name"] != turn["name"]
            if offset >= passage.start and fits:
                context = _reaching_back(text, turn.start()) + text[turn.start() : turn.end()]
                yield _Spoken(passage, turn["name"], context, words, offset)


def _reaching_back(text: str, end: int) -> str:
    """The text before `end`, CONTEXT_CHARS at most, from a paragraph's beginning on; if none begins there, a word's."""
    start = max(0, end - CONTEXT_CHARS)
    found = re.compile(r"\n\n+").search(text, start, end - 2) or re.compile(r"\s+").search(text, start, end)
    return text[found.end() if found and start else start : end]
