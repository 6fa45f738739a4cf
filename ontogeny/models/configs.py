"""The config of the model a genome asks for; every fault of an architecture is told before a weight is drawn."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from ontogeny.core.errors import Fault, ModelError, closest
from ontogeny.models.bases import SCRATCH, Base, read_base

TOKENIZER_OWNS = ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")


def make_config(spec: Any, vocab_size: int, bos_id: int | None) -> PretrainedConfig:
    """The config of the model a genome asks for: no dropout, a context that holds a pack, the tokenizer's ids.

    Raises: ModelError with every fault of the architecture; for a base that cannot be read; for a context longer
    than the model's; for a tokenizer with more ids than the model has rows."""
    if spec.base == SCRATCH:
        config = _scratch_config(spec, vocab_size, bos_id)
    else:
        config = read_base(spec.base, _read_config)
        require(
            config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
            f"'{spec.base}' is not a causal language model.",
            "model.base",
            config.model_type,
            "a decoder that predicts the next token",
            "choose another base",
        )
        if getattr(config, "bos_token_id", None) is None:
            config.bos_token_id = bos_id
    if getattr(config, "quantization_config", None) is not None:
        del config.quantization_config  # type: ignore[attr-defined]
    for name in [name for name in config.to_dict() if _is_dropout(name)]:
        setattr(config, name, 0.0)
    limit = context_limit(config)
    require(
        limit is None or spec.context_tokens <= limit,
        "the context is longer than the model's.",
        "model.context_tokens",
        str(spec.context_tokens),
        f"at most {limit}",
        "lower context_tokens, or give architecture.max_position_embeddings to a model from scratch",
    )
    require(
        vocab_size <= config.vocab_size,
        "the tokenizer does not match the model.",
        "model.tokenizer",
        f"{vocab_size} ids",
        f"at most the {config.vocab_size} rows of the model's embedding",
        f"use the model's own tokenizer: tokenizer: {{pretrained: {spec.base}}}",
    )
    return config


def context_limit(config: PretrainedConfig) -> int | None:
    """The longest context a model was made for; None where its positions have no end."""
    return getattr(config, "max_position_embeddings", None)


def require(holds: Any, what: str, where: str, got: str, expected: str, fix: str) -> None:
    """Raises ModelError with this one fault unless something holds."""
    if not holds:
        raise ModelError(Fault(what, where, got, expected, fix))


def _read_config(base: Base, local_only: bool) -> PretrainedConfig:
    return copy.deepcopy(_read_once(base, local_only)) if base.gguf else _read_once.__wrapped__(base, local_only)


@functools.lru_cache(maxsize=4)
def _read_once(base: Base, local_only: bool) -> PretrainedConfig:
    """A GGUF file is read through, vocabulary and all, to learn its config: seconds, so once a process."""
    return AutoConfig.from_pretrained(base.source, local_files_only=local_only, **base.where)


def _scratch_config(spec: Any, vocab_size: int, bos_id: int | None) -> PretrainedConfig:
    fields = dict(spec.architecture or {})
    kind = fields.pop("type", None)
    known = [name for name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES if name in CONFIG_MAPPING]
    require(
        kind in known,
        "unknown architecture.",
        "model.architecture.type",
        repr(kind),
        f"a causal model type of transformers{closest(str(kind), known)}",
        "correct the type; llama suits most",
    )
    config_class = CONFIG_MAPPING[kind]
    aliases = dict(getattr(config_class, "attribute_map", {}) or {})
    names = {field.name for field in dataclasses.fields(config_class) if field.init} | set(aliases)
    faults = [_field_fault(kind, name, value, names) for name, value in fields.items()]
    if faults := [fault for fault in faults if fault]:
        raise ModelError(faults)
    limit = aliases.get("max_position_embeddings", "max_position_embeddings")
    if limit in names and not {limit, "max_position_embeddings"} & set(fields):
        fields[limit] = spec.context_tokens
    if "intermediate_size" in names - set(fields) and isinstance(fields.get("hidden_size"), int):
        fields["intermediate_size"] = 16 * math.ceil(fields["hidden_size"] / 6)  # 8/3 of the width, in steps of 16
    ids = dict.fromkeys(TOKENIZER_OWNS) | {"vocab_size": vocab_size or _planned_vocab(spec), "bos_token_id": bos_id}
    try:
        return AutoConfig.for_model(kind, **fields, **{name: value for name, value in ids.items() if name in names})
    except (StrictDataclassError, ValueError, TypeError, ZeroDivisionError, AttributeError) as error:
        told = " ".join(str(error.__cause__ or error).split())
        raise ModelError(
            Fault(
                "the architecture does not hold together.",
                "model.architecture",
                told[:200],
                f"fields that a {kind} config accepts",
                "change the field it names",
            )
        ) from error


def _field_fault(kind: str, name: str, value: Any, names: set[str]) -> Fault | None:
    where = f"model.architecture.{name}"
    if name in TOKENIZER_OWNS:
        return Fault(f"'{name}' is the tokenizer's to decide.", where, repr(value), "no such key", "remove it")
    if name not in names:
        return Fault(
            f"unknown field '{name}' of a {kind}.",
            where,
            repr(name),
            f"a field of its config{closest(name, names)}",
            "correct the field, or remove it",
        )
    if _is_dropout(name) and value:
        return Fault("dropout is not used here.", where, repr(value), "0", "remove the field")
    return None


def _planned_vocab(spec: Any) -> int:
    tokenizer = getattr(spec, "tokenizer", None)
    planned = tokenizer.get("vocab_size") if isinstance(tokenizer, Mapping) else getattr(tokenizer, "vocab_size", None)
    require(
        planned,
        "the vocabulary of a model from scratch is not known.",
        "model.tokenizer",
        "nothing",
        "a vocab_size",
        "give tokenizer: {train: bpe, vocab_size: N}",
    )
    return int(planned or 0)


def _is_dropout(name: str) -> bool:
    return "dropout" in name or name.endswith("_pdrop") or name == "layerdrop"
