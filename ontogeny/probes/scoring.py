"""How surprised a model is by the ends of a row: sums of nats, from a log-softmax in float32.

Shapes: B row, T token (padded to the longest row), H hidden, N logit kept (the last columns), M scored token,
V vocabulary."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

BATCH_TOKENS = 4096
FORKING = ("llama", "gpt2", "qwen2", "gpt_neox")  # families where tests show that a fork scores as separate rows do,
# and that the head on chosen columns gives the model's logits


@dataclass(frozen=True)
class Row:
    """A stem that begins with BOS, and ends to be scored, each as if it alone followed the stem."""

    stem: tuple[int, ...]
    ends: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.stem) + sum(map(len, self.ends))


def make_batches(rows: Sequence[Row]) -> list[list[int]]:
    """The rows' numbers in fixed batches of about BATCH_TOKENS, rows of one kind and length together.

    A function of the rows alone: any number of ranks shares out the same batches, so scores do not depend on it."""
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i].ends), -len(rows[i]), -len(rows[i].stem), i))
    batches: list[list[int]] = []
    for i in order:
        last = batches[-1] if batches else [i]
        longest = rows[last[0]]
        if batches and len(longest.ends) == len(rows[i].ends) and (len(last) + 1) * len(longest) <= BATCH_TOKENS:
            last.append(i)
        else:
            batches.append([i])
    return batches


def score_rows(model: Any, rows: Sequence[Row], batches: Iterable[Sequence[int]]) -> Iterator[tuple[int, list[float]]]:
    """(number of the row, nats of each of its ends) for the rows of these batches."""
    forking = _forks(model)
    for batch in batches:
        chosen = [rows[i] for i in batch]
        if forking or all(len(row.ends) == 1 for row in chosen):
            yield from zip(batch, score_batch(model, chosen), strict=True)
        else:  # each end goes after a stem of its own
            columns = [
                score_batch(model, [Row(row.stem, (end,)) for row, end in zip(chosen, ends, strict=True)])
                for ends in zip(*(row.ends for row in chosen), strict=True)
            ]
            yield from zip(
                batch, ([one for nats in of_row for one in nats] for of_row in zip(*columns, strict=True)), strict=True
            )


@torch.inference_mode()
def score_batch(model: Any, rows: Sequence[Row]) -> list[list[float]]:
    """Nats of each end of each row. Right padding needs no mask: a token does not see what comes after it.

    Rows of several ends are forks: one mask hides the ends from each other, and positions restart behind the stem."""
    device = model.device
    length, first = max(map(len, rows)), min(len(row.stem) for row in rows) - 1
    ids_BT = torch.zeros(len(rows), length, dtype=torch.long)
    for i, row in enumerate(rows):
        ids_BT[i, : len(row)] = torch.tensor([*row.stem, *(token for end in row.ends for token in end)])
    asked: dict[str, Any] = {"input_ids": ids_BT.to(device), "use_cache": False}
    if any(len(row.ends) > 1 for row in rows):
        mask_B1TT, positions_BT = _fork(rows, length)
        asked |= {"attention_mask": mask_B1TT.to(device), "position_ids": positions_BT.to(device)}
    row_M, column_M, target_M, end_M = (one.to(device) for one in _targets(rows))
    plain = _plain(model)
    if plain.config.model_type in FORKING:  # their logits are the head's, so it need not see what is not scored
        hidden_BTH = plain.base_model(**asked).last_hidden_state
        logits_MV = plain.get_output_embeddings()(hidden_BTH[row_M, column_M])
    else:
        further = {"logits_to_keep": length - first} if _takes(model, "logits_to_keep") else {}
        logits_BNV = model(**asked, **further).logits
        logits_MV = logits_BNV[row_M, column_M - (length - logits_BNV.shape[1])]
    nats_M = functional.cross_entropy(logits_MV.float(), target_M, reduction="none")
    sums = torch.zeros(sum(len(row.ends) for row in rows), dtype=torch.float64, device=device)
    told = iter(sums.index_add_(0, end_M, nats_M.double()).tolist())
    return [[next(told) for _ in row.ends] for row in rows]


def _targets(rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each scored token as (row, column that predicts it, id, number of its end): an end's first token is predicted by
    the stem's last."""
    found: list[tuple[int, int, int, int]] = []
    number = 0
    for i, row in enumerate(rows):
        column = len(row.stem)
        for end in row.ends:
            found += [(i, column + k - 1 if k else len(row.stem) - 1, token, number) for k, token in enumerate(end)]
            column += len(end)
            number += 1
    row_M, column_M, target_M, end_M = torch.tensor(found).T
    return row_M, column_M, target_M, end_M


def _fork(rows: Sequence[Row], length: int) -> tuple[Tensor, Tensor]:
    """Who sees whom (True: is seen), and positions, for rows of several ends."""
    part_BT = torch.full((len(rows), length), -1)  # 0 the stem, 1.. the ends, -1 padding
    positions_BT = torch.zeros(len(rows), length, dtype=torch.long)
    for i, row in enumerate(rows):
        column = 0
        for part, ids in enumerate((row.stem, *row.ends)):
            begin = len(row.stem) if part else 0
            part_BT[i, column : column + len(ids)] = part
            positions_BT[i, column : column + len(ids)] = torch.arange(begin, begin + len(ids))
            column += len(ids)
    seen_BTT = (part_BT[:, None, :] == part_BT[:, :, None]) | (part_BT[:, None, :] == 0)
    return (seen_BTT & torch.ones(length, length, dtype=torch.bool).tril())[:, None], positions_BT


def _plain(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _takes(model: Any, keyword: str) -> bool:
    return keyword in inspect.signature(_plain(model).forward).parameters


def _forks(model: Any) -> bool:
    config = _plain(model).config
    windowed = getattr(config, "use_sliding_window", False)
    return config.model_type in FORKING and not windowed and config._attn_implementation == "sdpa"
