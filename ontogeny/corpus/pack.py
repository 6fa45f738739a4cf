"""Next-fit packing in reading order: text flows on from pack to pack; a unit stays whole where it can."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ontogeny.corpus.layout import NO_TARGET, SCENE, SEGMENT, row_digests

BUFFER_ROWS = 256
BUFFER_SEGMENTS = 1 << 16


@dataclass(frozen=True)
class Part:
    """Tokens that stay in order: a range of a book, or a turn of a scene. `source`, `start`, `end` say whence,
    `skip` how many of the source's tokens came before (a scene counts on from turn to turn)."""

    ids: np.ndarray
    codes: np.ndarray
    kind: int
    source: int
    start: int = 0
    end: int = 0
    skip: int = 0


class RowWriter:
    """Appends packs to their files, a buffer at a time, and keeps their digests if asked."""

    def __init__(
        self, folder: Path, prefix: str, context_tokens: int, ids_dtype: np.dtype, weight_of_code: np.ndarray | None
    ):
        self.ids_file = open(folder / f"{prefix}ids.bin", "wb")  # noqa: SIM115  open until close()
        self.codes_file = open(folder / f"{prefix}codes.bin", "wb")  # noqa: SIM115
        self.segments_path = folder / f"{prefix}segments.npy"
        self.ids_RT = np.zeros((BUFFER_ROWS, context_tokens), dtype=np.int32)
        self.codes_RT = np.zeros((BUFFER_ROWS, context_tokens), dtype=np.uint8)
        self.ids_dtype = ids_dtype
        self.weight_of_code = weight_of_code
        self.digests: list[bytes] = []
        self.segments: list[tuple] = []
        self.full: list[np.ndarray] = []
        self.buffered = self.rows = 0

    def add(self, ids_T: np.ndarray, codes_T: np.ndarray) -> None:
        self.ids_RT[self.buffered], self.codes_RT[self.buffered] = ids_T, codes_T
        self.buffered += 1
        self.rows += 1
        if self.buffered == BUFFER_ROWS:
            self._flush()

    def note(self, segment: tuple) -> None:
        """Records where tokens came from; a scene's turns in one pack are one segment."""
        if self.segments and segment[3] == SCENE:
            pack, first, tokens, kind, source, start, end, skip = self.segments[-1]
            if (pack, kind, source, skip + tokens) == (segment[0], SCENE, segment[4], segment[7]):
                self.segments[-1] = (pack, first, tokens + segment[2], kind, source, start, end, skip)
                return
        if len(self.segments) == BUFFER_SEGMENTS:
            self.full.append(np.array(self.segments, dtype=SEGMENT))
            self.segments.clear()
        self.segments.append(segment)

    def close(self) -> None:
        self._flush()
        self.ids_file.close()
        self.codes_file.close()
        whole = np.concatenate([*self.full, np.array(self.segments, dtype=SEGMENT)])
        np.save(self.segments_path, whole, allow_pickle=False)

    def _flush(self) -> None:
        ids, codes = self.ids_RT[: self.buffered], self.codes_RT[: self.buffered]
        self.ids_file.write(ids.astype(self.ids_dtype).tobytes())
        self.codes_file.write(codes.tobytes())
        if self.weight_of_code is not None:
            self.digests.extend(row_digests(ids, codes, self.weight_of_code))
        self.buffered = 0


