"""`ontogeny experiment`: control arms, paired by seed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ontogeny.cli.shared import GenomeFile, Json, Libraries, Overrides, Quiet, print_json, teller

if TYPE_CHECKING:
    from ontogeny.core.genome import LoadedGenome
    from ontogeny.core.schema_apparatus import Experiment
    from ontogeny.search.experiment import Asked
    from ontogeny.search.measured import Member
    from ontogeny.train.lives import Turn

WORK = ".lives"  # in DIR: the list of lives, its claims and logs
MOST_SEEDS = 1000


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("experiment")(experiment)


def experiment(
    genome: GenomeFile,
    overrides: Overrides = None,
    arms: str = typer.Option(..., "--arms", help="Control arms with commas: shuffle,reverse,without=BOOK."),
    seeds: str = typer.Option(
        "", "--seeds", help="How many lives a side, or their numbers (0,2,5); life n has the genome's seed + n."
    ),
    out: Path = typer.Option(..., "--out", help="The experiment's folder; lives in DIR/<arm>/seed-<n>."),
    workers: int = typer.Option(1, "--workers", help="Lives grown at once; the cores are shared among them."),
    libraries: Libraries = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Grow control arms of a genome, paired by seed, and set each against the genome on all that was measured.

    Run again, it goes on where it was: lives that have ended are kept. Gates are recorded and never act."""
    from ontogeny.core.genome import load_genome
    from ontogeny.core.run import RunDirectory
    from ontogeny.report.experiment_page import write_page
    from ontogeny.search.experiment import write_experiment

    loaded = load_genome(genome, overrides or (), libraries or ())
    names, numbers = arm_names(arms), seed_numbers(seeds, loaded.genome.experiment)
    require(workers >= 1, "an experiment without workers.", "--workers", str(workers), "1 or more")
    check_registered(loaded, names)
    sides = sides_of(loaded, names)
    words = [
        "ontogeny",
        "experiment",
        str(genome),
        *(overrides or ()),
        "--arms",
        arms,
        "--seeds",
        seeds or str(len(numbers)),
    ]
    words += [word for library in libraries or () for word in ("--library", str(library))]
    asked, members = table_of(loaded, names, numbers, out, shlex.join([*words, "--out", str(out)]))
    refuse_another(out, asked, members, sides)
    turns = turns_of(loaded, genome, overrides or (), libraries or (), asked, members, sides, workers)
    with RunDirectory(out).lock():
        write_experiment(out, asked, members, {})  # from now on the folder is this genome's
        code, told = grow(turns, members, out.absolute() / WORK, workers, teller(quiet))
        found = write_experiment(out, asked, members, told)
        page = write_page(out, found)
    if json:
        print_json(found)
    elif not quiet:
        print(f"experiment: {page}", file=sys.stderr)
    for path, message in told.items():
        print(f"{path.parent.name} {path.name}: {message}", file=sys.stderr)
    raise typer.Exit(code)


def require(holds: bool, what: str, where: str, got: str, expected: str, fix: str = "correct it") -> None:
    """Raises: GenomeError with this fault unless it holds."""
    from ontogeny.core.errors import Fault, GenomeError

    if not holds:
        raise GenomeError(Fault(what, where, got, expected, fix))


def arm_names(text: str) -> tuple[str, ...]:
    """The arms of a list with commas. Raises: GenomeError for none, an empty one, or one given twice."""
    names = [name.strip() for name in text.split(",")]
    require(all(names), "an arm has no name.", f"--arms {text}", repr(text), "names with commas: shuffle,reverse")
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, "an arm is given twice.", f"--arms {text}", ", ".join(twice), "each arm once", "drop one")
    return tuple(names)


