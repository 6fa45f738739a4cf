"""Scenes made of a stage's own books, where they are due: gap, contradiction, mismatch, bridge, dialogue."""

from __future__ import annotations

import random
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.bridging import Bridges, Held
from ontogeny.corpus.shelf import OpenBook
from ontogeny.corpus.spoken import Run, cast_of, runs_of
from ontogeny.corpus.triggers import Place
from ontogeny.scenes.bridge import holds, make_bridge_scene
from ontogeny.scenes.contradiction import make_contradiction_scene
from ontogeny.scenes.dialogue import MAX_SPEAKERS, make_dialogue_scene
from ontogeny.scenes.gap import linking_sentences, make_gap_scene, split_sentences
from ontogeny.scenes.mismatch import make_mismatch_scene
from ontogeny.scenes.shape import Made, Scene

MADE = ("gap", "contradiction", "bridge", "mismatch", "dialogue")
POOL_SIZE = 200
POOL_PASSAGES = 500  # of a longer book every second passage is looked at for sentences, every third, ...


@dataclass(frozen=True)
class Placed:
    """A scene, what it takes out of the book (characters of the cleaned book), and how many paragraphs it stands for.

    `before`: it stands before its paragraph, not behind it; `more`: what its record tells besides."""

    scene: Scene
    removed: tuple[int, int] | None
    matched: bool
    paragraphs: int = 1
    before: bool = False
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Spot:
    """A paragraph where a scene is due: `paragraphs` are those of its passage, [start, end) each, `at` its number.

    `read`: characters of the stage read up to the passage's beginning; `patient`: whether a paragraph that would not
    fit into a pack with its scene is passed over."""

    number: int
    book: OpenBook
    index: int
    paragraphs: Sequence[tuple[int, int]]
    at: int
    read: int
    patient: bool = True

    @property
    def start(self) -> int:
        return self.paragraphs[self.at][0]

    @property
    def text(self) -> str:
        start, end = self.paragraphs[self.at]
        return self.book.text[start:end]


