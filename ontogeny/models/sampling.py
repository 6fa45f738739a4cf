"""Sampling: what a model says after a stem, the same whatever else is in its batch.

A token is the argmax of logits / temperature + Gumbel noise over the nucleus: the least set of likeliest tokens that
holds `top_p` (Holtzman et al. 2020); a row's noise comes from a generator of its own. The logits of a row differ in
their last bits with its neighbours, its padding and its cache; so where a choice hangs on less than TIE, the row is
read again alone, and that decides. In float32 the ids are thus a function of (model, stem, seed), and of no batch.

Shapes: B row, T token (padded on the left to the longest stem), V vocabulary."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ontogeny.core.errors import Fault, ModelError
from ontogeny.corpus.vocabulary import Encoder
from ontogeny.models.causal import generator_of
from ontogeny.models.configs import context_limit
from ontogeny.models.stacked import StackedLoRA

TEMPERATURE, TOP_P = 0.8, 0.95
TIE = 1e-3  # nats, and share of the mass; the noise of float32 is a hundredth of it
CANDIDATES = 256  # so many of the best by score are tried for a place in the nucleus
BATCH_TOKENS = 8192
ENDLESS_TOKENS = 2048  # the context of a model whose positions have no end
NO_ADAPTER = -1


@dataclass(frozen=True)
class TokenKinds:
    """What the tokens of a vocabulary are, by id: [V] masks. Special tokens, BOS among them, are never said."""

    is_special_V: Tensor
    is_line_end_V: Tensor  # the text of the token holds a newline
    is_blank_V: Tensor  # nothing but blanks


def token_kinds(encoder: Encoder) -> TokenKinds:
    """The kinds of a vocabulary's tokens; ids that stand for no token count as special."""
    tokenizer = encoder.tokenizer
    known = sorted(tokenizer.get_vocab(with_added_tokens=True).values())
    special = {id_ for id_, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    special |= {encoder.bos_id} | (set(range(known[-1] + 1)) - set(known))
    ids = range(known[-1] + 1)
    texts = tokenizer.decode_batch([[id_] for id_ in ids], skip_special_tokens=False)
    return TokenKinds(
        torch.tensor([id_ in special for id_ in ids]),
        torch.tensor(["\n" in text for text in texts]),
        torch.tensor([not text.strip() for text in texts]),
    )


@dataclass(frozen=True)
class Row:
    """A stem to be continued by `tokens` ids (fewer where the line may end). `seed`: the parts of `generator_of`;
    `group`: the adapter of a StackedLoRA that speaks."""

    stem: Sequence[int]
    tokens: int
    seed: tuple[object, ...]
    group: int = NO_ADAPTER


@dataclass
class Said:
    """What followed a stem: ids, and the surprise of each in nats under the whole distribution at temperature 1.

    `ended`: the last id ends the line."""

    ids: list[int] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)
    ended: bool = False


@dataclass(frozen=True)
class Draw:
    """How tokens are drawn; with `line_ends` a row ends with its first token that holds a newline, which comes after
    some word; without, no such token is drawn."""

    kinds: TokenKinds
    line_ends: bool
    temperature: float = TEMPERATURE
    top_p: float = TOP_P


def sample_tokens(
    model: Any,
    stems: Sequence[Sequence[int]],
    counts: Sequence[int],
    seeds: Sequence[tuple[object, ...]],
    kinds: TokenKinds,
    *,
    groups: Sequence[int] | None = None,
    context_tokens: int | None = None,
    temperature: float = TEMPERATURE,
    top_p: float = TOP_P,
) -> list[list[int]]:
    """Exactly counts[i] ids after each stem: none special, none with a line's end. `model` is in evaluation mode,
    float32; a stem too long for the context keeps its first id and its last ones.

    `seeds`: for each stem the parts of `generator_of`, such as (seed, stage, scene id); `groups`: as in Row.
    Raises: ModelError where a count leaves no room for a stem, or logits are not finite."""
    groups = [NO_ADAPTER] * len(stems) if groups is None else groups
    rows = [Row(*one) for one in zip(stems, counts, seeds, groups, strict=True)]
    draw = Draw(kinds, False, temperature, top_p)
    return [said.ids for said in continue_rows(model, rows, draw, context_tokens)]


