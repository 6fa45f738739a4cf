"""The first steps of a prepared run, on one rank, without launcher or checkpoints: `python -m ... RUN STEPS`."""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading

from ontogeny.core.cursor import Cursor
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.rows import Corpus
from ontogeny.train.learner import Learner, start_distributed
from ontogeny.train.ledger import Ledger
from ontogeny.train.rank import replan
from ontogeny.train.results import conceive
from ontogeny.train.walk import train_step


def first_steps(run: RunDirectory, steps: int) -> list[dict]:
    """Loss (nats a weighted token), gradient norm and rate of each of the first steps of the first stage's books."""
    corpus = Corpus(run / "corpus")
    plan = replan(run, corpus.manifest)
    rank, world = start_distributed(1, plan.seed)
    learner = Learner(plan, corpus, rank, world, run)
    conceive(learner, Ledger(run, plan, rank, world))
    cursor, told = Cursor(), []
    learner.enter(cursor, None)
    for batch in itertools.islice(corpus.batches(0, "books"), steps):
        metrics = train_step(learner, batch, cursor, threading.Event())
        told.append(
            {
                "loss_nats": metrics.nats["trunk"] / metrics.weight["trunk"],
                "lr": metrics.lr["trunk"],
                "grad_norm": metrics.grad_norm["trunk"],
            }
        )
        cursor = cursor.after_step()
    return told


if __name__ == "__main__":
    os.environ |= {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(20000 + os.getpid() % 20000),
    }
    print(json.dumps(first_steps(RunDirectory(sys.argv[1]), int(sys.argv[2]))))
