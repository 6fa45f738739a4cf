"""How surprised a model is by the ends of a row: sums of nats, from a log-softmax in float32.

Shapes: B row, T token (padded to the longest row), H hidden, N logit kept (the last columns), P predicting position,
M scored token, E sum of nats, V vocabulary, K role of a stack (1 for a plain model)."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ontogeny.models.head import PLAIN_HEADS
from ontogeny.models.stacked import StackedLoRA

BATCH_TOKENS = 4096
ENOUGH_TOKENS, ALIKE_FRAC = 512, 0.85  # a batch of so many tokens takes no row much shorter than its longest
LINE_TOKENS = 128  # short forks lie side by side in lines of about this length: no padding, and still little attention
FORKING = ("llama", "gpt2", "qwen2", "gpt_neox")  # families where tests show that a fork scores as separate rows do
SEEN = ("input_ids", "attention_mask", "position_ids")  # what a forward pass is given of each line


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


def make_batches(rows: Sequence[Row], batch_tokens: int = BATCH_TOKENS) -> list[list[int]]:
    """The rows' numbers in fixed batches of about so many tokens, rows of one kind and length together.

    A function of the rows alone: any number of ranks shares out the same batches, so scores do not depend on it."""
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i].ends), -rows[i].fed, -len(rows[i].stem), i))
    batches: list[list[int]] = []
    for i in order:
        last = batches[-1] if batches else [i]
        longest, tokens = rows[last[0]], len(last) * rows[last[0]].fed
        alike = tokens < ENOUGH_TOKENS or rows[i].fed >= ALIKE_FRAC * longest.fed or len(longest.ends) > 1
        fits = tokens + longest.fed <= batch_tokens
        if batches and len(longest.ends) == len(rows[i].ends) and alike and fits:
            last.append(i)
        else:
            batches.append([i])
    return batches


def score_rows(model: Any, rows: Sequence[Row], batches: Iterable[Sequence[int]]) -> Iterator[tuple[int, list[float]]]:
    """(number of the row, nats of each of its ends) for the rows of these batches."""
    for batch in batches:
        yield from zip(batch, _of_batch(model, [rows[i] for i in batch]), strict=True)


def score_roles(
    stack: StackedLoRA, rows: Sequence[Row], batches: Iterable[Sequence[int]]
) -> Iterator[tuple[str, int, list[float]]]:
    """(role, number of the row, nats of each of its ends): every role of a stack scores the rows of these batches."""
    for batch in batches:
        keys = [(role, i) for role in stack.roles for i in batch]
        for (role, i), nats in zip(keys, _of_batch(stack, [rows[i] for i in batch]), strict=True):
            yield role, i, nats


def _of_batch(model: Any, rows: Sequence[Row]) -> list[list[float]]:
    if _forks(model) or all(len(row.ends) == 1 for row in rows):
        return score_batch(model, rows)
    columns = [  # each end goes after a stem of its own
        score_batch(model, [Row(row.stem, (end,), row.common) for row, end in zip(rows, ends, strict=True)])
        for ends in zip(*(row.ends for row in rows), strict=True)
    ]
    return [[one for nats in of_row for one in nats] for of_row in zip(*columns, strict=True)]


@torch.inference_mode()
def score_batch(model: Any, rows: Sequence[Row]) -> list[list[float]]:
    """Nats of each end of each row; of a stack, of all rows by its first role, then by its second, and so on.

    Right padding needs no mask: a token does not see what comes after it.
    Rows of several ends are forks: one mask hides the ends from each other, and positions restart behind the stem; it
    also hides forks of one line from each other."""
    plain, stack = _plain(model), model if isinstance(model, StackedLoRA) else None
    device = plain.device
    forks = any(len(row.ends) > 1 for row in rows)
    places = _places(rows) if forks else [(i, 0) for i in range(len(rows))]
    length = max(offset + row.fed for (_, offset), row in zip(places, rows, strict=True))
    first = min(offset + len(row.stem) - row.common for (_, offset), row in zip(places, rows, strict=True)) - 1
    ids_BT = torch.zeros(1 + max(line for line, _ in places), length, dtype=torch.long)
    for (line, offset), row in zip(places, rows, strict=True):
        ids = [*row.stem, *(token for end in row.ends for token in end[:-1])]
        ids_BT[line, offset : offset + row.fed] = torch.tensor(ids)
    asked: dict[str, Any] = {"input_ids": ids_BT.to(device), "use_cache": False}
    if forks:
        mask_B1TT, positions_BT = _fork(rows, places, ids_BT.shape)
        asked |= {"attention_mask": mask_B1TT.to(device), "position_ids": positions_BT.to(device)}
    line_P, column_P, place_M, target_M, end_M = (one.to(device) for one in _targets(rows, places))
    if stack is not None:
        stack.set_groups(torch.arange(len(stack.roles)).repeat_interleave(len(ids_BT)))
        asked |= {name: torch.cat([asked[name]] * len(stack.roles)) for name in SEEN if name in asked}
    if plain.config.model_type in PLAIN_HEADS:  # the head need not see what is not scored
        hidden_BTH = stack.hidden(**asked) if stack is not None else plain.base_model(**asked).last_hidden_state
        hidden_KBTH = hidden_BTH.unflatten(0, (-1, len(ids_BT)))
        logits_KPV = plain.get_output_embeddings()(hidden_KBTH[:, line_P, column_P])
    else:
        further = {"logits_to_keep": length - first} if _takes(model, "logits_to_keep") else {}
        logits_KBNV = model(**asked, **further).logits.unflatten(0, (-1, len(ids_BT)))
        logits_KPV = logits_KBNV[:, line_P, column_P - (length - logits_KBNV.shape[2])]
    logits_KPV = logits_KPV.to(torch.promote_types(logits_KPV.dtype, torch.float32))
    nats_KM = logits_KPV.logsumexp(dim=-1)[:, place_M] - logits_KPV[:, place_M, target_M]
    sums_KE = torch.zeros(len(nats_KM), sum(len(row.ends) + 1 for row in rows), dtype=torch.float64, device=device)
    found = []
    for sums in sums_KE.index_add_(1, end_M, nats_KM.double()).tolist():
        told = iter(sums)
        common = [next(told) for _ in rows]
        found += [[shared + next(told) for _ in row.ends] for row, shared in zip(rows, common, strict=True)]
    return found


def tokens_fed(model: Any, rows: Iterable[Row]) -> int:
    """The tokens that scoring these rows feeds to this model, padding left out."""
    if _forks(model):
        return sum(row.fed for row in rows)
    return sum(len(row.stem) + len(end) - 1 for row in rows for end in row.ends)


def _places(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """(line, column where it begins) of each row: the first line with room for it."""
    room = max(LINE_TOKENS, *(row.fed for row in rows))
    filled: list[int] = []
    found = []
    for row in rows:
        line = next((k for k, tokens in enumerate(filled) if tokens + row.fed <= room), len(filled))
        if line == len(filled):
            filled.append(0)
        found.append((line, filled[line]))
        filled[line] += row.fed
    return found


def _targets(rows: Sequence[Row], places: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The predicting positions (line, column), each once, and each scored token as (number of its position, id, number
    of its sum): an end's first token is predicted by the stem's last. Sums are those of what the ends of a row have in
    common, a row each, then one for each end."""
    found: list[tuple[tuple[int, int], int, int]] = []
    number = len(rows)
    for i, (row, (line, offset)) in enumerate(zip(rows, places, strict=True)):
        stem_end = column = offset + len(row.stem)
        shared = row.stem[len(row.stem) - row.common :]
        found += [((line, stem_end - row.common + k - 1), token, i) for k, token in enumerate(shared)]
        for end in row.ends:
            for k, token in enumerate(end):
                found.append(((line, column + k - 1 if k else stem_end - 1), token, number))
            column += len(end) - 1
            number += 1
    numbers = {place: p for p, place in enumerate(dict.fromkeys(place for place, _, _ in found))}
    line_P, column_P = torch.tensor(list(numbers)).T
    place_M, target_M, end_M = torch.tensor([(numbers[place], token, end) for place, token, end in found]).T
    return line_P, column_P, place_M, target_M, end_M


