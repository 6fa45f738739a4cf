"""`ontogeny prepare`: books -> packs, in RUN/corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ontogeny.cli.shared import (
    GenomeFile,
    Json,
    Libraries,
    Out,
    Overrides,
    Quiet,
    located,
    print_json,
    teller,
)
from ontogeny.train.preparing import fresh_or_ours, prepared

if TYPE_CHECKING:
    from ontogeny.core.genome import LoadedGenome


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("prepare")(prepare)


def prepare(
    genome: GenomeFile,
    overrides: Overrides = None,
    out: Out = None,
    libraries: Libraries = None,
    show: str = typer.Option("", "--show", metavar="BOOK", help="Print what becomes of one book; prepare nothing."),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read the books, clean them, place the scenes, train the tokenizer, write the ordered packs and their proof."""
    from ontogeny.core.genome import load_genome
    from ontogeny.core.run import RunDirectory

    loaded = load_genome(genome, overrides or (), libraries or ())
    if show:
        _show(loaded, show, json)
        return
    run = RunDirectory(out or Path("runs") / loaded.genome.name)
    with fresh_or_ours(run, loaded):
        plan = prepared(loaded, run, teller(quiet))
    if json:
        print_json(plan.as_dict())
    elif not quiet:
        print(run.path)


def _show(loaded: LoadedGenome, book: str, json: bool) -> None:
    """Prints what becomes of one book of the library under this genome's rules of cleaning."""
    from ontogeny.corpus.show import describe, show_book

    with located(loaded):
        shown = show_book(loaded.library, book, loaded.genome.cleaning.skip_rules)
    print_json(shown) if json else print(describe(shown))
