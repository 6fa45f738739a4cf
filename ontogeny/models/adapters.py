"""Adapters as PEFT folders: everything this project says to PEFT.

Legend: R rank, I inputs, O outputs. A stacked state names its tensors "<module>.A" [R, I] and "<module>.B" [O, R]."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ontogeny.core.errors import Fault, ModelError
from ontogeny.core.hashes import file_sha256

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
SIDES = {"A": "lora_A.weight", "B": "lora_B.weight"}
HASH = "sha256:"


def write_adapter(
    state: Mapping[str, Tensor], role_spec: Any, base_sha256: str, out: Path, transposed: bool = False
) -> None:
    """A PEFT folder of one adapter, in float32; its base is named by the hash of model.safetensors, never by a path.

    `role_spec` has rank and alpha; the modules are those of the state, spelled out, so that PEFT meets exactly them.
    `transposed`: the base stores its weights [I, O] (`StackedLinear.transposed`). `out` is the caller's to rename."""
    modules = sorted({name.rpartition(".")[0] for name in state})
    config = LoraConfig(
        r=role_spec.rank,
        lora_alpha=role_spec.alpha,
        target_modules=modules,
        lora_dropout=0.0,
        bias="none",
        fan_in_fan_out=transposed,
        task_type="CAUSAL_LM",
        inference_mode=True,
        base_model_name_or_path=HASH + base_sha256,
    )
    written = {**config.to_dict(), "target_modules": modules, "peft_type": "LORA"}
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(written, indent=2, sort_keys=True, default=_plain) + "\n"
    (out / CONFIG).write_text(text, encoding="utf-8")
    tensors = {_peft_name(name): value.detach().to("cpu", torch.float32).contiguous() for name, value in state.items()}
    save_file(tensors, out / WEIGHTS, metadata={"format": "pt"})
    for file in (out / CONFIG, out / WEIGHTS):
        with open(file, "rb") as opened:
            os.fsync(opened.fileno())


def load_adapter(model: PreTrainedModel, folder: Path, name: str = "default") -> PeftModel:
    """The model with an adapter, loaded by PEFT and active; frozen, in evaluation mode.

    Raises: ModelError if PEFT cannot load it, or leaves a tensor of it unused or unset."""
    folder = Path(folder)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            adapted = PeftModel.from_pretrained(model, str(folder), adapter_name=name)
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            raise _unfit(folder, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    lacking = [str(one.message) for one in told if "missing adapter keys" in str(one.message)]
    if lacking:
        raise _unfit(folder, lacking[0][:160])
    adapted.requires_grad_(False)
    return adapted.eval()


def adapter_state(folder: Path) -> dict[str, Tensor]:
    """The tensors of a PEFT folder under stacked names: what `build_stack(inherit=...)` takes for one role.

    Raises: ModelError if the folder holds no adapter."""
    try:
        tensors = load_file(Path(folder) / WEIGHTS)
    except Exception as error:  # safetensors raises a class of its own, straight from Exception
        raise _unfit(Path(folder), f"{WEIGHTS}: {error}".splitlines()[0]) from error
    return {_stacked_name(name): value for name, value in tensors.items()}


def adapter_scale(folder: Path) -> float:
    """alpha / rank, as the folder's config has it."""
    config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    return config["lora_alpha"] / config["r"]


def check_adapter(model_folder: Path, folder: Path, base_sha256: str | None = None) -> list[Fault]:
    """What is wrong with an exported adapter; an empty list if PEFT loads it whole onto this model and it learned.

    Checked: the base's hash, that every tensor is finite and none unused, shapes, that no lora_B is all zero. The model
    is built without weights; `base_sha256` spares hashing model.safetensors again."""
    folder, model_folder = Path(folder), Path(model_folder)
    try:
        state = adapter_state(folder)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ModelError as error:
        return list(error.faults)
    except (OSError, ValueError) as error:
        return list(_unfit(folder, f"{CONFIG}: {error}").faults)
    faults = _base_faults(config, model_folder, folder, base_sha256)
    for name, value in state.items():
        if not bool(torch.isfinite(value).all()):
            faults.append(
                Fault(
                    "an adapter holds a value that is not finite.",
                    _where(folder),
                    name,
                    "finite numbers",
                    "train the role again, at a lower rate",
                )
            )
        elif name.endswith(".B") and not bool(value.any()):
            faults.append(
                Fault(
                    "an adapter did not learn.",
                    _where(folder),
                    f"{name} is zero",
                    "a norm above 0",
                    "give the role steps and a rate above 0",
                )
            )
    if not faults:
        with torch.device("meta"):
            bare = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(str(model_folder)))
        faults.extend(_shape_faults(bare, state, folder))
        try:
            load_adapter(bare, folder)
        except ModelError as error:
            faults.extend(error.faults)
    return faults


