"""Losses of trunk and roles: weighted cross-entropy, in nats, with the denominators of the whole batch.

Legend: B row of a micro-batch, T token, V vocabulary."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def token_nats(logits_BTV: Tensor, ids_BT: Tensor) -> Tensor:
    """Surprise of each token given those before it.

    Shapes: logits_BTV of the model on ids_BT. Returns: nats_BT, float32; column 0, which nothing predicts, is 0.
    Source: Shannon 1948."""
    rows, length, vocabulary = logits_BTV.shape
    flat = F.cross_entropy(
        logits_BTV[:, :-1].reshape(-1, vocabulary).float(), ids_BT[:, 1:].reshape(-1), reduction="none"
    )
    return F.pad(flat.view(rows, length - 1), (1, 0))


def weighted_loss(nats_BT: Tensor, weights_BT: Tensor, denominators_B: Tensor) -> Tensor:
    """The loss of a micro-batch: sum of weight x nats, each row over the weight that its group has in the whole batch.

    Computes: sum_b (sum_t w_bt nats_bt) / D_b, where D_b is the total weight of row b's group (the trunk, or one role)
    over all ranks and micro-batches. Adding it up over micro-batches and ranks gives each group's mean nats a weighted
    token, however the batch was split."""
    return ((nats_BT * weights_BT).sum(dim=1) / denominators_B).sum()
