"""Self-rewriting: on entering a stage the orchestra of the stage before plays scenes at hard places of the journal.

Each is sealed as a line of played.jsonl:
    {id, language, stage, book, start, cast, text, turns: [{speaker, span, text, played, nats}],
     critic_nats: [accepting, refusing], sham, gain_nats, accepted, refused}
What the critic and the measured rule accept is read in the replay phase, as scenes of kind `played`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch

from ontogeny.core.errors import RunError
from ontogeny.core.hashes import seed_of
from ontogeny.core.run import RunDirectory, disk_faults, write_atomic
from ontogeny.corpus.journal import LEARNED, ranked
from ontogeny.models.casting import make_cast
from ontogeny.models.orchestra import Opening, Orchestra, Transcript, assemble, play
from ontogeny.models.sampling import context_of
from ontogeny.probes.scoring import Row, score_batch
from ontogeny.scenes.played import FORM, VERDICTS, can_play, question_about
from ontogeny.scenes.shape import NARRATOR, Turn, label, led, render

PLAYED = "sealed/played.jsonl"
MAX_PLAYED = 16  # hard places a stage
MAX_TURN_TOKENS = 48
NOT_SAID, OBJECTED, NO_SHAM, NO_GAIN = (
    "the rewrite says nothing",
    "the critic objects",
    "no other rewrite to set it against",
    "a sham rewrite helps as much",
)


class Books(Protocol):
    """The cleaned books, by id."""

    def of(self, book: str) -> str: ...


def write_played(
    run: RunDirectory,
    folder: Path,
    texts: Books,
    entries: Sequence[Mapping[str, Any]],
    *,
    trunk: str,
    stage: str,
    language: str,
    seed: int,
    selection: str,
    context_tokens: int,
) -> list[dict[str, Any]]:
    """Plays the hardest entries that are not learned yet, judges what came of it, seals all of it; returns the lines.

    `trunk`: the stage whose trunk and roles play; `entries`: of the journals before. A stage whose roles were not
    trained plays nothing. Rank 0 calls."""
    path = folder / PLAYED
    hard = [entry for entry in ranked(entries, selection, seed) if entry["fate"] != LEARNED][:MAX_PLAYED]
    openings = [opening for entry in hard if (opening := _opening(entry, texts, language)) is not None]
    lines: list[dict[str, Any]] = []
    if openings and (orchestra := _orchestra(run, trunk, context_tokens)) is not None:
        told = play(
            orchestra, [one for one, _ in openings], seed_of(seed, stage, "played"), max_turn_tokens=MAX_TURN_TOKENS
        )
        lines = judged(orchestra, told, [true for _, true in openings])
        by_id = {_id_of(entry): entry for entry in hard}
        lines = [{**line, **{key: by_id[line["id"]][key] for key in ("stage", "book", "start")}} for line in lines]
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    run.event("scenes_played", stage=stage, played=len(lines), accepted=sum(line["accepted"] for line in lines))
    return lines


def _orchestra(run: RunDirectory, trunk: str, context_tokens: int) -> Orchestra | None:
    """The roles of a stage on its trunk; None where it did not train all that a played scene needs."""
    try:
        cast = make_cast(run, trunk=trunk)
    except RunError:
        return None
    if not {role for role, _ in FORM} <= set(cast.roles):
        return None
    return assemble(cast, context_tokens)


def _id_of(entry: Mapping[str, Any]) -> str:
    return f"played-{entry['book']}-{entry['start']}"


def _opening(entry: Mapping[str, Any], texts: Books, language: str) -> tuple[Opening, str] | None:
    """(the scene as it begins, the true sentence); None in a language that plays nothing."""
    if not can_play(language):
        return None
    book = texts.of(entry["book"])
    before = book[entry["before_start"] : entry["start"]].strip()
    given = (question_about(before, language),)
    return Opening(_id_of(entry), language, given, FORM, before), entry["text"]


def judged(orchestra: Orchestra, told: Sequence[Transcript], trues: Sequence[str]) -> list[dict[str, Any]]:
    """Each transcript with its verdict.

    The critic accepts where, after the rewrite, its adapter finds the accepting verdict likelier a token than the
    refusing one. The measured rule: gain = l(true | text, scene) - l(true | text, scene with the sham's rewrite) > 0
    on the trunk, l a mean of log p over the true sentence's tokens; the sham is the rewrite of the other scene nearest
    in characters."""
    rewrites = [one.turns[-1].text for one in told]
    lines = []
    for number, (one, true) in enumerate(zip(told, trues, strict=True)):
        said = [other for other, text in enumerate(rewrites) if other != number and text and text != rewrites[number]]
        sham = min(said, key=lambda other: (abs(len(rewrites[other]) - len(rewrites[number])), other), default=None)
        critic = [_verdict_nats(orchestra, one, verdict) for verdict in VERDICTS[one.language]]
        gain = None
        if sham is not None and rewrites[number]:
            own, other = (_true_nats(orchestra, one, text, true) for text in (rewrites[number], rewrites[sham]))
            gain = other - own
        refused = _refusal(rewrites[number], critic, gain)
        turns = [
            {"speaker": turn.speaker, "span": turn.span, "text": turn.text, "played": turn.played, "nats": turn.nats}
            for turn in one.turns
        ]
        verdict = {"critic_nats": critic, "sham": None if sham is None else told[sham].scene_id, "gain_nats": gain}
        lines.append(
            {"id": one.scene_id, "language": one.language, "cast": one.cast, "text": one.text, "turns": turns}
            | verdict
            | {"accepted": refused is None, "refused": refused}
        )
    return lines


def _refusal(rewrite: str, critic: Sequence[float], gain: float | None) -> str | None:
    if not rewrite:
        return NOT_SAID
    if critic[0] >= critic[1]:
        return OBJECTED
    if gain is None:
        return NO_SHAM
    return None if gain > 0 else NO_GAIN


def _verdict_nats(orchestra: Orchestra, one: Transcript, verdict: str) -> float:
    texts = [*_texts(one, one.turns[-1].text), label("critic", one.language)]
    return _mean_nats(orchestra, texts, led(verdict) + "\n", orchestra.group_of("critic"))


def _true_nats(orchestra: Orchestra, one: Transcript, rewrite: str, true: str) -> float:
    return _mean_nats(orchestra, _texts(one, rewrite), true, orchestra.group_of(NARRATOR))


def _texts(one: Transcript, rewrite: str) -> list[str]:
    """The text and the scene, its last turn as given, in the pieces that training encodes."""
    *turns, last = one.scene.turns
    pieces = render(replace(one.scene, turns=(*turns, Turn(last.speaker, last.span, rewrite))))
    return [f"{one.text}\n\n"] * bool(one.text) + [piece.text for piece in pieces]


def _mean_nats(orchestra: Orchestra, stem: Sequence[str], end: str, group: int) -> float:
    """Mean surprise, nats a token, of a text after others; a context too long loses its beginning."""
    *before, after = orchestra.encoder.encode([*stem, end], "played scenes")
    ids, room = [int(id_) for some in before for id_ in some], context_of(orchestra.stack, orchestra.context_tokens)
    kept = ids[max(0, len(ids) + len(after) + 1 - room) :]
    row = Row((orchestra.encoder.bos_id, *kept), (tuple(int(id_) for id_ in after),))
    orchestra.stack.set_groups(torch.tensor([group], device=orchestra.stack.model.device))
    ((nats,),) = score_batch(orchestra.stack.model, [row])
    return nats / len(after)
