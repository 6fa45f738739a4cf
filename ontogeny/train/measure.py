"""Measuring between stages: what the walk asks of the probes' room."""

from __future__ import annotations

from typing import Any

from ontogeny.core.cursor import Cursor
from ontogeny.core.plan import Plan
from ontogeny.train.gate import GATE_SPLIT
from ontogeny.train.ledger import Ledger

REPORTED_SPLIT = "test"


class Measurer:
    """Measures the trunk on every stage, and the roles on the stage just read, from what was exported."""

    def __init__(self, plan: Plan, corpus: Any, ledger: Ledger):
        self.plan, self.corpus, self.ledger = plan, corpus, ledger

    def __call__(self, cursor: Cursor | None) -> list[dict]:
        from ontogeny.probes.ask import measured_of
        from ontogeny.probes.battery import ProbeRequest, measure
        from ontogeny.probes.scene_surprise import make_scene_sets

        plan, run = self.plan, self.ledger.run
        stage = plan.stages[cursor.stage] if cursor else None
        folder = self.ledger.folder(cursor) if cursor else run.stage_folder(0, "conception")
        measured, stages = measured_of(run, tuple(one.name for one in plan.stages))
        asked = stage is not None and stage.name in stages  # roles are asked for the stage just read
        nearby = plan.stages[cursor.stage : cursor.stage + 2] if cursor else plan.stages[:1]
        adapters = {path.name: path for path in sorted((folder / "adapters").glob("[a-z]*"))} if asked else {}
        return measure(
            ProbeRequest(
                model_folder=folder / "model",
                adapters=adapters,
                corpus_folder=measured,
                tokenizer_folder=self.corpus.folder
                / "tokenizer",  # an arm is measured on others' items, with its own ids
                stages=stages,
                stage=stage.name if stage else None,
                battery=tuple(
                    stage.battery if stage else dict.fromkeys(name for one in plan.stages for name in one.battery)
                ),
                splits=(REPORTED_SPLIT, GATE_SPLIT) if stage and stage.gate else (REPORTED_SPLIT,),
                gate=(stage.gate.probe, stage.gate.on) if stage and stage.gate else None,
                seed=plan.seed,
                context_tokens=plan.context_tokens,
                rank=self.ledger.rank,
                world=self.ledger.world,
                further=lambda asked: make_scene_sets(asked, [one.name for one in nearby]),  # just read, and next
                gather=self.ledger.gather,
            )
        )
