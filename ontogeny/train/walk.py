"""The walk: stage after stage, phase after phase, step after step. Read this first."""

from __future__ import annotations

import math
import threading
from typing import Any, Protocol

from ontogeny.core.cursor import TRAINED, Cursor
from ontogeny.core.errors import Fault, TrainError
from ontogeny.core.plan import Plan
from ontogeny.corpus.lived import lived_roots
from ontogeny.train.cadence import Cadence
from ontogeny.train.choice import Choices
from ontogeny.train.gate import decide, gates_act
from ontogeny.train.journal import Listener
from ontogeny.train.journal_scoring import write_journal
from ontogeny.train.learner import Learner, StepMetrics
from ontogeny.train.ledger import Ledger
from ontogeny.train.results import conceive, write_results
from ontogeny.train.sealing import seal
from ontogeny.train.snapshots import measure_again, store_snapshot


class Measure(Protocol):
    """Measures the stage just read (None: conception); returns the rows of probes.json."""

    def __call__(self, cursor: Cursor | None) -> list[dict]: ...


class Interrupted(Exception):
    """The life was asked to stop, and stopped at a step boundary with a checkpoint."""


def walk(plan: Plan, corpus: Any, learner: Learner, measure: Measure, ledger: Ledger, stop: threading.Event) -> str:
    """Lives the life from where the ledger left it; returns "done" or "gate_ended".

    Raises: Interrupted after a checkpoint when any rank was asked to stop; TrainError for a loss that is not finite."""
    machine = plan.genome.machine
    cursor = ledger.restore()
    if not ledger.conceived():
        conceive(learner, ledger)
        ledger.record(None, measure(None), None)
    measure_again(ledger, corpus, measure, cursor)  # stages taken from another life, which was asked other questions
    while cursor.stage < len(plan.stages):
        stage = plan.stages[cursor.stage]
        for phase in TRAINED[cursor.phase :]:  # books, replay, roles
            sealed = seal(learner, ledger, cursor)  # what the weights decide is written before any step
            learner.enter(cursor, ledger.checkpoint())  # what wakes, what freezes
            ledger.enter(cursor)
            choices = Choices(learner, ledger, cursor)  # of a self-chosen stage: which book comes next
            choices.reach(cursor.step)
            cadence = Cadence(learner, ledger, cursor)  # of light probes inside the stage
            journal = Listener(learner, ledger, cursor)  # of what is hard in the books
            for batch in corpus.batches(stage, phase, first_step=cursor.step, order=choices.order, sealed=sealed):
                metrics = train_step(learner, batch, cursor, stop)
                ledger.feed(cursor, metrics)
                journal.hear(batch, metrics)
                cursor = cursor.after_step()
                saving = metrics.stop or cursor.step % machine.save_every_steps == 0
                last = cursor.step == stage.phases[phase].steps
                if saving or last or cursor.step % machine.log_every_steps == 0:
                    ledger.log(cursor, metrics)
                cadence.reach(cursor, batch)
                if saving:
                    ledger.save(learner, cursor)
                if metrics.stop:
                    raise Interrupted
                choices.reach(cursor.step)
            write_results(learner, ledger, cursor)  # the trunk after replay, the adapters after roles
            cursor = cursor.after_phase()
            ledger.save(learner, cursor)
        learner.leave()
        write_journal(learner, ledger, cursor)  # what was hard, by the trunk before and by the trunk now
        results = measure(cursor)
        gate = decide(stage, cursor.pass_, results, gates_act(ledger.run))
        ledger.record(cursor, results, gate, lived_roots(corpus, cursor.stage, ledger.folder(cursor)))
        if gate["decision"] == "end":
            return "gate_ended"
        store_snapshot(ledger, corpus.manifest, cursor)  # a prefix is grown once
        cursor = cursor.after_stage(gate["decision"])
    return "done"


def train_step(learner: Learner, batch: Any, cursor: Cursor, stop: threading.Event) -> StepMetrics:
    """One optimizer step on one global batch. All ranks agree whether the loss is finite and whether to stop."""
    metrics = learner.backward(batch)
    metrics.stop, all_finite = learner.agree(stop.is_set(), metrics.fault_row < 0)
    if not all_finite:
        raise TrainError(_not_finite("loss", learner, cursor, *learner.first_fault(metrics)))
    learner.step(metrics, cursor)
    if not all(map(math.isfinite, metrics.grad_norm.values())):  # of all ranks, so all know it
        raise TrainError(_not_finite("gradient", learner, cursor, learner.rank, int(batch.rows_B[0])))
    return metrics


def _not_finite(what: str, learner: Learner, cursor: Cursor, rank: int, row: int) -> Fault:
    stage = learner.plan.stages[cursor.stage]
    book = learner.corpus.story_of(stage.index, cursor.phase_name, row)
    return Fault(
        f"the {what} is not finite.",
        f"stage '{stage.name}', {cursor.phase_name}, step {cursor.step}, rank {rank}, row {row}",
        f"nan or inf on text of {book}",
        f"a finite {what}",
        "lower the learning rate or clip_norm; with bf16, try precision: fp32; then run again with --resume",
    )
