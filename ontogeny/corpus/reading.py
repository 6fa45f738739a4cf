"""One stage's books, read in order into packs: passages, scenes at their places, the span's end."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.core.errors import CorpusError, Fault
from ontogeny.core.units import counted
from ontogeny.corpus.authored import refuse_long_scenes
from ontogeny.corpus.layout import (
    PASSAGE,
    SCENE,
    WEIGHTED_SPANS,
    code_of,
    merge_ranges,
    trunk_weights,
    write_json_lines,
)
from ontogeny.corpus.made import Placed
from ontogeny.corpus.pack import Packer, Part, RowWriter
from ontogeny.corpus.passages import Passage
from ontogeny.corpus.place import Placer, make_placer
from ontogeny.corpus.shelf import OpenBook, Shelf
from ontogeny.corpus.turns import Turn, cut_turns, interleaved, joined
from ontogeny.corpus.vocabulary import Encoder
from ontogeny.scenes.shape import Scene, render

SURVEY_BOOKS, SURVEY_PASSAGES = 32, 4
CHUNK_PASSAGES = 64


@dataclass
class BookReading:
    """What one book of a stage became; ranges in characters of the cleaned book."""

    id: str
    training: list[tuple[int, int]] = field(default_factory=list)
    moved: list[tuple[int, int, str]] = field(default_factory=list)
    read_to: int = 0
    tokens: int = 0


@dataclass
class StageReading:
    """What a stage's books became."""

    books: list[BookReading]
    packs: int
    role_packs: int
    tokens: int
    loss_tokens: int
    padding_tokens: int
    bytes: int
    scenes: Counter
    digests: list[bytes]
    warnings: list[str]
    turns: list[list[int]]  # of an interleaved stage: [book of the stage, start, end], in the order read
    book_packs: dict[str, list[int]]  # of a self-chosen stage: book -> [first pack, packs]
    scene_places: list[tuple[str, str, str, int]]  # (kind, book, title of the chapter, scenes), in the order read


@dataclass
class _Step:
    """A range of a book to be encoded, or a scene after the ranges just before it."""

    ranges: list[tuple[int, int]]
    placed: Placed | None
    paragraph: tuple[int, int]


