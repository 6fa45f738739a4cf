"""What a library is made of: languages, difficulty, near-duplicates, connections, licences. Reads; never fetches.

A book is cleaned and measured once (`ontogeny.corpus.audited`); what is said of books together is kept by a hash of
all that decides it, so that an audit of an unchanged library reads a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.core.ascent import LEVELS, MARGINS, Sections, find_ascents, level_of, median_of
from ontogeny.core.errors import Fault, LibraryError
from ontogeny.core.hashes import sha256_hex
from ontogeny.core.library import Library, LibraryEntry, restricts
from ontogeny.core.run import write_json
from ontogeny.corpus import connected, difficulty, duplicates, languages
from ontogeny.corpus.audited import (
    SAMPLED_PASSAGES,
    VERSION,
    BookTask,
    Traces,
    audits_folder,
    keep_pairs,
    look_at,
    read_audit,
    read_traces,
)
from ontogeny.corpus.remote import is_here
from ontogeny.corpus.workers import Workers

Progress = Callable[[str, int, int], None]
Stages = Sequence[tuple[str, Sections]]
LOOKED_AT = {
    "windows_of_characters": difficulty.WINDOW_CHARS,
    "max_windows": difficulty.MAX_WINDOWS,
    "max_characters": difficulty.WINDOW_CHARS * difficulty.MAX_WINDOWS,
    "language_samples": languages.SAMPLES,
    "language_sample_characters": languages.SAMPLE_CHARS,
    "max_passages": SAMPLED_PASSAGES,
    "duplicates": f"every character; at most {duplicates.SKETCH_HASHES} hashes kept",
}


def stages_by_level(library: Library) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """A catalogue without a genome, as stages (levels, in their order) and sections (fields)."""
    found: dict[str, dict[str, list[str]]] = {}
    for entry in library.entries.values():
        found.setdefault(entry.level, {}).setdefault(entry.field, []).append(entry.id)
    ranked = sorted(found, key=lambda level: (LEVELS.index(level) if level in LEVELS else len(LEVELS), level))
    return [(level, list(found[level].items())) for level in ranked]


def audit_library(
    library: Library,
    stages: Stages,
    store: Path,
    *,
    skip_rules: Sequence[str] = (),
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Everything an audit has to say of the books of some stages, as JSON.

    Books that would have to be fetched, or cannot be read, are in `skipped` with the reason.
    Raises: LibraryError with the faults of all if no book can be read."""
    progress = progress or (lambda what, done, of: None)
    book_ids = list(dict.fromkeys(book for _, sections in stages for _, ids in sections for book in ids))
    fingerprints, skipped = _looked_at(library, book_ids, store, skip_rules, workers, progress)
    entries = {book_id: library.entries[book_id] for book_id in fingerprints}
    catalogued = [entry.model_dump(mode="json") for entry in entries.values()]
    decides = [VERSION, LOOKED_AT, list(LEVELS), MARGINS, stages, fingerprints, skipped, catalogued]
    folder = audits_folder(store)
    kept = folder / f"library-{sha256_hex(decides)[:32]}.json"
    if (told := _read(kept)) is None:
        progress("comparing books", 0, 1)
        folder.mkdir(parents=True, exist_ok=True)
        told = {"version": VERSION, **_told(entries, stages, fingerprints, skipped, folder)}
        write_json(kept, told)
    return told


