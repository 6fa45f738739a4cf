"""`ontogeny train`: the walk alone, on the ranks that the launcher started."""

from __future__ import annotations

import typer

from ontogeny.cli.shared import Quiet, RunFolder


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("train")(train)


def train(run: RunFolder, quiet: Quiet = False) -> None:
    """Walk a prepared run; what `deepspeed --module ontogeny.train RUN` runs on every rank (alone: one rank)."""
    import contextlib
    import io
    import os
    import sys

    from ontogeny.cli.shared import existing_run
    from ontogeny.train.branching import finish_branch
    from ontogeny.train.launcher import cores, environment
    from ontogeny.train.rank import PARENT_PIPE, main

    finish_branch(existing_run(run))
    for name, value in environment(cores()).items():
        if name != PARENT_PIPE:
            os.environ.setdefault(name, value)
    for name, value in (
        ("RANK", "0"),
        ("WORLD_SIZE", "1"),
        ("LOCAL_RANK", "0"),
        ("MASTER_ADDR", "127.0.0.1"),
        ("MASTER_PORT", str(20000 + os.getpid() % 20000)),
    ):
        os.environ.setdefault(name, value)
    with contextlib.redirect_stdout(io.StringIO() if quiet else sys.stdout):
        raise typer.Exit(main([str(run)]))
