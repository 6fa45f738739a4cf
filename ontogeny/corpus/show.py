"""What became of one book: what was cut and by which rule, its kinds, its chapters, its first passages."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ontogeny.core.cleaning import RULES
from ontogeny.core.errors import Fault, LibraryError, closest
from ontogeny.core.hashes import sha256_hex
from ontogeny.core.library import Library
from ontogeny.core.units import counted
from ontogeny.corpus.clean import clean
from ontogeny.corpus.passages import hold_out, make_passages
from ontogeny.corpus.sources import read_source

SHOWN_PASSAGES, SHOWN_PASSAGE_CHARS = 3, 400


def show_book(library: Library, book_id: str, skip_rules: Collection[str] = ()) -> dict[str, Any]:
    """Reads and cleans one book, writes nothing, and says what became of it.

    Raises: LibraryError if the library does not have the book, or it cannot be read."""
    entry = library.entries.get(book_id)
    if entry is None:
        raise LibraryError(
            Fault(
                "a book to show is not in the library.",
                f"--show {book_id}",
                repr(book_id),
                f"a book id of the library{closest(book_id, library.entries)}",
                "correct the id, or add the book",
            )
        )
    source = read_source(entry, library.root)
    skipped = sorted({*skip_rules, *entry.skip_rules})
    book = clean(source.text, source.markup, entry.language, frozenset(skipped))
    begins = [offset for _, offset, _ in book.chapters]
    ends = [*begins, len(book.text)][1:]
    passages = make_passages(book.text, begins)
    cut: dict[str, list[str]] = {}
    for rule, chars in book.shown:
        cut.setdefault(rule, []).append(chars)
    return {
        "id": entry.id,
        "title": entry.title,
        "source": entry.source,
        "markup": source.markup,
        "raw_characters": len(source.text),
        "kept_characters": len(book.text),
        "kept_frac": round(len(book.text) / max(1, len(source.text)), 4),
        "skipped_rules": skipped,
        "cuts": [
            {"rule": rule, "count": count, "characters": chars, "first": cut.get(rule, [])}
            for rule, count, chars in book.cuts
        ],
        "kinds": book.kinds,
        "chapters": [
            {"title": title, "offset": offset, "depth": depth, "characters": end - offset}
            for (title, offset, depth), end in zip(book.chapters, ends, strict=True)
        ],
        "passages": len(passages),
        "held_out": len(hold_out(passages, sha256_hex(book.text.encode("utf-8")))),
        "first_passages": [book.text[p.start : p.end] for p in passages[:SHOWN_PASSAGES]],
    }


def describe(shown: dict[str, Any]) -> str:
    """The same for a reader at a terminal."""
    lines = [
        f"{shown['id']}: {shown['title']}",
        f"  source    {shown['source']} ({shown['markup']})",
        f"  kept      {counted(shown['kept_characters'])} of {counted(shown['raw_characters'])} characters"
        f" ({shown['kept_frac']:.1%})",
        f"  kinds     {', '.join(f'{count} {kind}' for kind, count in shown['kinds'].items()) or 'no paragraph'}",
        f"  passages  {shown['passages']}, {shown['held_out']} of them held out",
    ]
    if shown["skipped_rules"]:
        lines.append(f"  skipped   {', '.join(shown['skipped_rules'])}")
    lines += ["", "what was cut: times, characters, rule"]
    for cut in shown["cuts"]:
        lines.append(f"  {cut['count']:>7} {cut['characters']:>9}  {cut['rule']}: {RULES[cut['rule']]}")
        lines += [f"{'':>20} | {first}" for first in cut["first"]]
    lines += ["", "chapters: characters, title"]
    lines += [f"  {c['characters']:>9}  {'  ' * (c['depth'] - 1)}{c['title']}" for c in shown["chapters"]]
    if not shown["chapters"]:
        lines.append("  none found")
    for number, passage in enumerate(shown["first_passages"], 1):
        text = passage.strip()
        short = text if len(text) <= SHOWN_PASSAGE_CHARS else text[:SHOWN_PASSAGE_CHARS].rstrip() + " ..."
        lines += [
            "",
            f"passage {number}: {len(passage)} characters",
            *(f"  {line}".rstrip() for line in short.split("\n")),
        ]
    return "\n".join(lines)