def _read(path: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return told if told["version"] == VERSION else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _looked_at(
    library: Library,
    book_ids: Sequence[str],
    store: Path,
    skip_rules: Sequence[str],
    workers: int | None,
    progress: Progress,
) -> tuple[dict[str, str], dict[str, str]]:
    """(fingerprint of every book that could be read, reason for every other), in the order of `book_ids`."""
    here = [book_id for book_id in book_ids if is_here(library.entries[book_id].source)]
    tasks = [BookTask(library.entries[book_id], library.root, tuple(skip_rules), store) for book_id in here]
    found: dict[str, str] = {}
    faults: dict[str, Fault] = {}
    with Workers(workers) as pool:
        total_bytes = sum(task.entry.bytes or 1 << 20 for task in tasks)
        for done, (index, looked) in enumerate(pool.each(look_at, tasks, total_bytes)):
            progress(f"book {here[index]}", done, len(here))
            if looked.fingerprint:
                found[here[index]] = looked.fingerprint
            else:
                faults[here[index]] = library.located(looked.fault)
    if faults and not found:
        raise LibraryError(faults.values())
    reasons = {book_id: f"{fault.what} got {fault.got}" for book_id, fault in faults.items()}
    away = "is not on this machine: an audit fetches nothing (`ontogeny library lock` does)"
    skipped = {book_id: reasons.get(book_id, away) for book_id in book_ids if book_id not in found}
    return {book_id: found[book_id] for book_id in book_ids if book_id in found}, skipped


def _told(
    entries: Mapping[str, LibraryEntry],
    stages: Stages,
    fingerprints: Mapping[str, str],
    skipped: Mapping[str, str],
    folder: Path,
) -> dict[str, Any]:
    records = {book_id: read_audit(folder, fingerprints[book_id], entry.language) for book_id, entry in entries.items()}
    traces = {book_id: read_traces(folder, fingerprint) for book_id, fingerprint in fingerprints.items()}
    language = _main_language(entries.values())
    books = {book_id: _book(entry, records[book_id]) for book_id, entry in entries.items()}
    ours = {book_id for book_id, book in books.items() if book["language"] == language and not book["language_differs"]}
    stages = [(name, _only(sections, books)) for name, sections in stages]
    pairs = duplicates.find_duplicates({book_id: trace.sketch for book_id, trace in traces.items()})
    keep_pairs(folder, (_by_fingerprint(pair, fingerprints) for pair in pairs))
    profiles = _profiles([(name, _only(sections, ours)) for name, sections in stages], books, traces)
    named = {f"{stage} / {section}": ids for stage, sections in stages for section, ids in _only(sections, ours)}
    return {
        "language": language,
        "looked_at": LOOKED_AT,
        "books": books,
        "stages": profiles,
        "ascents": _ascents(stages, books, ours),
        "duplicates": {
            "shingle_words": duplicates.SHINGLE_WORDS,
            "threshold": duplicates.THRESHOLD,
            "pairs": pairs,
        },
        "connections": connected.measure_connections(
            {book_id: traces[book_id].terms for book_id in books if book_id in ours}, named
        ),
        "licences": _licences(entries.values()),
        "skipped": dict(skipped),
    }


def _main_language(entries: Iterable[LibraryEntry]) -> str | None:
    """The language that most books declare: measures are compared, and stages judged, within it alone."""
    ranked = Counter(entry.language for entry in entries).most_common(1)
    return ranked[0][0] if ranked else None


def _only(sections: Sections, books: Iterable[str]) -> list[tuple[str, list[str]]]:
    kept = set(books)
    return [(name, [book for book in ids if book in kept]) for name, ids in sections]


def _by_fingerprint(pair: Mapping[str, Any], fingerprints: Mapping[str, str]) -> dict[str, Any]:
    """A pair under the fingerprints of its books, the smaller first, so that it is kept once."""
    told = {**pair, "a": fingerprints[pair["a"]], "b": fingerprints[pair["b"]]}
    if told["a"] > told["b"]:
        told |= {"a": told["b"], "b": told["a"], "a_in_b": told["b_in_a"], "b_in_a": told["a_in_b"]}
        told["ci95"] = {**told["ci95"], "a_in_b": told["ci95"]["b_in_a"], "b_in_a": told["ci95"]["a_in_b"]}
    return told


def _book(entry: LibraryEntry, record: Mapping[str, Any]) -> dict[str, Any]:
    catalogued = {key: getattr(entry, key) for key in ("title", "level", "field", "language", "licence")}
    measured = (
        "reads_as",
        "language_differs",
        "fingerprint",
        "characters",
        "bytes",
        "looked_at",
        "words",
        "word_types",
        "difficulty",
    )
    return {
        **catalogued,
        "restricts": restricts(entry.licence),
        **{key: record[key] for key in measured},
    }


def _profiles(stages: Stages, books: dict[str, dict[str, Any]], traces: Mapping[str, Traces]) -> list[dict[str, Any]]:
    """What each stage is; its books get `new_types`, too: None in the first stage, as nothing is earlier."""
    seen = np.empty(0, dtype=np.uint64)
    profiles = []
    for name, sections in stages:
        ids = [book for _, found in sections for book in found]
        types = [traces[book].types for book in ids]
        for book, own in zip(ids, types, strict=True):
            books[book]["new_types"] = _new_types(own, seen)
        together = np.unique(np.concatenate(types)) if types else seen[:0]
        measures = {measure: median_of([books[book]["difficulty"] for book in ids], measure) for measure in MARGINS}
        profiles.append(
            {
                "name": name,
                "level": level_of(name, (books[book]["level"] for book in ids)),
                "books": len(ids),
                "difficulty": measures,
                "new_types": _new_types(together, seen),
            }
        )
        seen = np.union1d(seen, together)
    return profiles


def _new_types(types: np.ndarray, seen: np.ndarray) -> dict[str, Any] | None:
    """{frac, types}: the share of some word types that no earlier stage has, and how many types those are of."""
    if not len(seen) or not len(types):
        return None
    return {"frac": round(1 - float(np.isin(types, seen, assume_unique=True).mean()), 4), "types": len(types)}


def _ascents(stages: Stages, books: Mapping[str, Mapping[str, Any]], ours: set[str]) -> list[dict[str, Any]]:
    levels = {book_id: book["level"] for book_id, book in books.items()}
    known = {book_id: books[book_id]["difficulty"] for book_id in books if book_id in ours}
    return [
        {
            "before": ascent.before,
            "after": ascent.after,
            "where": ascent.where,
            "levels": list(ascent.levels),
            "measures": ascent.measures,
            "fails": ascent.fails,
            "told": ascent.told() if ascent.fails else None,
        }
        for ascent in find_ascents(stages, levels, known)
    ]


def _licences(entries: Iterable[LibraryEntry]) -> dict[str, Any]:
    counted = Counter(entry.licence for entry in entries)
    return {
        "books": dict(sorted(counted.items())),
        "restricting": {entry.id: entry.licence for entry in entries if restricts(entry.licence)},
    }
