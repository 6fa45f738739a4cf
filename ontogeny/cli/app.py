"""The command line: one file a verb; faults told as blocks, never as tracebacks."""

from __future__ import annotations

import importlib
import os
import sys

import typer

from ontogeny import __version__
from ontogeny.core.errors import INTERRUPTED, OntogenyError

app = typer.Typer(name="ontogeny", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Grow a causal language model through stages of books, and prove the order it read.")
VERBS = ("genome", "library", "scenes", "plan", "prepare", "run", "train", "verify", "report", "export", "watch")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ontogeny {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True,
                                       help="Print the version and end.")) -> None:
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
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
