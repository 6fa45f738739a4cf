"""A catalogue of the books of a folder: what each most likely is, added to what the catalogue says already."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ontogeny.core.errors import Fault, LibraryError
from ontogeny.core.library import CATALOGUE, Library, load_library
from ontogeny.core.positions import parse_yaml, read_text, shown
from ontogeny.core.run import write_atomic
from ontogeny.corpus.difficulty import measure_difficulty, windows_of
from ontogeny.corpus.guess import FIELDS, book_files, guess_book

LEVELS = ("primer", "lexicon", "school", "university", "science", "initiation")
LEVEL_OF_GRADE = ((6.0, "primer"), (9.0, "school"), (13.0, "university"))  # below so many years at school
HARDEST = "science"
PLAIN = re.compile(r"[^\W\d_][\w./()’' -]*[\w)]")
WORDS = ("true", "false", "null", "yes", "no", "on", "off", "none")
HEAD = (
    "# Books found in {folder} by `ontogeny library add`; what it guessed is said beside each. Correct what is wrong.\n"
)


@dataclass(frozen=True)
class Added:
    """The entries a catalogue gained, why each field was guessed so, and the files that were left out, with why."""

    entries: dict[str, dict[str, Any]]
    reasons: dict[str, list[str]]
    left: dict[str, str]


def add_books(folder: Path, root: Path, out: Path, tell: Callable[[str], None]) -> Added:
    """Adds the readable files below a folder to the catalogue `out`, which may be there already. Entries, comments and
    order of that file stay as they are; a file it names, or whose bytes a book of the library has, is not added again.

    Raises: LibraryError for a folder outside the library's, for a catalogue that is broken or cannot stand at `out`."""
    _check_folder(folder, root)
    _check_place(out)
    library = load_library(root, (out,) if out.exists() and out.resolve() != (root / CATALOGUE).resolve() else ())
    _opened(out, folder)
    taken, known = set(library.entries), {entry.sha256: entry.id for entry in library.entries.values() if entry.sha256}
    sources = {entry.source: entry.id for entry in library.entries.values()}
    added = Added({}, {}, {})
    files = book_files(folder)
    for done, path in enumerate(files):
        place = path.relative_to(folder).as_posix()
        tell(f"look at {place} ({done + 1}/{len(files)})")
        try:
            guess = guess_book(path, root)
        except LibraryError as problem:
            fault = problem.faults[0]
            what = fault.what.removeprefix("book 'guessed' ").rstrip(".")
            added.left[place] = f"{what} ({fault.got})"
            continue
        if same := sources.get(guess.fields["source"]) or known.get(guess.fields["sha256"]):
            added.left[place] = f"it is in the library already, as '{same}'"
            continue
        book = _free(guess.id, taken)
        fields, reasons = dict(guess.fields), dict(guess.reasons)
        _place_by_folder(fields, reasons, path.relative_to(folder.parent).parts[:-1], library, guess.text)
        taken.add(book)
        known[fields["sha256"]] = book
        added.entries[book] = fields
        added.reasons[book] = [f"{name}: {why}" for name, why in reasons.items()]
    if added.entries:
        _write(out, folder, added)
    return added


def _check_folder(folder: Path, root: Path) -> None:
    if not folder.is_dir():
        raise LibraryError(
            Fault("there is no folder of books.", str(folder), "no folder", "a folder of books", "correct the path")
        )
    if not folder.resolve().is_relative_to(root.resolve()):
        raise LibraryError(
            Fault(
                "a folder of books lies outside the library's folder.",
                str(folder),
                str(folder.resolve()),
                f"a folder under {root}, which holds {CATALOGUE}",
                "copy the books into that folder",
            )
        )


def _check_place(out: Path) -> None:
    if out.is_dir() or not out.absolute().parent.is_dir():
        got = "a folder" if out.is_dir() else f"no folder {shown(out.absolute().parent)}"
        raise LibraryError(
            Fault(
                "a catalogue cannot be written there.",
                shown(out),
                got,
                "a file in a folder that exists",
                "change --out",
            )
        )