def seed_numbers(text: str, registered: Experiment | None) -> tuple[int, ...]:
    """The numbers of the lives of each side: 0 to N-1, or those listed; as many as were registered where none are told.

    Raises: GenomeError for fewer than two, for one given twice, for what is no number."""
    from ontogeny.core.errors import Fault, GenomeError

    if not text:
        return tuple(range(registered.seeds if registered else 6))
    try:
        told = [int(word) for word in text.split(",")]
    except ValueError:
        raise GenomeError(
            Fault("seeds are no numbers.", f"--seeds {text}", repr(text), "a count (6) or a list (0,2,5)", "correct it")
        ) from None
    numbers = told if "," in text else list(range(min(told[0], MOST_SEEDS + 1)))
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    place = f"--seeds {text}"
    require(not twice, "a seed is given twice.", place, ", ".join(map(str, twice)), "each seed once", "drop one")
    require(
        2 <= len(numbers) <= MOST_SEEDS,
        "a comparison needs pairs.",
        place,
        str(len(numbers)),
        f"2 to {MOST_SEEDS} seeds",
    )
    require(min(numbers) >= 0, "a seed's number is below 0.", place, str(min(numbers)), "0 or more")
    return tuple(numbers)


def check_registered(loaded: LoadedGenome, names: tuple[str, ...]) -> None:
    """Raises: GenomeError where the pre-registered contrast would never be measured."""
    from ontogeny.core.errors import GenomeError
    from ontogeny.search.registered import registered_faults

    faults = list(registered_faults(loaded.genome, names))
    if faults:
        raise GenomeError([loaded.document.located(fault) for fault in faults])


def sides_of(loaded: LoadedGenome, names: tuple[str, ...]) -> dict[str | None, LoadedGenome]:
    """The genome (None) and its arms, each planned, so that what no life could be grown from is told now.

    Raises: GenomeError for an arm that does not exist or changes nothing."""
    from ontogeny.core.arms import arm_of, with_arm
    from ontogeny.train.planning import planned

    loaded.require_books()
    sides: dict[str | None, LoadedGenome] = {None: loaded}
    sides |= {name: with_arm(loaded, arm_of(name, loaded.genome)) for name in names}
    for side in sides.values():
        planned(side)
    return sides


def table_of(
    loaded: LoadedGenome, names: tuple[str, ...], numbers: tuple[int, ...], out: Path, command: str
) -> tuple[Asked, list[Member]]:
    """The experiment, and its lives in the order they are grown: seed after seed, the genome first."""
    from ontogeny.core.genome import genome_hash
    from ontogeny.search.experiment import Asked
    from ontogeny.search.measured import GENOME, Member

    registered = loaded.genome.experiment
    said = registered.model_dump(mode="json") if registered else None
    asked = Asked(loaded.genome.name, genome_hash(loaded.genome), names, numbers, said, command)
    members = [
        Member(side, number, loaded.genome.seed + number, out.absolute() / side / f"seed-{number}")
        for number in numbers
        for side in (GENOME, *names)
    ]
    return asked, members


def refuse_another(out: Path, asked: Asked, members: list[Member], sides: dict[str | None, LoadedGenome]) -> None:
    """Raises: RunError where the folder holds another experiment, something else, or lives of another genome."""
    from ontogeny.core.errors import Fault, RunError
    from ontogeny.core.run import RunDirectory, place_faults
    from ontogeny.search.experiment import FILE

    with place_faults(out):
        known = RunDirectory(out).read_json(FILE)
        strangers = [] if known or not out.exists() else list(out.glob("[!.]*"))
    if known is not None and known.get("genome") != asked.genome_hash:
        raise RunError(
            Fault(
                "the folder holds another experiment.",
                str(out),
                f"genome {str(known.get('genome'))[:12]} ({known.get('name')})",
                f"genome {asked.genome_hash[:12]} ({asked.name})",
                "choose another --out, or bring back the genome it was made with",
            )
        )
    if strangers or out.is_file():
        raise RunError(
            Fault(
                "this is not an experiment's folder.",
                str(out),
                "a file, or files and no experiment.json",
                "an empty or absent folder, or an experiment",
                "choose another --out",
            )
        )


