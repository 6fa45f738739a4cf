"""`ontogeny genome`: check, show and describe genome files."""

from __future__ import annotations

import sys

import typer

from ontogeny.cli.shared import GenomeFile, Json, Libraries, Overrides, planned, print_json


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    group = typer.Typer(no_args_is_help=True, help="Check, show and describe genome files.")
    for command in (check, show, schema):
        group.command()(command)
    app.add_typer(group, name="genome")


def check(
    genome: GenomeFile,
    overrides: Overrides = None,
    libraries: Libraries = None,
    strict: bool = typer.Option(False, "--strict", help="Warnings are faults."),
) -> None:
    """Tell all faults of a genome, with line and column; and its warnings."""
    from ontogeny.core.errors import USER_FAULT
    from ontogeny.core.genome import load_genome

    warnings = planned(load_genome(genome, overrides or (), libraries or ())).warnings
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if strict and warnings:
        raise typer.Exit(USER_FAULT)
    print(f"{genome}: no fault, {len(warnings)} warning(s)")


def show(genome: GenomeFile, overrides: Overrides = None, libraries: Libraries = None, json: Json = False) -> None:
    """Print a genome with stage defaults and overrides composed."""
    from ontogeny.core.genome import load_genome

    loaded = load_genome(genome, overrides or (), libraries or ())
    if json:
        print_json(loaded.resolved)
    else:
        sys.stdout.write(loaded.text)


def schema() -> None:
    """Print the JSON Schema of genome files, for editors."""
    from ontogeny.core.genome import genome_schema

    sys.stdout.write(genome_schema())
