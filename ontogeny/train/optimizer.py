"""AdamW whose groups are clipped each by its own norm, also where DeepSpeed has split them over ranks."""

from __future__ import annotations

import torch
import torch.distributed as dist

BETAS = (0.9, 0.95)


class GroupClippedAdamW(torch.optim.AdamW):
    """torch's fused AdamW; before each step the gradients that share a group's `name` are clipped to its `clip_norm`.

    `partitioned` says that each rank holds a part of every group (ZeRO 1 to 3): then the squared norms are summed over
    ranks first. DeepSpeed's own clipping stays off: it would clip one role by another's spike. `awake` is set once the
    engine stands: DeepSpeed builds some by a step of zero gradients, which would count as Adam's first."""

    def __init__(self, groups: list[dict]):
        super().__init__(groups, betas=BETAS, fused=True)
        self.partitioned = False
        self.awake = False
        self.grad_norms: dict[str, float] = {}

    @torch.no_grad()
    def step(self, closure=None):
        """Clips, then steps. ZeRO-3 steps one group at a time, the others empty: only groups with gradients count."""
        if not self.awake:
            return None
        squares: dict[str, torch.Tensor] = {}
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    square = param.grad.float().pow(2).sum()
                    squares[group["name"]] = squares.get(group["name"], 0) + square
        names = sorted(squares)
        if names:
            norms_N = torch.stack([squares[name] for name in names])
            if self.partitioned:
                dist.all_reduce(norms_N)
            norms_N = norms_N.sqrt()
            self.grad_norms.update(zip(names, norms_N.tolist(), strict=True))
            self._clip()
        return super().step(closure)

    def _clip(self) -> None:
        for group in self.param_groups:
            norm = self.grad_norms.get(group["name"], 0.0)
            if norm > group["clip_norm"]:
                for param in group["params"]:
                    if param.grad is not None:
                        param.grad.mul_(group["clip_norm"] / norm)
