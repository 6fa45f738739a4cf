"""`ontogeny runs list|prune`: what stands in a folder of runs, and keeping the disk."""

from __future__ import annotations

import contextlib
import fcntl
import json as json_of
import os
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from ontogeny.cli.shared import Json, Quiet, print_json

GIB = 1 << 30
STORES = (".store", "*/.store")  # of runs, and of an experiment's arms
RUNS = ("*", "*/*", "*/*/*")

Runs = typer.Argument(Path("runs"), metavar="[FOLDER]", help="A folder of runs.")


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    group = typer.Typer(no_args_is_help=True, help="What runs there are, and how much of the disk they hold.")
    group.command("list")(list_runs)
    group.command("prune")(prune)
    app.add_typer(group, name="runs")


def list_runs(folder: Path = Runs, json: Json = False, quiet: Quiet = False) -> None:
    """List the runs of a folder, the snapshots they share and the corpora their arms share: size, last use."""
    _require(folder)
    runs = [_run_facts(folder, path) for path in _runs_of(folder)]
    snapshots, corpora = read_snapshots(folder), read_corpora(folder)
    told: list[dict[str, Any]] = [
        {
            "snapshot": one.path.name,
            "genome": one.about.get("genome"),
            "stages": one.about.get("stages"),
            "tokens": one.about.get("tokens"),
            "bytes": one.bytes,
            "last_used": one.last_used,
        }
        for one in snapshots
    ]
    shared = [{"corpus": one.path.name, "bytes": one.bytes, "last_used": one.last_used} for one in corpora]
    held, corpus_bytes = freed_bytes(snapshots), freed_bytes(corpora)
    if json:
        further = {"corpora": shared, "corpus_bytes": corpus_bytes}
        print_json({"runs": runs, "snapshots": told, "snapshot_bytes": held, **further})
        return
    if quiet:
        return
    for run in runs:
        print(
            f"{run['run']}  {run['name']}  genome {run['genome_hash'][:12]}  {run['lived']}/{run['stages']} stages  "
            f"{run['outcome']}  {_size(run['bytes'])}"
        )
    for one in told:
        stages = ", ".join(one["stages"] or ["unreadable"])
        print(f"{one['snapshot'][:12]}  snapshot  {stages}  {_size(one['bytes'])}  used {_moment(one['last_used'])}")
    for one in corpora:
        print(f"{one.path.name[:12]}  corpus    of arms  {_size(one.bytes)}  used {_moment(one.last_used)}")
    alone = f", {len(corpora)} corpora of arms {_size(corpus_bytes)}" if corpora else ""
    print(f"{len(runs)} runs; {len(told)} snapshots, which alone hold {_size(held)}{alone}")


