"""What an adapter loses, or gains, on a trunk that it was not trained on.

Shapes: T token, V vocabulary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ontogeny.core.run import RunDirectory
from ontogeny.corpus.vocabulary import Encoder, make_encoder
from ontogeny.models.casting import Cast, Member, load_cast
from ontogeny.models.sampling import NO_ADAPTER, context_of
from ontogeny.models.stacked import StackedLoRA
from ontogeny.scenes.shape import label


@dataclass(frozen=True)
class ForeignCost:
    """Mean nats a byte of a role's held-out turns, on its own trunk and on the other, each with its adapter and bare.

    None where its stage holds out no turn of it."""

    member: str
    trunk: str
    turns: int
    bytes: int
    own_nats: float | None = None
    own_bare_nats: float | None = None
    other_nats: float | None = None
    other_bare_nats: float | None = None


def measure_foreign_cost(run: RunDirectory, cast: Cast, language: str, context_tokens: int) -> list[ForeignCost]:
    """The cost of each foreign member of a cast. Raises: RunError, ModelError if items or a model cannot be read."""
    return [_cost(run, cast, member, language, context_tokens) for member in cast.foreign]


def held_out_turns(run: RunDirectory, member: Member, language: str) -> list[tuple[str, str]]:
    """(scene up to the label, the turn after it) of each turn of a role that its stage holds out.

    They are the coherence items whose answer the role says, and the first lines of their scenes where it says those."""
    mark, found = label(member.role, language), {}
    for item in run.read_jsonl(f"corpus/{member.stage}/items.jsonl"):
        if item.get("probe") != "coherence" or item.get("contaminated"):
            continue
        first = item["context"].split("\n", 1)[0]
        if first.startswith(f"{mark} "):
            found[mark, first[len(mark) :]] = None
        if item["context"].split("\n")[-1] == mark:
            found[item["context"], item["answer"]] = None
    return list(found)


def _cost(run: RunDirectory, cast: Cast, member: Member, language: str, context_tokens: int) -> ForeignCost:
    other = load_cast(Cast(cast.trunk, cast.model, (member,)))
    limit, turns = context_of(other, context_tokens), held_out_turns(run, member, language)
    rows = [row for row in _rows(make_encoder(cast.model), turns) if len(row.turn) + 2 <= limit]
    if not rows:
        return ForeignCost(member.name, cast.trunk, 0, 0)
    own = load_cast(Cast(member.stage, member.home, (member,)))
    size = sum(row.bytes for row in rows)
    sums = (_nats(stack, rows, group, limit) for stack in (own, other) for group in (0, NO_ADAPTER))
    return ForeignCost(member.name, cast.trunk, len(rows), size, *(one / size for one in sums))


@dataclass(frozen=True)
class _Row:
    stem: list[int]
    turn: list[int]
    bytes: int


def _rows(encoder: Encoder, turns: Sequence[tuple[str, str]]) -> Iterator[_Row]:
    for context, turn in turns:
        stem_ids, turn_ids = encoder.encode([context, turn], "held-out turns")
        yield _Row([encoder.bos_id, *map(int, stem_ids)], [int(id_) for id_ in turn_ids], len(turn.encode()))


@torch.inference_mode()
def _nats(stack: StackedLoRA, rows: Sequence[_Row], group: int, limit: int) -> float:
    """The summed surprise of each row's turn after its stem, under one group's adapter; a stem too long is cut."""
    total = 0.0
    for row in rows:
        room = limit - len(row.turn)
        stem = row.stem if len(row.stem) <= room else [row.stem[0], *row.stem[len(row.stem) - room + 1 :]]
        ids_1T = torch.tensor([[*stem, *row.turn]], device=stack.model.device)
        logits_TV = stack(ids_1T, torch.tensor([group]), use_cache=False).logits[0, len(stem) - 1 : -1].float()
        total -= float(logits_TV.log_softmax(-1).gather(1, ids_1T[0, len(stem) :, None]).double().sum())
    return total