def require_base(model_folder: Path, folder: Path) -> None:
    """Raises: ModelError if an adapter names by hash another base than this folder's model.safetensors, or if its
    config cannot be read. One that PEFT wrote elsewhere names no hash, and passes."""
    try:
        config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
        named = str(config["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unfit(Path(folder), f"{CONFIG}: {type(error).__name__}: {error}") from error
    faults = _base_faults(config, Path(model_folder), Path(folder)) if named.startswith(HASH) else []
    if faults:
        raise ModelError(faults)


def _base_faults(config: Any, model_folder: Path, folder: Path, base_sha256: str | None = None) -> list[Fault]:
    named = str(config.get("base_model_name_or_path")) if isinstance(config, dict) else type(config).__name__
    weights = model_folder / "model.safetensors"
    if base_sha256 or weights.is_file():
        expected = HASH + (base_sha256 or file_sha256(weights))
    else:
        expected = f"a {weights.name} of that hash, and none is in {model_folder}"
    if named == expected:
        return []
    what, fix = "an adapter belongs to another model.", "use the model of the stage that wrote it"
    return [Fault(what, _where(folder), named, expected, fix)]


def _shape_faults(model: PreTrainedModel, state: Mapping[str, Tensor], folder: Path) -> list[Fault]:
    faults, modules = [], dict(model.named_modules())
    for name, value in state.items():
        module_name, _, side = name.rpartition(".")
        module = modules.get(module_name)
        sizes = tuple(getattr(module, "weight", torch.empty(0)).shape)
        out_in = sizes[::-1] if isinstance(module, Conv1D) else sizes
        if len(out_in) != 2 or value.shape[1 if side == "A" else 0] != out_in[1 if side == "A" else 0]:
            faults.append(
                Fault(
                    "an adapter does not fit the model.",
                    _where(folder),
                    f"{name} {tuple(value.shape)}",
                    f"a module of {out_in}" if out_in else "a module of the model",
                    "use its own base",
                )
            )
    return faults


def _peft_name(name: str) -> str:
    module, _, side = name.rpartition(".")
    return f"{PREFIX}{module}.{SIDES[side]}"


def _stacked_name(name: str) -> str:
    for side, ending in SIDES.items():
        if name.startswith(PREFIX) and name.endswith("." + ending):
            return f"{name[len(PREFIX) : -len(ending) - 1]}.{side}"
    raise ModelError(
        Fault(
            "an adapter holds a tensor that is not a LoRA's.",
            "",
            name,
            f"{PREFIX}<module>.lora_A.weight or lora_B.weight",
            "use a plain LoRA",
        )
    )


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, (set, frozenset)) else str(value)


def _where(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def _unfit(folder: Path, got: str) -> ModelError:
    return ModelError(
        Fault(
            "an adapter cannot be loaded.",
            _where(folder),
            got,
            f"{CONFIG} and {WEIGHTS} of a LoRA on this model",
            "export the adapter again",
        )
    )
