"""What is known of one book: measured once, kept in the store under the book's fingerprint.

audits/<fingerprint>.json    version, language, difficulty, sizes, what was looked at
audits/<fingerprint>.npz     sketch, word types, terms, sampled passages: what books are compared by
audits/pairs.json            near-duplicates found so far, by fingerprint"""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.core.errors import Fault, OntogenyError
from ontogeny.core.library import Library, LibraryEntry
from ontogeny.core.run import write_atomic, write_json
from ontogeny.corpus.books import stored_books
from ontogeny.corpus.connected import BookTerms, book_terms
from ontogeny.corpus.difficulty import measure_difficulty, windows_of, words_of
from ontogeny.corpus.duplicates import sketch_of
from ontogeny.corpus.languages import detect_language, differs
from ontogeny.corpus.remote import is_here
from ontogeny.corpus.shelf import read_passages
from ontogeny.corpus.sources import source_digest
from ontogeny.corpus.store import BookKey, Store, read_record
from ontogeny.corpus.workers import Workers

VERSION = 1  # of the measures: raised when any of them changes
SAMPLED_PASSAGES = 48


@dataclass(frozen=True)
class BookTask:
    """One book to be looked at."""

    entry: LibraryEntry
    root: Path
    skip_rules: tuple[str, ...]
    store: Path


@dataclass(frozen=True)
class Looked:
    """What came of it: the book's fingerprint, or why it could not be read."""

    fingerprint: str | None
    fault: Fault | None


def audits_folder(store: Path) -> Path:
    """Where a store keeps what is known of books."""
    return store / "audits"


def look_at(task: BookTask) -> Looked:
    """In a worker: cleans a book, measures it and keeps the measures, each only where it was not done before."""
    try:
        digest = source_digest(task.entry, task.root)
        library = Library({task.entry.id: task.entry}, task.root)
        digests = {task.entry.id: digest}
        keys, (record,) = stored_books(library, digests, task.skip_rules, Store(task.store), Workers(1), _quietly)
    except OntogenyError as problem:
        return Looked(None, problem.faults[0])
    folder = audits_folder(task.store)
    if read_audit(folder, record.fingerprint, task.entry.language) is None:
        book = Store(task.store).book(keys[task.entry.id])
        text = (book / "book.txt").read_bytes().decode("utf-8")
        places = [(passage.start, passage.end) for passage in read_passages(book)[0]]
        _keep(folder, record.fingerprint, text, places, task.entry.language)
    return Looked(record.fingerprint, None)


def _quietly(what: str, done: int, of: int) -> None:
    pass


def _keep(folder: Path, fingerprint: str, text: str, passages: Sequence[tuple[int, int]], language: str) -> None:
    windows = windows_of(text)
    words = Counter(word for window in windows for word in words_of(window))
    every = max(1.0, len(passages) / SAMPLED_PASSAGES)
    sampled = [passages[int(i * every)] for i in range(min(SAMPLED_PASSAGES, len(passages)))]
    terms = book_terms(words, sampled, [text[start:end] for start, end in sampled])
    buffer = io.BytesIO()
    np.savez(
        buffer,
        sketch=np.frombuffer(sketch_of(text), dtype=np.uint8),
        types=np.unique(np.fromiter(map(_type_hash, words), dtype=np.uint64, count=len(words))),
        terms=np.frombuffer("\n".join(terms.terms).encode("utf-8"), dtype=np.uint8),
        uses=terms.uses,
        passages=terms.passages,
        held=np.concatenate([*terms.held, np.empty(0, dtype=np.int64)]),
        held_ends=np.cumsum([len(one) for one in terms.held], dtype=np.int64),
    )
    record = {
        "version": VERSION,
        "fingerprint": fingerprint,
        "characters": len(text),
        "bytes": len(text.encode("utf-8")),
        "looked_at": {"windows": len(windows), "characters": sum(map(len, windows)), "passages": len(sampled)},
        "words": sum(words.values()),
        "word_types": len(words),
        "declared": language,
        "reads_as": (reads_as := detect_language(windows)),
        "language_differs": differs(language, reads_as),
        "difficulty": measure_difficulty(windows, language),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / f"{fingerprint}.npz", buffer.getvalue())
    write_json(folder / f"{fingerprint}.json", record)  # last: where it stands, all of it stands