class Maker:
    """Makes scenes of paragraphs. Pure in (seed, stage, the paragraph's book and place, what was made before it)."""

    def __init__(
        self,
        *,
        seed: int,
        stage: str,
        language: str,
        cast: Sequence[str],
        max_paragraph_chars: int,
        max_dialogue_chars: int,
        bridges: Bridges | None = None,
        occupied: Collection[Place] = (),
        open_books: int = 1,
    ):
        self.seed, self.stage, self.language, self.cast = seed, stage, language, tuple(cast)
        self.max_paragraph_chars, self.max_dialogue_chars = max_paragraph_chars, max_dialogue_chars
        self.bridges = bridges
        self.occupied = occupied  # paragraphs that an authored scene follows
        self.open_books = open_books  # so many are read in turns: their sentences are kept
        self.counts: Counter[str] = Counter()
        self._pools: OrderedDict[int, list[tuple[int, str]]] = OrderedDict()
        self._casts: dict[str, frozenset[str]] = {}
        self._near: Held | None = None  # the passage that the next bridge is made of
        self._kinds: dict[str, Callable[[Spot, random.Random, dict[str, Any]], Placed | None]] = {
            "gap": self._gap,
            "contradiction": self._contradiction,
            "mismatch": self._mismatch,
            "bridge": self._bridge,
            "dialogue": self._dialogue,
        }

    def make(self, kind: str, spot: Spot) -> Placed | None:
        """A scene of a kind at a paragraph, or None where it bears none."""
        key = f"{seed_of(self.seed, self.stage, 'scenes')}|{spot.number}|{spot.book.record.fingerprint}|{spot.start}"
        rng = random.Random(key if kind == "gap" else f"{key}|{kind}")
        told = {
            "language": self.language,
            "scene_id": f"{kind}-{self.stage}-{self.counts[kind] + 1}",
            "field": spot.book.record.field,
            "level": spot.book.record.level,
        }
        placed = self._kinds[kind](spot, rng, told)
        if placed is not None:
            self.counts[kind] += 1
        return placed

    def _gap(self, spot: Spot, rng: random.Random, told: dict[str, Any]) -> Placed | None:
        if self._too_long(spot) or not linking_sentences(spot.text, self.language):
            return None
        return _placed(spot, make_gap_scene(spot.text, self._elsewhere(spot, rng), rng=rng, **told))

    def _contradiction(self, spot: Spot, rng: random.Random, told: dict[str, Any]) -> Placed | None:
        return None if self._too_long(spot) else _placed(spot, make_contradiction_scene(spot.text, rng=rng, **told))

    def _mismatch(self, spot: Spot, rng: random.Random, told: dict[str, Any]) -> Placed | None:
        if self._too_long(spot) or not linking_sentences(spot.text, self.language, any_sentence=True):
            return None
        return _placed(spot, make_mismatch_scene(spot.text, self._elsewhere(spot, rng), rng=rng, **told))

    def _bridge(self, spot: Spot, rng: random.Random, told: dict[str, Any]) -> Placed | None:
        near = self._near
        if self.bridges is None or near is None or (near.number, near.index) != (spot.number, spot.index):
            return None
        if self._too_long(spot):
            return None
        pool = self._elsewhere(spot, rng)
        for crossing in self.bridges.fresh(near):
            far = self.bridges.far_of(crossing) if holds(spot.text, crossing.term) else None
            if far is None:
                continue
            made = make_bridge_scene(spot.text, far.text, crossing.term, pool, rng=rng, **told)
            if made is not None:
                self.bridges.use(crossing, far)
                self.bridges.refuse(near)
                self._near = None
                place = {"book": far.book, "start": far.start, "end": far.end}
                return _placed(spot, made, {"term": crossing.term, "far": place})
        return None

    def aim(self, spot: Spot, until: float) -> bool:
        """Chooses the passage that the next bridge is made of, the best one ahead. False: there is none."""
        if self.bridges is None:
            return False
        if self._near is not None and self._near.at < spot.read:  # passed, and no paragraph of it bore the scene
            self.bridges.refuse(self._near)
            self._near = None
        self._near = self._near or self.bridges.ahead(spot.read, until)
        return self._near is not None

    def _dialogue(self, spot: Spot, rng: random.Random, told: dict[str, Any]) -> Placed | None:
        run = next((run for run in self._runs(spot) if run.first == spot.at), None)
        within = spot.paragraphs[run.first : run.last] if run else []
        if run is None or any((spot.number, first) in self.occupied for first, _ in within):
            return None
        start, end = spot.start, spot.paragraphs[run.last - 1][1]
        turns = [(speaker, first - start, last - start) for speaker, first, last in run.turns]
        made = make_dialogue_scene(spot.book.text[start:end], turns, cast=self.cast, **told)
        return Placed(made.scene, (start, end), True, run.last - run.first) if made is not None else None

    def cast_of(self, book: OpenBook) -> frozenset[str]:
        """Who speaks in a book."""
        if book.record.id not in self._casts:
            self._casts[book.record.id] = cast_of(book)
        return self._casts[book.record.id]

    def _runs(self, spot: Spot) -> list[Run]:
        cast, longest = self.cast_of(spot.book), self.max_dialogue_chars
        speakers = min(len(self.cast), MAX_SPEAKERS)
        return runs_of(spot.book.text, spot.paragraphs, cast, longest, speakers) if cast else []

    def _too_long(self, spot: Spot) -> bool:
        start, end = spot.paragraphs[spot.at]
        return spot.patient and end - start > self.max_paragraph_chars

    def _elsewhere(self, spot: Spot, rng: random.Random) -> list[str]:
        """Sentences of other passages of the book."""
        pool = [text for index, text in self._sentences(spot.number, spot.book) if index != spot.index]
        return rng.sample(pool, min(POOL_SIZE, len(pool)))

    def _sentences(self, number: int, book: OpenBook) -> list[tuple[int, str]]:
        """(passage, sentence) of the book's linking sentences, or of any where those are too few.

        Of a book of more than POOL_PASSAGES passages those of evenly spaced ones."""
        if number not in self._pools:
            linking: list[tuple[int, str]] = []
            passages = list(book.training())
            passages = passages[:: -(-len(passages) // POOL_PASSAGES) or 1]
            for index, passage in passages:
                for start, end in book.paragraphs(passage):
                    linking += [
                        (index, sentence.text)
                        for _, sentence, _ in linking_sentences(book.text[start:end], self.language)
                    ]
            if len({index for index, _ in linking}) < 3:
                linking = [
                    (index, sentence.text)
                    for index, passage in passages
                    for start, end in book.paragraphs(passage)
                    for sentence in split_sentences(book.text[start:end])
                ]
            self._pools[number] = linking
            while len(self._pools) > self.open_books:
                self._pools.popitem(last=False)
        self._pools.move_to_end(number)
        return self._pools[number]


def _placed(spot: Spot, made: Made | None, more: dict[str, Any] | None = None) -> Placed | None:
    if made is None:
        return None
    return Placed(made.scene, (spot.start + made.start, spot.start + made.end), True, more=more or {})
