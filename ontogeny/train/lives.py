"""Many lives in one launch: a worker prepares and grows them in turn, and each is what an ordinary life is.

FILE is JSON lines, one a life (see `Turn`). Workers that share a FILE claim lives in its order, one at a time. What
happens is told in `progress.jsonl` beside FILE: {life, said: begun | done | failed | interrupted, code, message,
seconds}. A life that fails on one rank is told and the next begins; with several ranks the peers may be waiting in a
collective, so the worker ends there and whoever launched it launches again."""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import threading
import time
import traceback
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ontogeny.core.errors import DONE, FAILED, INTERRUPTED, Fault, GenomeError, OntogenyError
from ontogeny.core.genome import LoadedGenome, genome_hash, load_genome
from ontogeny.core.plan import World
from ontogeny.core.run import RunDirectory, write_atomic, write_json
from ontogeny.train.gate import MEMBER
from ontogeny.train.preparing import begin, fresh_or_ours, prepared
from ontogeny.train.snapshots import begin_from_snapshot, snapshots_of

PROGRESS = "progress.jsonl"
CLAIMS = "claims"


@dataclass(frozen=True)
class Turn:
    """One life of a worker's list: a genome file with its overrides, catalogues, arm (null: none) and seed; where it is
    grown; the hash its genome must have; the store it shares; the experiment it belongs to; the machine."""

    genome: str
    overrides: list[str]
    libraries: list[str]
    arm: str | None
    seed: int
    out: str
    genome_hash: str
    store: str
    experiment: str
    world: dict[str, Any]


def write_turns(file: Path, turns: list[Turn]) -> None:
    """The list of lives; what an earlier launch claimed and told is taken away."""
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(file.parent / CLAIMS, ignore_errors=True)
    (file.parent / CLAIMS).mkdir()
    (file.parent / PROGRESS).unlink(missing_ok=True)
    write_atomic(file, "".join(json.dumps(asdict(turn), ensure_ascii=False) + "\n" for turn in turns))


def read_turns(file: Path) -> list[Turn]:
    """The lives of a list. Raises: OSError, ValueError or TypeError for a file that `write_turns` did not write."""
    return [Turn(**json.loads(line)) for line in file.read_text("utf-8").split("\n") if line]


def with_seed(loaded: LoadedGenome, seed: int) -> LoadedGenome:
    """The genome with another seed."""
    return LoadedGenome(loaded.genome.model_copy(update={"seed": seed}), loaded.path, loaded.library, loaded.document)


def arm_life(loaded: LoadedGenome, arm: str | None, seed: int) -> LoadedGenome:
    """The genome of one life: an arm of it (None: itself) with a seed."""
    from ontogeny.core.arms import arm_of, with_arm

    return with_seed(with_arm(loaded, arm_of(arm, loaded.genome)) if arm else loaded, seed)


def grow_lives(file: Path, stop: threading.Event) -> int:
    """Grows what of the list nobody has claimed; every rank calls. Returns the worker's exit code."""
    from ontogeny.train.learner import start_distributed

    turns = read_turns(file)
    rank, world = start_distributed(turns[0].world["threads_per_rank"] if turns else 1, 0)
    genomes: dict[tuple, LoadedGenome] = {}
    code, settled = DONE, False
    while True:
        number = _agreed(_claim(file, len(turns), stop) if rank == 0 else None, world)
        if number is None:
            break
        ended = _grow(turns[number], Voice(file, number, rank), stop, genomes, world)
        code = ended or code
        if ended == INTERRUPTED:
            break
        if (
            ended == DONE and not settled
        ):  # every room is loaded by now: set aside, so that letting an engine go does not search all of it
            gc.collect()
            gc.freeze()
            settled = True
    return INTERRUPTED if _agreed(stop.is_set(), world) else code


