"""Some steps of a prepared run with and without light probes, one rank a process, told by rank 0 as JSON."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from ontogeny.core.cursor import Cursor
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.rows import Corpus
from tests.launch.lives import PATIENCE_S, ROOT


def lit_steps(run: Path, steps: int, ranks: int = 1) -> dict:
    """{"dark": weights, "lit": weights, "lines": of the light probes, "untouched": generator and mode}."""
    env = {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(ranks)}
    env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(20000 + (os.getpid() * 37 + ranks) % 20000)}
    words = [sys.executable, "-m", "tests.launch.lit_steps", str(run), str(steps)]
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


def live(run: RunDirectory, steps: int) -> dict:
    """What `lit_steps` asks of each rank."""
    from ontogeny.train.learner import Learner, start_distributed
    from ontogeny.train.ledger import Ledger
    from ontogeny.train.rank import replan
    from ontogeny.train.results import conceive

    corpus = Corpus(run / "corpus")
    plan = replan(run, corpus.manifest)
    rank, world = start_distributed(1, plan.seed)
    told: dict = {"untouched": True}
    for name in ("dark", "lit"):
        every = plan.stages[0].light_every_tokens if name == "lit" else None
        mine = replace(plan, stages=(replace(plan.stages[0], light_every_tokens=every), *plan.stages[1:]))
        learner, ledger = Learner(mine, corpus, rank, world, run), Ledger(run, mine, rank, world)
        if name == "dark":
            conceive(learner, ledger)
        told[name], untouched = walked(learner, ledger, corpus, steps)
        told["untouched"] &= untouched
    path = run.stage_folder(1, plan.stages[0].name) / "metrics.jsonl"
    told["lines"] = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if rank == 0 else []
    return told


def walked(learner, ledger, corpus, steps: int) -> tuple[str, bool]:
    """(SHA-256 of the weights after the steps, whether no light probe drew a number or left evaluation mode on)."""
    import torch

    from ontogeny.train.cadence import Cadence
    from ontogeny.train.walk import train_step

    cursor, untouched = Cursor(), True
    learner.enter(cursor, None)
    ledger.enter(cursor)
    cadence = Cadence(learner, ledger, cursor)
    for batch in itertools.islice(corpus.batches(0, "books"), steps):
        train_step(learner, batch, cursor, threading.Event())
        cursor = cursor.after_step()
        before = torch.random.get_rng_state()
        cadence.reach(cursor, batch)
        untouched &= torch.equal(before, torch.random.get_rng_state()) and learner.engine.module.training
    whole = learner.whole(dict(learner.subject.module.named_parameters()))
    learner.leave()
    digest = hashlib.sha256()
    for name in sorted(whole):
        digest.update(whole[name].contiguous().view(torch.uint8).numpy())
    return digest.hexdigest(), untouched


if __name__ == "__main__":
    print(json.dumps(live(RunDirectory(sys.argv[1]), int(sys.argv[2]))))
