"""The first steps of a prepared run, without launcher or checkpoints: one rank a process, told by rank 0 as JSON."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from ontogeny.core.cursor import Cursor
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.rows import Corpus
from tests.launch.lives import PATIENCE_S, ROOT


def first_steps(run: Path, steps: int, ranks: int = 1) -> list[dict]:
    """Loss (nats a weighted token), rate and gradient norm of each of the first steps of the first stage's books."""
    env = {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(ranks)}
    env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(20000 + (os.getpid() * 31 + ranks) % 20000)}
    words = [sys.executable, "-m", "tests.golden.first_steps", str(run), str(steps)]
    started = [
        subprocess.Popen(
            words,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**env, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(ranks)
    ]
    told = [child.communicate(timeout=PATIENCE_S) for child in started]
    assert all(child.returncode == 0 for child in started), told
    return json.loads(told[0][0].splitlines()[-1])


def live(run: RunDirectory, steps: int) -> list[dict]:
    """What `first_steps` asks of each rank."""
    from ontogeny.train.learner import Learner, start_distributed
    from ontogeny.train.ledger import Ledger
    from ontogeny.train.rank import replan
    from ontogeny.train.results import conceive
    from ontogeny.train.walk import train_step

    corpus = Corpus(run / "corpus")
    plan = replan(run, corpus.manifest)
    rank, world = start_distributed(1, plan.seed)
    learner, ledger = Learner(plan, corpus, rank, world, run), Ledger(run, plan, rank, world)
    conceive(learner, ledger)
    cursor, told = Cursor(), []
    learner.enter(cursor, None)
    for batch in itertools.islice(corpus.batches(0, "books"), steps):
        metrics = train_step(learner, batch, cursor, threading.Event())
        sums = ledger.gather([(metrics.nats["trunk"], metrics.weight["trunk"])])
        loss = sum(nats for nats, _ in sums) / sum(weight for _, weight in sums)
        told.append({"loss_nats": loss, "lr": metrics.lr["trunk"], "grad_norm": metrics.grad_norm["trunk"]})
        cursor = cursor.after_step()
    return told


if __name__ == "__main__":
    print(json.dumps(live(RunDirectory(sys.argv[1]), int(sys.argv[2]))))
