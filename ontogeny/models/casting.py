"""Casting: which stage's specialist plays each role, and on which trunk.

An adapter belongs on the trunk it was trained on, which it names by hash. On another trunk it can be set, never
silently: `Cast.foreign` says which are, and `measure_foreign_cost` what it costs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import PreTrainedModel

from ontogeny.core.errors import Fault, ModelError, RunError, closest
from ontogeny.core.hashes import file_sha256
from ontogeny.core.run import STAGE_FOLDER, RunDirectory
from ontogeny.models.adapters import CONFIG, HASH, adapter_state
from ontogeny.models.causal import load_model
from ontogeny.models.stacked import LAYER, StackedLoRA, build_stack, choose_modules


@dataclass(frozen=True)
class Member:
    """A stage's specialist: its role, its PEFT folder, and the model folder it was trained on."""

    role: str
    stage: str
    adapter: Path
    home: Path

    @property
    def name(self) -> str:
        """As it is cast: student@school."""
        return f"{self.role}@{self.stage}"


@dataclass(frozen=True)
class Cast:
    """The trunk, by its stage and its model folder, and who plays on it, each role once."""

    trunk: str
    model: Path
    members: tuple[Member, ...]

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles in the order of the stack's groups."""
        return tuple(member.role for member in self.members)

    @property
    def foreign(self) -> tuple[Member, ...]:
        """Those who sit on a trunk they were not trained on."""
        return tuple(member for member in self.members if member.home != self.model)


def make_cast(run: RunDirectory, words: Sequence[str] = (), trunk: str = "") -> Cast:
    """The cast of a run that words such as `student@school` or `critic` ask for.

    The trunk is that of the latest stage named, unless `trunk` names one; with no stage named, of the last stage that
    has adapters. A role without a stage, and every role not named, is played by the trunk's own stage.
    Raises: RunError with every word that names no role or no stage; ModelError for an adapter of another trunk."""
    specialists = {stage: found for stage, folder in _stages(run).items() if (found := _specialists(stage, folder))}
    if not specialists:
        got, expected = "no adapters in stages/", "a stage that ended, with a role or more"
        fix = "let the run go on until its first stage has trained its roles"
        raise RunError(Fault("there is nobody to cast in this run.", str(run.path), got, expected, fix))
    asked = _asked(words, specialists)
    order = list(specialists)
    trunk = _trunk(run, trunk) or max((stage for _, stage in asked if stage), key=order.index, default=order[-1])
    members = dict(specialists.get(trunk, {}))
    faults = [] if members or asked else [_nobody(trunk, "", {})]
    for role, stage in asked:
        there = specialists.get(stage or trunk, {})
        if role in there:
            members[role] = there[role]
        else:
            faults.append(_nobody(f"{role}@{stage or trunk}", role, there))
    if faults:
        raise RunError(faults)
    _require_own_trunks(members.values())
    return Cast(trunk, _stages(run)[trunk] / "model", tuple(members.values()))


def load_cast(cast: Cast) -> StackedLoRA:
    """The trunk with one adapter a role, in the cast's order, frozen, in evaluation mode, in float32.

    Raises: ModelError if the trunk cannot be loaded or an adapter does not fit it."""
    return stack_adapters(
        load_model(cast.model, torch.float32), {member.role: member.adapter for member in cast.members}
    )


def stack_adapters(model: PreTrainedModel, adapters: Mapping[str, Path]) -> StackedLoRA:
    """A model and PEFT folders of adapters by role, stacked on it in that order; frozen, in evaluation mode.

    Raises: ModelError for an adapter that does not fit."""
    specs = {role: _spec_of(folder, model) for role, folder in adapters.items()}
    states = {role: adapter_state(folder) for role, folder in adapters.items()}
    stack = build_stack(model, specs, 0, states)
    stack.requires_grad_(False)
    return stack.eval()


