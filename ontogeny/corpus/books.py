"""A library's books into the store: cleaned once each, encoded once a tokenizer, in worker processes."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ontogeny.core.errors import CorpusError, Fault, LibraryError, OntogenyError, closest
from ontogeny.core.hashes import file_sha256, sha256_hex
from ontogeny.core.library import Library, LibraryEntry
from ontogeny.corpus.clean import clean
from ontogeny.corpus.passages import hold_out, make_passages
from ontogeny.corpus.shelf import BookRecord, as_manifest, read_passages, write_passages
from ontogeny.corpus.sources import read_source, source_digest
from ontogeny.corpus.store import BookKey, Store, read_record
from ontogeny.corpus.vocabulary import Encoder, make_encoder
from ontogeny.corpus.workers import Workers

ENCODE_PASSAGES = 256
FEW_CHARS = 4096  # a file so small is read, in case there is nothing in it
USUAL_BYTES = 1 << 20  # of a book whose size no lock has told
Progress = Callable[[str, int, int], None]


def entry_of(library: Library, book_id: str) -> LibraryEntry:
    """A book of the catalogue. Raises: LibraryError if it is not there."""
    entry = library.entries.get(book_id)
    if entry is None:
        raise LibraryError(
            Fault(
                f"book '{book_id}' is not in the library.",
                "stages[..].sections[..].books",
                repr(book_id),
                f"a book id of the library{closest(book_id, library.entries)}",
                "correct the id, or add the book",
            )
        )
    return entry


def raw_digests(library: Library, book_ids: Sequence[str]) -> dict[str, str]:
    """SHA-256 of each book's raw bytes. Raises: LibraryError with the faults of all that cannot be read."""
    faults: list[Fault] = []
    digests = {}
    for book_id in book_ids:
        try:
            digests[book_id] = source_digest(entry_of(library, book_id), library.root)
        except LibraryError as problem:
            faults.extend(problem.faults)
    if faults:
        raise LibraryError(faults)
    return digests


def text_bytes(entry: LibraryEntry, root: Path) -> int:
    """UTF-8 bytes of a book before it is cleaned, for an estimate: of a plain file its size, else of what is read."""
    size = _plain_bytes(entry, root)
    return size if size > FEW_CHARS else len(read_source(entry, root).text.encode("utf-8"))


def _plain_bytes(entry: LibraryEntry, root: Path) -> int:
    """The size of a plain file; 0 of any other source."""
    scheme, _, rest = entry.source.partition(":")
    path = (root / rest).resolve()
    inside = scheme == "file" and "#" not in rest and path.is_relative_to(root.resolve())
    return path.stat().st_size if inside and path.suffix in (".txt", ".md") and path.is_file() else 0


@dataclass(frozen=True)
class Unmade:
    """One book to be cleaned."""

    entry: LibraryEntry
    root: Path
    skip_rules: tuple[str, ...]
    raw_sha256: str
    store: Path
    key: str


def stored_books(
    library: Library,
    digests: Mapping[str, str],
    skip_rules: Sequence[str],
    store: Store,
    workers: Workers,
    progress: Progress,
) -> tuple[dict[str, str], list[BookRecord]]:
    """(key in the store, record) of every book; those that are not there yet are made.

    Raises: OntogenyError with the faults of all books that cannot be had; what could be made stays in the store."""
    keys, tasks = books_to_make(library, digests, skip_rules, store)
    make_books(tasks, workers, progress)
    return keys, records_of(library, keys, store)


def books_to_make(
    library: Library, digests: Mapping[str, str], skip_rules: Sequence[str], store: Store
) -> tuple[dict[str, str], list[Unmade]]:
    """The key of every book in the store, and those that are not there yet. Raises: LibraryError as `entry_of`."""
    keys, tasks = {}, []
    for book_id, raw_sha256 in digests.items():
        entry = entry_of(library, book_id)
        skipped = tuple(sorted({*skip_rules, *entry.skip_rules}))
        key = BookKey(raw_sha256, entry.source, entry.form, entry.language, skipped).digest
        if key not in keys.values() and not _is_whole(store.book(key)):
            tasks.append(Unmade(entry, library.root, skipped, raw_sha256, store.folder, key))
        keys[book_id] = key
    return keys, tasks


def bytes_of(tasks: Sequence[Unmade]) -> int:
    """About how much there is to clean."""
    return sum(task.entry.bytes or _plain_bytes(task.entry, task.root) or USUAL_BYTES for task in tasks)


def make_books(tasks: Sequence[Unmade], workers: Workers, progress: Progress) -> None:
    """Cleans books into the store. Raises: CorpusError with the faults of all that cannot be had."""
    faults: list[Fault] = []
    for done, (index, found) in enumerate(workers.each(_make_book, tasks, bytes_of(tasks))):
        faults += found
        progress(f"book {tasks[index].entry.id}", done, len(tasks))
    if faults:
        raise CorpusError(faults)


def records_of(library: Library, keys: Mapping[str, str], store: Store) -> list[BookRecord]:
    """What the store tells of books, by the names that a library gives them."""
    return [_record(entry_of(library, book_id), store.book(key)) for book_id, key in keys.items()]


