"""Where a stage's scenes go: by their triggers, and at the declared pace.

Pure in (seed, the stage's name and material, its books' fingerprints, the tokenizer): a survey of the
stage's text finds the triggers and the pace; then, in reading order, each scene is put after a paragraph."""

from __future__ import annotations

import hashlib
import random
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.shelf import OpenBook
from ontogeny.scenes.gap import linking_sentences, make_gap_scene, split_sentences
from ontogeny.scenes.shape import Scene, render

HELD_OUT_SCENES = 4  # one authored scene in so many is never in training
GAP_SCENE_CHARS = 500
POOL_SIZE = 200
PATIENCE_PARAGRAPHS = 4  # how long a gap scene waits for a paragraph that shares a pack with it
SURVEY_MARGIN = 0.95  # triggers this near the estimated end of reading are not relied on
Place = tuple[int, int]  # (which book of the stage, counting its sections through; start of a paragraph)
Reading = Callable[[], Iterator[tuple[int, OpenBook, list[int]]]]  # book of the stage, its text, passages: as read


@dataclass(frozen=True)
class Placed:
    """A scene, and what it takes out of the book (characters of the cleaned book), if anything."""

    scene: Scene
    removed: tuple[int, int] | None
    matched: bool


@dataclass
class Placement:
    """What the survey decided: scenes at paragraphs, scenes due at a pace, and slots for gap scenes."""

    matched: dict[Place, Scene] = field(default_factory=dict)
    paced: list[tuple[float, Scene | None]] = field(default_factory=list)  # (characters read, scene; None is a gap)
    warnings: list[str] = field(default_factory=list)


