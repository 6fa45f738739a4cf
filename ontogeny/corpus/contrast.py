"""Contrast rows: a scene's beginning with one ending, or a label with one, as the margin and coherence terms read them.

Scenes are found in the tokens and codes of a row alone. A scene here is a run of turns with nothing but labels between
them: text without a code that holds a line's end (a paragraph of the book, a line of the narrator's) parts two scenes.
The turn looked at is the scene's last repair; the attempt is the last before it. A turn that a pack's end cuts gives no
scene, nor does a repair whose attempt may stand in the pack before.

Legend: T token of a pack, V vocabulary, S scene, K ending (ENDINGS), B contrast row, L token of a contrast row."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from ontogeny.corpus.layout import NO_TARGET
from ontogeny.scenes.shape import SPANS

MAX_CONTRAST_TOKENS = 192
FOIL_CHOICES = 16
PACKS_AT_ONCE = 4096
ATTEMPT, REPAIR = SPANS.index("attempt"), SPANS.index("repair")
ENDINGS = ("repair", "attempt", "foil", "repair_alone", "foil_alone")  # the last two: after the label alone


@dataclass(frozen=True)
class Found:
    """Where a row holds a scene: token ranges [start, end) of it up to its repair, of the label before the repair, of
    the words of repair and attempt (their line's end apart; None: no attempt)."""

    first: int
    label: int
    repair: tuple[int, int]
    attempt: tuple[int, int] | None


@dataclass(frozen=True)
class Contrast:
    """A scene in tokens: context (BOS first), label (BOS first), and the endings it has."""

    row: int
    context: np.ndarray
    label: np.ndarray
    repair: np.ndarray
    attempt: np.ndarray | None
    foil: np.ndarray | None

    @property
    def length(self) -> int:
        """Tokens of its longest row."""
        return len(self.context) + max(len(one) for one in (self.repair, self.attempt, self.foil) if one is not None)


@dataclass(frozen=True)
class ContrastRows:
    """Scenes laid out for one forward pass. `row_SK`: the row B of each scene's ending K, or -1 where it has none."""

    ids_BL: np.ndarray
    ending_BL: np.ndarray
    row_SK: np.ndarray


def turns_of(codes_T: np.ndarray) -> list[tuple[int, int, int]]:
    """(code, start, end) of each run of equal codes in a row, text without one (0) included, padding left out."""
    edges = [0, *(np.flatnonzero(np.diff(codes_T)) + 1).tolist(), len(codes_T)]
    runs = [(int(codes_T[start]), start, end) for start, end in pairwise(edges)]
    return [run for run in runs if run[0] != NO_TARGET]


def scenes_in(ids_T: np.ndarray, codes_T: np.ndarray, line_end_V: np.ndarray) -> list[Found]:
    """The scenes of a row that hold a whole repair, in order. `line_end_V`: tokens that hold a line's end."""
    ends_T = line_end_V[ids_T]
    parted = 0  # counts the texts between scenes
    keyed = []
    for code, start, end in turns_of(codes_T):
        if code:
            keyed.append((parted, code % 8, start, end))
        elif ends_T[start:end].any():
            parted += 1
    found = [_scene([turn[1:] for turn in turns], ends_T) for _, turns in groupby(keyed, key=lambda turn: turn[0])]
    return [scene for scene in found if scene is not None]


def _scene(turns: list[tuple[int, int, int]], ends_T: np.ndarray) -> Found | None:
    """`turns`: (span, start, end) of a scene's turns."""
    last = max((at for at, (span, _, _) in enumerate(turns) if span == REPAIR), default=None)
    if last is None:
        return None
    start, end = turns[last][1:]
    if start == 1 or not ends_T[end - 1]:
        return None  # it goes on from the pack before, or into the next one
    attempt = next((turn[1:] for turn in reversed(turns[:last]) if turn[0] == ATTEMPT), None)
    first = _after_line(turns[0][1], ends_T)
    if attempt is None and first == 1:
        return None  # its beginning may stand in the pack before
    words = None if attempt is None or attempt[0] == 1 else words_of(*attempt, ends_T)
    return Found(first, _after_line(start, ends_T), words_of(start, end, ends_T), words)


def _after_line(at: int, ends_T: np.ndarray) -> int:
    """Where the line that token `at` stands in begins: a label's first token."""
    while at > 1 and not ends_T[at - 1]:
        at -= 1
    return at


def words_of(start: int, end: int, ends_T: np.ndarray) -> tuple[int, int]:
    """A turn without the line's end after it, so that no term is won by how a turn stops."""
    while end - 1 > start and ends_T[end - 1]:
        end -= 1
    return start, end


class Repairs:
    """The repairs of a stage's packs in reading order, from which foils are taken."""

    def __init__(self, ids_RT: np.ndarray, codes_RT: np.ndarray, line_end_V: np.ndarray):
        self.ids_RT = ids_RT
        self.places: list[tuple[int, int, int]] = []  # pack, words' range of tokens
        for first in range(0, len(codes_RT), PACKS_AT_ONCE):
            bearing = (codes_RT[first : first + PACKS_AT_ONCE] % 8 == REPAIR).any(axis=1)
            for pack in (first + np.flatnonzero(bearing)).tolist():
                found = scenes_in(ids_RT[pack], codes_RT[pack], line_end_V)
                self.places += [(pack, *scene.repair) for scene in found]

    def foil(self, repair: np.ndarray, pack: int, token: int) -> np.ndarray | None:
        """Of the FOIL_CHOICES repairs after a place in reading order, begun again at the end, the one nearest in length
        that is another text; of equals, the first. None where all are the same."""
        after = bisect_right(self.places, (pack, token, self.ids_RT.shape[1]))
        texts = []
        for step in range(min(FOIL_CHOICES, len(self.places))):
            at, start, end = self.places[(after + step) % len(self.places)]
            texts.append(self.ids_RT[at, start:end].astype(np.int32))
        others = [text for text in texts if not np.array_equal(text, repair)]
        return min(others, key=lambda text: abs(len(text) - len(repair)), default=None)


class Contrasts:
    """Finds the contrasts of rows: `margin` asks for attempts, `repairs` for foils (None: neither fed nor sought)."""

    def __init__(self, line_end_V: np.ndarray, margin: bool, repairs: Repairs | None):
        self.line_end_V, self.margin, self.repairs = line_end_V, margin, repairs

    def of_row(self, ids_T: np.ndarray, codes_T: np.ndarray, row: int) -> list[Contrast]:
        """The scenes of a row that have an attempt to part from, or a foil.

        Foils are those after the scene in the stage's packs; `row` counts them, over and over."""
        made = []
        for scene in scenes_in(ids_T, codes_T, self.line_end_V):
            start, end = scene.repair
            repair = ids_T[start:end]
            attempt = ids_T[slice(*scene.attempt)] if self.margin and scene.attempt else None
            foil = self.repairs.foil(repair, row % len(self.repairs.ids_RT), start) if self.repairs else None
            if attempt is None and foil is None:
                continue
            longest = max(len(ending) for ending in (repair, attempt, foil) if ending is not None)
            first = min(scene.first, max(1, start + longest + 1 - MAX_CONTRAST_TOKENS))
            first = min(max(first, start + longest + 1 - len(ids_T)), start)  # no row is longer than a pack
            context, label = (np.concatenate([ids_T[:1], ids_T[begin:start]]) for begin in (first, scene.label))
            made.append(Contrast(row, context, label, repair, attempt, foil))
        return made


def lay_out(scenes: Sequence[Contrast]) -> ContrastRows:
    """The rows of some scenes, each once, padded at their ends with BOS."""
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    row_SK = np.full((len(scenes), len(ENDINGS)), -1, np.int64)
    for number, scene in enumerate(scenes):
        in_scene = [(scene.context, ending) for ending in (scene.repair, scene.attempt, scene.foil)]
        alone = [(scene.label, ending) for ending in (scene.repair, scene.foil)] if scene.foil is not None else []
        for kind, (context, ending) in enumerate(in_scene + alone):
            if ending is not None:
                row_SK[number, kind] = len(rows)
                rows.append((context, ending))
    width = max(len(context) + len(ending) for context, ending in rows)
    ids_BL = np.full((len(rows), width), rows[0][0][0], np.int32)
    ending_BL = np.zeros((len(rows), width), bool)
    for at, (context, ending) in enumerate(rows):
        stop = len(context) + len(ending)
        ids_BL[at, :stop] = np.concatenate([context, ending])
        ending_BL[at, len(context) : stop] = True
    return ContrastRows(ids_BL, ending_BL, row_SK)