def prune(
    folder: Path = Runs,
    keep_gib: float = typer.Option(..., "--keep-gib", min=0.0, help="GiB that snapshots and arms' corpora may hold."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would go; remove nothing."),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Remove the least recently used snapshots and corpora of arms until they hold no more than a budget.

    Runs are never touched. A file that a run holds too is not counted: to remove its snapshot frees nothing of it."""
    from ontogeny.core.run import remove_tree

    _require(folder)
    left = sorted([*read_snapshots(folder), *read_corpora(folder)], key=lambda one: one.last_used)
    held, going = freed_bytes(left), []
    while left and held - freed_bytes(going) > keep_gib * GIB:
        going.append(left.pop(0))
    gone, now = [one.path for one in going], held - freed_bytes(going)
    for path in gone if not dry_run else ():
        hidden = path.with_name(f".{path.name}.{os.getpid()}")
        with _alone(path):
            path.rename(hidden)  # nobody finds half of one
        remove_tree(hidden)
    if json:
        told = {"removed": [path.name for path in gone], "freed_bytes": held - now, "bytes": now, "dry_run": dry_run}
        print_json(told)
    elif not quiet:
        for path in gone:
            print(f"{'would remove' if dry_run else 'removed'} {path.name[:12]}")
        what = "snapshots" if all(path.parent.name == "snapshots" for path in gone) else "snapshots and corpora"
        print(f"{len(gone)} {what}, {_size(held - now)} freed; {len(left)} left, which alone hold {_size(now)}")


@contextlib.contextmanager
def _alone(path: Path) -> Generator[None]:
    """Waits until nobody reads or makes a corpus that the arms of a store share."""
    lock = path.with_name(f"{path.name}.lock")
    with open(lock, "rb") if lock.is_file() else contextlib.nullcontext() as held:
        if held is not None:
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Stored:
    """A snapshot or a corpus in a store; its files: (device, inode) -> (bytes, links within it, links there are)."""

    path: Path
    about: dict[str, Any]
    last_used: float
    inodes: dict[tuple[int, int], tuple[int, int, int]]

    @property
    def bytes(self) -> int:
        """Of its files, whoever else holds them."""
        return sum(size for size, _, _ in self.inodes.values())


def read_corpora(folder: Path) -> list[Stored]:
    """Every corpus that arms share in the stores of a folder of runs; its lock tells when it was last used."""
    found = [path for store in STORES for path in folder.glob(f"{store}/corpora/[!.]*") if path.is_dir()]
    locks = [(path, path.with_name(f"{path.name}.lock")) for path in sorted(found)]
    return [Stored(path, {}, (lock if lock.exists() else path).stat().st_mtime, _inodes(path)) for path, lock in locks]


def read_snapshots(folder: Path) -> list[Stored]:
    """Every snapshot in the stores of a folder of runs; one that cannot be read is there too."""
    found = []
    for path in sorted(path for store in STORES for path in folder.glob(f"{store}/snapshots/[!.]*") if path.is_dir()):
        try:
            about = json_of.loads((path / "snapshot.json").read_bytes())
            used = (path / "snapshot.json").stat().st_mtime
        except (OSError, ValueError):
            about, used = {}, 0.0
        found.append(Stored(path, about if isinstance(about, dict) else {}, used, _inodes(path)))
    return found


def _inodes(folder: Path) -> dict[tuple[int, int], tuple[int, int, int]]:
    inodes: dict[tuple[int, int], tuple[int, int, int]] = {}
    for file in (file for file in folder.rglob("*") if file.is_file()):
        told = file.stat()
        _, links, _ = inodes.get((told.st_dev, told.st_ino), (0, 0, 0))
        inodes[told.st_dev, told.st_ino] = told.st_size, links + 1, told.st_nlink
    return inodes


def freed_bytes(snapshots: list[Stored]) -> int:
    """Bytes that would be freed if all these went: of files that nothing else links to, each counted once."""
    links: Counter[tuple[int, int]] = Counter()
    for one in snapshots:
        links.update({inode: count for inode, (_, count, _) in one.inodes.items()})
    known = {inode: (size, there) for one in snapshots for inode, (size, _, there) in one.inodes.items()}
    return sum(size for inode, (size, there) in known.items() if there == links[inode])


def _runs_of(folder: Path) -> list[Path]:
    found = {path.parent for pattern in RUNS for path in folder.glob(f"{pattern}/genome.yaml")}
    return sorted(path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts))


def _run_facts(folder: Path, path: Path) -> dict[str, Any]:
    """What a line says of a run; of one whose files are spoiled, that."""
    from ontogeny.core.errors import OntogenyError
    from ontogeny.core.run import RunDirectory

    run = RunDirectory(path)
    try:
        plan, outcome = run.read_json("plan.json") or {}, run.read_json("outcome.json")
        state = str((outcome or {}).get("outcome") or ("begun" if (run / "events.jsonl").exists() else "prepared"))
    except OntogenyError:
        plan, state = {}, "spoiled"
    lived = {one.name.partition(".")[0] for one in run.stage_folders() if (one / "fingerprints.json").is_file()}
    return {
        "run": path.relative_to(folder).as_posix(),
        "name": str(plan.get("name", "?")),
        "genome_hash": str(plan.get("genome_hash", "?")),
        "stages": len(plan.get("stages", ())),
        "lived": len(lived - {"00-conception"}),
        "outcome": state,
        "bytes": sum(size for size, _, _ in _inodes(path).values()),
    }


def _require(folder: Path) -> None:
    from ontogeny.core.errors import Fault, RunError

    if not folder.is_dir():
        got = "a file" if folder.exists() else "nothing there"
        raise RunError(Fault("there is no such folder of runs.", str(folder), got, "a folder", "correct the path"))


def _size(count: int) -> str:
    return f"{count / GIB:.2f} GiB" if count >= GIB // 10 else f"{count / (1 << 20):.1f} MiB"


def _moment(seconds: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