class Packer:
    """Fills packs of `context_tokens`, each begun with BOS, in the order of what is added."""

    def __init__(self, writer: RowWriter, context_tokens: int, bos_id: int):
        self.writer = writer
        self.context_tokens = context_tokens
        self.bos_id = bos_id
        self.fills: Sequence[int] | None = None  # tokens of each pack, where they are decided beforehand
        self.ids_T = np.full(context_tokens, bos_id, dtype=np.int32)
        self.codes_T = np.full(context_tokens, NO_TARGET, dtype=np.uint8)
        self.filled = 1
        self.tokens = self.padding_tokens = 0
        self.cut_units = self.cut_turns = self.parted_units = 0

    @property
    def limit(self) -> int:
        """Where this pack is full."""
        return self.context_tokens if self.fills is None else 1 + self.fills[self.writer.rows]

    @property
    def place(self) -> tuple[int, int]:
        """(pack, token) where the next token goes."""
        return (self.writer.rows, self.filled) if self.filled < self.limit else (self.writer.rows + 1, 1)

    def add(self, part: Part) -> None:
        """Lets a part flow on, over as many packs as it needs."""
        done = 0
        while done < len(part.ids):
            if self.filled == self.limit:
                self._begin()
            count = min(self.limit - self.filled, len(part.ids) - done)
            here = slice(self.filled, self.filled + count)
            self.ids_T[here] = part.ids[done : done + count]
            self.codes_T[here] = part.codes[done : done + count]
            self.writer.note(
                (self.writer.rows, self.filled, count, part.kind, part.source, part.start, part.end, part.skip + done)
            )
            self.filled += count
            done += count
        self.tokens += len(part.ids)

    def add_unit(self, turns: Sequence[Sequence[Part]]) -> tuple[int, int]:
        """Adds a unit (the paragraph, then each turn) uncut; returns where it begins.

        One longer than a pack is cut between turns, a turn longer than a pack anywhere; both are counted. Where `fills`
        are decided it flows as text does; what would fit and so stands in two packs is counted in `parted_units`."""
        sizes = [sum(len(part.ids) for part in turn) for turn in turns]
        fits = sum(sizes) <= self.context_tokens - 1
        if not fits:
            self.cut_units += 1
        if self.fills is not None:
            place = self.place
            for part in (part for turn in turns for part in turn):
                self.add(part)
            self.parted_units += fits and self.writer.rows != place[0]
            self.cut_turns += sum(size > self.context_tokens - 1 for size in sizes)
            return place
        if sum(sizes) > self.context_tokens - self.filled and self.filled > 1:
            self._begin()
        place = self.place
        for turn, size in zip(turns, sizes, strict=True):
            if size > self.context_tokens - 1:
                self.cut_turns += 1
            elif size > self.context_tokens - self.filled:
                self._begin()
            for part in turn:
                self.add(part)
        return place

    def start_pack(self) -> None:
        """Goes on in a new pack, unless nothing stands in this one."""
        if self.filled > 1:
            self._begin()

    def close(self) -> None:
        self.start_pack()
        self.writer.close()

    def _begin(self) -> None:
        """Hands the pack on, padded if it is not full, and begins a new one."""
        self.ids_T[self.filled :] = self.bos_id
        self.codes_T[self.filled :] = NO_TARGET
        self.padding_tokens += self.context_tokens - self.filled
        self.writer.add(self.ids_T, self.codes_T)
        self.filled = 1


def next_fit(steps: Sequence[Sequence[int]], room: int, flowing: int = 0) -> tuple[list[int], list[bool]]:
    """(tokens of each pack, whether some are of a unit) as a Packer packs steps, `room` tokens a pack.

    A step is the tokens of a text, or of a unit's paragraph and then of each turn; the paragraphs of the first
    `flowing` units flow on as text does."""
    fills, of_units = [0], [False]

    def begin() -> None:
        if fills[-1]:
            fills.append(0)
            of_units.append(False)

    def flow(size: int, of_unit: bool) -> None:
        while size:
            if fills[-1] == room:
                begin()
            count = min(room - fills[-1], size)
            fills[-1] += count
            of_units[-1] |= of_unit
            size -= count

    for text, *turns in steps:
        parts = [text, *turns] if turns else []
        if not turns or flowing > 0:
            flow(text, False)
            parts = turns
            flowing -= bool(turns)
        if sum(parts) > room - fills[-1]:
            begin()
        for size in parts:
            if room - fills[-1] < size <= room:
                begin()
            flow(size, True)
    return (fills, of_units) if fills[-1] else (fills[:-1], of_units[:-1])


def fills_of(steps: Sequence[Sequence[int]], room: int, packs: int) -> list[int] | None:
    """The tokens of each of just `packs` packs of steps (as `next_fit`'s); None where they cannot be so many.

    Where next-fit makes more, about as few paragraphs as that takes flow on into their scene's pack, and if need be all
    does; where it makes fewer, the fullest packs are halved, those without a scene first."""
    total = sum(map(sum, steps))
    if not packs <= total <= packs * room:
        return None
    units = sum(len(step) > 1 for step in steps)
    fills, of_units = next_fit(steps, room)
    if len(fills) > packs:
        flowing = bisect_left(range(units), True, key=lambda count: len(next_fit(steps, room, count)[0]) <= packs)
        fills, of_units = next_fit(steps, room, flowing)
    if len(fills) > packs:
        whole, rest = divmod(total, room)
        fills = [room] * whole + [rest] * bool(rest)
        of_units = [True] * len(fills)
    while (missing := packs - len(fills)) > 0:
        parting = [at for at, count in enumerate(fills) if count > 1]
        halved = set(sorted(parting, key=lambda at: (of_units[at], -fills[at]))[:missing])
        pairs = [([n - n // 2, n // 2] if at in halved else [n], of_units[at]) for at, n in enumerate(fills)]
        of_units = [of_unit for pieces, of_unit in pairs for _ in pieces]
        fills = [n for pieces, _ in pairs for n in pieces]
    return fills