class Voice:
    """Tells what becomes of one life."""

    def __init__(self, file: Path, number: int, rank: int):
        self.path, self.number, self.rank, self.started = file.parent / PROGRESS, number, rank, time.time()

    def say(self, said: str, code: int = DONE, message: str = "") -> None:
        """One line, appended at once, so that the lines of several workers do not mix. Rank 0 tells; a rank that fails
        alone tells it itself."""
        if self.rank and said != "failed":
            return
        line = {"life": self.number, "said": said, "code": code, "message": message}
        raw = json.dumps(line | {"seconds": round(time.time() - self.started, 3)}, ensure_ascii=False) + "\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, raw.encode("utf-8"))
        finally:
            os.close(handle)


def _claim(file: Path, lives: int, stop: threading.Event) -> int | None:
    """The first life that nobody has claimed, claimed; None where there is none, or where no more is to begin."""
    for number in range(lives if stop.is_set() else 0, lives):
        with suppress(FileExistsError):
            os.close(os.open(file.parent / CLAIMS / str(number), os.O_CREAT | os.O_EXCL))
            return number
    return None


def _agreed(value: Any, world: int) -> Any:
    """Rank 0's word, on every rank."""
    if world == 1:
        return value
    import torch.distributed as dist

    told = [value]
    dist.broadcast_object_list(told, src=0)
    return told[0]


def _grow(turn: Turn, voice: Voice, stop: threading.Event, genomes: dict[tuple, LoadedGenome], world: int) -> int:
    """One life from its genome to its outcome; the exit code of the outcome."""
    from ontogeny.train.rank import LAST_WAIT_S, TRAIN_LOCK, live, write_outcome

    run = RunDirectory(turn.out)
    fault = None
    with ExitStack() as held:
        voice.say("begun")
        if voice.rank == 0:
            try:
                _prepare(turn, run, held, genomes)
                held.enter_context(run.lock(TRAIN_LOCK, wait_s=LAST_WAIT_S))
            except Exception as problem:
                fault = _told(problem)
        if (fault := _agreed(fault, world)) is not None:
            voice.say("failed", *fault)
            return fault[0]
        try:
            outcome, code, message = live(run, stop)
        except Exception as problem:
            fault = _told(problem)
        if fault is not None:
            outcome, (code, message) = "failed", fault
            gc.collect()  # with its exception a refused write lets go of its file, and of the room it took
        if voice.rank == 0 or not (run / "outcome.json").exists():
            with suppress(OntogenyError):
                write_outcome(run, outcome, code, message, voice.started)
        voice.say(outcome, code, message)
        if fault is not None and world > 1:
            os._exit(code)
    return code


def _told(problem: Exception) -> tuple[int, str]:
    if isinstance(problem, OntogenyError):
        return problem.exit_code, str(problem)
    traceback.print_exc()
    sys.stderr.flush()
    return FAILED, f"{type(problem).__name__}: {problem}"


def _prepare(turn: Turn, run: RunDirectory, held: ExitStack, genomes: dict[tuple, LoadedGenome]) -> None:
    """The run directory of a life, held until the life has ended. A genome is read once a worker."""
    from ontogeny.train.rank import LAST_WAIT_S

    key = (turn.genome, *turn.overrides, *turn.libraries)
    if key not in genomes:
        genomes[key] = load_genome(Path(turn.genome), turn.overrides, [Path(one) for one in turn.libraries])
    loaded = arm_life(genomes[key], turn.arm, turn.seed)
    if (found := genome_hash(loaded.genome)) != turn.genome_hash:
        raise GenomeError(
            Fault(
                "the genome changed while its lives were grown.",
                turn.genome,
                f"genome {found[:12]}",
                f"genome {turn.genome_hash[:12]}",
                "bring back the genome, or begin another experiment",
            )
        )
    held.enter_context(fresh_or_ours(run, loaded, wait_s=LAST_WAIT_S))  # a killed start may be ending
    run.require_machine(loaded.genome.machine.ranks, loaded.genome.machine.zero_stage)
    plan = prepared(loaded, run, lambda _: None, Path(turn.store), World(**turn.world))
    member = {"experiment": turn.experiment, "arm": turn.arm, "seed": turn.seed, "gates": "recorded"}
    write_json(run / MEMBER, member | {"store": os.path.relpath(turn.store, run.path)})
    begin(run, plan)
    begin_from_snapshot(run, plan, run.read_json("corpus/manifest.json"), snapshots_of(run), lambda _: None)
