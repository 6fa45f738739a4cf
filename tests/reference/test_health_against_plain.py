"""Health figures against slow plain computations: direct singular values, attention by hand, gradients kept whole."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from ontogeny.probes.health import (
    attention_entropy,
    effective_rank,
    last_states,
    noise_frac,
    noise_scale,
    row_gradients,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny_models import FAMILIES, some_ids, tiny


def slow_rank(states_NH):
    values = torch.linalg.svdvals(torch.tensor(states_NH - states_NH.mean(axis=0)))
    shares = [float(value / values.sum()) for value in values if value > 1e-10]
    return math.exp(-sum(share * math.log(share) for share in shares))


def test_effective_rank_against_singular_values():
    states_BTH = np.random.default_rng(1).normal(5.0, 1.0, (5, 20, 12)) * np.geomspace(1, 1e-3, 12)
    value, without = effective_rank(states_BTH)
    assert value == pytest.approx(slow_rank(states_BTH.reshape(-1, 12)), rel=1e-6)
    for k, told in enumerate(without):
        assert told == pytest.approx(slow_rank(np.delete(states_BTH, k, axis=0).reshape(-1, 12)), rel=1e-6)


def test_effective_rank_of_known_shapes():
    axes = np.concatenate([np.eye(6), -np.eye(6)])[None].repeat(3, axis=0)
    assert effective_rank(axes)[0] == pytest.approx(6.0)
    line = np.outer(np.arange(12.0), np.ones(6))[None].repeat(3, axis=0)
    assert effective_rank(line)[0] == pytest.approx(1.0, abs=1e-5)
    assert effective_rank(np.ones((3, 4, 5)))[0] == 0.0


@torch.no_grad()
def slow_entropies(model, ids_T):
    """Llama's attention from its own projections, a head and a token at a time, in float64."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    hidden = model.model.embed_tokens(ids_T[None])
    positions = torch.arange(len(ids_T))[None]
    cos_sin = model.model.rotary_emb(hidden, positions)
    told = []
    for layer in model.model.layers:
        normed, attention = layer.input_layernorm(hidden), layer.self_attn
        size = attention.head_dim
        q = attention.q_proj(normed).view(1, len(ids_T), -1, size).transpose(1, 2)
        k = attention.k_proj(normed).view(1, len(ids_T), -1, size).transpose(1, 2)
        q, k = (one[0].double() for one in apply_rotary_pos_emb(q, k, *cos_sin))
        shared = q.shape[0] // k.shape[0]
        entropies = []
        for head in range(q.shape[0]):
            for at in range(1, len(ids_T)):
                scores = [float(q[head, at] @ k[head // shared, to]) / math.sqrt(size) for to in range(at + 1)]
                top = max(scores)
                shares = [math.exp(score - top) for score in scores]
                entropies.append(-sum(s / sum(shares) * math.log(s / sum(shares)) for s in shares))
        told.append(sum(entropies) / len(entropies))
        hidden = layer(hidden, position_embeddings=cos_sin, position_ids=positions, attention_mask=None)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    return told


def test_attention_entropy_against_scores_by_hand():
    model = tiny().eval()
    for parameter in model.parameters():
        parameter.data *= 4  # so that heads do prefer some tokens
    ids_BT = some_ids(2, 9)
    told_BL = attention_entropy(model, ids_BT)
    for ids_T, told_L in zip(ids_BT, told_BL, strict=True):
        assert told_L.tolist() == pytest.approx(slow_entropies(model, ids_T), abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_of_every_family_is_seen_and_put_back(family):
    model, ids_BT = tiny(family).eval(), some_ids(3, 10)
    before = model.config._attn_implementation
    with torch.inference_mode():
        logits = model(input_ids=ids_BT).logits
    told_BL = attention_entropy(model, ids_BT)
    assert told_BL.shape == (3, 3) and (told_BL > 0).all() and (told_BL <= np.log(np.arange(2, 11)).mean() + 1e-9).all()
    assert model.config._attn_implementation == before == "sdpa"
    with torch.inference_mode():
        assert torch.equal(logits, model(input_ids=ids_BT).logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_against_backward_of_each_row(family):
    model, ids_BT = tiny(family).eval(), some_ids(4, 12)
    frozen = next(model.parameters()).requires_grad_(False)
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    squares_B, dots_B = row_gradients(model, ids_BT)
    assert all(parameter.grad is None for parameter in model.parameters()) and not frozen.requires_grad
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    frozen.requires_grad_(True)
    rows = []
    for ids_T in ids_BT:
        model.zero_grad()
        logits_TV = model(input_ids=ids_T[None]).logits[0]
        functional.cross_entropy(logits_TV[:-1], ids_T[1:]).backward()
        rows.append(torch.cat([p.grad.flatten().double() for p in model.parameters() if p.grad is not None]))
    whole = torch.stack(rows)
    assert squares_B == pytest.approx(whole.pow(2).sum(dim=1).numpy(), rel=1e-4)
    assert dots_B == pytest.approx((whole @ whole.sum(dim=0)).numpy(), rel=1e-4)
    assert dots_B.sum() == pytest.approx(float(whole.sum(dim=0).pow(2).sum()), rel=1e-4)


def test_the_noise_scale_finds_the_noise_that_was_put_in():
    rng = np.random.default_rng(0)
    signal, spread, told = rng.normal(size=400), 3.0, []
    for _ in range(200):
        rows = signal + rng.normal(0, spread, (12, 400))
        told.append(noise_scale((rows**2).sum(axis=1), float((rows.sum(axis=0) ** 2).sum())))
    assert np.median(told) == pytest.approx(spread**2 * 400 / (signal**2).sum(), rel=0.05)


def test_noise_alone_has_no_scale_and_is_all_there_is():
    assert noise_scale(np.array([1.0, 1.0]), 0.0) is None and noise_frac(np.array([1.0, 1.0]), 0.0) == 1.0
    assert noise_scale(np.array([1.0, 1.0]), 4.0) == noise_frac(np.array([1.0, 1.0]), 4.0) == 0.0, "rows are equal"


def test_the_share_of_noise_is_variance_over_rows_by_the_square_of_their_mean():
    rows = np.random.default_rng(4).normal(0.3, 1.0, (8, 50))
    mean = rows.mean(axis=0)
    variance = rows.var(axis=0, ddof=1).sum() / 8
    told = noise_frac((rows**2).sum(axis=1), float((rows.sum(axis=0) ** 2).sum()))
    assert told == pytest.approx(variance / (mean**2).sum())


def test_last_states_are_what_the_head_reads():
    model, ids_BT = tiny().eval(), some_ids(2, 6)
    with torch.inference_mode():
        logits = model(input_ids=ids_BT).logits
        states = torch.tensor(last_states(model, ids_BT), dtype=torch.float32)
        assert torch.allclose(model.get_output_embeddings()(states), logits, atol=1e-6)
