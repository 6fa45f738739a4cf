"""What each term of the loop-loss and the journal cost, as ratios of a step without them, interleaved in one process.

    python -m tests.bench.bench_loop [--steps 8] [--rounds 6] [--large]

Every block feeds the same batches of the demo's first stage to the same engine: cross-entropy alone, with the margin,
with coherence, with both, and with the journal listening. Told too: scenes and contrast tokens to a token of packs,
what it takes to list the stage's foils once, and to find a step's scenes."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.bench.bench_trunk import LARGE, prepared

TERMS = {"margin": (0.5, 0.0), "coherence": (0.0, 0.1), "margin_and_coherence": (0.5, 0.1)}


def bench(run_folder: Path, steps: int, rounds: int) -> dict[str, float]:
    """Medians over rounds of each variant's time to that of the plain steps of the same round: on the clock, and of the
    cores, which other work on the machine moves less."""
    from ontogeny.core.cursor import Cursor
    from ontogeny.core.run import RunDirectory
    from ontogeny.corpus.rows import Corpus
    from ontogeny.train.journal import Listener
    from ontogeny.train.learner import Learner, start_distributed
    from ontogeny.train.ledger import Ledger
    from ontogeny.train.rank import replan
    from ontogeny.train.results import conceive
    from ontogeny.train.walk import train_step

    run = RunDirectory(run_folder)
    corpus = Corpus(run / "corpus")
    plan = replan(run, corpus.manifest)
    start_distributed(plan.world.threads_per_rank, plan.seed)
    ledger, learner, cursor = Ledger(run, plan, 0, 1), Learner(plan, corpus, 0, 1, run), Cursor()
    conceive(learner, ledger)
    learner.enter(cursor, None)
    ledger.enter(cursor)
    journal = Listener(learner, ledger, cursor)
    terms = {name: terms_of(learner, *weights) for name, weights in TERMS.items()}
    batches = [corpus.batch(0, "books", step) for step in range(steps)]

    def seconds(name: str) -> tuple[float, float]:
        """(on the clock, of the cores) for one block of steps."""
        learner._terms, learner.keeps_nats = terms.get(name), name == "journal"
        started, worked = time.perf_counter(), time.process_time()
        for batch in batches:
            metrics = train_step(learner, batch, cursor, threading.Event())
            if learner.keeps_nats:
                journal.hear(batch, metrics)
        return time.perf_counter() - started, time.process_time() - worked

    names = ["plain", *TERMS, "journal", "plain_again"]
    took = [{name: seconds(name) for name in names} for _ in range(rounds + 1)][1:]  # the first round warms up
    told = {
        f"{name}_{kind}_ratio": statistics.median(one[name][at] / one["plain"][at] for one in took)
        for at, kind in enumerate(("clock", "core"))
        for name in names[1:]
    }
    tokens = steps * plan.stages[0].batch_packs * plan.context_tokens
    plain = statistics.median(one["plain"][0] for one in took)
    return {"plain_tokens_per_s": tokens / plain} | told | sizes(learner, terms, batches, plain)


def terms_of(learner: Any, margin: float, coherence: float) -> Any:
    """The terms of the first stage with these weights."""
    from ontogeny.train.loop_terms import LoopTerms

    tokens_at_once = learner.plan.micro_batch_packs * learner.plan.context_tokens
    weights = SimpleNamespace(margin=margin, coherence=coherence)
    return LoopTerms(weights, learner.corpus.shard(0), learner.line_end_V, tokens_at_once)


def sizes(learner: Any, terms: dict[str, Any], batches: list[Any], plain_s: float) -> dict[str, float]:
    """How many scenes and contrast tokens the batches bring; what finding them takes, as a share of the plain steps."""
    tokens = sum(batch.ids_BT.size for batch in batches)
    told: dict[str, float] = {}
    for name, made in terms.items():
        started = time.perf_counter()
        micros = [micro for batch in batches for micro in made.micros(batch, 0, 1)]
        told[f"{name}_finding_frac"] = (time.perf_counter() - started) / plain_s
        told[f"{name}_tokens_frac"] = sum(micro.rows.ids_BL.size for micro in micros) / tokens
        told["scenes_a_step"] = sum(len(micro.rows.row_SK) for micro in micros) / len(batches)
    started = time.perf_counter()
    terms_of(learner, 0.0, 0.1)
    return told | {"listing_foils_s": time.perf_counter() - started}


def main() -> None:
    """Prints one line a figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--rounds", type=int, default=6)
    options.add_argument("--large", action="store_true", help="a 17M model instead of the demo's")
    chosen = options.parse_args()
    from ontogeny.train.launcher import cores, environment
    from ontogeny.train.rank import PARENT_PIPE

    os.environ |= {name: value for name, value in environment(cores()).items() if name != PARENT_PIPE}
    os.environ |= {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(20000 + os.getpid() % 20000),
    }
    with tempfile.TemporaryDirectory() as folder:
        overrides = ("stages.0.journal.replay_frac=0.0", *(LARGE if chosen.large else ()))
        told = bench(prepared(Path(folder), overrides), chosen.steps, chosen.rounds)
    for name, value in told.items():
        print(f"{name:<36} {value:,.4g}")


if __name__ == "__main__":
    main()