def split_authored(scenes: Sequence[Scene]) -> tuple[list[Scene], list[Scene]]:
    """(training, held out): the quarter with the least SHA-256 of their ids is held out."""
    ranked = sorted(scenes, key=lambda scene: hashlib.sha256(scene.id.encode()).digest())
    count = (len(ranked) + HELD_OUT_SCENES // 2) // HELD_OUT_SCENES
    held = {scene.id for scene in ranked[:count]}
    return [scene for scene in scenes if scene.id not in held], [scene for scene in scenes if scene.id in held]


def matches(scene: Scene, text: str) -> bool:
    """Whether a paragraph (or a passage) holds what triggers a scene."""
    if "phrase" in scene.trigger:
        return scene.trigger["phrase"].casefold() in text.casefold()
    return "pattern" in scene.trigger and re.search(scene.trigger["pattern"], text) is not None


def survey(
    reading: Reading,
    authored: list[Scene],
    *,
    seed: int,
    stage: str,
    every_tokens: int,
    with_gaps: bool,
    tokens: int | None,
    chars_per_token: float,
) -> Placement:
    """Decides where authored scenes go and how often gap scenes come. `tokens`: of the span, or None for all."""
    rng = random.Random(seed_of(seed, stage, "scenes"))
    total = sum(book.passages[i].end - book.passages[i].start for _, book, indices in reading() for i in indices)
    scene_tokens = (
        sum(len(piece.text) for scene in authored for piece in render(scene)) / len(authored)
        if authored
        else GAP_SCENE_CHARS
    ) / chars_per_token
    extent = float(total)
    if tokens is not None:
        extent = min(extent, tokens * chars_per_token * every_tokens / (every_tokens + scene_tokens))
    due = max(1, round(extent / chars_per_token / every_tokens))
    placement = Placement()
    chosen = list(authored)
    rng.shuffle(chosen)
    found = _find_triggers(reading, chosen, extent * SURVEY_MARGIN)
    chosen.sort(key=lambda scene: scene.id not in found)  # those whose trigger is there come first
    matched = min(due, len(found))
    room = matched + ((due - matched + 1) // 2 if with_gaps else due - matched)  # gap scenes keep half of what is left
    if len(chosen) > room:
        placement.warnings.append(
            f"{len(chosen) - room} of {len(chosen)} authored scenes find no room: "
            f"one scene every {every_tokens} tokens of book text makes {due}"
        )
        chosen = chosen[:room]
    placement.matched = {found[scene.id][0]: scene for scene in chosen if scene.id in found}
    at = [found[scene.id][1] for scene in chosen if scene.id in found]
    loose = [scene for scene in chosen if scene.id not in found]
    if loose:
        placement.warnings.append(
            f"no paragraph of the stage triggers {', '.join(scene.id for scene in loose)}: placed at the declared pace"
        )
    slots = _slots(due, extent, at)
    step = len(slots) / max(1, len(loose))
    by_slot = {int(step * (i + 0.5)): scene for i, scene in enumerate(loose)}
    placement.paced = [(slot, by_slot.get(i)) for i, slot in enumerate(slots) if with_gaps or i in by_slot]
    return placement


def _slots(due: int, extent: float, taken: list[float]) -> list[float]:
    """Evenly spaced places for `due` scenes, less the ones nearest to where a scene is already."""
    slots = [(i + 0.5) * extent / due for i in range(due)]
    for place in taken:
        slots.remove(min(slots, key=lambda slot: abs(slot - place)))
    return slots


def _find_triggers(reading: Reading, scenes: list[Scene], limit: float) -> dict[str, tuple[Place, float]]:
    """For each scene the first paragraph that triggers it and triggers no earlier scene: (place, characters before)."""
    waiting, found, read = list(scenes), {}, 0
    for number, book, indices in reading():
        for index in indices:
            if not waiting or read > limit:
                return found
            passage = book.passages[index]
            closes = index in book.last_of_chapter
            whole = book.text[passage.start : passage.end]
            near = [scene for scene in waiting if ("after" in scene.trigger and closes) or matches(scene, whole)]
            paragraphs = list(book.paragraphs(passage)) if near else []
            for start, end in paragraphs:
                for scene in near:
                    last = end == passage.end and closes and "after" in scene.trigger
                    if last or matches(scene, book.text[start:end]):
                        found[scene.id] = ((number, start), float(read + end - passage.start))
                        waiting.remove(scene)
                        near.remove(scene)
                        break
            read += passage.end - passage.start
    return found


class Placer:
    """Walks a stage's paragraphs in reading order and says which scene follows each."""

    def __init__(
        self,
        placement: Placement,
        *,
        seed: int,
        stage: str,
        language: str,
        max_paragraph_chars: int,
        open_books: int = 1,
    ):
        self.placement = placement
        self.queue = sorted(placement.paced, key=lambda slot: slot[0])
        self.seed, self.stage, self.language = seed, stage, language
        self.max_paragraph_chars = max_paragraph_chars
        self.read = 0
        self.gaps = 0
        self.open_books = open_books  # so many are read in turns: their sentences are kept
        self._pools: OrderedDict[int, list[tuple[int, str]]] = OrderedDict()

    def after(self, number: int, book: OpenBook, passage_index: int, start: int, end: int) -> Placed | None:
        """The scene that follows the paragraph [start, end) of the stage's book `number`, or None."""
        self.read += end - start
        scene = self.placement.matched.get((number, start))
        if scene is not None:
            return Placed(scene, None, True)
        if not self.queue or self.queue[0][0] > self.read or end - start < 60:
            return None
        scene = self.queue[0][1]
        placed = Placed(scene, None, False) if scene else self._gap(number, book, passage_index, start, end)
        if placed is not None:
            self.queue.pop(0)
        return placed

    @property
    def left_over(self) -> int:
        """Scenes that were due in what was read and found no paragraph."""
        return sum(slot <= self.read for slot, _ in self.queue)

    def _gap(self, number: int, book: OpenBook, passage_index: int, start: int, end: int) -> Placed | None:
        paragraph = book.text[start:end]
        patient = self.read - self.queue[0][0] < PATIENCE_PARAGRAPHS * self.max_paragraph_chars
        if (patient and end - start > self.max_paragraph_chars) or not linking_sentences(paragraph, self.language):
            return None
        key = f"{seed_of(self.seed, self.stage, 'scenes')}|{number}|{book.record.fingerprint}|{start}"
        rng = random.Random(key)
        pool = [text for index, text in self._sentences(number, book) if index != passage_index]
        gap = make_gap_scene(
            paragraph,
            rng.sample(pool, min(POOL_SIZE, len(pool))),
            language=self.language,
            scene_id=f"gap-{self.stage}-{self.gaps + 1}",
            field=book.record.field,
            level=book.record.level,
            rng=rng,
        )
        if gap is None:
            return None
        self.gaps += 1
        return Placed(gap.scene, (start + gap.start, start + gap.end), True)

    def _sentences(self, number: int, book: OpenBook) -> list[tuple[int, str]]:
        """(passage, sentence) of the book's linking sentences, or of any where those are too few."""
        if number not in self._pools:
            linking: list[tuple[int, str]] = []
            for index, passage in book.training():
                for start, end in book.paragraphs(passage):
                    linking += [
                        (index, sentence.text)
                        for _, sentence, _ in linking_sentences(book.text[start:end], self.language)
                    ]
            if len({index for index, _ in linking}) < 3:
                linking = [
                    (index, sentence.text)
                    for index, passage in book.training()
                    for start, end in book.paragraphs(passage)
                    for sentence in split_sentences(book.text[start:end])
                ]
            self._pools[number] = linking
            while len(self._pools) > self.open_books:
                self._pools.popitem(last=False)
        self._pools.move_to_end(number)
        return self._pools[number]
