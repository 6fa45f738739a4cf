"""Speed of the trunk's phase against a bare torch loop, interleaved in one process; printed as ratios.

    python -m tests.bench.bench_trunk [--steps 8] [--rounds 6] [--large]

The bare loop has the same model, packs, batches, AdamW and clipping, and nothing else: no DeepSpeed, no record of what
was fed, no agreement, no metrics. Also told: the share of a step spent waiting for its batch, and the seconds between
the last step of a stage and the first of the next, probes aside."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LARGE = (
    "model.architecture.hidden_size=448",
    "model.architecture.num_hidden_layers=6",
    "model.architecture.num_attention_heads=7",
)
QUICK = tuple(f"stages.{index}.span.tokens=40000" for index in range(6))


def prepared(folder: Path, overrides: tuple[str, ...]) -> Path:
    """A prepared run of the demo's genome."""
    words = [
        sys.executable,
        "-c",
        "from ontogeny.cli.app import main; main()",
        "prepare",
        "genome/seedling.yaml",
        *QUICK,
        *overrides,
        "--out",
        str(folder / "run"),
        "-q",
    ]
    subprocess.run(words, cwd=ROOT, check=True)
    return folder / "run"


class Bare:
    """A training loop as one writes it by hand."""

    def __init__(self, model_folder: Path, rate: float, clip: float):
        import torch
        from transformers import AutoModelForCausalLM

        self.model = AutoModelForCausalLM.from_pretrained(str(model_folder)).train()
        self.model.config.use_cache = False
        self.clip = clip
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
        )

    def step(self, batch) -> None:
        """One step on one batch."""
        import torch
        import torch.nn.functional as F

        ids_BT = torch.from_numpy(batch.ids_BT).long()
        weights_BT = torch.from_numpy(batch.weights_BT)
        logits_BTV = self.model(input_ids=ids_BT, use_cache=False).logits
        nats = F.cross_entropy(logits_BTV[:, :-1].flatten(0, 1), ids_BT[:, 1:].flatten(), reduction="none")
        loss = (nats * weights_BT[:, 1:].flatten()).sum() / weights_BT.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def bench(run_folder: Path, steps: int, rounds: int) -> dict[str, float]:
    """Interleaves blocks of steps of both loops; ratios of medians."""
    from ontogeny.core.cursor import Cursor
    from ontogeny.core.run import RunDirectory
    from ontogeny.corpus.rows import Corpus
    from ontogeny.train.learner import Learner, start_distributed
    from ontogeny.train.ledger import Ledger
    from ontogeny.train.rank import replan
    from ontogeny.train.results import conceive, write_results
    from ontogeny.train.walk import train_step

    run = RunDirectory(run_folder)
    corpus = Corpus(run / "corpus")
    plan = replan(run, corpus.manifest)
    start_distributed(plan.world.threads_per_rank, plan.seed)
    ledger, learner = Ledger(run, plan, 0, 1), Learner(plan, corpus, 0, 1, run)
    conceive(learner, ledger)
    cursor, stop = Cursor(), threading.Event()
    learner.enter(cursor, None)
    ledger.enter(cursor)
    bare = Bare(run.stage_folder(0, "conception") / "model", plan.stages[0].trunk.learning_rate, 1.0)
    batches = [corpus.batch(0, "books", step) for step in range(steps)]
    stream = corpus.batches(plan.stages[0], "books")
    waits, ours, theirs, walked = [], [], [], 0
    for number in range(rounds + 1):
        started = time.perf_counter()
        waited = 0.0
        for _ in range(steps):
            before = time.perf_counter()
            batch = next(stream, None)
            if batch is None:
                stream = corpus.batches(plan.stages[0], "books")
                batch = next(stream)
            waited += time.perf_counter() - before
            metrics = train_step(learner, batch, Cursor(step=walked % plan.stages[0].phases["books"].steps), stop)
            ledger.feed(Cursor(step=walked), metrics)
            walked += 1
        took = time.perf_counter() - started
        started = time.perf_counter()
        for batch in batches:
            bare.step(batch)
        bare_took = time.perf_counter() - started
        if number:  # the first round warms up
            ours.append(took), theirs.append(bare_took), waits.append(waited / took)
    tokens = steps * plan.stages[0].batch_packs * (plan.context_tokens - 1)
    between = between_stages(plan, corpus, learner, ledger, write_results)
    return {
        "parameters": plan.model.parameters,
        "bare_tokens_per_s": tokens / statistics.median(theirs),
        "ours_tokens_per_s": tokens / statistics.median(ours),
        "ratio": statistics.median(b / o for o, b in zip(ours, theirs, strict=True)),
        "waiting_frac": statistics.median(waits),
        "between_stages_s": between,
    }


def between_stages(plan, corpus, learner, ledger, write_results) -> float:
    """Seconds from a stage's last step of books to the next stage's first, its roles' steps and probes aside."""
    import threading

    from ontogeny.core.cursor import Cursor
    from ontogeny.train.walk import train_step

    ledger._fed.clear()
    total, cursor = 0.0, Cursor()
    started = time.perf_counter()
    for phase in ("books", "replay", "roles"):
        if phase == "roles":
            learner.enter(cursor, ledger.checkpoint())
            ledger.enter(cursor)
            total += time.perf_counter() - started
            for batch in corpus.batches(plan.stages[0], "roles"):
                train_step(learner, batch, cursor, threading.Event())
                cursor = cursor.after_step()
            started = time.perf_counter()
        elif phase == "replay":
            learner.enter(cursor, ledger.checkpoint())
            ledger.enter(cursor)
        write_results(learner, ledger, cursor)
        cursor = cursor.after_phase()
        ledger.save(learner, cursor)
    learner.leave()
    cursor = cursor.after_stage("pass")
    learner.enter(cursor, ledger.checkpoint())
    ledger.enter(cursor)
    return total + time.perf_counter() - started


def main() -> None:
    """Prints one line a model."""
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
        told = bench(prepared(Path(folder), LARGE if chosen.large else ()), chosen.steps, chosen.rounds)
    for name, value in told.items():
        print(f"{name:<20} {value:,.4g}" if isinstance(value, float) else f"{name:<20} {value:,}")


if __name__ == "__main__":
    main()