def _type_hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def read_audit(folder: Path, fingerprint: str, declared: str) -> dict[str, Any] | None:
    """What is known of a book in its declared language; None where nothing is, or only by other measures than these."""
    try:
        record = json.loads((folder / f"{fingerprint}.json").read_text(encoding="utf-8"))
        known = (record["version"], record["declared"]) == (VERSION, declared)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if known and (folder / f"{fingerprint}.npz").is_file() else None


@dataclass(frozen=True)
class Traces:
    """What books are compared by."""

    sketch: bytes
    types: np.ndarray
    terms: BookTerms


def read_traces(folder: Path, fingerprint: str) -> Traces:
    """The traces of a book that `read_audit` knows."""
    with np.load(folder / f"{fingerprint}.npz", allow_pickle=False) as kept:
        joined = kept["terms"].tobytes().decode("utf-8")
        held = np.split(kept["held"], kept["held_ends"][:-1]) if len(kept["held_ends"]) else []
        terms = BookTerms(joined.split("\n") if joined else [], kept["uses"], kept["passages"], held)
        return Traces(kept["sketch"].tobytes(), kept["types"], terms)


def known_of(library: Library, book_ids: Iterable[str], skip_rules: Sequence[str], store: Path) -> dict[str, Any]:
    """What is known already of some books: {books: {id: record}, duplicates: [pairs by id], bytes: {id: cleaned}}.

    Nothing is computed, cleaned or fetched; what is not known is left out."""
    books, sizes, by_print = {}, {}, {}
    for book_id in dict.fromkeys(book_ids) if store.is_dir() else ():
        entry = library.entries[book_id]
        if stored := _stored_record(entry, library.root, skip_rules, store):
            sizes[book_id] = stored["bytes"]
            if record := read_audit(audits_folder(store), stored["fingerprint"], entry.language):
                books[book_id] = record
                by_print.setdefault(stored["fingerprint"], []).append(book_id)
    pairs = []
    for pair in known_pairs(audits_folder(store)):
        alike = product(by_print.get(pair["a"], ()), by_print.get(pair["b"], ()))
        pairs += [{**pair, "a": a, "b": b} for a, b in alike if a < b or pair["a"] != pair["b"]]
    return {"books": books, "duplicates": pairs, "bytes": sizes}


def _stored_record(entry: LibraryEntry, root: Path, skip_rules: Sequence[str], store: Path) -> dict[str, Any] | None:
    try:
        if not (raw_sha256 := entry.sha256):
            raw_sha256 = source_digest(entry, root) if is_here(entry.source) else ""
        skipped = tuple(sorted({*skip_rules, *entry.skip_rules}))
        key = BookKey(raw_sha256, entry.source, entry.form, entry.language, skipped).digest
        return read_record(Store(store).book(key))
    except (OntogenyError, OSError, ValueError):
        return None


def known_pairs(folder: Path) -> list[dict[str, Any]]:
    """The near-duplicates found so far, by fingerprint."""
    try:
        kept = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
        return kept["pairs"] if kept["version"] == VERSION else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def keep_pairs(folder: Path, found: Iterable[Mapping[str, Any]]) -> None:
    """Adds near-duplicates to those known, one process after another."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        before = known_pairs(folder)
        pairs = {(pair["a"], pair["b"]): pair for pair in (*before, *found)}
        if len(pairs) > len(before):
            write_json(folder / "pairs.json", {"version": VERSION, "pairs": [pairs[key] for key in sorted(pairs)]})
    finally:
        os.close(handle)
