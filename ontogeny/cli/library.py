"""`ontogeny library`: catalogues of books, and the locks that pin what genomes take from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ontogeny.cli import library_audit
from ontogeny.cli.shared import GenomeFile, Json, Libraries, Quiet, located, nearest_root, print_json, teller

BookFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of books, under the library's.")]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    group = typer.Typer(no_args_is_help=True, help="Catalogues of books.")
    group.command("list")(list_books)
    group.command("add")(add)
    group.command("lock")(lock)
    library_audit.register(group)
    app.add_typer(group, name="library")


def list_books(
    libraries: Libraries = None,
    level: str = typer.Option("", help="Only this level."),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the books of the nearest catalogue: id, level, field, form, licence, title."""
    from ontogeny.core.library import load_library

    root = nearest_root()
    entries = [
        entry for entry in load_library(root, tuple(libraries or ())).entries.values() if level in ("", entry.level)
    ]
    if json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    for entry in entries if not quiet else ():
        print(f"{entry.id:<32} {entry.level:<11} {entry.field:<22} {entry.form:<13} {entry.licence:<16} {entry.title}")


def add(
    folder: BookFolder,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The catalogue to write, or to add to.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Guess what the books of a folder are, and write them into a catalogue; what stands there already is kept."""
    from ontogeny.corpus.cataloguing import add_books

    added = add_books(folder, nearest_root(), out, teller(quiet))
    if json:
        print_json({"file": str(out), "added": added.entries, "guessed": added.reasons, "left": added.left})
    elif not quiet:
        for book, fields in added.entries.items():
            print(f"{book}: {fields['title']}, by {fields['author']} ({', '.join(added.reasons[book])})")
        for path, why in added.left.items():
            print(f"left out: {path}: {why}")
        print(f"{out}: {len(added.entries)} book(s) added, {len(added.left)} file(s) left out")


def lock(
    genome: GenomeFile,
    libraries: Libraries = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The lock; <genome>.lock.yaml beside it if not given.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Choose the books of a genome's slots, fetch what is remote, and pin every book by size and SHA-256."""
    from ontogeny.core.genome import load_genome
    from ontogeny.core.lock import lock_path
    from ontogeny.corpus.pinning import lock_genome

    loaded = load_genome(genome, (), libraries or (), locked=False)
    path = out or lock_path(genome)
    with located(loaded):
        locked = lock_genome(loaded, path, teller(quiet))
    if json:
        books = {book: pin.model_dump() for book, pin in locked.books.items()}
        slots = {name: filled.model_dump() for name, filled in locked.slots.items()}
        print_json({"file": str(path), "changed": locked.changed, "books": books, "slots": slots})
    elif not quiet:
        for name, filled in locked.slots.items():
            print(name)
            for book in filled.books:
                print(f"   {book}: {filled.reasons[book]}")
        size = sum(pin.bytes for pin in locked.books.values())
        did = "written" if locked.changed else "right already"
        print(f"{path}: {did}; {len(locked.books)} books, {size:,} bytes, {len(locked.slots)} slots")