def context_of(model: Any, context_tokens: int | None = None) -> int:
    """The tokens that a row may hold: as many as asked for, at most as many as the model was made for."""
    limit = context_limit(_plain(model).config) or ENDLESS_TOKENS
    return min(limit, context_tokens or limit)


def continue_rows(model: Any, rows: Sequence[Row], draw: Draw, context_tokens: int | None = None) -> list[Said]:
    """What follows each row's stem, in batches of like lengths. Raises: ModelError, as `sample_tokens`."""
    limit = context_of(model, context_tokens)
    stems = [_trimmed(row, limit) for row in rows]
    batches: list[list[int]] = []
    for i in sorted(range(len(rows)), key=lambda i: (len(stems[i]), i)):
        tokens = max(rows[j].tokens for j in [*(batches[-1] if batches else []), i])
        if batches and (len(batches[-1]) + 1) * (len(stems[i]) + tokens) <= BATCH_TOKENS:
            batches[-1].append(i)
        else:
            batches.append([i])
    said: dict[int, Said] = {}
    for batch in batches:
        told = _continue_batch(model, [rows[i] for i in batch], [stems[i] for i in batch], draw)
        said |= dict(zip(batch, told, strict=True))
    return [said[i] for i in range(len(rows))]


@torch.inference_mode()
def _continue_batch(model: Any, rows: Sequence[Row], stems: Sequence[list[int]], draw: Draw) -> list[Said]:
    generators = [generator_of(*row.seed) for row in rows]
    said = [Said() for _ in rows]
    live = [i for i, row in enumerate(rows) if row.tokens > 0]
    longest = max(map(len, stems))
    ids_BT = torch.tensor([[0] * (longest - len(stems[i])) + stems[i] for i in live]).reshape(len(live), longest)
    seen_BT = torch.tensor([[0] * (longest - len(stems[i])) + [1] * len(stems[i]) for i in live]).reshape(ids_BT.shape)
    positions_BT, cache = (seen_BT.cumsum(dim=1) - 1).clamp(min=0), None
    while live:
        groups = [rows[i].group for i in live]
        logits_BV, cache = _read(model, groups, ids_BT, seen_BT, positions_BT, cache)
        for at, i in enumerate(live):
            alone = (model, stems[i] + said[i].ids, rows[i].group)
            _say(said[i], logits_BV[at], alone, draw, generators[i])
        kept = [at for at, i in enumerate(live) if not said[i].ended and len(said[i].ids) < rows[i].tokens]
        live = [live[at] for at in kept]
        if not live:
            break
        if len(kept) < len(seen_BT):
            seen_BT, positions_BT = seen_BT[kept], positions_BT[kept]
            cache.batch_select_indices(torch.tensor(kept, device=_plain(model).device))
        ids_BT = torch.tensor([said[i].ids[-1:] for i in live])
        seen_BT = torch.cat([seen_BT, torch.ones(len(live), 1, dtype=torch.long)], dim=1)
        positions_BT = positions_BT[:, -1:] + 1
    return said


def _say(
    said: Said, logits_V: Tensor, alone: tuple[Any, list[int], int], draw: Draw, generator: torch.Generator
) -> None:
    """Adds one token to what was said; `alone`: what `_read_alone` takes, should the choice be close."""
    uniform_V = torch.rand(len(logits_V), dtype=torch.float64, generator=generator).clamp_(min=1e-300)
    noise_V, barred_V = -(-uniform_V.log()).log(), _barred(said, len(logits_V), draw)
    id_, sure = choose(logits_V.masked_fill(barred_V, -torch.inf) / draw.temperature, noise_V, draw.top_p)
    if not sure:
        logits_V = _read_alone(*alone)
        id_, _ = choose(logits_V.masked_fill(barred_V, -torch.inf) / draw.temperature, noise_V, draw.top_p)
    said.ids.append(id_)
    said.nats.append(float(logits_V.logsumexp(0) - logits_V[id_]))
    said.ended = draw.line_ends and bool(draw.kinds.is_line_end_V[id_])


