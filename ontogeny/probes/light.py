"""Light probes: a handful of a stage's own held-out rows, scored inside the stage on the model in training.

They show when a score moves, not only between which stages; between stages the battery measures with more items.

Shapes: B row, T token (padded on the right), V vocabulary, M scored token."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ontogeny.probes.bits_per_byte import make_passage_set
from ontogeny.probes.choices import make_choice_set
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked, items_of

MAX_TOKENS, MAX_ITEMS = 1000, 8
FORWARD_TOKENS = 1024  # of one pass through the model: it has to fit beside the optimizer
SPLIT = "test"
ITEMS_OF = "conflict_resolution"


@dataclass(frozen=True)
class LightSet:
    """Rows of one end each: pieces of passages first, then answer and foil of each item in turn."""

    on: str
    rows: tuple[Row, ...]
    pieces: int
    passage_bytes: int
    bytes_of: tuple[tuple[int, int], ...]

    @property
    def tokens(self) -> int:
        """Tokens fed each time it is scored, padding left out."""
        return sum(map(len, self.rows))

    def scores(self, nats: Sequence[float]) -> dict[str, float]:
        """bits_per_byte of the passages; margin: nats a byte by which the answer is likelier than its foil, a mean over
        items. What the set has no rows for is left out."""
        told = {}
        if self.pieces:
            told["bits_per_byte"] = sum(nats[: self.pieces]) / math.log(2) / self.passage_bytes
        pairs = zip(nats[self.pieces :: 2], nats[self.pieces + 1 :: 2], self.bytes_of, strict=True)
        margins = [foil / sizes[1] - answer / sizes[0] for answer, foil, sizes in pairs]
        if margins:
            told["margin"] = sum(margins) / len(margins)
        return told


def make_light_set(asked: Asked, on: str) -> LightSet | None:
    """The first MAX_TOKENS tokens of the stage's passages that bits_per_byte scores, and its first MAX_ITEMS items.

    One passage at least, however long. None: the stage has neither. Raises: ModelError if a file cannot be read."""
    rows: list[Row] = []
    size = 0
    passages = make_passage_set(asked, on, SPLIT)
    for numbers, passage_bytes in zip(passages.rows_of, passages.bytes_of, strict=True) if passages else ():
        more = [passages.rows[i] for i in numbers]
        if rows and sum(map(len, (*rows, *more))) > MAX_TOKENS:
            continue
        rows, size = rows + more, size + passage_bytes
    pieces = len(rows)
    lines = [line for stage, split, some in items_of(asked, ITEMS_OF) if (stage, split) == (on, SPLIT) for line in some]
    items = make_choice_set(asked, ITEMS_OF, on, SPLIT, lines[:MAX_ITEMS]) if lines else None
    for row in items.rows if items else ():
        rows += [Row(row.stem, (end,), row.common) for end in row.ends[:2]]
    if not rows:
        return None
    return LightSet(
        on, tuple(rows), pieces, size, tuple((some[0], some[1]) for some in (items.bytes_of if items else ()))
    )


def light_nats(rows: Sequence[Row], logits_of: Callable[[Tensor], Tensor]) -> list[float]:
    """Nats of the end of each row (and of what it shares with others), by a model given as ids_BT -> logits_BTV.

    Every rank makes the same calls with the same rows: under ZeRO-3 a call gathers the weights of all."""
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i]), i))
    batches: list[list[int]] = []
    for i in order:
        if batches and (len(batches[-1]) + 1) * len(rows[batches[-1][0]]) <= FORWARD_TOKENS:
            batches[-1].append(i)
        else:
            batches.append([i])
    nats = [0.0] * len(rows)
    for batch in batches:
        ids_BT = torch.zeros(len(batch), len(rows[batch[0]]), dtype=torch.long)
        scored_BT = torch.zeros_like(ids_BT, dtype=torch.bool)
        for at, i in enumerate(batch):
            row = rows[i]
            ids_BT[at, : len(row)] = torch.tensor((*row.stem, *row.ends[0]))
            scored_BT[at, len(row.stem) - row.common : len(row)] = True
        logits_BTV = logits_of(ids_BT)
        row_M, column_M = scored_BT.nonzero(as_tuple=True)
        logits_MV = logits_BTV[row_M.to(logits_BTV.device), column_M.to(logits_BTV.device) - 1].float()
        nats_M = functional.cross_entropy(logits_MV, ids_BT[row_M, column_M].to(logits_MV.device), reduction="none")
        sums_B = torch.zeros(len(batch), dtype=torch.float64).index_add_(0, row_M, nats_M.double().cpu())
        for i, value in zip(batch, sums_B.tolist(), strict=True):
            nats[i] = value
    return nats
