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
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")], quiet: Quiet = False
) -> None:
    """Write report.html and card.md into each run directory."""
    from ontogeny.cli.shared import existing_run
    from ontogeny.report.card import write_card
    from ontogeny.report.page import write_report

    for path in runs:
        run = existing_run(path)
        write_card(run.path)
        page = write_report(run.path)
        if not quiet:
            print(page)
