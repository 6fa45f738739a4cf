"""The command line: one file a verb; faults told as blocks, never as tracebacks."""

from __future__ import annotations

import importlib
import sys

import typer

from ontogeny import __version__
from ontogeny.core.errors import INTERRUPTED, DiskError, Fault, OntogenyError

app = typer.Typer(
    name="ontogeny",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Grow a causal language model through stages of books, and prove the order it read.",
)
VERBS = (
    "genome",
    "library",
    "scenes",
    "plan",
    "prepare",
    "run",
    "train",
    "verify",
    "report",
    "probe",
    "converse",
    "experiment",
    "export",
    "watch",
    "runs",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ontogeny {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and end."
    ),
) -> None:
    pass


for verb in VERBS:
    importlib.import_module(f"ontogeny.cli.{verb}").register(app)


def main() -> None:
    """The entry point: exit codes as documented, faults on standard error."""
    try:
        app()
    except OntogenyError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
    except OSError as problem:  # the machine, not us: a folder nobody may write, a file that went away
        print(_refused(problem), file=sys.stderr)
        sys.exit(DiskError.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _refused(problem: OSError) -> DiskError:
    return DiskError(
        Fault(
            "the machine refused.",
            str(problem.filename or ""),
            problem.strerror or str(problem),
            "a place that can be read and written",
            "check the path and its permissions",
        )
    )
