"""Causal language models: built from a genome, read from and written to plain transformers folders.

Shapes: B row, T token, V vocabulary."""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.utils import logging

from ontogeny.core.errors import Fault, ModelError
from ontogeny.models.bases import SCRATCH, Base, read_base
from ontogeny.models.configs import context_limit, make_config, require

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
ONE_FILE = "100000GB"


def generator_of(*parts: object) -> torch.Generator:
    """A CPU generator seeded by SHA-256 of its parts, so that a draw depends on nothing else.

    Computes: the first 8 bytes of SHA-256("part|part|..."), shifted right once."""
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def model_facts(spec: Any, vocab_size: int | None = None) -> dict[str, Any]:
    """What a plan must know of a model, from its config alone; no weight is built.

    Returns: type, parameters, vocab_size, max_position_embeddings, num_hidden_layers, hidden_size, bytes_per_parameter.
    `vocab_size` (the tokenizer's) is asked of a model from scratch only."""
    config = make_config(spec, vocab_size or 0, None)
    with torch.device("meta"):
        model = _from_config(config, torch.float32)
    return {
        "type": config.model_type,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "vocab_size": config.vocab_size,
        "max_position_embeddings": context_limit(config),
        "num_hidden_layers": config.num_hidden_layers,
        "hidden_size": config.hidden_size,
        "bytes_per_parameter": DTYPES[spec.precision].itemsize,
    }


def build_model(
    spec: Any, vocab_size: int, bos_id: int | None, seed: int, dtype: torch.dtype | None = None
) -> PreTrainedModel:
    """The model of a genome, in training mode, without cache.

    `spec` has base, architecture, context_tokens and precision; `dtype` overrides the precision. Matrices from scratch
    are N(0, initializer_range) in float32 from SHA-256(seed, parameter name), then cast; norms and biases constants.
    Raises: ModelError, as `make_config`; also for an architecture whose tokens see what comes after them."""
    dtype = dtype or DTYPES[spec.precision]
    config = make_config(spec, vocab_size, bos_id)
    if spec.base == SCRATCH:
        model = _from_config(config, dtype)
        _draw_weights(model, seed)
    else:
        model = read_base(spec.base, lambda base, local: _pretrained(base, config, dtype, local))
    model.config.use_cache = False
    model.train()
    _require_causal(model)
    return model


def load_model(folder: Path, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """The model of a plain transformers folder, in evaluation mode, in its own precision unless told otherwise."""
    logging.disable_progress_bar()
    try:
        model = _whole(str(folder), dtype=dtype or "auto", local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            Fault(
                "a model folder cannot be loaded.",
                Path(folder).name,
                str(error).splitlines()[0],
                "a folder with config.json and model.safetensors",
                "export the model again",
            )
        ) from error
    return model.eval()


def open_model(name: str, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """The model of any base as it is (Hub id, folder, package:DIST/PATH), in evaluation mode, in its own precision
    unless told otherwise (float32 for a GGUF file).

    Raises: ModelError if it cannot be read, lacks weights, or is not causal."""
    config = make_config(SimpleNamespace(base=name, context_tokens=1), 0, None)
    own = getattr(config, "dtype", None) or torch.float32

    def read(base: Base, local_only: bool) -> PreTrainedModel:
        return _pretrained(base, config, dtype or (torch.float32 if base.gguf else own), local_only)

    model = read_base(name, read).eval()
    _require_causal(model)
    return model


def write_model(
    state: Mapping[str, Tensor], config: PretrainedConfig, tokenizer_folder: Path | None, out: Path, dtype: torch.dtype
) -> None:
    """A plain transformers folder from a state dict with the base's own names; `out` is a temporary folder that the
    caller renames. One safetensors file always, every file synced to disk.

    Raises: ModelError for a state dict that lacks parameters or holds foreign ones."""
    config = copy.deepcopy(config)
    config.use_cache = True
    with torch.device("meta"):
        model = _from_config(config, dtype)
    cast = {
        name: value.detach().to("cpu", dtype) if value.is_floating_point() else value for name, value in state.items()
    }
    told = model.load_state_dict(cast, strict=False, assign=True)
    model.tie_weights()
    absent = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    require(
        not absent and not told.unexpected_keys,
        "a state dict does not fit its config.",
        "model/",
        f"absent {absent[:3]}, foreign {told.unexpected_keys[:3]}",
        "every parameter of the model, by its own name",
        "write the model's own state dict (base names, adapters merged or left out)",
    )
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    logging.disable_progress_bar()
    model.save_pretrained(str(out), max_shard_size=ONE_FILE)
    if tokenizer_folder is not None:
        for file in sorted(Path(tokenizer_folder).iterdir()):
            if file.is_file() and file.name not in ("config.json", "generation_config.json", "model.safetensors"):
                shutil.copyfile(file, out / file.name)
    for file in out.iterdir():
        with open(file, "rb") as opened:
            os.fsync(opened.fileno())


def _from_config(config: PretrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """A model with its own first weights; attention by torch's scaled dot product where the family has it."""
    state = torch.random.get_rng_state()
    try:
        return AutoModelForCausalLM.from_config(config, dtype=dtype)
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError) as error:
        raise ModelError(
            Fault(
                "a model cannot be built from its config.",
                "model.architecture",
                str(error).splitlines()[0],
                f"sizes that fit together in a {config.model_type}",
                "change the field it names",
            )
        ) from error
    finally:
        torch.random.set_rng_state(state)


def _pretrained(base: Base, config: PretrainedConfig, dtype: torch.dtype, local_only: bool) -> PreTrainedModel:
    """The weights of a base; those of a GGUF file are unpacked, and the model forgets that it was packed."""
    logging.disable_progress_bar()
    model = _whole(
        base.source, config=None if base.gguf else config, dtype=dtype, local_files_only=local_only, **base.where
    )
    if base.gguf:
        model.config, model.hf_quantizer = config, None  # type: ignore[assignment]
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    return model


def _whole(source: str, **how: Any) -> PreTrainedModel:
    """`from_pretrained`, refusing what it would otherwise fill with random weights."""
    model, told = AutoModelForCausalLM.from_pretrained(source, output_loading_info=True, **how)  # type: ignore[misc]
    lacking = sorted(map(str, (*told["missing_keys"], *told["mismatched_keys"])))
    require(
        not lacking,
        "a model folder lacks weights.",
        Path(source).name,
        f"no, or misshapen: {', '.join(lacking[:3])}",
        "every weight that its config asks for",
        "fetch or export the model again",
    )
    return model


@torch.no_grad()
def _draw_weights(model: nn.Module, seed: int) -> None:
    std = float(getattr(model.config, "initializer_range", None) or 0.02)
    for name, parameter in model.named_parameters():  # a tied weight comes once, under its first name
        if parameter.dim() >= 2:
            drawn = torch.empty(parameter.shape, dtype=torch.float32, device="cpu")
            parameter.copy_(drawn.normal_(0.0, std, generator=generator_of(seed, name)))


@torch.no_grad()
def _require_causal(model: PreTrainedModel) -> None:
    ids_BT = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 0]])
    logits_BTV = model(input_ids=ids_BT).logits
    require(
        bool(torch.equal(logits_BTV[0, :3], logits_BTV[1, :3])),
        "the model is not causal: a token sees its future.",
        "model",
        model.config.model_type,
        "logits that do not depend on later tokens",
        "choose a decoder",
    )
