"""The cleaned books of a corpus, opened as they are needed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.corpus.passages import Passage, hold_out, iterate_paragraphs, make_passages
from ontogeny.corpus.store import StoredTokens, read_tokens

PASSAGES = "passages.npy"
KEPT_CHARS = 32 << 20  # of the books last opened


@dataclass(frozen=True)
class BookRecord:
    """What the manifest says of a book."""

    id: str
    title: str
    source: str
    licence: str
    raw_sha256: str
    fingerprint: str
    characters: int
    bytes: int
    cuts: list
    chapters: list
    kinds: dict
    notes: list
    field: str
    level: str


@dataclass(frozen=True)
class OpenBook:
    """A book with its text and passages, the held-out ones by index, and the ids of each where a store has them."""

    index: int
    record: BookRecord
    text: str
    passages: list[Passage]
    held_out: frozenset[int]
    tokens: StoredTokens | None = None

    def training(self) -> Iterator[tuple[int, Passage]]:
        """The passages that may be read, in order."""
        return ((i, passage) for i, passage in enumerate(self.passages) if i not in self.held_out)

    def paragraphs(self, passage: Passage) -> Iterator[tuple[int, int]]:
        return iterate_paragraphs(self.text, passage.start, passage.end)

    def passages_in(self, start: int, end: int) -> list[Passage]:
        """The passages that hold some of the characters [start, end)."""
        first = bisect_right(self.passages, start, key=lambda passage: passage.end)
        last = bisect_left(self.passages, end, key=lambda passage: passage.start)
        return self.passages[first:last]

    @cached_property
    def last_of_chapter(self) -> frozenset[int]:
        """The training passages that close a chapter for the reader."""
        last: dict[int, int] = {}
        for index, passage in self.training():
            if passage.chapter >= 0:
                last[passage.chapter] = index
        return frozenset(last.values())


class Shelf:
    """The books of a corpus in manifest order; those last opened stay in memory, up to KEPT_CHARS.

    `stored` are the folders of the books in a store, `tokens` those of their ids: with them nothing is computed
    again. Without them (a proof) passages come from the text."""

    def __init__(
        self,
        folder: Path,
        records: list[BookRecord],
        stored: dict[str, Path] | None = None,
        tokens: dict[str, Path] | None = None,
    ):
        self.folder = folder
        self.records = records
        self.index = {record.id: i for i, record in enumerate(records)}
        self.stored = stored or {}
        self.tokens = tokens or {}
        self._open: OrderedDict[str, OpenBook] = OrderedDict()

    def open(self, book_id: str) -> OpenBook:
        """A book by its id."""
        if book_id in self._open:
            self._open.move_to_end(book_id)
            return self._open[book_id]
        index = self.index[book_id]
        record = self.records[index]
        text = self.text(book_id)
        if book_id in self.stored:
            passages, held_out = read_passages(self.stored[book_id])
        else:
            passages = make_passages(text, [chapter[1] for chapter in record.chapters])
            held_out = frozenset(hold_out(passages, record.fingerprint))
        tokens = read_tokens(self.tokens[book_id]) if book_id in self.tokens else None
        book = OpenBook(index, record, text, passages, held_out, tokens)
        self._open[book_id] = book
        while len(self._open) > 1 and sum(len(other.text) for other in self._open.values()) > KEPT_CHARS:
            self._open.popitem(last=False)
        return book

    def passage_rows(self, book_id: str) -> np.ndarray:
        """The passages of a stored book, a row each: start, end, chapter, whether held out. Its text is not read."""
        return np.load(self.stored[book_id] / PASSAGES, allow_pickle=False)

    def closed(self) -> Shelf:
        """The same shelf with no book open, for another process."""
        return Shelf(self.folder, self.records, self.stored, self.tokens)

    def only(self, book_id: str) -> Shelf:
        """A closed shelf of one book, for a task of another process that reads no other."""
        stored, tokens = (
            {book_id: folders[book_id]} if book_id in folders else {} for folders in (self.stored, self.tokens)
        )
        return Shelf(self.folder, [self.records[self.index[book_id]]], stored, tokens)

    def training_texts(self, book_id: str) -> Iterator[str]:
        """The passages of a book that may be read, one by one."""
        book = self.open(book_id)
        return (book.text[passage.start : passage.end] for _, passage in book.training())

    def text(self, book_id: str) -> str:
        """A cleaned book, whole."""
        folder = self.stored.get(book_id)
        path = folder / "book.txt" if folder else book_path(self.folder, book_id)
        return path.read_bytes().decode("utf-8")


def book_path(folder: Path, book_id: str) -> Path:
    """Where a corpus keeps a cleaned book."""
    return folder / "books" / f"{book_id}.txt"


def write_passages(folder: Path, passages: list[Passage], held_out: list[int]) -> None:
    """Passages as a stored book keeps them: start, end, chapter, held out."""
    held = set(held_out)
    rows = [(p.start, p.end, p.chapter, i in held) for i, p in enumerate(passages)]
    np.save(folder / PASSAGES, np.array(rows, dtype=np.int64).reshape(-1, 4), allow_pickle=False)


def read_passages(folder: Path) -> tuple[list[Passage], frozenset[int]]:
    """What `write_passages` wrote."""
    rows = np.load(folder / PASSAGES, allow_pickle=False)
    return [Passage._make(row) for row in rows[:, :3].tolist()], frozenset(np.flatnonzero(rows[:, 3]).tolist())


def as_manifest(record: BookRecord) -> dict[str, Any]:
    """A record as the manifest keeps it."""
    return asdict(record)
