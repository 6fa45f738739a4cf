"""`ontogeny watch`: follow a run."""

from __future__ import annotations

import typer

from ontogeny.cli.shared import Quiet, RunFolder


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("watch")(watch)


def watch(run: RunFolder, quiet: Quiet = False) -> None:
    """Print a run's progress as its files grow, until it ends."""
    import io
    import sys

    from ontogeny.cli.shared import existing_run
    from ontogeny.report.watch import watch as follow

    follow(existing_run(run).path, io.StringIO() if quiet else sys.stdout)