def _is_whole(folder: Path) -> bool:
    """Whether the store holds a book, as it was made; one that was changed from outside goes."""
    if not folder.is_dir():
        return False
    with contextlib.suppress(OSError, ValueError, KeyError):
        if file_sha256(folder / "book.txt") == read_record(folder)["fingerprint"]:
            return True
    shutil.rmtree(folder)
    return False


def _record(entry: LibraryEntry, folder: Path) -> BookRecord:
    """A stored book under the name that this library gives it."""
    named = {key: getattr(entry, key) for key in ("id", "title", "source", "licence", "field", "level")}
    return BookRecord(**{**read_record(folder), **named})


def _make_book(task: Unmade) -> list[Fault]:
    """In a worker: cleans a book into the store; returns its faults."""
    try:
        source = read_source(task.entry, task.root)
    except OntogenyError as problem:
        return list(problem.faults)
    where = f"books.{task.entry.id}  {task.entry.source}"
    if source.raw_sha256 != task.raw_sha256:
        return [
            Fault(
                f"book '{task.entry.id}' changed while it was read.",
                where,
                f"sha256 {source.raw_sha256}",
                f"sha256 {task.raw_sha256}",
                "run again when nobody writes it",
            )
        ]
    book = clean(source.text, source.markup, task.entry.language, frozenset(task.skip_rules))
    words = len(book.text.split(maxsplit=2))
    if words < 2:
        return [
            Fault(
                f"book '{task.entry.id}' is empty after cleaning.",
                where,
                f"{words} words from {len(source.text)} characters",
                "a book of at least two words",
                "check the source and its selector",
            )
        ]
    raw = book.text.encode("utf-8")
    fingerprint = sha256_hex(raw)
    record = BookRecord(
        task.entry.id,
        task.entry.title,
        task.entry.source,
        task.entry.licence,
        source.raw_sha256,
        fingerprint,
        len(book.text),
        len(raw),
        [list(cut) for cut in book.cuts],
        [list(chapter) for chapter in book.chapters],
        dict(getattr(book, "kinds", {})),
        [list(note) for note in getattr(source, "notes", ())],
        task.entry.field,
        task.entry.level,
    )
    passages = make_passages(book.text, [chapter[1] for chapter in book.chapters])

    def write(folder: Path) -> None:
        (folder / "book.txt").write_bytes(raw)
        write_passages(folder, passages, hold_out(passages, fingerprint))
        (folder / "book.txt").chmod(0o444)  # runs hold links to it
        (folder / "book.json").write_text(json.dumps(as_manifest(record), ensure_ascii=False), encoding="utf-8")

    store = Store(task.store)
    store.put(store.book(task.key), write)
    return []


@dataclass(frozen=True)
class _Encoding:
    """One book to be encoded."""

    book_id: str
    book: Path
    tokens: Path
    tokenizer: Path
    fingerprint: str
    store: Path


def stored_tokens(
    keys: Mapping[str, str], tokenizer: Path, fingerprint: str, store: Store, workers: Workers, progress: Progress
) -> dict[str, Path]:
    """The folder of every book's ids; those that are not there yet are made. Raises: CorpusError, naming the book."""
    folders = {book_id: store.tokens(key, fingerprint) for book_id, key in keys.items()}
    tasks = [
        _Encoding(book_id, store.book(keys[book_id]), folder, tokenizer, fingerprint, store.folder)
        for folder, book_id in {folder: book_id for book_id, folder in folders.items()}.items()
        if not folder.is_dir()
    ]
    sizes = sum((task.book / "book.txt").stat().st_size for task in tasks)
    faults: list[Fault] = []
    for done, (index, found) in enumerate(workers.each(_encode_book, tasks, sizes)):
        faults += found
        progress(f"tokens of {tasks[index].book_id}", done, len(tasks))
    if faults:
        raise CorpusError(faults)
    return folders


def _encode_book(task: _Encoding) -> list[Fault]:
    """In a worker: the ids of a book's passages into the store; returns its faults."""
    encoder = encoder_of(task.tokenizer, task.fingerprint)
    text = (task.book / "book.txt").read_bytes().decode("utf-8")
    passages, _ = read_passages(task.book)
    pieces: list[np.ndarray] = []
    lengths: list[int] = []
    for first in range(0, len(passages), ENCODE_PASSAGES):
        texts = [text[p.start : p.end] for p in passages[first : first + ENCODE_PASSAGES]]
        try:
            coded = encoder.encode(texts, f"books.{task.book_id}")
        except CorpusError as problem:
            return list(problem.faults)
        lengths += [len(ids) for ids in coded]
        pieces.append(np.concatenate(coded).astype(encoder.ids_dtype))

    def write(folder: Path) -> None:
        np.save(folder / "ids.npy", np.concatenate(pieces), allow_pickle=False)
        np.save(folder / "ends.npy", np.cumsum(lengths, dtype=np.int64), allow_pickle=False)

    Store(task.store).put(task.tokens, write)
    return []


@lru_cache(maxsize=1)
def encoder_of(folder: Path, fingerprint: str) -> Encoder:
    """A process's encoder of a tokenizer, with the words it knows by now."""
    return make_encoder(folder)
