"""Attempts of the model's own: what the trunk that enters a stage says where a scene asks it to try.

Sampled once, on entering the stage, by the model exported before; sealed before any step; put over the authored
attempts, token for token, in the packs of the books and of the roles."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ontogeny.core.cursor import Cursor
from ontogeny.core.errors import Fault, RunError
from ontogeny.core.run import disk_faults, write_atomic
from ontogeny.corpus.braked import Place, braked_places, chosen_places
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.sealed import ATTEMPTS, MEND
from ontogeny.corpus.tokens import line_end_tokens
from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.models.causal import load_model
from ontogeny.models.sampling import sample_tokens, token_kinds
from ontogeny.train.ledger import Ledger
from ontogeny.train.subject import exported_before


def seal_attempts(ledger: Ledger, corpus: Corpus, cursor: Cursor, device: torch.device) -> None:
    """Writes the attempts of the stage at the cursor, unless they are there. Rank 0 calls.

    Raises: RunError where steps were lived on attempts that are gone."""
    stage = ledger.plan.stages[cursor.stage]
    path = ledger.folder(cursor) / ATTEMPTS
    if not stage.loop_loss.own_attempts_frac or path.exists():
        return
    line_end_V = line_end_tokens(corpus.folder / "tokenizer")
    places = braked_places(corpus.shard(cursor.stage), line_end_V)
    chosen = chosen_places(places, stage.loop_loss.own_attempts_frac, ledger.plan.seed, stage.name)
    if not chosen:
        return
    if cursor.step or cursor.phase_name != "books":
        got = f"no file, at step {cursor.step} of {cursor.phase_name}"
        raise RunError(Fault("sealed attempts are gone.", str(path), got, f"{len(chosen)} attempts", MEND))
    model = load_model(exported_before(ledger.plan, cursor, ledger.run) / "model", torch.float32).to(device)
    said = own_attempts(model, corpus, cursor.stage, chosen, (ledger.plan.seed, stage.name, cursor.pass_))
    _write(path, said, corpus)
    ledger.run.event("attempts_sealed", stage=stage.name, attempts=len(chosen), braked_places=len(places))


def own_attempts(
    model: Any, corpus: Corpus, stage_index: int, places: list[Place], seed: tuple[object, ...]
) -> list[tuple[Place, list[int]]]:
    """(place, ids) of what the model says at each place after the pack's tokens before it, its own of before included.

    Packs are asked side by side, the places of one in turn."""
    shard, kinds = corpus.shard(stage_index), token_kinds(make_encoder(corpus.folder / "tokenizer"))
    packs: dict[int, np.ndarray] = {place.pack: np.array(shard.ids_RT[place.pack], np.int32) for place in places}
    turns = Counter()
    waves: dict[int, list[Place]] = {}
    for place in places:
        waves.setdefault(turns[place.pack], []).append(place)
        turns[place.pack] += 1
    said: dict[Place, list[int]] = {}
    for wave in waves.values():
        stems = [packs[place.pack][: place.first_token].tolist() for place in wave]
        seeds = [(*seed, "own attempts", place.pack, place.first_token) for place in wave]
        told = sample_tokens(
            model, stems, [place.tokens for place in wave], seeds, kinds, context_tokens=corpus.context_tokens
        )
        for place, ids in zip(wave, told, strict=True):
            packs[place.pack][place.first_token : place.first_token + place.tokens] = ids
            said[place] = ids
    return [(place, said[place]) for place in places]


def _write(path: Path, said: list[tuple[Place, list[int]]], corpus: Corpus) -> None:
    decode = make_encoder(corpus.folder / "tokenizer").tokenizer.decode
    lines = [
        json.dumps(
            {
                "scene": place.scene,
                "pack": place.pack,
                "first_token": place.first_token,
                "ids": ids,
                "text": decode(ids, skip_special_tokens=False),
            },
            ensure_ascii=False,
        )
        for place, ids in said
    ]
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(line + "\n" for line in lines))
