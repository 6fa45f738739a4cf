"""One rank of a life, or of several in turn: reads the run directory, walks, writes the outcome."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import ExitStack, suppress
from pathlib import Path

from ontogeny.core.errors import DONE, FAILED, GATE_ENDED, INTERRUPTED, USER_FAULT, Fault, OntogenyError, RunError
from ontogeny.core.plan import Plan
from ontogeny.core.run import RunDirectory, write_json

PARENT_PIPE = "ONTOGENY_PARENT_PIPE"  # set by `ontogeny run`: standard input is a pipe that it holds open
TRAIN_LOCK = ".train.lock"
LAST_WAIT_S = 30.0


def main(arguments: list[str]) -> int:
    """Walks the run, or the lives of a list; returns the exit code of the outcome. Every rank returns the same."""
    parser = argparse.ArgumentParser(prog="python -m ontogeny.train", description=__doc__)
    parser.add_argument("--local_rank", type=int, default=0, help="given by the launcher")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("run", type=Path, nargs="?", help="a run directory made by `ontogeny prepare` or `ontogeny run`")
    what.add_argument("--lives", type=Path, metavar="FILE", help="lives to prepare and grow in turn, as JSON lines")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    _listen(stop)
    if options.lives is not None:
        return _lives(options.lives, stop)
    run = RunDirectory(options.run)
    started = time.time()
    rank = int(os.environ.get("RANK", "0"))
    try:
        with ExitStack() as held:
            if rank == 0:
                held.enter_context(run.lock(TRAIN_LOCK, wait_s=LAST_WAIT_S))
            outcome, code, told = live(run, stop)
            if rank == 0:
                write_outcome(run, outcome, code, told, started)
            _part()
        return code
    except OntogenyError as problem:
        code, told = problem.exit_code, str(problem)
    except Exception as problem:  # the last line of a process: tell the parent, keep the trace in the log
        with suppress(OSError):
            traceback.print_exc()
        code, told = FAILED, f"{type(problem).__name__}: {problem}"
    gc.collect()  # with its exception a refused write lets go of its file, and of the room it took
    _failed(run, told, started, code)
    os._exit(code)  # peers may be waiting in a collective: do not join them


def _lives(file: Path, stop: threading.Event) -> int:
    """The lives of a list, in turn; a fault of the worker itself ends it."""
    from ontogeny.train.lives import grow_lives

    try:
        code = grow_lives(file, stop)
        _part()
        return code
    except OntogenyError as problem:
        code, told = problem.exit_code, str(problem)
    except Exception as problem:
        traceback.print_exc()
        code, told = FAILED, f"{type(problem).__name__}: {problem}"
    print(told, file=sys.stderr, flush=True)
    os._exit(code)  # peers may be waiting in a collective: do not join them


def live(run: RunDirectory, stop: threading.Event) -> tuple[str, int, str]:
    """Walks a prepared run to its end, or to a stop: (outcome, exit code, message). Every rank calls."""
    from ontogeny.core.hashes import file_sha256
    from ontogeny.corpus.rows import Corpus  # heavy rooms only now, so that a bad run directory is told at once
    from ontogeny.train.learner import Learner, start_distributed
    from ontogeny.train.ledger import Ledger
    from ontogeny.train.measure import Measurer
    from ontogeny.train.walk import Interrupted, walk

    corpus = Corpus(run / "corpus")
    plan = replan(run, corpus.manifest)
    rank, world = start_distributed(plan.world.threads_per_rank, plan.seed)
    ledger = Ledger(run, plan, rank, world)
    learner = Learner(plan, corpus, rank, world, run)
    if rank == 0:
        run.event(
            "ranks_started",
            ranks=world,
            zero_stage=plan.genome.machine.zero_stage,
            threads_per_rank=plan.world.threads_per_rank,
            device=plan.world.device,
            **{f"{name}_sha256": file_sha256(run / name) for name in ("genome.yaml", "plan.json")},
        )
    try:
        ended = walk(plan, corpus, learner, Measurer(plan, corpus, ledger), ledger, stop)
    except Interrupted:
        return "interrupted", INTERRUPTED, "stopped at a step boundary, with a checkpoint"
    finally:
        if learner.engine is not None:
            learner.leave()
    last = plan.stages[-1].name
    if ended == "gate_ended":
        return "gate_ended", GATE_ENDED, "a gate did not let this life pass"
    return "done", DONE, f"all stages to {last} were read"


def replan(run: RunDirectory, manifest: dict) -> Plan:
    """The plan of a prepared run on the machine it runs on now; it equals plan.json but for the world.

    Raises: RunError where the ranks that the launcher started are not those the plan was made for."""
    from ontogeny.core.genome import resolved_genome
    from ontogeny.core.plan import ModelFacts, World, make_plan

    written = run.read_json("plan.json")
    if written is None:
        raise RunError(
            Fault(
                "this is not a prepared run.",
                str(run.path),
                "no plan.json",
                "a run directory",
                "`ontogeny prepare GENOME --out RUN` first",
            )
        )
    genome = resolved_genome(run / "genome.yaml")
    ranks = int(os.environ.get("WORLD_SIZE", genome.machine.ranks))
    if ranks != written["world"]["ranks"]:
        raise RunError(
            Fault(
                "the launcher started another number of ranks.",
                str(run.path),
                f"{ranks} ranks",
                f"{written['world']['ranks']}, as planned",
                f"prepare again with machine.ranks={ranks}, or launch {written['world']['ranks']}",
            )
        )
    return make_plan(genome, None, World(**written["world"]), ModelFacts(**written["model"]), manifest)


def _listen(stop: threading.Event) -> None:
    """A signal, or the end of the parent's pipe, asks for a stop at the next step boundary."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if os.environ.get(PARENT_PIPE):
        threading.Thread(target=_wait_for_end, args=(stop,), daemon=True).start()


def _wait_for_end(stop: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    stop.set()


def _part() -> None:
    """No rank leaves before rank 0 has written: the launcher ends the others when one is gone."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def _failed(run: RunDirectory, told: str, started: float, code: int) -> None:
    """Rank 0's word stands; another rank writes only where nothing is written yet.

    A user's fault changes nothing in the run; a parent that waits for an outcome is told it there all the same."""
    mine = int(os.environ.get("RANK", "0")) == 0 or not (run / "outcome.json").exists()
    if mine and (code != USER_FAULT or os.environ.get(PARENT_PIPE)):
        with suppress(OntogenyError):  # a full disk: what is told below is the same
            write_outcome(run, "failed", code, told, started)
    with suppress(OSError):  # standard error may be a log on that disk
        print(told, file=sys.stderr, flush=True)


def write_outcome(run: RunDirectory, outcome: str, code: int, told: str, started: float) -> None:
    """How a life ended: outcome.json, and the last event."""
    seconds = round(time.time() - started, 3)
    write_json(run / "outcome.json", {"outcome": outcome, "exit_code": code, "message": told, "seconds": seconds})
    run.event("interrupted" if outcome == "interrupted" else "life_ended", outcome=outcome, seconds=seconds)
