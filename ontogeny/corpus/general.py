"""General text that no stage holds: what a life does to a model besides what it reads (damage)."""

from __future__ import annotations

from typing import Any

from ontogeny.core.address import is_remote
from ontogeny.core.hashes import sha256_hex
from ontogeny.core.library import Library
from ontogeny.corpus.books import entry_of
from ontogeny.corpus.clean import clean
from ontogeny.corpus.heldout import HeldOut
from ontogeny.corpus.passages import make_passages, rank_of, split_held_out
from ontogeny.corpus.sources import read_source

GENERAL = "general"
GENERAL_CHARS = 24_000  # of all its books together


def general_passages(plan: Any, library: Library) -> list[HeldOut]:
    """Passages of the catalogue's general books, by hash, as many characters of each; a book that a stage of the plan
    names, of another language or not on this machine gives none.

    Raises: LibraryError if a book cannot be read."""
    read = {book_id for stage in plan.stages for _, books in stage.sections for book_id in books}
    entries = [entry_of(library, book_id) for book_id in library.general if book_id not in read]
    entries = [entry for entry in entries if entry.language == plan.language and not is_remote(entry.source)]
    found: dict[tuple[str, int], HeldOut] = {}
    for entry in entries:
        source = read_source(entry, library.root)
        book = clean(source.text, source.markup, entry.language, frozenset({*plan.skip_rules, *entry.skip_rules}))
        fingerprint, left = sha256_hex(book.text), GENERAL_CHARS // len(entries)
        passages = make_passages(book.text, [chapter[1] for chapter in book.chapters])
        for passage in sorted(passages, key=lambda one: rank_of(fingerprint, one.start)):
            if left > 0:
                text = book.text[passage.start : passage.end]
                found[fingerprint, passage.start] = HeldOut(entry.id, passage.start, passage.end, "", text)
                left -= len(text)
    splits = split_held_out(found)
    return [HeldOut(one.book, one.start, one.end, splits[key], one.text) for key, one in sorted(found.items())]
