"""Braked places: attempts of a stage's scenes, those of them that the model writes itself, and the proof that it did.

A place is the words of one attempt in the packs, its line's end apart. A pack's end cuts none of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ontogeny.core.errors import Fault
from ontogeny.core.positions import shown
from ontogeny.corpus.contrast import ATTEMPT, turns_of, words_of
from ontogeny.corpus.layout import SCENE
from ontogeny.corpus.sealed import ATTEMPTS, MEND, Sealed
from ontogeny.corpus.shard import Shard
from ontogeny.corpus.tokens import line_end_tokens, token_bytes
from ontogeny.corpus.vocabulary import make_encoder


@dataclass(frozen=True)
class Place:
    """The words of an attempt: `tokens` of a pack from `first_token` on. `scene`: the id of the scene."""

    scene: str
    pack: int
    first_token: int
    tokens: int


def braked_places(shard: Shard, line_end_V: np.ndarray) -> list[Place]:
    """Every attempt of a stage's packs, in reading order."""
    places = []
    segments = shard.segments()
    for segment in segments[segments["kind"] == SCENE]:
        pack, first, scene = int(segment["pack"]), int(segment["first_token"]), int(segment["source"])
        codes = shard.codes_RT[pack, first : first + int(segment["tokens"])]
        ends_T = line_end_V[shard.ids_RT[pack]]
        for code, start, end in turns_of(codes):
            begun = start == 0 and segment["skip"] > 0  # in the pack before
            if code % 8 == ATTEMPT and not begun and ends_T[first + end - 1]:
                start, end = words_of(first + start, first + end, ends_T)
                places.append(Place(shard.scenes[scene]["id"], pack, start, end - start))
    return places


def chosen_places(places: Sequence[Place], frac: float, seed: int, stage: str) -> list[Place]:
    """Those that the model writes, in reading order.

    Computes: the round(frac x places) with the least SHA-256("seed|stage|own attempts|number of the place")."""

    def lot(number: int) -> bytes:
        return hashlib.sha256(f"{seed}|{stage}|own attempts|{number}".encode()).digest()

    wanted = sorted(range(len(places)), key=lot)[: round(frac * len(places))]
    return [places[number] for number in sorted(wanted)]


def attempt_faults(sealed: Sealed, frac: float, seed: int) -> list[Fault]:
    """The first thing that is wrong with the attempts a stage sealed: they stand at the places declared, are as many
    tokens as the authored ones, none special and none a line's end, and their text is what they say.

    Raises: RunError for lines that are no attempts at all."""
    tokenizer = sealed.corpus.folder / "tokenizer"
    line_end_V, bytes_V, encoder = line_end_tokens(tokenizer), token_bytes(tokenizer), make_encoder(tokenizer)
    shard, records = sealed.corpus.shard(sealed.stage_index), sealed.attempt_records
    places = braked_places(shard, line_end_V) if frac else []
    chosen = chosen_places(places, frac, seed, shard.entry["name"])
    what, path = "the sealed attempts of a stage are not those declared.", shown(sealed.folder) + f"/{ATTEMPTS}"
    if len(records) != len(chosen):
        return [Fault(what, path, f"{len(records)} attempts", f"{len(chosen)} attempts", MEND)]
    for number, (record, place) in enumerate(zip(records, chosen, strict=True), 1):
        ids, text = record["ids"], record["text"]
        got, where = Place(record["scene"], record["pack"], record["first_token"], len(ids)), f"{path}:{number}"
        said = encoder.tokenizer.decode(ids, skip_special_tokens=False)
        if got != place:
            return [Fault(what, where, _told(got), _told(place), MEND)]
        if line_end_V[ids].any() or not bytes_V[ids].all():
            return [Fault(what, where, "a special token, or one that ends the line", "words alone", MEND)]
        if said != text:
            return [Fault(what, where, repr(text)[:60], repr(said)[:60], MEND)]
    return []


def _told(place: Place) -> str:
    return f"{place.tokens} tokens from {place.first_token} on in pack {place.pack} (scene '{place.scene}')"
