"""`ontogeny genome`: check, show and compare genome files; `genome_write` makes and breeds them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from ontogeny.cli import genome_write
from ontogeny.cli.genome_write import Second
from ontogeny.cli.shared import GenomeFile, Json, Libraries, Overrides, Quiet, located, planned, print_json

if TYPE_CHECKING:
    from ontogeny.core.errors import Fault
    from ontogeny.core.library import Library


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    group = typer.Typer(no_args_is_help=True, help="Make, check, show, compare and breed genome files.")
    genome_write.register(group)
    for command in (check, schema, show, diff):
        group.command()(command)
    app.add_typer(group, name="genome")


def check(
    genome: GenomeFile,
    overrides: Overrides = None,
    libraries: Libraries = None,
    strict: bool = typer.Option(False, "--strict", help="Warnings are faults."),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell all faults of a genome and of the scenes it reads, with line and column; and its warnings."""
    from ontogeny.core.errors import USER_FAULT, Fault, GenomeError, OntogenyError
    from ontogeny.core.genome import load_genome
    from ontogeny.corpus.authored import authored_scenes

    warnings: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    try:
        loaded = load_genome(genome, overrides or (), libraries or ())
        plan = planned(loaded)
        warnings = plan.warnings
        with located(loaded):
            authored_scenes(plan, loaded.library)
        if strict and warnings:
            expected, fix = "no warning, as --strict asks", "mend it, or check without --strict"
            raise GenomeError(Fault(f"{warning}.", str(genome), "a warning", expected, fix) for warning in warnings)
    except OntogenyError as problem:
        if not json:
            raise
        faults = problem.faults
    if json:
        print_json({"genome": str(genome), "faults": [_fault(one) for one in faults], "warnings": list(warnings)})
        raise typer.Exit(USER_FAULT if faults else 0)
    if quiet:
        return
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{genome}: no fault, {len(warnings)} warning(s)")


def _fault(fault: Fault) -> dict[str, Any]:
    """A fault with its file, line and column apart, where it has them."""
    import re

    place = re.match(r"(.+?):(\d+):(\d+)(?:  |$)", fault.where)
    told: dict[str, Any] = dict(fault.__dict__)
    return {**told, "file": place[1], "line": int(place[2]), "column": int(place[3])} if place else told


def schema(
    markdown: bool = typer.Option(False, "--markdown", help="The page for people: docs/genome.md."),
    quiet: Quiet = False,
) -> None:
    """Print the JSON Schema of genome files, for editors, or the page that tells every key."""
    from ontogeny.core.description import genome_markdown, genome_schema

    if not quiet:
        sys.stdout.write(genome_markdown() if markdown else genome_schema())


def show(
    genome: GenomeFile,
    overrides: Overrides = None,
    libraries: Libraries = None,
    tree: bool = typer.Option(False, "--tree", help="Stages, sections and books, with titles and sizes."),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print a genome with stage defaults and overrides composed, or the tree of what it reads."""
    from ontogeny.core.genome import load_genome
    from ontogeny.core.tree import genome_tree, told_tree

    loaded = load_genome(genome, overrides or (), libraries or ())
    if tree:
        value = genome_tree(loaded, _file_sizes(loaded.library))
        if json:
            print_json(value)
        elif not quiet:
            print(told_tree(value))
    elif json:
        print_json(loaded.resolved)
    elif not quiet:
        sys.stdout.write(loaded.text)


def diff(
    genome: GenomeFile, other: Second, libraries: Libraries = None, json: Json = False, quiet: Quiet = False
) -> None:
    """Tell what differs between two genomes: by stage, section, book, order, rate; not by line."""
    from ontogeny.core.diff import diff_genomes, told_changes
    from ontogeny.core.genome import load_genome

    one, two = (load_genome(path, (), libraries or ()).genome for path in (genome, other))
    changes = diff_genomes(one, two)
    if json:
        print_json({"equal": not changes, "changes": [change.as_dict() for change in changes]})
    elif not quiet:
        print(told_changes(changes))


def _file_sizes(library: Library) -> Callable[[str], int | None]:
    """Bytes of a book where they are known without reading it."""

    def size_of(book: str) -> int | None:
        entry = library.entries[book]
        path = library.root / entry.source.partition(":")[2].partition("#")[0]
        if entry.bytes is not None or not entry.source.startswith("file:") or "#" in entry.source:
            return entry.bytes
        return path.stat().st_size if path.is_file() else None

    return size_of
