"""The battery: which probe scores whom on what, and the rows of probes.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ontogeny.core.errors import Fault, ModelError, closest
from ontogeny.core.hashes import seed_of
from ontogeny.corpus.vocabulary import Encoder, make_encoder
from ontogeny.models.adapters import load_adapter, use_adapter
from ontogeny.models.causal import load_model
from ontogeny.probes.bits_per_byte import PassageSet, make_passage_set, passage_results
from ontogeny.probes.conflict_resolution import ItemSet, item_results, make_item_set
from ontogeny.probes.scoring import Row, make_batches, score_rows
from ontogeny.probes.unprompted import CONCEPTION, sample_results, sample_unprompted

TRUNK = "trunk"
PROBES = ("bits_per_byte", "conflict_resolution", "unprompted")
MAKERS = {"bits_per_byte": make_passage_set, "conflict_resolution": make_item_set}


def alone(parts: list[Any]) -> list[Any]:
    """The gathering of one rank: its own list."""
    return parts


@dataclass(frozen=True)
class ProbeRequest:
    """Whom to probe, on what, after which stage.

    `gate`: (probe, stage) that a gate looks at: the splits after the first are scored there alone (None: everywhere);
    `stages`: those the trunk is scored on; `stage`: the one just read (None at conception), which roles are scored on;
    `gather`: takes this rank's list and returns the lists of all ranks, one after another."""

    model_folder: Path
    corpus_folder: Path
    stages: Sequence[str]
    stage: str | None
    battery: Sequence[str]
    seed: int
    context_tokens: int
    splits: Sequence[str] = ("test",)
    gate: tuple[str, str] | None = None
    adapters: Mapping[str, Path] = field(default_factory=dict)
    rank: int = 0
    world: int = 1
    gather: Callable[[list[Any]], list[Any]] = alone


def measure(request: ProbeRequest) -> list[dict[str, Any]]:
    """Every row of probes.json, the same on every rank and for any number of ranks.

    The model is loaded once, adapters are switched on it. Ranks share out fixed batches and gather once.
    Raises: ModelError for a probe that does not exist, or that finds nothing to score."""
    for probe in request.battery:
        if probe not in PROBES:
            raise ModelError(
                Fault(
                    "a probe does not exist.",
                    "probes.battery",
                    f"'{probe}'",
                    f"one of {', '.join(PROBES)}{closest(probe, PROBES)}",
                    "correct the name",
                )
            )
    encoder = make_encoder(Path(request.corpus_folder) / "tokenizer")
    sets = {TRUNK: _make_sets(request, request.stages, [p for p in PROBES if p in request.battery], encoder)}
    if request.stage is not None and "conflict_resolution" in request.battery:
        asked = _make_sets(request, [request.stage], ["conflict_resolution"], encoder) if request.adapters else []
        sets.update({role: asked for role in request.adapters})
    scores, samples = _score(request, sets, encoder.bos_id)
    rows = []
    for subject, asked in sets.items():
        first = 0
        for one in asked:
            nats = {i: scores[subject, first + i] for i in range(len(one.rows))}
            first += len(one.rows)
            rows += [_row(result, subject) for result in _results(one, nats, encoder, request.seed)]
    if "unprompted" in request.battery:
        seed = seed_of(request.seed, request.stage or CONCEPTION, "unprompted interval")
        rows += [_row(result, TRUNK) for result in sample_results(samples, encoder, seed)]
    return rows


def _make_sets(
    request: ProbeRequest, stages: Sequence[str], probes: Sequence[str], encoder: Encoder
) -> list[PassageSet | ItemSet]:
    """What is there to score; a stage without items in a split has no row.

    Raises: ModelError for a probe that finds nothing in any of the stages."""
    found = []
    for probe in probes:
        if probe not in MAKERS:
            continue
        made = [
            MAKERS[probe](Path(request.corpus_folder), stage, split, encoder, request.context_tokens)
            for stage in stages
            for split in request.splits
            if split == request.splits[0] or request.gate in (None, (probe, stage))
        ]
        found += [one for one in made if one is not None]
        if not any(made):
            raise ModelError(
                Fault(
                    f"{probe} has nothing to score.",
                    f"corpus/<{', '.join(stages)}>",
                    f"no item of split {' or '.join(request.splits)} that fits a row",
                    "at least one",
                    "give the stages more or longer books (and scenes), or take the probe out",
                )
            )
    return found


def _score(
    request: ProbeRequest, sets: Mapping[str, Sequence[PassageSet | ItemSet]], bos_id: int
) -> tuple[dict[tuple[str, int], list[float]], list[list[int]]]:
    """This rank's share of the scores (and, on the first rank, the samples), gathered from all."""
    with torch.random.fork_rng(devices=[]):  # PEFT draws weights before it loads them; no draw of ours may move
        mine = _score_share(request, sets, bos_id)
    gathered = request.gather(mine)
    samples = next((found for subject, _, found in gathered if subject == ""), [])
    return {(subject, i): nats for subject, i, nats in gathered if subject != ""}, samples


def _score_share(
    request: ProbeRequest, sets: Mapping[str, Sequence[PassageSet | ItemSet]], bos_id: int
) -> list[tuple[str, int, Any]]:
    """(subject, number of the row, nats of its ends) for this rank's batches; ("", 0, samples) on the first rank."""
    model = load_model(request.model_folder)
    mine: list[tuple[str, int, Any]] = []
    if request.rank == 0 and "unprompted" in request.battery:
        samples = sample_unprompted(model, bos_id, request.seed, request.stage, request.context_tokens)
        mine.append(("", 0, samples))
    turn = 0
    for subject, asked in sets.items():
        rows: list[Row] = [row for one in asked for row in one.rows]
        if subject != TRUNK:
            model = load_adapter(model, request.adapters[subject], subject)
            use_adapter(model, subject)
        batches = make_batches(rows)
        shared = [batch for k, batch in enumerate(batches, start=turn) if k % request.world == request.rank]
        turn += len(batches)
        mine += [(subject, i, nats) for i, nats in score_rows(model, rows, shared)]
    return mine


def _results(
    one: PassageSet | ItemSet, nats: Mapping[int, list[float]], encoder: Encoder, seed: int
) -> list[dict[str, Any]]:
    if isinstance(one, PassageSet):
        return passage_results(one, nats, encoder.vocab_size, seed_of(seed, one.on, "bits_per_byte interval"))
    return item_results(one, nats, seed_of(seed, one.on, "conflict_resolution interval"))


def _row(result: Mapping[str, Any], subject: str) -> dict[str, Any]:
    return {"probe": result["probe"], "subject": subject, **{key: result[key] for key in result if key != "probe"}}
