"""The battery: which probe scores whom on what, and the rows of probes.json.

SETS and LIVE are where a probe is entered; what each entry is and gives stands at the head of sets.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ontogeny.core.errors import Fault, ModelError, closest
from ontogeny.core.hashes import seed_of
from ontogeny.core.schema import TRUNK
from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.models.casting import stack_adapters
from ontogeny.models.causal import load_model
from ontogeny.probes.bits_per_byte import make_passage_sets
from ontogeny.probes.bridge import make_bridge_sets
from ontogeny.probes.choices import choices
from ontogeny.probes.free_resolution import measure_free_resolution
from ontogeny.probes.health import measure_health
from ontogeny.probes.in_context import make_in_context_sets
from ontogeny.probes.induction import make_induction_sets
from ontogeny.probes.mismatch_recovery import make_mismatch_sets
from ontogeny.probes.scoring import BATCH_TOKENS, Row, make_batches, score_roles, score_rows, tokens_fed
from ontogeny.probes.self_repair import make_repair_sets
from ontogeny.probes.sets import Asked, ProbeSet
from ontogeny.probes.unprompted import measure_structure, measure_unprompted

CHOICES = (
    "conflict_resolution",
    "minimal_pairs",
    "definition",
    "cloze_fact",
    "trail_recall",
    "coherence",
    "dialogue",
)
SETS: dict[str, Callable[[Asked], Sequence[ProbeSet]]] = {
    "bits_per_byte": make_passage_sets,
    **{name: choices(name) for name in CHOICES},
    "self_repair": make_repair_sets,
    "bridge": make_bridge_sets,
    "mismatch_recovery": make_mismatch_sets,
    "in_context": make_in_context_sets,
    "induction": make_induction_sets,
}
LIVE: dict[str, Callable[[Any, Asked], list[dict[str, Any]]]] = {
    "unprompted": measure_unprompted,
    "unprompted_structure": measure_structure,  # of `ontogeny probe` alone: no genome's battery holds it
    "free_resolution": measure_free_resolution,
    "health": measure_health,
}
PROBES = (*SETS, *LIVE)
ROLE_PROBES = ("conflict_resolution", "self_repair")


def alone(parts: list[Any]) -> list[Any]:
    """The gathering of one rank: its own list."""
    return parts


@dataclass(frozen=True)
class ProbeRequest:
    """Whom to probe, on what, after which stage.

    `gate`: (probe, stage) that a gate looks at: the splits after the first are scored there alone (None: everywhere);
    `stages`: those the trunk is scored on; `stage`: the one just read (None at conception), which roles are scored on;
    `skip_empty`: a probe that finds nothing is left out, instead of being an error;
    `tokenizer_folder`: the corpus folder's if None; `further`: makes sets beside those of the battery, for the trunk;
    `load`: builds the model from `model_folder`, in evaluation mode;
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
    skip_empty: bool = False
    tokenizer_folder: Path | None = None
    further: Callable[[Asked], Sequence[ProbeSet]] | None = None
    load: Callable[[Path], Any] = load_model
    rank: int = 0
    world: int = 1
    gather: Callable[[list[Any]], list[Any]] = alone


def asked_of(request: ProbeRequest) -> Asked:
    """What probes are asked for by a request."""
    encoder = make_encoder(request.tokenizer_folder or Path(request.corpus_folder) / "tokenizer")
    return Asked(
        Path(request.corpus_folder),
        tuple(request.stages),
        request.stage,
        tuple(request.splits),
        request.gate,
        encoder,
        request.context_tokens,
        request.seed,
    )


