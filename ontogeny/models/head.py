"""The surprise of chosen tokens under a frozen output layer, without the logits of a whole batch.

Shapes: B row, T token, H hidden, V vocabulary, N chosen token, C token of a chunk."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PLAIN_HEADS = ("llama", "gpt2", "qwen2", "gpt_neox")  # families whose logits are what their head gives: tests show it
CHUNK_LOGITS = {"cpu": 1 << 18, "cuda": 1 << 26}  # numbers of a chunk: what a core's cache holds; enough for a card
LEAST_TOKENS = 32  # of a chunk, however large the vocabulary


class FrozenHead(nn.Linear):
    """An output layer that learns nothing: hidden states -> logits or, given the tokens, straight to nats.

    It owns the parameters of the layer it stands for, so that ZeRO-3 gathers them with its own forward."""

    def __init__(self, head: nn.Linear):
        nn.Module.__init__(self)
        self.in_features, self.out_features = head.in_features, head.out_features
        self.weight, self.bias = head.weight, head.bias

    def forward(self, hidden_BTH: Tensor, ids_BT: Tensor | None = None, told_BT: Tensor | None = None) -> Tensor:
        """Logits, or, given ids and which of them are asked for, nats_BT: the surprise of those, float32; else 0."""
        if ids_BT is None:
            return super().forward(hidden_BTH)
        return _Nats.apply(hidden_BTH, self.weight, self.bias, ids_BT, told_BT)


class _Nats(torch.autograd.Function):
    """-log softmax(W h + b)[id], chunk by chunk; the gradient of h is made with it: only a factor a token is missing.

    d nats / d h = (softmax - onehot(id)) W. So no logits outlive their chunk. Nothing flows to W and b, nor twice."""

    @staticmethod
    def forward(
        ctx: Any, hidden_BTH: Tensor, weight_VH: Tensor, bias_V: Tensor | None, ids_BT: Tensor, told_BT: Tensor
    ) -> Tensor:
        row_N, token_N = told_BT[:, 1:].nonzero(as_tuple=True)  # position t predicts token t + 1
        hidden_NH, ids_N = hidden_BTH[row_N, token_N], ids_BT[row_N, token_N + 1]
        nats_N = torch.empty(len(ids_N), dtype=torch.float32, device=ids_N.device)
        grad_NH = torch.empty_like(hidden_NH) if ctx.needs_input_grad[0] else None
        size = max(LEAST_TOKENS, CHUNK_LOGITS.get(hidden_BTH.device.type, CHUNK_LOGITS["cpu"]) // len(weight_VH))
        for first in range(0, len(ids_N), size):
            part = slice(first, first + size)
            logits_CV = F.linear(hidden_NH[part], weight_VH, bias_V).float()
            total_C = logits_CV.logsumexp(dim=1)
            nats_N[part] = total_C - logits_CV.gather(1, ids_N[part, None])[:, 0]
            if grad_NH is not None:
                chances_CV = logits_CV.sub_(total_C[:, None]).exp_()
                chances_CV[torch.arange(len(total_C), device=ids_N.device), ids_N[part]] -= 1
                grad_NH[part] = chances_CV.to(weight_VH.dtype) @ weight_VH
        ctx.save_for_backward(grad_NH, row_N, token_N)
        ctx.sizes = hidden_BTH.shape
        nats_BT = nats_N.new_zeros(ids_BT.shape)
        nats_BT[row_N, token_N + 1] = nats_N
        return nats_BT

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, factor_BT: Tensor) -> tuple[Tensor, None, None, None, None]:
        grad_NH, row_N, token_N = ctx.saved_tensors
        grad_BTH = grad_NH.new_zeros(ctx.sizes)
        grad_BTH[row_N, token_N] = (grad_NH * factor_BT[row_N, token_N + 1, None]).to(grad_NH.dtype)
        return grad_BTH, None, None, None, None