def choose(logits_V: Tensor, noise_V: Tensor, top_p: float) -> tuple[int, bool]:
    """The token with the greatest logit + noise among those that less than `top_p` of the mass is likelier than.

    Returns: its id, and whether logits that are off by TIE / 2 would give the same."""
    chances_V = logits_V.softmax(0)
    best_K, id_K = (logits_V + noise_V).topk(min(CANDIDATES, len(logits_V)))
    sure = True
    for at, id_ in enumerate(id_K.tolist()):
        above, least, most = (
            float(chances_V[logits_V > logits_V[id_] + shift].sum()) for shift in (0.0, TIE, -TIE)
        )  # the mass of likelier tokens, and what it may be
        sure &= top_p >= 1 or most - float(chances_V[id_]) < top_p - TIE or least >= top_p + TIE
        if above < top_p:
            clear = at + 1 == len(best_K) or float(best_K[at] - best_K[at + 1]) > TIE
            return id_, sure and clear
    return int(logits_V.argmax()), False


def _barred(said: Said, size: int, draw: Draw) -> Tensor:
    """The tokens that may not come next, of `size` that the model scores: it may score more than there are."""
    kinds, barred_V = draw.kinds, torch.ones(size, dtype=torch.bool)
    barred_V[: len(kinds.is_special_V)] = kinds.is_special_V
    wordless = all(bool(kinds.is_blank_V[id_]) for id_ in said.ids)
    if wordless or not draw.line_ends:
        barred_V[: len(kinds.is_special_V)] |= kinds.is_line_end_V
    return barred_V


def _read(
    model: Any, groups: Sequence[int], ids_BT: Tensor, seen_BT: Tensor, positions_BT: Tensor, cache: Any
) -> tuple[Tensor, Any]:
    """(logits after the last column, in float64 on the CPU; the cache). Raises: ModelError if one is not finite."""
    plain = _plain(model)
    takes = inspect.signature(plain.forward).parameters
    asked: dict[str, Any] = {"input_ids": ids_BT, "attention_mask": seen_BT}
    if "position_ids" in takes:
        asked["position_ids"] = positions_BT
    asked = {name: value.to(plain.device) for name, value in asked.items()}
    if "logits_to_keep" in takes:
        asked["logits_to_keep"] = 1
    if isinstance(model, StackedLoRA):
        model.set_groups(torch.tensor(groups))
    output = plain(**asked, past_key_values=cache, use_cache=True)
    logits_BV = output.logits[:, -1].double().cpu()
    if not bool(torch.isfinite(logits_BV).all()):
        got, expected = "a logit that is not finite", "finite logits"
        raise ModelError(Fault("a model cannot speak.", plain.config.model_type, got, expected, "train it again"))
    return logits_BV, output.past_key_values


def _read_alone(model: Any, ids: list[int], group: int) -> Tensor:
    """Logits [V] after some ids: one row, no padding, no cache to go on from."""
    ids_BT = torch.tensor([ids])
    positions_BT = torch.arange(len(ids))[None]
    return _read(model, [group], ids_BT, torch.ones_like(ids_BT), positions_BT, None)[0][0]


def _trimmed(row: Row, limit: int) -> list[int]:
    """The row's stem as it fits the context with what is to be said: its first id and its last ones."""
    room = limit - row.tokens
    if room < 2 or not row.stem:
        got = f"{row.tokens} tokens after {len(row.stem)}, in a context of {limit}"
        expected = f"at most {limit - 2} tokens after a stem that begins with BOS"
        raise ModelError(Fault("there is no room to speak.", "", got, expected, "ask for fewer tokens"))
    stem = [int(id_) for id_ in row.stem]
    return stem if len(stem) <= room else [stem[0], *stem[len(stem) - room + 1 :]]


def _plain(model: Any) -> Any:
    """The transformers model within; an adapter of PEFT stays switched on in it."""
    if isinstance(model, StackedLoRA):
        return model.model
    return model.get_base_model() if hasattr(model, "get_base_model") else model