def measure(request: ProbeRequest) -> list[dict[str, Any]]:
    """Every row of probes.json, the same on every rank and for any number of ranks.

    The model is loaded once, the adapters are stacked on it. Ranks share out fixed batches and live probes, and gather
    once. Raises: ModelError for a probe that does not exist, or that finds nothing to score."""
    _require_known(request.battery)
    asked = asked_of(request)
    sets: dict[str, list[ProbeSet]] = {TRUNK: make_sets(asked, request.battery, request.skip_empty)}
    if request.further is not None:
        sets[TRUNK] += request.further(asked)
    if request.stage is not None and request.adapters:
        just_read = replace(asked, stages=(request.stage,))
        of_roles = [one for name in ROLE_PROBES if name in request.battery for one in SETS[name](just_read)]
        sets |= dict.fromkeys(request.adapters if of_roles else (), of_roles)
    scores, live, fed = _score(request, asked, sets)
    rows = []
    for subject, some in sets.items():
        first = 0
        for number, one in enumerate(some):
            nats = {i: scores[subject, first + i] for i in range(len(one.rows))}
            first += len(one.rows)
            told = one.results(nats, seed_of(request.seed, one.on, f"{one.probe} interval"))
            rows += [_row(row | {"forward_tokens": fed[subject][number]}, subject) for row in told]
    for name in LIVE:
        if name in request.battery:
            if not request.skip_empty:
                _require_found(name, live[name], asked)
            rows += [_row(row, TRUNK) for row in live[name]]
    return rows


def make_sets(asked: Asked, battery: Sequence[str], skip_empty: bool = False) -> list[ProbeSet]:
    """What is there to score, probe by probe; a stage or item set without items in a split has no row.

    Raises: ModelError for a probe that finds nothing anywhere (unless such are skipped)."""
    found: list[ProbeSet] = []
    for name in SETS:
        if name in battery:
            made = SETS[name](asked)
            if not skip_empty:
                _require_found(name, made, asked)
            found += made
    return found


def _require_known(battery: Sequence[str]) -> None:
    for probe in battery:
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


def _require_found(probe: str, found: Sequence[Any], asked: Asked) -> None:
    if not found:
        raise ModelError(
            Fault(
                f"{probe} has nothing to score.",
                f"corpus/<{', '.join(asked.stages)}>",
                f"no item of split {' or '.join(asked.splits)} that fits a row",
                "at least one",
                "give the stages more or longer books (and scenes), or take the probe out",
            )
        )


def _score(
    request: ProbeRequest, asked: Asked, sets: Mapping[str, Sequence[ProbeSet]]
) -> tuple[dict[tuple[str, int], list[float]], dict[str, list[dict[str, Any]]], dict[str, list[int]]]:
    """Nats of the ends of each subject's rows and the rows of live probes, gathered from all ranks; the tokens fed for
    each subject's sets."""
    with torch.random.fork_rng(devices=[]):  # a probe may draw; no draw of training may move
        model = request.load(request.model_folder)
        mine: list[tuple[str | None, Any, Any]] = []
        asked_live = [name for name in LIVE if name in request.battery]
        for name in asked_live[request.rank :: request.world]:
            mine.append((None, name, LIVE[name](model, asked)))
        fed = {subject: [tokens_fed(model, one.rows) for one in some] for subject, some in sets.items()}
        mine += _score_share(request, model, sets)
    gathered = request.gather(mine)
    live = {name: rows for subject, name, rows in gathered if subject is None}
    return {(subject, i): nats for subject, i, nats in gathered if subject is not None}, live, fed


def _score_share(
    request: ProbeRequest, model: Any, sets: Mapping[str, Sequence[ProbeSet]]
) -> list[tuple[str | None, Any, Any]]:
    """(subject, number of the row, nats of its ends) for this rank's batches. Roles are scored together: the rows are
    the same, and the layers below their adapters see them once."""
    rows: list[Row] = [row for one in sets[TRUNK] for row in one.rows]
    batches = make_batches(rows)
    mine: list[tuple[str | None, Any, Any]] = [
        (TRUNK, i, nats) for i, nats in score_rows(model, rows, batches[request.rank :: request.world])
    ]
    roles = [subject for subject in sets if subject != TRUNK]
    if roles:
        rows = [row for one in sets[roles[0]] for row in one.rows]
        stack = stack_adapters(model, {role: request.adapters[role] for role in roles})
        first = (request.rank - len(batches)) % request.world  # the ranks go on taking turns
        mine += score_roles(stack, rows, make_batches(rows, BATCH_TOKENS // len(roles))[first :: request.world])
    return mine


def _row(result: Mapping[str, Any], subject: str) -> dict[str, Any]:
    return {"probe": result["probe"], "subject": subject, **{key: result[key] for key in result if key != "probe"}}
