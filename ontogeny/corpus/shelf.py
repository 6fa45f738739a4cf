"""The cleaned books of a corpus: written once, opened one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ontogeny.core.errors import CorpusError, Fault, LibraryError, closest
from ontogeny.core.hashes import sha256_hex
from ontogeny.core.library import Library, LibraryEntry
from ontogeny.corpus.clean import CleanBook, clean
from ontogeny.corpus.passages import Passage, hold_out, iterate_paragraphs, make_passages
from ontogeny.corpus.sources import SourceText, read_source, source_digest

KEPT_CHARS = 64 << 20


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
    field: str
    level: str


@dataclass(frozen=True)
class OpenBook:
    """A book with its text and passages; the held-out ones by index."""

    index: int
    record: BookRecord
    text: str
    passages: list[Passage]
    held_out: frozenset[int]

    def training(self) -> Iterator[tuple[int, Passage]]:
        """The passages that may be read, in order."""
        return ((i, passage) for i, passage in enumerate(self.passages) if i not in self.held_out)

    def paragraphs(self, passage: Passage) -> Iterator[tuple[int, int]]:
        return iterate_paragraphs(self.text, passage.start, passage.end)

    @cached_property
    def last_of_chapter(self) -> frozenset[int]:
        """The training passages that close a chapter for the reader."""
        last: dict[int, int] = {}
        for index, passage in self.training():
            if passage.chapter >= 0:
                last[passage.chapter] = index
        return frozenset(last.values())


class Shelf:
    """The books of a corpus in manifest order; the last opened stays in memory."""

    def __init__(self, folder: Path, records: list[BookRecord]):
        self.folder = folder
        self.records = records
        self.index = {record.id: i for i, record in enumerate(records)}
        self._open: OpenBook | None = None

    def open(self, book_id: str) -> OpenBook:
        if self._open is None or self._open.record.id != book_id:
            index = self.index[book_id]
            record = self.records[index]
            text = self.text(book_id)
            passages = make_passages(CleanBook(text, [tuple(c) for c in record.chapters], []))
            self._open = OpenBook(index, record, text, passages, frozenset(hold_out(passages, record.fingerprint)))
        return self._open

    def text(self, book_id: str) -> str:
        return book_path(self.folder, book_id).read_bytes().decode("utf-8")


def book_path(folder: Path, book_id: str) -> Path:
    """Where a corpus keeps a cleaned book."""
    return folder / "books" / f"{book_id}.txt"


def write_book(entry: LibraryEntry, source: SourceText, folder: Path) -> BookRecord:
    """Cleans a book and writes it.

    Raises: CorpusError, naming the book, if nothing to read is left of it."""
    book = clean(source.text, source.markup)
    words = len(book.text.split())
    if words < 2:
        raise CorpusError(
            Fault(
                f"book '{entry.id}' is empty after cleaning.",
                f"books.{entry.id}  {entry.source}",
                f"{words} words from {len(source.text)} characters",
                "a book of at least two words",
                "check the source and its selector",
            )
        )
    raw = book.text.encode("utf-8")
    path = book_path(folder, entry.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return BookRecord(
        entry.id,
        entry.title,
        entry.source,
        entry.licence,
        source.raw_sha256,
        sha256_hex(raw),
        len(book.text),
        len(raw),
        [list(cut) for cut in book.cuts],
        [list(c) for c in book.chapters],
        entry.field,
        entry.level,
    )


class Sources:
    """The books of a library as their sources give them; small ones are kept, so that none is read twice."""

    def __init__(self, library: Library):
        self.library = library
        self._kept: dict[str, SourceText] = {}
        self._kept_chars = 0

    def read(self, book_id: str) -> SourceText:
        """A book's raw text. Raises: LibraryError if it cannot be had."""
        if book_id in self._kept:
            return self._kept[book_id]
        source = read_source(self.entry(book_id), self.library.root)
        if self._kept_chars + len(source.text) <= KEPT_CHARS:
            self._kept[book_id] = source
            self._kept_chars += len(source.text)
        return source

    def entry(self, book_id: str) -> LibraryEntry:
        """A book of the catalogue. Raises: LibraryError if it is not there."""
        entry = self.library.entries.get(book_id)
        if entry is None:
            raise LibraryError(
                Fault(
                    f"book '{book_id}' is not in the library.",
                    "stages[..].sections[..].books",
                    repr(book_id),
                    f"a book id of the library{closest(book_id, self.library.entries)}",
                    "correct the id, or add the book",
                )
            )
        return entry

    def raw_digests(self, book_ids: Sequence[str]) -> dict[str, str]:
        """SHA-256 of each book's raw bytes. Raises: LibraryError with the faults of all that cannot be read."""
        faults: list[Fault] = []
        digests = {}
        for book_id in book_ids:
            try:
                digests[book_id] = source_digest(self.entry(book_id), self.library.root)
            except LibraryError as problem:
                faults.extend(problem.faults)
        if faults:
            raise LibraryError(faults)
        return digests


def as_manifest(record: BookRecord) -> dict[str, Any]:
    return asdict(record)
