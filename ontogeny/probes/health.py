"""Health: what warns of a collapse before the loss does, on a few rows of held-out text of all stages.

    effective_rank          falls: hidden states crowd into few directions
    attention_entropy       near 0: heads stare at one token; near its chance: they see all tokens alike
    gradient_norm           leaps, or vanishes
    gradient_noise_frac     near 1: the gradient of all rows together is noise, no direction
    gradient_noise_scale    so many tokens a step must read before its gradient is more than noise

Intervals are over rows: bootstrap of a mean; for what is no mean, jackknife with Student's t, since resampling rows
with repeats would narrow a rank.

Shapes: B row, T token, H hidden, L layer, h head."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from ontogeny.core.hashes import seed_of
from ontogeny.probes.intervals import LEVEL, interval_of_mean
from ontogeny.probes.sets import Asked, read_lines

PROBE, ON = "health", "held-out text"
ROWS, ROW_TOKENS, MIN_ROWS = 12, 128, 4
PASSES = 8  # forward passes: states 1, attention 1, gradients twice forward and back, a backward counted as two


def measure_health(model: Any, asked: Asked) -> list[dict[str, Any]]:
    """The probe's rows; none where there is too little held-out text (MIN_ROWS rows).

    The same rows after every stage, so that figures compare. Moves no weight and leaves no gradient.
    Raises: ModelError if a file cannot be read."""
    ids_BT = held_out_rows(asked)
    if ids_BT is None:
        return []
    model = model.get_base_model() if hasattr(model, "get_base_model") else model  # an adapter stays switched on in it
    ids_BT = ids_BT.to(model.device)
    found = [
        *_rank_rows(model, ids_BT),
        *_attention_rows(model, ids_BT, seed_of(asked.seed, ON, "health interval")),
        *_gradient_rows(model, ids_BT),
    ]
    fed = PASSES * ids_BT.numel()
    return [
        {
            "probe": PROBE,
            "on": ON,
            "split": asked.splits[0],
            "form": form,
            "value": value,
            "unit": unit,
            "chance": chance,
            "n": len(ids_BT),
            "ci95": ends,
            "higher_is_better": higher,
            "forward_tokens": fed,
        }
        for form, value, unit, chance, ends, higher in found
    ]


def held_out_rows(asked: Asked) -> Tensor | None:
    """ids_BT: up to ROWS rows of BOS and sound held-out text, spread over the stages; None below MIN_ROWS rows."""
    length = min(ROW_TOKENS, asked.context_tokens)
    rows: list[list[int]] = []
    for stage in asked.stages:
        lines = read_lines(asked.folder / stage / "heldout.jsonl")
        texts = [one["text"] for one in lines if one["split"] == asked.splits[0] and not one["contaminated"]]
        coded = asked.encoder.encode(texts, f"corpus/{stage}/heldout.jsonl")
        ids = [int(token) for some in coded for token in some]
        rows += [[asked.encoder.bos_id, *ids[k : k + length - 1]] for k in range(0, len(ids) - length + 2, length - 1)]
    if len(rows) < MIN_ROWS:
        return None
    return torch.tensor([rows[k * len(rows) // ROWS] for k in range(ROWS)] if len(rows) > ROWS else rows)


def jackknife(value: float, without: Sequence[float]) -> list[float]:
    """The interval of a statistic from its values with each row left out in turn."""
    n = len(without)
    error = float(np.std(without) * math.sqrt(n - 1))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    return [max(0.0, value - reach), value + reach]


Found = tuple[str, float, str, float | None, list[float], bool]


def _rank_rows(model: Any, ids_BT: Tensor) -> Iterator[Found]:
    value, without = effective_rank(last_states(model, ids_BT))
    yield "effective_rank", value, "dimensions", None, jackknife(value, without), True


@torch.inference_mode()
def last_states(model: Any, ids_BT: Tensor) -> np.ndarray:
    """states_BTH before the head, float64."""
    return model.base_model(input_ids=ids_BT, use_cache=False).last_hidden_state.double().cpu().numpy()


def effective_rank(states_BTH: np.ndarray) -> tuple[float, list[float]]:
    """exp of the entropy of the singular values of the centred states, as shares of their sum; and the same without
    each row in turn. 0 where all states are alike. Source: Roy and Vetterli 2007."""
    tokens = states_BTH.shape[1]
    states_BTH = states_BTH - states_BTH.mean(axis=(0, 1))  # so that little is lost where sums are subtracted below
    gram_BHH, sum_BH = states_BTH.transpose(0, 2, 1) @ states_BTH, states_BTH.sum(axis=1)

    def rank(gram_HH: np.ndarray, sum_H: np.ndarray, count: int) -> float:
        squares_H = np.linalg.eigvalsh(gram_HH - np.outer(sum_H, sum_H) / count)
        values = np.sqrt(np.clip(squares_H, 0.0, None))
        shares = values[values > 1e-12 * values.max()] / values.sum() if values.max() > 0 else np.zeros(0)
        return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0

    gram_HH, sum_H, rows = gram_BHH.sum(axis=0), sum_BH.sum(axis=0), len(states_BTH)
    without = [rank(gram_HH - gram_BHH[k], sum_H - sum_BH[k], (rows - 1) * tokens) for k in range(rows)]
    return rank(gram_HH, sum_H, rows * tokens), without


def _attention_rows(model: Any, ids_BT: Tensor, seed: int) -> Iterator[Found]:
    """Of all layers and of each; `chance` is the entropy of seeing all tokens alike."""
    entropy_BL = attention_entropy(model, ids_BT)
    alike = float(np.mean(np.log(np.arange(2, ids_BT.shape[1] + 1))))
    columns = {"attention_entropy": entropy_BL.mean(axis=1)}
    columns |= {f"attention_entropy_layer_{layer}": entropy_BL[:, layer] for layer in range(entropy_BL.shape[1])}
    for form, values in columns.items():
        yield form, float(values.mean()), "nats", alike, interval_of_mean(values.tolist(), seed), True


@torch.inference_mode()
def attention_entropy(model: Any, ids_BT: Tensor) -> np.ndarray:
    """entropy_BL, nats: means over heads and tokens, the first left out, which sees itself alone.

    One row at a time with attention written out (SDPA keeps its weights to itself)."""
    found = []
    with _attention_written_out(model):
        for ids_T in ids_BT:
            layers = model(input_ids=ids_T[None], use_cache=False, output_attentions=True).attentions
            assert len(layers) == model.config.num_hidden_layers, f"attention of {len(layers)} layers was told"
            found.append(
                [float(torch.special.entr(one_1hTT[0, :, 1:].double()).sum(dim=-1).mean()) for one_1hTT in layers]
            )
    return np.array(found)


@contextmanager
def _attention_written_out(model: Any) -> Iterator[None]:
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _gradient_rows(model: Any, ids_BT: Tensor) -> Iterator[Found]:
    """The norm of the gradient over all rows, the share of noise in its square, and the noise scale, which is told only
    where all rows have one, and still have it without any one row."""
    squares_B, dots_B = row_gradients(model, ids_BT)
    total, rows, tokens = float(dots_B.sum()), len(ids_BT), ids_BT.shape[1] - 1
    left = [max(0.0, total - 2 * dot + square) for square, dot in zip(squares_B, dots_B, strict=True)]
    norm = math.sqrt(max(0.0, total)) / rows
    without = [math.sqrt(one) / (rows - 1) for one in left]
    yield "gradient_norm", norm, "nats/token", None, jackknife(norm, without), False
    noise, fewer = (
        noise_frac(squares_B, total),
        [noise_frac(np.delete(squares_B, k), one) for k, one in enumerate(left)],
    )
    low, high = jackknife(noise, fewer)
    yield "gradient_noise_frac", noise, "of squared norm", None, [low, min(1.0, high)], False
    scale = noise_scale(squares_B, total)
    scales = [noise_scale(np.delete(squares_B, k), one) for k, one in enumerate(left)]
    told = [one for one in scales if one is not None]
    if scale is not None and len(told) == rows:
        ends = jackknife(tokens * scale, [tokens * one for one in told])
        yield "gradient_noise_scale", tokens * scale, "tokens", None, ends, False


def noise_frac(squares_B: np.ndarray, total: float) -> float:
    """The share of |G|^2 of all rows together that is noise, 0 to 1: their variance over their number, by its square.

    Arguments as of `noise_scale`."""
    rows = len(squares_B)
    small, big = float(squares_B.mean()), total / rows**2
    return min(1.0, max(0.0, (small - big) / (rows - 1) / big)) if big > 0 else 1.0


def noise_scale(squares_B: np.ndarray, total: float) -> float | None:
    """The simple noise scale tr(S) / |G|^2 in rows, from batches of one row and of all rows.

    `squares_B`: squared norms of the rows' gradients, `total`: that of their sum. None where the estimate of |G|^2 is
    not above 0: the rows hold nothing but noise. Source: McCandlish et al. 2018, appendix A.1."""
    rows = len(squares_B)
    small, big = float(squares_B.mean()), total / rows**2
    signal = (rows * big - small) / (rows - 1)
    noise = (small - big) / (1 - 1 / rows)
    return max(0.0, noise) / signal if signal > 0 else None


@torch.enable_grad()
def row_gradients(model: Any, ids_BT: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(squares_B, dots_B): of the gradient of each row's mean loss, its squared norm and its product with the sum.

    Every row is read twice, so that memory holds two copies of the weights, not one a row. No .grad is touched."""
    weights = list(model.parameters())
    asked = [weight.requires_grad for weight in weights]
    try:
        for weight in weights:
            weight.requires_grad_(True)
        sums = [torch.zeros_like(weight) for weight in weights]
        squares = []
        for ids_T in ids_BT:
            gradient = _gradient(model, ids_T, weights)
            squares.append(_dot(gradient, gradient))
            for one, part in zip(sums, gradient, strict=True):
                one += part
        dots = [_dot(_gradient(model, ids_T, weights), sums) for ids_T in ids_BT]
        return np.array(squares), np.array(dots)
    finally:
        for weight, wanted in zip(weights, asked, strict=True):
            weight.requires_grad_(wanted)


def _gradient(model: Any, ids_T: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    logits_TV = model(input_ids=ids_T[None], use_cache=False).logits[0, :-1].float()
    found = torch.autograd.grad(functional.cross_entropy(logits_TV, ids_T[1:]), weights, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for w, g in zip(weights, found, strict=True)]


@torch.no_grad()
def _dot(some: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    return sum(float((a.double() * b.double()).sum()) for a, b in zip(some, others, strict=True))
