"""`ontogeny run`: a whole life on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ontogeny.cli.shared import GenomeFile, Libraries, Out, Overrides, Quiet, teller
from ontogeny.train.preparing import STORE, begin, fresh_or_ours, prepared

if TYPE_CHECKING:
    from ontogeny.core.plan import Plan
    from ontogeny.core.run import RunDirectory

MIRROR_WAIT_S = 60.0


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("run")(run)


def run(
    genome: GenomeFile,
    overrides: Overrides = None,
    out: Out = None,
    libraries: Libraries = None,
    resume: bool = typer.Option(
        False, "--resume", help="Go on with an unfinished run, or with another future; start an absent one."
    ),
    fresh: bool = typer.Option(False, "--fresh", help="Grow every stage anew, though a snapshot of it is stored."),
    quiet: Quiet = False,
) -> None:
    """Prepare, walk every stage under the deepspeed launcher, measure, and write the report."""
    from ontogeny.core.genome import load_genome
    from ontogeny.core.run import RunDirectory
    from ontogeny.train.branching import branch, branches

    loaded = load_genome(genome, overrides or (), libraries or ())
    directory = RunDirectory(out or Path("runs") / loaded.genome.name)
    tell = teller(quiet)
    with fresh_or_ours(directory, loaded, branching=resume):
        if resume and branches(directory, loaded):
            branch(loaded, directory, tell, directory.path.parent / STORE)
        code = _ended(directory, tell)
        if code is None:
            _may_go_on(directory, resume)
            directory.require_machine(loaded.genome.machine.ranks, loaded.genome.machine.zero_stage)
            plan = prepared(loaded, directory, tell)
            code = live(directory, plan, tell, fresh)
    raise typer.Exit(code)


def _ended(run: RunDirectory, tell: Callable[[str], None]) -> int | None:
    """The exit code of a life that has ended, by its stages or by a gate; None where there is more to live."""
    outcome = run.read_json("outcome.json") or {}
    if outcome.get("outcome") not in ("done", "gate_ended"):
        return None
    tell(f"{run.path.name}: {outcome['message']}; report {run / 'report.html'}")
    return int(outcome["exit_code"])


def _may_go_on(run: RunDirectory, resume: bool) -> None:
    from ontogeny.core.errors import Fault, RunError

    if not resume and (run / "events.jsonl").exists():
        last = run.checkpoints()
        raise RunError(
            Fault(
                "a life has begun here and is not finished.",
                str(run.path),
                f"its newest checkpoint is {last[-1].name}" if last else "no checkpoint yet",
                "--resume, or another --out",
                "run again with --resume",
            )
        )


def live(run: RunDirectory, plan: Plan, tell: Callable[[str], None], fresh: bool = False) -> int:
    """Launches the ranks, follows them, mirrors to W&B, writes the report; returns the exit code of the outcome.

    `fresh`: no stage is taken from a snapshot."""
    from ontogeny.report.card import write_card
    from ontogeny.report.page import write_report
    from ontogeny.report.wandb_run import has_key
    from ontogeny.report.watch import Watcher
    from ontogeny.train.launcher import launch
    from ontogeny.train.snapshots import begin_from_snapshot, snapshots_of

    begin(run, plan)
    if not fresh:
        begin_from_snapshot(run, plan, run.read_json("corpus/manifest.json"), snapshots_of(run), tell)
    watcher = Watcher(run.path, tell)
    mirror = _start_mirror(run) if has_key() else None
    try:
        code = launch(run, plan.world.ranks, plan.world.threads_per_rank, watcher.look)
    finally:
        if mirror is not None:
            _close(mirror)
    outcome = run.read_json("outcome.json") or {}
    report = write_report(run.path)
    write_card(run.path)
    if mirror is None:
        mirror = _start_mirror(run)  # without a key there is nobody to watch: mirrored offline, after the life
        _close(mirror)
    try:
        mirror.wait(MIRROR_WAIT_S)
    except subprocess.TimeoutExpired:
        mirror.kill()
    if outcome.get("outcome") == "failed":
        print(outcome["message"], file=sys.stderr)
    tell(f"{outcome.get('outcome', 'ended')}: {outcome.get('message', '')}")
    tell(f"report: {report}")
    return code


def _close(mirror: subprocess.Popen) -> None:
    """The life has ended: the mirror tells what is left and goes."""
    assert mirror.stdin is not None, "started with a pipe"
    mirror.stdin.close()


def _start_mirror(run: RunDirectory) -> subprocess.Popen:
    (run / "wandb").mkdir(exist_ok=True)
    with open(run / "wandb" / "mirror.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "ontogeny.report.mirror", str(run.path), "--follow"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=lambda: os.nice(10),
        )
