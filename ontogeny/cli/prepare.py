"""`ontogeny prepare`: books -> packs, in RUN/corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
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
    from ontogeny.core.plan import Plan

SHOWN_BOOKS = 4


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
    tell = teller(quiet)
    with fresh_or_ours(run, loaded):
        plan = prepared(loaded, run, tell)
    if json:
        print_json(plan.as_dict())
    elif not quiet:
        for line in _scene_lines(plan):
            tell(line)
        print(run.path)


def _scene_lines(plan: Plan) -> Iterator[str]:
    """A line for each stage and kind of scene: how many, and in which books most of them stand."""
    for stage in plan.stages:
        counts = stage.scenes.counts if stage.scenes else {}
        for kind, count in counts.items():
            books: Counter[str] = Counter()
            for placed, book, _, number in stage.scenes.places if stage.scenes else ():
                books[book] += number if placed == kind else 0
            most = [f"{book} {number}" for book, number in books.most_common(SHOWN_BOOKS) if number]
            rest = sum(number > 0 for number in books.values()) - len(most)
            told = ", ".join(most) + (f", {rest} books more" if rest else "")
            yield f"scenes of {stage.name}: {count} {kind} ({told})"


def _show(loaded: LoadedGenome, book: str, json: bool) -> None:
    """Prints what becomes of one book of the library under this genome's rules of cleaning."""
    from ontogeny.corpus.show import describe, show_book

    with located(loaded):
        shown = show_book(loaded.library, book, loaded.genome.cleaning.skip_rules)
    print_json(shown) if json else print(describe(shown))
