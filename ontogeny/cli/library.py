"""`ontogeny library`: catalogues of books."""

from __future__ import annotations

import typer

from ontogeny.cli.shared import Json, Libraries, print_json


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    group = typer.Typer(no_args_is_help=True, help="Catalogues of books.")
    group.command("list")(list_books)
    app.add_typer(group, name="library")


def list_books(
    libraries: Libraries = None, level: str = typer.Option("", help="Only this level."), json: Json = False
) -> None:
    """List the books of the nearest catalogue: id, level, field, form, licence, title."""
    from ontogeny.cli.shared import nearest_root
    from ontogeny.core.library import load_library

    root = nearest_root()
    entries = [
        entry for entry in load_library(root, tuple(libraries or ())).entries.values() if level in ("", entry.level)
    ]
    if json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    for entry in entries:
        print(f"{entry.id:<32} {entry.level:<11} {entry.field:<22} {entry.form:<13} {entry.licence:<16} {entry.title}")
