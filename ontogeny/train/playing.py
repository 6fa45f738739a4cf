"""Self-rewriting: on entering a stage the orchestra of the stage before plays scenes at hard places of the journal.

Each is sealed as a line of played.jsonl:
    {id, language, stage, book, start, cast, text, turns: [{speaker, span, text, played, nats}],
     critic_nats, sham, gain_nats, accepted, refused}
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
from ontogeny.corpus.journal import LEARNED
from ontogeny.corpus.journal_rows import in_turn
from ontogeny.corpus.sealed import PLAYED
from ontogeny.models.casting import make_cast
from ontogeny.models.orchestra import Opening, Orchestra, Transcript, assemble, play
from ontogeny.models.sampling import context_of
from ontogeny.probes.scoring import Row, score_batch
from ontogeny.scenes.played import FORM, VERDICTS, can_play, question_about
from ontogeny.scenes.shape import NARRATOR, Turn, label, led, render

MAX_PLAYED = 8  # hard places a stage
MAX_TURN_TOKENS = 32
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
    stage: str,
    trunk: str,
    plan: Any,
    selection: str,
    device: torch.device,
) -> list[dict[str, Any]]:
    """Plays the hardest entries that are not learned yet, judges what came of it, seals all of it; returns the lines.

    `entries`: of the journals before `stage`; `trunk`: the stage whose trunk and roles play, which plays nothing where
    its roles were not trained; `plan` tells seed, language and context_tokens. Rank 0 calls."""
    path, seed, language = folder / PLAYED, plan.seed, plan.language
    hard: dict[str, Mapping[str, Any]] = {}
    for entry in in_turn(entries, selection, seed):
        if entry["fate"] != LEARNED and len(hard) < MAX_PLAYED:
            hard.setdefault(_id_of(entry), entry)  # a place that two stages read is played once
    openings = [opening for entry in hard.values() if (opening := _opening(entry, texts, language)) is not None]
    lines: list[dict[str, Any]] = []
    orchestra = _orchestra(run, trunk, plan.context_tokens, device) if openings else None
    if orchestra is not None:
        begun, trues = [one for one, _ in openings], [true for _, true in openings]
        played = play(orchestra, begun, seed_of(seed, stage, "played"), max_turn_tokens=MAX_TURN_TOKENS)
        lines = judged(orchestra, played, trues)
        lines = [{**line, **{key: hard[line["id"]][key] for key in ("stage", "book", "start")}} for line in lines]
    elif openings:
        wanted = ", ".join(dict.fromkeys(role for role, _ in FORM))
        told = f"stage '{stage}' plays no scenes: stage '{trunk}' did not train {wanted}; journal scenes stand for them"
        run.event("warning", message=told)
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    run.event("scenes_played", stage=stage, played=len(lines), accepted=sum(line["accepted"] for line in lines))
    return lines


def _orchestra(run: RunDirectory, trunk: str, context_tokens: int, device: torch.device) -> Orchestra | None:
    """The roles of a stage on its trunk; None where it did not train all that a played scene needs."""
    try:
        cast = make_cast(run, trunk=trunk)
    except RunError:  # nobody was trained in any stage
        return None
    if not {role for role, _ in FORM} <= set(cast.roles):
        return None
    return assemble(cast, context_tokens, device)


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
    """Each transcript with its verdict, own rewrite against sham: the rewrite of the other scene nearest in characters.

    With l a mean of log p over tokens, the critic's leaning is l(accepting verdict) - l(refusing one) after the scene,
    under its adapter; critic_nats = leaning after the rewrite - after the sham, and the critic accepts above 0: how
    likely either verdict is at all, of any rewrite, drops out. The measured rule: gain_nats = l(true sentence | text,
    scene) - l(true sentence | text, scene with the sham) on the trunk is above 0."""
    rewrites = [one.turns[-1].text for one in told]
    lines = []
    for number, (one, true) in enumerate(zip(told, trues, strict=True)):
        own = rewrites[number]
        said = [other for other, text in enumerate(rewrites) if other != number and text and text != own]
        sham = min(said, key=lambda other: (abs(len(rewrites[other]) - len(own)), other), default=None)
        critic = gain = None
        if sham is not None and own:
            critic = _leaning(orchestra, one, own) - _leaning(orchestra, one, rewrites[sham])
            gain = _true_nats(orchestra, one, rewrites[sham], true) - _true_nats(orchestra, one, own, true)
        refused = _refusal(own, critic, gain)
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


def _refusal(rewrite: str, critic: float | None, gain: float | None) -> str | None:
    if not rewrite:
        return NOT_SAID
    if critic is None or gain is None:
        return NO_SHAM
    if critic <= 0:
        return OBJECTED
    return None if gain > 0 else NO_GAIN


def _leaning(orchestra: Orchestra, one: Transcript, rewrite: str) -> float:
    texts, group = [*_texts(one, rewrite), label("critic", one.language)], orchestra.group_of("critic")
    accepts, refuses = (_mean_nats(orchestra, texts, f"{led(said)}\n", group) for said in VERDICTS[one.language])
    return refuses - accepts


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