def _stages(run: RunDirectory) -> dict[str, Path]:
    """The stages with a model, in order, each by its last pass: the last with adapters, where there is one."""
    found: dict[str, Path] = {}
    for folder in run.stage_folders():
        named = STAGE_FOLDER.fullmatch(folder.name)
        if named is None or not (folder / "model" / "config.json").is_file():
            continue
        before = found.get(named[2])
        if before is None or _specialists(named[2], folder) or not _specialists(named[2], before):
            found[named[2]] = folder
    return found


def _specialists(stage: str, folder: Path) -> dict[str, Member]:
    configs = sorted((folder / "adapters").glob(f"[a-z]*/{CONFIG}"))
    return {path.parent.name: Member(path.parent.name, stage, path.parent, folder / "model") for path in configs}


def _asked(words: Sequence[str], specialists: Mapping[str, object]) -> list[tuple[str, str]]:
    """(role, stage or nothing) of each word."""
    asked, faults = [], []
    for word in words:
        role, _, stage = word.strip().partition("@")
        if stage and stage not in specialists:
            expected = f"one of {', '.join(specialists)}{closest(stage, specialists)}"
            faults.append(
                Fault("a cast names a stage that has no adapters.", "--cast", f"'{word}'", expected, "correct it")
            )
        if role in (one for one, _ in asked):
            expected = "one adapter for a role"
            faults.append(Fault("a role is cast twice.", "--cast", f"'{word}'", expected, "leave one of them out"))
        asked.append((role, stage))
    if faults:
        raise RunError(faults)
    return asked


def _trunk(run: RunDirectory, trunk: str) -> str:
    stages = _stages(run)
    if trunk and trunk not in stages:
        expected = f"one of {', '.join(stages)}{closest(trunk, stages)}"
        raise RunError(Fault("a trunk does not exist.", "--trunk", f"'{trunk}'", expected, "correct --trunk"))
    return trunk


def _nobody(word: str, role: str, there: Mapping[str, Member]) -> Fault:
    expected = (
        f"one of {', '.join(there)}{closest(role, there)}" if there else "ROLE@STAGE of a stage that has adapters"
    )
    return Fault("a cast names a role that the stage does not have.", "--cast", f"'{word}'", expected, "correct --cast")


def _require_own_trunks(members: Iterable[Member]) -> None:
    faults, known = [], {}
    for member in members:
        if member.home not in known:
            known[member.home] = HASH + file_sha256(member.home / "model.safetensors")
        named = str(_config(member.adapter)["base_model_name_or_path"])
        if named != known[member.home]:
            what, fix = "an adapter belongs to another trunk.", "put back the adapter that this run wrote"
            faults.append(Fault(what, str(member.adapter), named, f"{known[member.home]}, its stage's model", fix))
    if faults:
        raise ModelError(faults)


def _config(folder: Path) -> dict:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        return {key: config[key] for key in ("base_model_name_or_path", "r", "lora_alpha", "target_modules")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        got = f"{type(error).__name__}: {error}"
        what = "an adapter cannot be read."
        raise ModelError(Fault(what, str(folder / CONFIG), got, "what this run wrote", "restore it")) from error


def _spec_of(folder: Path, model: PreTrainedModel) -> SimpleNamespace:
    """What `build_stack` wants of a role, read off its adapter: the choice that gives exactly its modules."""
    config = _config(folder)
    wanted = sorted(config["target_modules"])
    layers = sorted({int(found[1]) for name in wanted if (found := LAYER.search(name))})
    for targets in ("attention", "mlp", "all"):
        spec = SimpleNamespace(rank=config["r"], alpha=config["lora_alpha"], targets=targets, layers=layers)
        try:
            if sorted(choose_modules(model, spec)) == wanted:
                return spec
        except ModelError:  # no such layer, or no such module
            continue
    got, expected = ", ".join(wanted[:3]), f"modules of a {model.config.model_type} that a genome can name"
    what, fix = "an adapter does not fit the trunk.", "use the model of the stage that wrote it"
    raise ModelError(Fault(what, str(folder), got, expected, fix))
