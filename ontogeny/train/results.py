"""What a phase leaves behind: the conception's model, the trunk after replay, the adapters after roles."""

from __future__ import annotations

import math
from pathlib import Path

from ontogeny.core.cursor import Cursor
from ontogeny.core.errors import Fault, TrainError
from ontogeny.core.hashes import file_sha256
from ontogeny.core.run import publish_folder, remove_tree
from ontogeny.core.schema import TRUNK
from ontogeny.models.adapters import write_adapter
from ontogeny.models.causal import DTYPES, build_model, write_model
from ontogeny.models.stacked import merge_adapter
from ontogeny.train.learner import Learner
from ontogeny.train.ledger import Ledger, whole_or_gone
from ontogeny.train.subject import frozen

WEIGHTS = "model.safetensors"


def conceive(learner: Learner, ledger: Ledger) -> None:
    """Builds the model before anything was read, and exports it to stages/00-conception/model."""
    plan = learner.plan
    if ledger.writer:
        tokenizer = learner.corpus.manifest["tokenizer"]
        model = build_model(plan.genome.model, tokenizer["vocab_size"], tokenizer["bos_id"], plan.weights_seed)
        folder = ledger.run.stage_folder(0, "conception")
        _publish(
            folder / "model",
            lambda aside: write_model(
                model.state_dict(),
                model.config,
                learner.corpus.folder / "tokenizer",
                aside,
                DTYPES[plan.genome.model.precision],
            ),
        )
    ledger.barrier()


def write_results(learner: Learner, ledger: Ledger, cursor: Cursor) -> None:
    """After replay: the trunk, a trunk adapter merged into it. After roles: one PEFT folder a role."""
    if cursor.phase_name == "replay":
        _write_trunk(learner, ledger, cursor)
    elif cursor.phase_name == "roles" and learner.engine is not None:
        _write_adapters(learner, ledger, cursor)


def _write_trunk(learner: Learner, ledger: Ledger, cursor: Cursor) -> None:
    subject, plan = learner.subject, learner.plan
    stack = subject.stack
    if stack is None:
        state, config = (
            learner.whole(dict(subject.module.named_parameters(remove_duplicate=False))),
            subject.module.config,
        )
        state |= {name: value for name, value in subject.module.state_dict().items() if name not in state}
    else:
        config = stack.model.config
        adapter = learner.whole(stack.role_parameters(TRUNK))
        state = learner.whole(frozen(stack))
        if ledger.writer:
            trunk = plan.stages[cursor.stage].trunk
            transposed = any(module.transposed for module in stack.wrapped().values())
            state = merge_adapter(state, adapter, trunk.alpha / trunk.rank, transposed)
    if ledger.writer:
        _publish(
            ledger.folder(cursor) / "model",
            lambda aside: write_model(
                state, config, learner.corpus.folder / "tokenizer", aside, DTYPES[plan.genome.model.precision]
            ),
        )
    ledger.barrier()


def _write_adapters(learner: Learner, ledger: Ledger, cursor: Cursor) -> None:
    stage, stack = learner.plan.stages[cursor.stage], learner.subject.stack
    states = {name: learner.whole(stack.role_parameters(name)) for name in learner.subject.names}
    learner.assert_trunk_untouched()
    if ledger.writer:
        base = file_sha256(ledger.folder(cursor) / "model" / WEIGHTS)
        norms = {}
        for name, state in states.items():
            norms[name] = math.sqrt(
                sum(float(value.float().pow(2).sum()) for key, value in state.items() if key.endswith(".B"))
            )
            if not norms[name] > 0:
                raise TrainError(
                    Fault(
                        f"role '{name}' learned nothing.",
                        f"stage '{stage.name}'",
                        "lora_B norm 0",
                        "a norm above 0",
                        "raise its learning_rate, or give it turns to learn",
                    )
                )

        def write(aside: Path) -> None:
            for name, state in states.items():
                write_adapter(state, stage.roles[name], base, aside / name)

        _publish(ledger.folder(cursor) / "adapters", write)
        ledger.run.event("adapters_written", stage=stage.name, pass_=cursor.pass_, lora_b_norm=norms)
    ledger.barrier()


def _publish(final: Path, write) -> None:
    aside = final.with_name(f".{final.name}.tmp")
    remove_tree(aside)
    with whole_or_gone(aside):
        aside.mkdir(parents=True)
        write(aside)
    publish_folder(aside, final)