def turns_of(
    loaded: LoadedGenome,
    genome: Path,
    overrides: list[str] | tuple,
    libraries: list[Path] | tuple,
    asked: Asked,
    members: list[Member],
    sides: dict[str | None, LoadedGenome],
    workers: int,
) -> list[Turn]:
    """What a worker needs to know of each life, in the order of `members`.

    Raises: RunError for a life that ended as another genome's (an arm that has since changed its meaning)."""
    from dataclasses import asdict

    from ontogeny.core.errors import Fault, RunError
    from ontogeny.core.genome import genome_hash
    from ontogeny.search.measured import GENOME
    from ontogeny.train.lives import Turn, with_seed
    from ontogeny.train.planning import this_world

    world = asdict(this_world(loaded.genome, min(workers, len(members))))
    turns = []
    for one in members:
        arm = None if one.side == GENOME else one.side
        mine = genome_hash(with_seed(sides[arm], one.seed).genome)
        known = (one.run.read_json("plan.json") or {}).get("genome_hash", mine)
        if known != mine:
            raise RunError(
                Fault(
                    "a life here is of another genome.",
                    str(one.path),
                    f"genome {known[:12]}",
                    f"genome {mine[:12]}",
                    "choose another --out",
                )
            )
        turns.append(
            Turn(
                genome=str(genome.absolute()),
                overrides=list(overrides),
                libraries=[str(library.absolute()) for library in libraries],
                arm=arm,
                seed=one.seed,
                out=str(one.path),
                genome_hash=mine,
                store=str(one.path.parents[1] / ".store"),
                experiment=asked.genome_hash,
                world=world,
            )
        )
    return turns


def grow(
    turns: list[Turn], members: list[Member], work: Path, workers: int, tell: Callable[[str], None]
) -> tuple[int, dict[Path, str]]:
    """Launches workers until every life has ended or failed once; (exit code, why lives failed).

    Raises: TrainError where workers end before they begin a life."""
    from ontogeny.core.errors import DONE, FAILED, INTERRUPTED, Fault, TrainError
    from ontogeny.core.run import RunDirectory
    from ontogeny.train.launcher import launch_lives
    from ontogeny.train.lives import PROGRESS, write_turns

    failed: dict[Path, str] = {}
    while True:
        rest = [
            (one, turn) for one, turn in zip(members, turns, strict=True) if not one.ended() and one.path not in failed
        ]
        if not rest:
            return (FAILED if failed else DONE), failed
        write_turns(work / "lives.jsonl", [turn for _, turn in rest])
        tell(f"{len(rest)} of {len(members)} lives to grow, {min(workers, len(rest))} at once")
        voice = _Teller(work, [one for one, _ in rest], tell)
        machine = turns[0].world
        code = launch_lives(
            work / "lives.jsonl", min(workers, len(rest)), machine["ranks"], machine["threads_per_rank"], voice.look
        )
        said = {record["life"]: record for record in RunDirectory(work).read_jsonl(PROGRESS)}
        for number, record in said.items():
            if record["said"] == "failed":
                failed[rest[number][0].path] = record["message"]
            elif record["said"] == "begun" and code != INTERRUPTED:
                failed[rest[number][0].path] = f"its worker ended without a word; see {work}/worker-*.log"
        if code == INTERRUPTED or any(record["said"] == "interrupted" for record in said.values()):
            return INTERRUPTED, failed
        if not said:
            raise TrainError(
                Fault(
                    "the workers ended before they began a life.",
                    f"{work}/worker-0.log",
                    f"exit code {code}",
                    "a life",
                    "read the end of the log; run again",
                )
            )


class _Teller:
    """Progress of the lives as plain lines."""

    def __init__(self, work: Path, rest: list[Member], tell: Callable[[str], None]):
        from ontogeny.report.follow import Follower
        from ontogeny.train.lives import PROGRESS

        self.records, self.rest, self.tell, self.ended = Follower(work / PROGRESS), rest, tell, 0

    def look(self) -> None:
        """A line for each life that began or ended since the last look."""
        for record in self.records.new_records():
            one = self.rest[record["life"]]
            self.ended += record["said"] != "begun"
            took = f" in {record['seconds']:.1f} s" if record["said"] != "begun" else ""
            why = f": {_first_line(record)}" if record["said"] == "failed" else ""
            self.tell(f"[{self.ended}/{len(self.rest)}] {one.side} seed-{one.number} {record['said']}{took}{why}")


def _first_line(record: dict[str, Any]) -> str:
    return str(record["message"]).partition("\n")[0]
