"""The loop-loss's margin and coherence: which contrast rows a step feeds beside its packs, and what they cost.

Legend: B contrast row, L token of a contrast row, S scene, K ending (ENDINGS), U turn and foil, V vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ontogeny.corpus.contrast import (
    ENDINGS,
    Contrast,
    ContrastRows,
    Contrasts,
    Repairs,
    lay_out,
)
from ontogeny.corpus.layout import WEIGHTED_SPANS
from ontogeny.scenes.shape import SPANS
from ontogeny.train.losses import coherence_nats, ending_log_probs, margin_nats

if TYPE_CHECKING:
    from ontogeny.train.learner import StepMetrics

TERMS = ("margin", "coherence")
WITH_ATTEMPT = [ENDINGS.index(name) for name in ("repair", "attempt")]
IN_SCENE = [ENDINGS.index(name) for name in ("repair", "foil")]
ALONE = [ENDINGS.index(name) for name in ("repair_alone", "foil_alone")]


@dataclass(frozen=True)
class LoopMicro:
    """Scenes of one forward pass of a rank. `scenes`: by term, how many the whole batch has; `fed` is False for rows
    that stand in where a rank has no scene left, and weigh nothing."""

    rows: ContrastRows
    scenes: dict[str, int]
    fed: bool
    first_row: int


class LoopTerms:
    """The two terms of one stage: weights, foils, and how many scenes a forward pass takes."""

    def __init__(self, loop_loss: Any, shard: Any, line_end_V: np.ndarray, tokens_at_once: int):
        """`shard`: the stage's packs; `tokens_at_once`: what a forward pass of a rank may hold."""
        self.weights = {name: getattr(loop_loss, name) for name in TERMS}
        repairs = Repairs(shard.ids_RT, shard.codes_RT, line_end_V) if self.weights["coherence"] else None
        self.contrasts = Contrasts(line_end_V, bool(self.weights["margin"]), repairs)
        self.rows_a_scene = len(ENDINGS) if all(self.weights.values()) else 4 if self.weights["coherence"] else 2
        self.tokens_at_once = tokens_at_once

    def micros(self, batch: Any, rank: int, world: int) -> list[LoopMicro]:
        """This rank's scenes of a global batch, in forward passes; each rank makes equally many."""
        scenes = [
            scene
            for ids_T, codes_T, row in zip(batch.ids_BT, batch.codes_BT, batch.rows_B.tolist(), strict=True)
            for scene in self.contrasts.of_row(ids_T, codes_T, row)
        ]
        counts = {
            "margin": sum(scene.attempt is not None for scene in scenes),
            "coherence": sum(scene.foil is not None for scene in scenes),
        }
        share = -(-len(scenes) // world)
        mine = scenes[rank * share : (rank + 1) * share]
        at_once = max(1, self.tokens_at_once // (self.rows_a_scene * max((one.length for one in scenes), default=1)))
        made = []
        for start in range(0, share, at_once):
            part: list[Contrast] = mine[start : min(start + at_once, share)]
            made.append(LoopMicro(lay_out(part or scenes[:1]), counts, bool(part), (part or scenes)[0].row))
        return made

    def loss(self, nats_BL: Tensor, micro: LoopMicro) -> tuple[Tensor, dict[str, Tensor]]:
        """(the micro-batch's part of the loss, the nats of each scene by term).

        Computes: sum over terms of weight / scenes of the whole batch x the sum over this micro-batch's scenes."""
        l_B = ending_log_probs(nats_BL, torch.from_numpy(micro.rows.ending_BL).to(nats_BL.device))
        row_SK, told = micro.rows.row_SK, {}
        for name, wanted in zip(TERMS, (WITH_ATTEMPT, IN_SCENE + ALONE), strict=True):
            rows = row_SK[(row_SK[:, wanted] >= 0).all(axis=1)]
            if self.weights[name] and len(rows):
                told[name] = self._nats(name, l_B, torch.from_numpy(rows).to(l_B.device))
        scale = {name: self.weights[name] / micro.scenes[name] if micro.fed else 0.0 for name in told}
        loss = torch.stack([scale[name] * nats_S.sum() for name, nats_S in told.items()]).sum()
        return loss, told

    @staticmethod
    def _nats(name: str, l_B: Tensor, row_SK: Tensor) -> Tensor:
        if name == "margin":
            return margin_nats(*l_B[row_SK[:, WITH_ATTEMPT]].unbind(dim=1))
        return coherence_nats(l_B[row_SK[:, IN_SCENE]], l_B[row_SK[:, ALONE]])


def count_terms(metrics: StepMetrics, micro: LoopMicro, nats: dict[str, Tensor]) -> None:
    """Adds what a forward pass of contrast rows measured."""
    if not micro.fed:
        return
    metrics.loop_counts["scenes"] = metrics.loop_counts.get("scenes", 0) + len(micro.rows.row_SK)
    for name, nats_S in nats.items():
        told = float(nats_S.detach().double().sum())
        _count(metrics, name, told, len(nats_S))
        if not np.isfinite(told):
            metrics.fault_row = micro.first_row


def count_spans(metrics: StepMetrics, nats_BT: np.ndarray, codes_BT: np.ndarray) -> None:
    """Adds the nats of the tokens of each span of a scene, unweighted."""
    spans_BT = codes_BT % 8
    for name in WEIGHTED_SPANS:
        chosen = spans_BT == SPANS.index(name)
        if chosen.any():
            _count(metrics, name, float(nats_BT[chosen].sum(dtype=np.float64)), int(chosen.sum()))


def _count(metrics: StepMetrics, name: str, nats: float, count: int) -> None:
    metrics.loop_nats[name] = metrics.loop_nats.get(name, 0.0) + nats
    metrics.loop_counts[name] = metrics.loop_counts.get(name, 0) + count


def loop_line(sums: StepMetrics) -> dict[str, dict[str, float]]:
    """What a line of metrics tells of scenes: `loop`, the mean of each term in nats and how many scenes had one; and
    `span_nats`, the cross-entropy of each span, in nats a token. Nothing where no scene was read."""
    means = {name: nats / sums.loop_counts[name] for name, nats in sums.loop_nats.items()}
    terms = {f"{name}_nats": means[name] for name in TERMS if name in means}
    spans = {name: means[name] for name in WEIGHTED_SPANS if name in means}
    line = {"loop": terms | {"scenes": sums.loop_counts["scenes"]}} if terms else {}
    return line | ({"span_nats": spans} if spans else {})
