"""How many scenes a stage's books bear, where the authored ones belong, and which kind is due when.

Pure in (seed, the stage's name and material, its books' fingerprints, the tokenizer): one look at the stage's text
before it is read."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.triggers import Place, Reading, find_triggers, refuse_everywhere
from ontogeny.scenes.shape import Scene, render

HELD_OUT_SCENES = 4  # one authored scene in so many is never in training
MADE_SCENE_CHARS = 500
MASSED_SCENES = 4
SURVEY_MARGIN = 0.95  # triggers this near the estimated end of reading are not relied on


@dataclass(frozen=True)
class Slot:
    """A scene is due once so many characters were read: an authored one, or the first of `kinds` that can be made."""

    at: float
    scene: Scene | None
    kinds: tuple[str, ...] = ()


@dataclass
class Placement:
    """What the survey decided: scenes at paragraphs, and slots in the order they are due.

    `boundary`: characters read where the stage's dialogue begins: mismatch scenes stand before it, dialogue scenes
    behind it. Infinite where a stage has no dialogue, 0 where it has no mismatch."""

    matched: dict[Place, Scene] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)
    boundary: float = 0.0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Pace:
    """What a genome says of a stage's scenes; `made`: the kinds that are made of the books, in the genome's order.

    `tokens`: of the span, or None for all; `dialogues`: books of the stage, by number, whose form is dialogue."""

    every_tokens: int
    kinds: Sequence[str]
    made: Sequence[str]
    rhythm: str
    tokens: int | None
    chars_per_token: float
    dialogues: frozenset[int] = frozenset()
    self_chosen: bool = False


def split_authored(scenes: Sequence[Scene]) -> tuple[list[Scene], list[Scene]]:
    """(training, held out): the quarter with the least SHA-256 of their ids is held out."""
    ranked = sorted(scenes, key=lambda scene: hashlib.sha256(scene.id.encode()).digest())
    count = (len(ranked) + HELD_OUT_SCENES // 2) // HELD_OUT_SCENES
    held = {scene.id for scene in ranked[:count]}
    return [scene for scene in scenes if scene.id not in held], [scene for scene in scenes if scene.id in held]


def survey(reading: Reading, authored: Sequence[Scene], pace: Pace, *, seed: int, stage: str) -> Placement:
    """Decides where authored scenes go, and which kind of made scene is due when.

    Raises: LibraryError for a trigger that matches everywhere, or a pattern that explodes."""
    refuse_everywhere(reading, authored)
    rng = random.Random(seed_of(seed, stage, "scenes"))
    total, spoken = _extents(reading, pace)
    extent = _extent(total, authored, pace)
    due = max(1, round(extent / pace.chars_per_token / pace.every_tokens))
    placement = Placement(boundary=_boundary(extent, spoken, authored, pace))
    chosen = list(authored)
    rng.shuffle(chosen)
    limit = extent * SURVEY_MARGIN
    found = find_triggers(
        reading, chosen, lambda scene: min(limit, placement.boundary - 1) if scene.kind == "mismatch" else limit
    )
    found = {name: told for name, told in found.items() if not _late(name, told[1], chosen, placement.boundary)}
    chosen.sort(key=lambda scene: scene.id not in found)  # those whose trigger is there come first
    matched = min(due, len(found))
    room = matched + ((due - matched + 1) // 2 if pace.made else due - matched)  # made scenes keep half of what is left
    if len(chosen) > room:
        placement.warnings.append(
            f"{len(chosen) - room} of {len(chosen)} authored scenes find no room: "
            f"one scene every {pace.every_tokens} tokens of book text makes {due}"
        )
        chosen = chosen[:room]
    placement.matched = {found[scene.id][0]: scene for scene in chosen if scene.id in found}
    loose = [scene for scene in chosen if scene.id not in found]
    if loose:
        placement.warnings.append(
            f"no paragraph of the stage triggers {', '.join(scene.id for scene in loose)}: placed at the declared pace"
        )
    at = _slots(due, extent, [found[scene.id][1] for scene in chosen if scene.id in found])
    if pace.rhythm == "massed":
        at = [at[number - number % MASSED_SCENES] for number in range(len(at))]
    dealt = _blocks(len(at), loose, pace) if pace.rhythm == "spaced" else _in_turn(at, loose, pace, placement.boundary)
    slots = [_slot(place, one, pace.made) for place, one in zip(at, dealt, strict=False) if one is not None]
    slots += [Slot(placement.boundary, scene) for scene in dealt[len(at) :] if isinstance(scene, Scene)]
    placement.slots = sorted(slots, key=lambda slot: slot.at)
    return placement


def expected_counts(due: int, authored: Mapping[str, int], made: Sequence[str]) -> dict[str, int]:
    """How many of `due` scenes will be of each kind, as far as it is known before the books are read.

    `authored`: scenes of each kind that may be placed. Whether their triggers are met, and which paragraphs bear a
    made scene, is not known."""
    there = sum(authored.values())
    placed = min(there, (due + 1) // 2 if made else due)
    counts = Counter({kind: placed * count // there for kind, count in authored.items() if there})
    left = due - sum(counts.values()) if made else 0
    for number, kind in enumerate(made):
        counts[kind] += left // len(made) + (number < left % len(made))
    return dict(counts)


def _extents(reading: Reading, pace: Pace) -> tuple[int, float]:
    """Characters of all training passages; and of those before the first book of dialogue."""
    total, spoken, first_book = 0, math.inf, None
    for number, book, indices in reading():
        first_book = number if first_book is None else first_book
        if number in pace.dialogues or (pace.self_chosen and pace.dialogues and number != first_book):
            spoken = min(spoken, total)  # of a self-chosen stage only the first book is sure to be read first
        total += sum(book.passages[index].end - book.passages[index].start for index in indices)
    return total, spoken


def _extent(total: int, authored: Sequence[Scene], pace: Pace) -> float:
    """Characters of the books that the span will read, beside its scenes."""
    chars = [sum(len(piece.text) for piece in render(scene)) for scene in authored]
    scene_tokens = (sum(chars) / len(chars) if chars else MADE_SCENE_CHARS) / pace.chars_per_token
    if pace.tokens is None:
        return float(total)
    every = pace.every_tokens
    return min(float(total), pace.tokens * pace.chars_per_token * every / (every + scene_tokens))


def _boundary(extent: float, spoken: float, authored: Sequence[Scene], pace: Pace) -> float:
    if "mismatch" not in pace.made and all(scene.kind != "mismatch" for scene in authored):
        return 0.0
    if spoken < math.inf:
        return spoken
    return extent / 2 if "dialogue" in pace.made else math.inf


def _late(name: str, read: float, scenes: Sequence[Scene], boundary: float) -> bool:
    """Whether a mismatch scene would stand behind the paragraph that begins the dialogue."""
    return read > boundary and any(scene.id == name and scene.kind == "mismatch" for scene in scenes)


def _slots(due: int, extent: float, taken: list[float]) -> list[float]:
    """Evenly spaced places for `due` scenes, less the ones nearest to where a scene is already."""
    slots = [(i + 0.5) * extent / due for i in range(due)]
    for place in taken:
        slots.remove(min(slots, key=lambda slot: abs(slot - place)))
    return slots


def _in_turn(at: Sequence[float], loose: list[Scene], pace: Pace, boundary: float) -> list[Scene | str | None]:
    """What each slot holds: authored scenes spread evenly, made kinds in turn, each where it may stand.

    Mismatch scenes go before the boundary; those that find no slot there follow the list."""
    early = [scene for scene in loose if scene.kind == "mismatch" and boundary < math.inf]
    others = [scene for scene in loose if scene not in early]
    dealt: list[Scene | str | None] = [None] * len(at)
    step = len(at) / max(1, len(others))
    for number, scene in enumerate(others):
        dealt[int(step * (number + 0.5))] = scene
    free = [number for number, place in enumerate(at) if dealt[number] is None and place < boundary]
    fitting = early[: len(free)]
    step = len(free) / max(1, len(fitting))
    for number, scene in enumerate(fitting):
        dealt[free[int(step * (number + 0.5))]] = scene
    kinds = cycle(pace.made)
    for number, place in enumerate(at):
        if dealt[number] is None:
            turn = (kind for _, kind in zip(pace.made, kinds, strict=False))
            dealt[number] = next((kind for kind in turn if _may(kind, place, boundary)), None)
    return [*dealt, *early[len(free) :]]


def _blocks(count: int, loose: list[Scene], pace: Pace) -> list[Scene | str | None]:
    """What each of so many slots holds, kind after kind; mismatch first and dialogue last."""
    order = sorted(pace.kinds, key=lambda kind: ({"mismatch": 0, "dialogue": 2}.get(kind, 1), pace.kinds.index(kind)))
    left, dealt = count - len(loose), []
    kinds = [kind for kind in order if kind in pace.made]
    for kind in order:
        dealt += [scene for scene in loose if scene.kind == kind]
        if kind in kinds:
            share = left // (len(kinds) - kinds.index(kind))
            dealt += [kind] * share
            left -= share
    return [*dealt, *[None] * (count - len(dealt))]


def _may(kind: str, place: float, boundary: float) -> bool:
    """Whether a made kind may stand after so many characters."""
    return place < boundary if kind == "mismatch" else place >= boundary if kind == "dialogue" else True


def _slot(at: float, one: Scene | str, made: Sequence[str]) -> Slot:
    if isinstance(one, Scene):
        return Slot(at, one)
    first = list(made).index(one)
    return Slot(at, None, (one, *made[first + 1 :], *made[:first]))
