"""Losses of trunk and roles, in nats: weighted cross-entropy, and the two terms of the loop-loss.

    L = cross-entropy + margin x mean of margin_nats over scenes + coherence x mean of coherence_nats over scenes

Legend: B row of a micro-batch, T token, V vocabulary, S scene, U the scene's own turn first, then its foils."""

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


def ending_log_probs(nats_BT: Tensor, ending_BT: Tensor) -> Tensor:
    """l(y|c): mean log-probability, in nats a token, of the ending y of each row given the context c before it.

    Computes: l_b = -(sum_t e_bt nats_bt) / sum_t e_bt, where e_bt is 1 at the tokens of y (at least one) and else 0."""
    ending_BT = ending_BT.to(nats_BT.dtype)
    return -(nats_BT * ending_BT).sum(dim=1) / ending_BT.sum(dim=1)


def margin_nats(repair_S: Tensor, attempt_S: Tensor) -> Tensor:
    """The margin between repair and attempt of each scene, both as they would end the same context c.

    Computes: -log sigmoid(l(repair|c) - l(attempt|c)), in nats; log 2 where both are equally likely a token.
    Source: SimPO (Meng, Xia, Chen 2024): the length-normalised reward, with beta = 1 and no target margin."""
    return -F.logsigmoid(repair_S - attempt_S)


def coherence_nats(given_scene_SU: Tensor, given_label_SU: Tensor) -> Tensor:
    """How poorly each scene c tells its own turn (U = 0) from foil turns (U > 0) of other scenes.

    Computes: -log softmax over u of (l(u|c) - l(u|label alone)), at u = 0, in nats: InfoNCE, whose critic is the
    pointwise mutual information, a token, of turn and scene. log(1 + foils) less its mean bounds the mutual information
    of turn and scene from below, where foils are drawn from all turns; ours are near in length, so that it is a bound
    within turns of one length.
    Source: van den Oord, Li, Vinyals 2018; the bound: Poole et al. 2019."""
    return -F.log_softmax(given_scene_SU - given_label_SU, dim=1)[:, 0]