def _free(book: str, taken: Iterable[str]) -> str:
    """The id, with a number behind it if it is another book's."""
    name, number = book, 1
    while name in taken:
        number += 1
        name = f"{book}-{number}"
    return name


def _place_by_folder(
    fields: dict[str, Any], reasons: dict[str, str], folders: tuple[str, ...], library: Library, text: str
) -> None:
    """Level and field: what a folder on the way is called says more than the words; without one, the level is the
    grade of the text."""
    named = [re.sub(r"^[\W\d_]+|[\W_]+$", "", part).lower().replace("_", " ") for part in reversed(folders)]
    levels = {*LEVELS, *(entry.level for entry in library.entries.values())}
    areas = {*FIELDS, *(entry.field for entry in library.entries.values())} - levels
    if level := next((name for name in named if name in levels), None):
        fields["level"], reasons["level"] = level, "its folder"
    else:
        grade = measure_difficulty(windows_of(text), fields["language"])["grade"]
        if grade is not None:
            found = next((name for below, name in LEVEL_OF_GRADE if grade["value"] < below), HARDEST)
            fields["level"], reasons["level"] = found, f"it reads like school year {grade['value']:.0f}"
    if area := next((name for name in named if name in areas), None):
        fields["field"], reasons["field"] = area, "its folder"


def _opened(out: Path, folder: Path) -> tuple[str, Any]:
    """(text, the same as values) of the catalogue that books are added to. Raises: LibraryError if none can be."""
    text = read_text(out, LibraryError) if out.exists() else HEAD.format(folder=shown(folder)) + "books:\n"
    before = parse_yaml(text, shown(out), LibraryError) if out.exists() else None
    if before and before.value["books"] and not re.search(r"^books:[ \t]*(?:#.*)?$", text, re.M):
        raise LibraryError(
            Fault(
                "a catalogue holds its books in braces.",
                before.at(("books",)),
                "books: {...}",
                "`books:` on a line of its own, each book under it",
                "write the books in blocks, or choose another --out",
            )
        )
    return text, before


def _write(out: Path, folder: Path, added: Added) -> None:
    """Puts the new entries behind the last book of the catalogue, and proves that nothing else changed."""
    text, before = _opened(out, folder)
    old = before.value["books"] if before else {}
    text = re.sub(r"^books:[ \t]*\{\s*\}", "books:", text, flags=re.M)
    indent = (
        " " * (int(before.places["books", next(iter(old)), "@key"].rsplit(":", 1)[1]) - 1) if before and old else "  "
    )
    lines = text.splitlines(keepends=True)
    at = _end_of_books(lines)
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    lines[at:at] = [_entry(book, fields, added.reasons[book], indent) for book, fields in added.entries.items()]
    written = "".join(lines)
    found = parse_yaml(written, shown(out), LibraryError).value["books"]
    assert found == {**old, **added.entries}, f"adding to {out} changed something else"
    write_atomic(out, written)


def _end_of_books(lines: list[str]) -> int:
    """The line behind the last book: where the next key of the file begins, or the file ends."""
    start = next(number for number, line in enumerate(lines) if re.match(r"books:", line)) + 1
    for number in range(start, len(lines)):
        if re.match(r"[^\s#]", lines[number]):
            while lines[number - 1].startswith("#") or not lines[number - 1].strip():
                number -= 1
            return number
    return len(lines)


def _entry(book: str, fields: dict[str, Any], reasons: list[str], indent: str) -> str:
    lines = [f"{indent}{_scalar(book)}:", f"{indent}  # guessed: {'; '.join(reasons)}"]
    lines += [f"{indent}  {key}: {_scalar(value)}" for key, value in fields.items()]
    return "\n".join(lines) + "\n"


def _scalar(value: Any) -> str:
    """A value in YAML: a plain word where nobody could take it for anything else."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