def _fork(rows: Sequence[Row], places: Sequence[tuple[int, int]], shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Who sees whom (True: is seen), and positions, for rows of several ends, some in one line."""
    row_BT = torch.full(shape, -1)
    part_BT = torch.full(shape, -1)  # 0 the stem, 1.. the ends, -1 padding
    positions_BT = torch.zeros(shape, dtype=torch.long)
    for i, (row, (line, column)) in enumerate(zip(rows, places, strict=True)):
        row_BT[line, column : column + row.fed] = i
        for part, ids in enumerate((row.stem, *(end[:-1] for end in row.ends))):
            begin = len(row.stem) if part else 0
            part_BT[line, column : column + len(ids)] = part
            positions_BT[line, column : column + len(ids)] = torch.arange(begin, begin + len(ids))
            column += len(ids)
    own_BTT = row_BT[:, None, :] == row_BT[:, :, None]
    seen_BTT = own_BTT & ((part_BT[:, None, :] == part_BT[:, :, None]) | (part_BT[:, None, :] == 0))
    return (seen_BTT & torch.ones(shape[1], shape[1], dtype=torch.bool).tril())[:, None], positions_BT


def _plain(model: Any) -> Any:
    if isinstance(model, StackedLoRA):
        return model.model
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _takes(model: Any, keyword: str) -> bool:
    return keyword in inspect.signature(_plain(model).forward).parameters


def _forks(model: Any) -> bool:
    config = _plain(model).config
    windowed = getattr(config, "use_sliding_window", False)
    return config.model_type in FORKING and not windowed and config._attn_implementation == "sdpa"
