"""Tiny models of several families, and specs, for tests of models and probes."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from transformers import PreTrainedModel

from ontogeny.models.causal import build_model

torch.set_num_threads(1)  # tiny tensors are faster so, and steadier beside other work

VOCAB = 101
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
FAMILIES = {
    "llama": {"type": "llama", **SIZES, "num_key_value_heads": 2},
    "qwen2": {"type": "qwen2", **SIZES, "num_key_value_heads": 2, "tie_word_embeddings": True},
    "gpt2": {"type": "gpt2", "n_embd": 32, "n_layer": 3, "n_head": 4},
    "gpt_neox": {"type": "gpt_neox", **SIZES},
    "opt": {
        "type": "opt",
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "ffn_dim": 48,
        "word_embed_proj_dim": 32,
    },
}


def spec_of(family: str = "llama", **changes) -> SimpleNamespace:
    """What the schema's model section looks like to this room."""
    fields = {
        "base": "scratch",
        "architecture": dict(FAMILIES[family]),
        "context_tokens": 64,
        "precision": "fp32",
        "tokenizer": {"vocab_size": VOCAB},
    }
    return SimpleNamespace(**{**fields, **changes})


def tiny(family: str = "llama", seed: int = 7, dtype: torch.dtype | None = None) -> PreTrainedModel:
    return build_model(spec_of(family), VOCAB, 0, seed, dtype)


def role(rank: int = 4, alpha: float = 8, targets: str = "attention", layers: object = "all") -> SimpleNamespace:
    return SimpleNamespace(rank=rank, alpha=alpha, targets=targets, layers=layers)


def some_ids(rows: int = 4, tokens: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, VOCAB, (rows, tokens), generator=torch.Generator().manual_seed(seed))


def stir(module: torch.nn.Module, size: float = 0.1, seed: int = 1) -> None:
    """Moves every trainable weight, so that adapters do something."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.data.add_(size * torch.randn(parameter.shape, generator=generator))
