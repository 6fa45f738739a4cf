"""`ontogeny report`: report.html and card.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ontogeny.cli.shared import Quiet


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("report")(report)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    beside: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Another life, say one that skipped the stages before: the last stage's text by both.",
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write report.html and card.md into each run directory."""
    from ontogeny.cli.shared import existing_run
    from ontogeny.report.card import write_card
    from ontogeny.report.page import write_report

    other = existing_run(beside).path if beside else None
    for path in runs:
        run = existing_run(path)
        page = write_report(run.path, other)
        write_card(run.path)
        if not quiet:
            print(page)
