"""Which scene follows which paragraph: the survey's places, as a stage is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ontogeny.corpus.bridging import APART_PACKS, Bridges, find_crossings
from ontogeny.corpus.made import MADE, Maker, Placed, Spot
from ontogeny.corpus.shelf import OpenBook
from ontogeny.corpus.survey import Pace, Placement, Slot, survey
from ontogeny.corpus.triggers import Reading
from ontogeny.scenes.shape import Scene

PATIENCE_PARAGRAPHS = 4  # how long a made scene waits for a paragraph that bears it and shares a pack with it
BRIDGE_PATIENCE = 2  # times as long: few paragraphs bear a bridge
MIN_PARAGRAPH_CHARS = 60
PARAGRAPH_FRAC = 0.6  # of a pack: a paragraph that a made scene may follow
DIALOGUE_FRAC = 0.8  # of a pack: a dialogue scene


class Placer:
    """Walks a stage's paragraphs in reading order and says which scene follows each."""

    def __init__(self, placement: Placement, maker: Maker):
        self.placement, self.maker = placement, maker
        self.queue = list(placement.slots)
        self.patience_chars = PATIENCE_PARAGRAPHS * maker.max_paragraph_chars
        self.read = 0
        self.first_due = 0  # what had been read when the slot at the head was first looked at
        self.begun = False

    def before(self) -> Iterator[Placed]:
        """The authored mismatch scenes still due that stand before the next paragraph, where the dialogue begins."""
        if self.read < self.placement.boundary:
            return
        for slot in list(self.queue):
            if slot.scene is not None and slot.scene.kind == "mismatch":
                self._take(slot)
                yield Placed(slot.scene, None, False, 0, before=True)

    def after(
        self, number: int, book: OpenBook, index: int, paragraphs: Sequence[tuple[int, int]], at: int
    ) -> Placed | None:
        """The scene that follows, or stands for, paragraph `at` of a passage of the stage's book `number`, or None."""
        start, end = paragraphs[at]
        passed = self.read
        self.read += end - start
        scene = self.placement.matched.get((number, start))
        if scene is not None:
            return Placed(scene, None, True)
        if not self.queue or self.queue[0].at > self.read:
            return None
        slot = self.queue[0]
        if not self.begun:
            self.begun, self.first_due = True, passed
        long = end - start >= MIN_PARAGRAPH_CHARS
        if slot.scene is not None:
            placed = Placed(slot.scene, None, False) if long else None
        else:
            read = passed - (start - paragraphs[0][0])
            spot = Spot(number, book, index, paragraphs, at, read, self.read - slot.at < self.patience_chars)
            placed = self._made(spot, slot.kinds, long)
        if placed is not None:
            self._take(slot)
            self.read += sum(last - first for first, last in paragraphs[at + 1 : at + placed.paragraphs])
        return placed

    def _made(self, spot: Spot, kinds: Sequence[str], long: bool) -> Placed | None:
        """A scene of the kind that is due, or, once patience has run out, of the next that the paragraph bears."""
        until = self.first_due + self.patience_chars * (BRIDGE_PATIENCE if kinds[0] == "bridge" else 1)
        passed = spot.read + spot.start - spot.paragraphs[0][0]
        waits = passed < until and self._can(kinds[0], spot, passed, until)
        for kind in kinds[:1] if waits else kinds:
            if not self._can(kind, spot, passed, until) or (not long and kind != "dialogue"):
                continue
            placed = self.maker.make(kind, spot)
            if placed is not None:
                return placed
        return None

    def _can(self, kind: str, spot: Spot, passed: int, until: float) -> bool:
        """Whether a kind may stand here, and may be hoped for before patience runs out."""
        if kind == "mismatch":
            return passed < self.placement.boundary
        if kind == "dialogue":
            return passed >= self.placement.boundary and bool(self.maker.cast_of(spot.book))
        return kind != "bridge" or self.maker.aim(spot, max(until, passed + 1))

    def _take(self, slot: Slot) -> None:
        self.queue.remove(slot)
        self.begun = False

    @property
    def warnings(self) -> list[str]:
        """What the survey warns of, and which kinds no paragraph bore."""
        due = dict.fromkeys(slot.kinds[0] for slot in self.placement.slots if slot.kinds and slot.at <= self.read)
        none = [kind for kind in due if not self.maker.counts[kind]]
        return self.placement.warnings + [f"no {kind} scene: no paragraph of the stage bears one" for kind in none]

    @property
    def left_over(self) -> int:
        """Scenes that were due in what was read and found no paragraph."""
        return sum(slot.at <= self.read for slot in self.queue)


def make_placer(
    stage: Any,
    plan: Any,
    reading: Reading,
    open_book: Callable[[int], OpenBook],
    section_of: Sequence[int],
    authored: Sequence[Scene],
    dialogues: frozenset[int],
    chars_per_token: float,
) -> Placer:
    """Surveys a stage. `section_of`: of each of its books; `dialogues`: those whose form is dialogue.

    Raises: LibraryError as `survey`."""
    scenes, placement = stage.scenes, Placement()
    made = [kind for kind in scenes.kinds if kind in MADE] if scenes else []
    if scenes is not None:
        tokens = stage.span.amount if stage.span.unit == "tokens" else None
        chosen = stage.reading == "self_chosen"
        pace = Pace(scenes.every_tokens, scenes.kinds, made, scenes.rhythm, tokens, chars_per_token, dialogues, chosen)
        placement = survey(reading, authored, pace, seed=plan.seed, stage=stage.name)
    pack_chars = plan.context_tokens * chars_per_token
    max_paragraph_chars = max(240, int(PARAGRAPH_FRAC * pack_chars))
    bridges = None
    if "bridge" in made:
        crossings = find_crossings(reading, section_of, plan.language, apart_chars=APART_PACKS * pack_chars)
        bridges = Bridges(crossings, open_book, plan.language, max_paragraph_chars)
    maker = Maker(
        seed=plan.seed,
        stage=stage.name,
        language=plan.language,
        cast=plan.roles,
        max_paragraph_chars=max_paragraph_chars,
        max_dialogue_chars=int(DIALOGUE_FRAC * pack_chars),
        bridges=bridges,
        occupied=placement.matched,
        open_books=len(stage.sections) if stage.reading == "interleaved" else 1,
    )
    return Placer(placement, maker)