class StageWriter:
    """Reads one stage into its folder. `write` is the whole of it."""

    def __init__(
        self,
        stage: Any,
        plan: Any,
        shelf: Shelf,
        encoder: Encoder,
        authored: list[Scene],
        folder: Path,
        dialogues: Collection[str] = (),
    ):
        self.dialogues = dialogues  # books whose form is dialogue
        self.stage, self.plan, self.shelf, self.encoder = stage, plan, shelf, encoder
        self.authored = authored
        self.folder = folder
        self.sections = [list(books) for _, books in stage.sections]
        self.book_ids = [book_id for books in self.sections for book_id in books]
        self.limit_tokens = stage.span.amount if stage.span.unit == "tokens" else None
        self.weights = trunk_weights(loop_loss_of(stage))
        self.roles = list(plan.roles)
        self.readings = [BookReading(book_id) for book_id in self.book_ids]
        self.turns_read: list[tuple[int, int, int]] = []
        self.first_packs: dict[str, int] = {}
        self.scene_records: list[dict] = []
        self.loss_tokens = self.bytes = 0

    def write(self) -> StageReading:
        """Reads the stage's books into packs. Raises: CorpusError if the span asks for more than they hold,
        LibraryError for an authored scene that cannot be placed."""
        self._check_books()
        self.open_packs()
        refuse_long_scenes(self.authored, self.plan.context_tokens, self.encoder)
        placer = self._placer()
        for number, book, indices in self._reading():
            if self._done():
                break
            self._read_turn(number, book, indices, placer)
        return self.close_packs(placer.warnings, placer.left_over)

    def open_packs(self) -> None:
        """Makes the folder and the packers that fill it."""
        self.folder.mkdir(parents=True)
        context = self.plan.context_tokens
        self.rows = RowWriter(self.folder, "", context, self.encoder.ids_dtype, self.weights)
        self.role_rows = RowWriter(self.folder, "role_", context, self.encoder.ids_dtype, None)
        self.packer = Packer(self.rows, context, self.encoder.bos_id)
        self.role_packer = Packer(self.role_rows, context, self.encoder.bos_id)

    def close_packs(self, warnings: list[str], left_over: int = 0) -> StageReading:
        """Ends the packs, writes the scenes, and tells what was read. Raises: CorpusError as `write`."""
        self.packer.close()
        self.role_packer.close()
        self._check_span()
        write_json_lines(self.folder / "scenes.jsonl", self.scene_records)
        (self.folder / "digests.bin").write_bytes(b"".join(self.rows.digests))
        return StageReading(
            [self._closed(reading) for reading in self.readings],
            self.rows.rows,
            self.role_rows.rows,
            self.packer.tokens,
            self.loss_tokens,
            self.packer.padding_tokens,
            self.bytes,
            Counter(r["kind"] for r in self.scene_records),
            self.rows.digests,
            warnings + self._warnings(left_over),
            joined(self.turns_read) if self.stage.reading == "interleaved" else [],
            self._book_packs(self.rows.rows),
            self._scene_places(),
        )

    def _check_books(self) -> None:
        """A self-chosen book is chosen once."""
        twice = [book_id for book_id, times in Counter(self.book_ids).items() if times > 1]
        if twice and self.stage.reading == "self_chosen":
            raise CorpusError(
                Fault(
                    f"stage '{self.stage.name}' names a book twice, and is to choose its order itself.",
                    f"stages[{self.stage.index}].sections",
                    ", ".join(twice),
                    "each book once in a stage with reading: self_chosen",
                    "name it once, or read it more often with span: {epochs: N}",
                )
            )

    def _check_span(self) -> None:
        if self.limit_tokens is not None and self.loss_tokens < self.limit_tokens:
            raise CorpusError(
                Fault(
                    f"stage '{self.stage.name}' asks for more tokens than its books hold.",
                    f"stages[{self.stage.index}].span.tokens",
                    counted(self.limit_tokens),
                    f"at most {counted(self.loss_tokens)} (held-out passages apart)",
                    "lower the span, or add books",
                )
            )

    @cached_property
    def _turns(self) -> list[Turn]:
        """The turns of an interleaved stage in the order they are read; it takes a look into every book."""
        books = iter(enumerate(self._books()))
        sections = [
            [turn for n, book in islice(books, len(ids)) for turn in cut_turns(n, training_of(book))]
            for ids in self.sections
        ]
        return list(interleaved(sections))

    def _reading(self) -> Iterator[tuple[int, OpenBook, list[int]]]:
        """(book of the stage, the book, indices of its passages), in the order read: whole books, or turns.

        A book stays open from its first turn to its last, so that an interleaved stage holds one of each section."""
        if self.stage.reading != "interleaved":
            for number, book in enumerate(self._books()):
                yield number, book, [index for index, _ in book.training()]
            return
        last_turn = {turn.book: at for at, turn in enumerate(self._turns)}
        held: dict[int, tuple[OpenBook, list[int]]] = {}
        for at, turn in enumerate(self._turns):
            if turn.book not in held:
                book = self.shelf.open(self.book_ids[turn.book])
                held[turn.book] = book, [index for index, _ in book.training()]
            book, indices = held[turn.book]
            yield turn.book, book, indices[turn.first : turn.last]
            if last_turn[turn.book] == at:
                del held[turn.book]

    def _books(self) -> Iterator[OpenBook]:
        return (self.shelf.open(book_id) for book_id in self.book_ids)

    def _chars_per_token(self) -> float:
        """Of a few passages of the stage's first books."""
        texts = []
        for book_id in self.book_ids[:SURVEY_BOOKS]:
            book = self.shelf.open(book_id)
            texts += [book.text[p.start : p.end] for p in book.passages[: 2 * SURVEY_PASSAGES]][:SURVEY_PASSAGES]
        return sum(map(len, texts)) / max(1, sum(len(ids) for ids in self.encoder.encode(texts)))

    def _placer(self) -> Placer:
        section_of = [section for section, ids in enumerate(self.sections) for _ in ids]
        return make_placer(
            self.stage,
            self.plan,
            self._reading,
            lambda number: self.shelf.open(self.book_ids[number]),
            section_of,
            self.authored,
            frozenset(number for number, book_id in enumerate(self.book_ids) if book_id in self.dialogues),
            self._chars_per_token(),
        )

    def _read_turn(self, number: int, book: OpenBook, indices: list[int], placer: Placer) -> None:
        reading, before = self.readings[number], self.loss_tokens
        if self.stage.reading == "self_chosen":
            self.packer.start_pack()
            self.first_packs[reading.id] = self.packer.place[0]
        for first in range(0, len(indices), CHUNK_PASSAGES):
            chunk = indices[first : first + CHUNK_PASSAGES]
            steps = [self._steps(number, book, index, placer) for index in chunk]
            coded = self._coded(book, chunk, steps)
            for passage_steps, index in zip(steps, chunk, strict=True):
                for step in passage_steps:
                    self._add_step(step, book, coded, reading)
                reading.read_to = book.passages[index].end
                if self._done():
                    break
            if self._done():
                break
        self.turns_read.append((number, book.passages[indices[0]].start, reading.read_to))
        reading.tokens += self.loss_tokens - before

    def _coded(self, book: OpenBook, indices: Sequence[int], steps: Sequence[list[_Step]]) -> Iterator[np.ndarray]:
        """The ids of every range of the steps, in order: of a store, or encoded here and nowhere else.

        `indices` are the passages that the steps were cut from; a passage that bears no scene is one step, whole."""
        whole = [book.tokens is not None and len(one) == 1 and one[0].placed is None for one in steps]
        texts = [
            book.text[s:e]
            for kept, one in zip(whole, steps, strict=True)
            for step in (() if kept else one)
            for s, e in step.ranges
        ]
        coded = iter(self.encoder.encode(texts, f"books.{book.record.id}"))
        for index, kept, one in zip(indices, whole, steps, strict=True):
            if kept and book.tokens is not None:
                yield book.tokens.of(index)
            else:
                yield from islice(coded, sum(len(step.ranges) for step in one))

    @staticmethod
    def _closed(reading: BookReading) -> BookReading:
        reading.training = [tuple(r) for r in merge_ranges(reading.training)]
        return reading

    def _scene_places(self) -> list[tuple[str, str, str, int]]:
        """(kind, book, title of the chapter, scenes) of the scenes, in the order of the first of them."""
        places: Counter[tuple[str, str, str]] = Counter()
        for scene in self.scene_records:
            chapters = self.shelf.records[self.shelf.index[scene["book"]]].chapters
            at = bisect_right(chapters, scene["offset"], key=lambda chapter: chapter[1]) - 1
            places[scene["kind"], scene["book"], str(chapters[at][0]) if at >= 0 else ""] += 1
        return [(*place, count) for place, count in places.items()]

    def _book_packs(self, packs: int) -> dict[str, list[int]]:
        """Of a self-chosen stage, the run of packs that each book fills."""
        edges = [*self.first_packs.values(), packs]
        return {
            book: [first, last - first] for book, (first, last) in zip(self.first_packs, pairwise(edges), strict=True)
        }

    def _done(self) -> bool:
        return self.limit_tokens is not None and self.loss_tokens >= self.limit_tokens

    def _steps(self, number: int, book: OpenBook, index: int, placer: Placer) -> list[_Step]:
        """A passage as runs of text, cut where scenes follow a paragraph of it."""
        passage = book.passages[index]
        paragraphs = list(book.paragraphs(passage))
        steps, begun, at = [], passage.start, 0

        def text_up_to(end: int) -> list[_Step]:
            return [_Step([(begun, end)], None, (begun, end))] if begun < end else []

        while at < len(paragraphs):
            start, end = paragraphs[at]
            for placed in placer.before():
                steps += [*text_up_to(start), _Step([], placed, (start, end))]
                begun = start
            placed = placer.after(number, book, index, paragraphs, at)
            at += placed.paragraphs if placed else 1
            if placed is None:
                continue
            steps += text_up_to(start)
            begun = paragraphs[at - 1][1]
            ranges = [(start, begun)]
            if placed.removed:
                ranges = [(start, placed.removed[0]), (placed.removed[1], begun)]
            steps.append(_Step([(s, e) for s, e in ranges if s < e], placed, (start, end)))
        return [*steps, *text_up_to(passage.end)]

    def _add_step(self, step: _Step, book: OpenBook, coded: Iterator[np.ndarray], reading: BookReading) -> None:
        parts = []
        for start, end in step.ranges:
            ids = next(coded)
            parts.append(Part(ids, np.zeros(len(ids), dtype=np.uint8), PASSAGE, book.index, start, end))
            reading.training.append((start, end))
            self.loss_tokens += len(ids)
            self.bytes += len(book.text[start:end].encode("utf-8"))
        if step.placed is None:
            for part in parts:
                self.packer.add(part)
            return
        scene = step.placed.scene
        turns = self.scene_parts(scene, len(self.scene_records))
        pack, first = self.packer.add_unit([parts, *turns])
        self.role_packer.add_unit([parts, *turns])
        tokens = sum(len(part.ids) for turn in turns for part in turn)
        self.scene_records.append(
            {
                "id": scene.id,
                "kind": scene.kind,
                "book": book.record.id,
                "offset": step.paragraph[0],
                "pack": pack,
                "first_token": first,
                "tokens": tokens,
                "removed": list(step.placed.removed) if step.placed.removed else None,
                "matched": step.placed.matched,
                "language": scene.language,
                "turns": [[turn.speaker, turn.span, turn.text] for turn in scene.turns],
                "resolution": scene.resolution_expected if scene.where else None,  # of an authored one
                **({"before": True} if step.placed.before else {}),
                **step.placed.more,
            }
        )
        if step.placed.removed:
            reading.moved.append((*step.placed.removed, scene.id))

    def scene_parts(self, scene: Scene, index: int) -> list[list[Part]]:
        """A scene's tokens, turn by turn."""
        pieces = render(scene)
        turns: list[list[Part]] = [[] for _ in scene.turns]
        skip = 0
        for piece, ids in zip(pieces, self.encoder.encode([p.text for p in pieces], f"scene {scene.id}"), strict=True):
            code = code_of(piece.span, piece.speaker, self.roles)
            codes = np.full(len(ids), code, dtype=np.uint8)
            turns[piece.turn].append(Part(ids, codes, SCENE, index, 0, 0, skip))
            skip += len(ids)
            if self.weights[code] > 0:
                self.loss_tokens += len(ids)
            self.bytes += len(piece.text.encode("utf-8"))
        return turns

    def _warnings(self, left_over: int) -> list[str]:
        found = []
        if left_over:
            found.append(f"{left_over} scenes were due and found no paragraph that would bear them")
        if self.packer.cut_units:
            found.append(
                f"{self.packer.cut_units} scenes with their paragraphs are longer than a pack of "
                f"{self.plan.context_tokens} tokens: cut between turns"
            )
        if self.packer.cut_turns:
            found.append(f"{self.packer.cut_turns} turns are longer than a pack: cut where the pack ends")
        return found


def training_of(book: OpenBook) -> list[Passage]:
    """The passages of a book that may be read, in order."""
    return [passage for _, passage in book.training()]


def loop_loss_of(stage: Any) -> dict[str, float]:
    """The weights of a stage's spans, as the manifest keeps them."""
    return {span: float(getattr(stage.loop_loss, span)) for span in WEIGHTED_SPANS}
