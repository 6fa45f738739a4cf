"""How surprised a model is by the ends of a row: sums of nats, from a log-softmax in float32.

Shapes: B row, T token (padded to the longest row), H hidden, N logit kept (the last columns), P predicting position,
M scored token, V vocabulary."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BATCH_TOKENS = 4096
ENOUGH_TOKENS, ALIKE_FRAC = 512, 0.85  # a batch of so many tokens takes no row much shorter than its longest
FORKING = ("llama", "gpt2", "qwen2", "gpt_neox")  # families where tests show that a fork scores as separate rows do,
# and that the head on chosen columns gives the model's logits


@dataclass(frozen=True)
class Row:
    """A stem that begins with BOS, and ends to be scored, each as if it alone followed the stem.

    `common`: so many last ids of the stem belong to every end: they are scored too, and count in each."""

    stem: tuple[int, ...]
    ends: tuple[tuple[int, ...], ...]
    common: int = 0

    def __len__(self) -> int:
        return len(self.stem) + sum(map(len, self.ends))

    @property
    def fed(self) -> int:
        """The tokens that go through the model: the last one of an end predicts nothing."""
        return len(self) - len(self.ends)


def make_batches(rows: Sequence[Row]) -> list[list[int]]:
    """The rows' numbers in fixed batches of about BATCH_TOKENS, rows of one kind and length together.

    A function of the rows alone: any number of ranks shares out the same batches, so scores do not depend on it."""
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i].ends), -rows[i].fed, -len(rows[i].stem), i))
    batches: list[list[int]] = []
    for i in order:
        last = batches[-1] if batches else [i]
        longest, tokens = rows[last[0]], len(last) * rows[last[0]].fed
        alike = tokens < ENOUGH_TOKENS or rows[i].fed >= ALIKE_FRAC * longest.fed
        fits = tokens + longest.fed <= BATCH_TOKENS
        if batches and len(longest.ends) == len(rows[i].ends) and alike and fits:
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
                score_batch(model, [Row(row.stem, (end,), row.common) for row, end in zip(chosen, ends, strict=True)])
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
    length, first = max(row.fed for row in rows), min(len(row.stem) - row.common for row in rows) - 1
    ids_BT = torch.zeros(len(rows), length, dtype=torch.long)
    for i, row in enumerate(rows):
        ids_BT[i, : row.fed] = torch.tensor([*row.stem, *(token for end in row.ends for token in end[:-1])])
    asked: dict[str, Any] = {"input_ids": ids_BT.to(device), "use_cache": False}
    if any(len(row.ends) > 1 for row in rows):
        mask_B1TT, positions_BT = _fork(rows, length)
        asked |= {"attention_mask": mask_B1TT.to(device), "position_ids": positions_BT.to(device)}
    row_P, column_P, place_M, target_M, end_M = (one.to(device) for one in _targets(rows))
    plain = _plain(model)
    if plain.config.model_type in FORKING:  # their logits are the head's, so it need not see what is not scored
        hidden_BTH = plain.base_model(**asked).last_hidden_state
        logits_PV = plain.get_output_embeddings()(hidden_BTH[row_P, column_P])
    else:
        further = {"logits_to_keep": length - first} if _takes(model, "logits_to_keep") else {}
        logits_BNV = model(**asked, **further).logits
        logits_PV = logits_BNV[row_P, column_P - (length - logits_BNV.shape[1])]
    logits_PV = logits_PV.float()
    nats_M = logits_PV.logsumexp(dim=-1)[place_M] - logits_PV[place_M, target_M]
    sums = torch.zeros(sum(len(row.ends) + 1 for row in rows), dtype=torch.float64, device=device)
    told = iter(sums.index_add_(0, end_M, nats_M.double()).tolist())
    common = [next(told) for _ in rows]
    return [[shared + next(told) for _ in row.ends] for row, shared in zip(rows, common, strict=True)]


def tokens_fed(model: Any, rows: Iterable[Row]) -> int:
    """The tokens that scoring these rows feeds to this model, padding left out."""
    if _forks(model):
        return sum(row.fed for row in rows)
    return sum(len(row.stem) + len(end) - 1 for row in rows for end in row.ends)


def _targets(rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The predicting positions (row, column), each once, and each scored token as (number of the position that predicts
    it, id, number of its sum): an end's first token is predicted by the stem's last. Sums are those of what the ends of
    a row have in common, a row each, then one for each end."""
    found: list[tuple[tuple[int, int], int, int]] = []
    number = len(rows)
    for i, row in enumerate(rows):
        column = len(row.stem)
        found += [((i, k - 1), row.stem[k], i) for k in range(column - row.common, column)]
        for end in row.ends:
            last = len(row.stem) - 1
            found += [((i, column + k - 1 if k else last), token, number) for k, token in enumerate(end)]
            column += len(end) - 1
            number += 1
    places = {place: p for p, place in enumerate(dict.fromkeys(place for place, _, _ in found))}
    row_P, column_P = torch.tensor(list(places)).T
    place_M, target_M, end_M = torch.tensor([(places[place], token, end) for place, token, end in found]).T
    return row_P, column_P, place_M, target_M, end_M


def _fork(rows: Sequence[Row], length: int) -> tuple[Tensor, Tensor]:
    """Who sees whom (True: is seen), and positions, for rows of several ends."""
    part_BT = torch.full((len(rows), length), -1)  # 0 the stem, 1.. the ends, -1 padding
    positions_BT = torch.zeros(len(rows), length, dtype=torch.long)
    for i, row in enumerate(rows):
        column = 0
        for part, ids in enumerate((row.stem, *(end[:-1] for end in row.ends))):
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
