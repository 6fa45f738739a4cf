"""What learns in a phase: the trunk, or the roles on a frozen trunk; and where its weights come from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ontogeny.core.cursor import Cursor
from ontogeny.core.plan import Plan, StagePlan
from ontogeny.core.run import RunDirectory
from ontogeny.core.schema import TRUNK
from ontogeny.models.adapters import adapter_state
from ontogeny.models.causal import DTYPES, load_model
from ontogeny.models.stacked import StackedLoRA, build_stack, plain_name


@dataclass
class Subject:
    """A module, its optimizer groups, and the checkpoint to continue from (None: start as built).

    `names` are the adapters' names in the stack's order; `slots` maps a batch's group (role index in the genome) to
    the stack's."""

    module: nn.Module
    groups: list[dict[str, Any]]
    resume_from: Path | None
    names: tuple[str, ...] = ()
    slots: dict[int, int] | None = None

    @property
    def stack(self) -> StackedLoRA | None:
        """The stacked adapters, where the subject has some."""
        return self.module if isinstance(self.module, StackedLoRA) else None

    def group_name(self, group: int) -> str:
        """The name of a batch's row group: the trunk for -1, else the role."""
        return TRUNK if group < 0 else self.names[self.slots[group]]

    def set_groups(self, group_B: np.ndarray, device: torch.device) -> None:
        """Tells the adapters which row is whose; a trunk adapter takes every row."""
        if self.stack is not None:
            slots = [0 if group < 0 else self.slots[int(group)] for group in group_B]
            self.stack.set_groups(torch.tensor(slots, device=device))


def trunk_subject(plan: Plan, stage: StagePlan, cursor: Cursor, run: RunDirectory, checkpoint: Path | None) -> Subject:
    """The trunk as the cursor finds it: resumed within its stage, carried on from the stage before, or fresh.

    Carried on with its optimizer (fresh_schedule, full update) it comes from the checkpoint; else from the model that
    the stage before exported, in the precision it was exported in."""
    ours = checkpoint is not None and _trunk_of(checkpoint) == (cursor.stage, cursor.pass_)
    full = stage.trunk.update == "full"
    carried = full and stage.trunk.transition == "fresh_schedule" and checkpoint is not None
    carried = carried and (checkpoint / TRUNK).is_dir()
    model = load_model(exported_before(plan, cursor, run) / "model", DTYPES[plan.genome.model.precision])
    model.config.use_cache = False
    model.train()
    resume = checkpoint if ours or carried else None
    if full:
        return Subject(model, [_group(TRUNK, model.parameters(), stage.trunk)], resume)
    stack = build_stack(model, {TRUNK: _adapter_spec(stage.trunk)}, plan.weights_seed + cursor.stage)
    stack.train()
    return Subject(stack, [_group(TRUNK, _trainable(stack), stage.trunk)], resume, (TRUNK,), {})


def roles_subject(plan: Plan, stage: StagePlan, cursor: Cursor, run: RunDirectory, checkpoint: Path | None) -> Subject:
    """The stage's roles, stacked on the trunk it exported; a role without rows in this stage stays out."""
    model = load_model(
        run.stage_folder(stage.number, stage.name, cursor.pass_) / "model", DTYPES[plan.genome.model.precision]
    )
    model.config.use_cache = False
    names = tuple(name for name in plan.roles if stage.phases["roles"].rows_by_role.get(name))
    inherit = {}
    for name in names:
        before = _adapter_before(plan, cursor, run, name)
        if stage.roles[name].inherit == "continue" and before is not None:
            inherit[name] = adapter_state(before)
    if not names:
        return Subject(model, [], None)
    stack = build_stack(model, {name: stage.roles[name] for name in names}, plan.weights_seed, inherit)
    stack.train()
    groups = [_group(name, stack.role_parameters(name).values(), stage.roles[name]) for name in names]
    state = json.loads((checkpoint / "state.json").read_text("utf-8"))["cursor"]
    resumed = (state["stage"], state["pass"], state["phase"]) == (cursor.stage, cursor.pass_, cursor.phase)
    slots = {plan.roles.index(name): slot for slot, name in enumerate(names)}
    return Subject(stack, groups, checkpoint if resumed and cursor.step else None, names, slots)


def trunk_digest(stack: StackedLoRA) -> str:
    """SHA-256 over the bytes of the frozen trunk that this rank holds (all of it, or its part under ZeRO-3)."""
    digest = hashlib.sha256()
    for _, value in sorted(frozen(stack).items()):
        held = getattr(value, "ds_tensor", value).detach().cpu().contiguous()
        digest.update(held.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def frozen(stack: StackedLoRA) -> dict[str, Tensor]:
    """The parameters that no role may move, by plain name."""
    return {plain_name(name): value for name, value in stack.model.named_parameters() if not value.requires_grad}


def _group(name: str, parameters: Any, spec: Any) -> dict[str, Any]:
    return {
        "params": list(parameters),
        "name": name,
        "lr": spec.learning_rate,
        "clip_norm": spec.clip_norm,
        "weight_decay": spec.weight_decay,
    }


def _trainable(module: nn.Module) -> list[nn.Parameter]:
    return [value for value in module.parameters() if value.requires_grad]


def _adapter_spec(trunk: Any) -> Any:
    return trunk.model_copy(update={"targets": trunk.targets or "all", "layers": trunk.layers or "all"})


def _trunk_of(checkpoint: Path) -> tuple[int, int] | None:
    state = json.loads((checkpoint / "state.json").read_text("utf-8"))["cursor"]
    return (state["stage"], state["pass"]) if (checkpoint / TRUNK).is_dir() else None


def _earlier(plan: Plan, cursor: Cursor, run: RunDirectory) -> list[Path]:
    """The stage folders before the cursor's, newest first, conception last."""
    folders = [run.stage_folder(0, "conception")]
    for stage in plan.stages[: cursor.stage + 1]:
        pass_ = 1
        while (stage.index, pass_) < (cursor.stage, cursor.pass_) and (
            folder := run.stage_folder(stage.number, stage.name, pass_)
        ).is_dir():
            folders.append(folder)
            pass_ += 1
    return folders[::-1]


def exported_before(plan: Plan, cursor: Cursor, run: RunDirectory) -> Path:
    """The stage folder whose model enters the cursor's stage: the pass before, the stage before, or conception."""
    return _earlier(plan, cursor, run)[0]


def _adapter_before(plan: Plan, cursor: Cursor, run: RunDirectory, role: str) -> Path | None:
    return next(
        (folder / "adapters" / role for folder in _earlier(plan, cursor, run) if (folder / "adapters" / role).is_dir()),
        None,
    )
