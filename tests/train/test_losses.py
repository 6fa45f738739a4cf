"""Losses against a slow plain loop in float64."""

from __future__ import annotations

import math

import pytest
import torch

from ontogeny.train.losses import token_nats, weighted_loss

ROWS, LENGTH, VOCABULARY = 4, 9, 13


def made(seed: int = 0):
    """(logits_BTV, ids_BT, weights_BT, groups) with weights of 0, 1 and 2, and two groups."""
    chance = torch.Generator().manual_seed(seed)
    logits_BTV = 4 * torch.randn(ROWS, LENGTH, VOCABULARY, generator=chance)
    ids_BT = torch.randint(VOCABULARY, (ROWS, LENGTH), generator=chance)
    weights_BT = torch.randint(3, (ROWS, LENGTH), generator=chance).float()
    weights_BT[:, 0] = 0
    return logits_BTV, ids_BT, weights_BT, [0, 1, 1, 0]


def slow_nats(logits_BTV, ids_BT) -> list[list[float]]:
    rows = []
    for logits_TV, ids_T in zip(logits_BTV.double().tolist(), ids_BT.tolist(), strict=True):
        nats_T = [0.0]
        for logits_V, target in zip(logits_TV[:-1], ids_T[1:], strict=True):
            top = max(logits_V)
            nats_T.append(top + math.log(sum(math.exp(logit - top) for logit in logits_V)) - logits_V[target])
        rows.append(nats_T)
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_token_nats(seed):
    logits_BTV, ids_BT, _, _ = made(seed)
    nats_BT = token_nats(logits_BTV, ids_BT)
    assert nats_BT.dtype == torch.float32
    assert torch.equal(nats_BT[:, 0], torch.zeros(ROWS))
    assert torch.allclose(nats_BT.double(), torch.tensor(slow_nats(logits_BTV, ids_BT)).double(), rtol=1e-6, atol=1e-6)


def test_half_precision_is_scored_in_float32():
    logits_BTV, ids_BT, _, _ = made()
    half_BTV = logits_BTV.bfloat16()
    assert torch.equal(token_nats(half_BTV, ids_BT), token_nats(half_BTV.float(), ids_BT))


@pytest.mark.parametrize("seed", range(5))
def test_weighted_loss_is_each_groups_mean_nats(seed):
    logits_BTV, ids_BT, weights_BT, groups = made(seed)
    slow = slow_nats(logits_BTV, ids_BT)
    expected, denominators = 0.0, {}
    for group in set(groups):
        mine = [row for row in range(ROWS) if groups[row] == group]
        denominators[group] = sum(float(weights_BT[row, t]) for row in mine for t in range(LENGTH))
        expected += (
            sum(float(weights_BT[row, t]) * slow[row][t] for row in mine for t in range(LENGTH)) / denominators[group]
        )
    denominators_B = torch.tensor([denominators[group] for group in groups])
    assert float(weighted_loss(token_nats(logits_BTV, ids_BT), weights_BT, denominators_B)) == pytest.approx(
        expected, rel=1e-6
    )


def test_a_token_of_weight_0_gives_no_gradient():
    logits_BTV, ids_BT, weights_BT, _ = made()
    logits_BTV.requires_grad_(True)
    weighted_loss(token_nats(logits_BTV, ids_BT), weights_BT, torch.ones(ROWS)).backward()
    predicted_BT = torch.nn.functional.pad(weights_BT[:, 1:], (0, 1)) > 0  # position t predicts token t + 1
    assert torch.equal(logits_BTV.grad.abs().sum(-1) > 0, predicted_BT)
