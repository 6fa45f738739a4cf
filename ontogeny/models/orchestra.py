"""The orchestra: a cast plays scenes, each turn by its role's adapter, many scenes at once.

A turn's words come after the scene so far and its own label, rendered and encoded as in training, piece by piece. A
turn depends on (cast, scene so far, seed, scene id, its number) alone: not on the other scenes, nor on their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from ontogeny.core.errors import Fault, RunError, closest
from ontogeny.corpus.vocabulary import Encoder, make_encoder
from ontogeny.models.casting import Cast, load_cast
from ontogeny.models.sampling import (
    NO_ADAPTER,
    TEMPERATURE,
    TOP_P,
    Draw,
    Row,
    Said,
    TokenKinds,
    context_of,
    continue_rows,
    token_kinds,
)
from ontogeny.models.stacked import StackedLoRA
from ontogeny.scenes.shape import NARRATOR, Scene, Turn, render

MAX_TURN_TOKENS = 96
TOPIC_QUESTIONS = {
    "en": "What is {topic}, and how do you know?",
    "ru": "Что такое {topic}, и откуда ты это знаешь?",
}
ASKER = "teacher"
FORM = (("student", "attempt"), ("critic", "objection"), ("student", "repair"), ("reformulator", "reflection"))
GOES_ON = FORM[1:]  # a scene on a topic longer than its form comes back to the objection


@dataclass(frozen=True)
class Opening:
    """How a scene begins, and who says what next: (speaker, span) of each turn to come.

    `text`: paragraphs that the scene is about, which stand before it."""

    id: str
    language: str
    given: tuple[Turn, ...]
    coming: tuple[tuple[str, str], ...]
    text: str = ""


@dataclass(frozen=True)
class TranscriptTurn:
    """A turn, given or played. Of a played one: `nats`, the mean surprise of its tokens (the line's end among them)
    under its own speaker at temperature 1; `cut`, whether it came to its last token before its line ended."""

    speaker: str
    span: str
    text: str
    played: bool
    nats: float | None = None
    tokens: int | None = None
    cut: bool = False


@dataclass(frozen=True)
class Transcript:
    """A scene as it was played. `cast`: role -> student@school; `foreign`: those of them who sat on a trunk that they
    were not trained on. The narrator is the trunk itself."""

    scene_id: str
    language: str
    seed: int
    trunk: str
    cast: dict[str, str]
    foreign: tuple[str, ...]
    text: str
    turns: tuple[TranscriptTurn, ...]

    @property
    def scene(self) -> Scene:
        """The turns as a scene of kind `played`."""
        return _scene(self.scene_id, self.language, [Turn(turn.speaker, turn.span, turn.text) for turn in self.turns])

    def as_line(self) -> dict[str, Any]:
        """The transcript as JSON takes it."""
        return asdict(self)


@dataclass(frozen=True)
class Orchestra:
    """A cast, loaded: what `play` needs again and again."""

    cast: Cast
    stack: StackedLoRA
    encoder: Encoder
    kinds: TokenKinds
    context_tokens: int | None = None

    def group_of(self, speaker: str) -> int:
        """The adapter that speaks; none for the narrator."""
        return NO_ADAPTER if speaker == NARRATOR else self.cast.roles.index(speaker)


def assemble(cast: Cast, context_tokens: int | None = None, device: torch.device | None = None) -> Orchestra:
    """Loads a cast onto a device (None: the CPU). `context_tokens`: what it was trained with, where that is less than
    the model can.

    Raises: ModelError, CorpusError for a trunk, tokenizer or adapter that cannot be loaded."""
    encoder = make_encoder(cast.model)
    return Orchestra(cast, load_cast(cast).to(device or "cpu"), encoder, token_kinds(encoder), context_tokens)


def play(
    orchestra: Orchestra,
    openings: Sequence[Opening],
    seed: int,
    *,
    max_turn_tokens: int = MAX_TURN_TOKENS,
    temperature: float = TEMPERATURE,
    top_p: float = TOP_P,
) -> list[Transcript]:
    """Plays every scene to its end; a turn ends with its line, or after `max_turn_tokens`, at most half the context.

    A context too long loses its beginning. Raises: RunError where a turn's speaker is not cast, or two scenes have one
    id; ModelError as `continue_rows`."""
    require_cast(orchestra.cast, openings)
    draw = Draw(orchestra.kinds, True, temperature, top_p)
    most = min(max_turn_tokens, context_of(orchestra.stack, orchestra.context_tokens) // 2)
    turns = [[TranscriptTurn(turn.speaker, turn.span, turn.text, False) for turn in one.given] for one in openings]
    for step in range(max((len(one.coming) for one in openings), default=0)):
        playing = [i for i, one in enumerate(openings) if step < len(one.coming)]
        rows = []
        for i in playing:
            speaker, span = openings[i].coming[step]
            stem = _stem(orchestra.encoder, openings[i], turns[i], speaker, span)
            key = (seed, openings[i].id, len(turns[i]))
            rows.append(Row(stem, most, key, orchestra.group_of(speaker)))
        said = continue_rows(orchestra.stack, rows, draw, orchestra.context_tokens)
        for i, one in zip(playing, said, strict=True):
            turns[i].append(_turn(orchestra.encoder, *openings[i].coming[step], one))
    cast = {member.role: member.name for member in orchestra.cast.members}
    foreign = tuple(member.name for member in orchestra.cast.foreign)
    return [
        Transcript(one.id, one.language, seed, orchestra.cast.trunk, cast, foreign, one.text, tuple(turns[i]))
        for i, one in enumerate(openings)
    ]


def require_cast(cast: Cast, openings: Sequence[Opening]) -> None:
    """Raises: RunError with every turn to come whose speaker nobody plays, and every scene id that comes twice."""
    faults = []
    for one in openings:
        for speaker in dict.fromkeys(speaker for speaker, _ in one.coming):
            if speaker not in (NARRATOR, *cast.roles):
                expected = f"one of {', '.join(cast.roles)}{closest(speaker, cast.roles)}"
                fix = "cast the role, or leave its turns out (--turns)"
                faults.append(
                    Fault("a turn's speaker is not cast.", f"scene '{one.id}'", f"'{speaker}'", expected, fix)
                )
    ids = [one.id for one in openings]
    for twice in sorted({one for one in ids if ids.count(one) > 1}):
        faults.append(Fault("two scenes have one id.", "", f"'{twice}'", "an id of its own for each", "rename one"))
    if faults:
        raise RunError(faults)


def scene_opening(scene: Scene, keep: int | None = None, turns: int | None = None) -> Opening:
    """A written scene, given up to its first attempt (its first repair where it has none), or its first `keep` turns;
    the others are to come, or the first `turns` of them. Raises: RunError where it has not so many."""
    spans = [turn.span for turn in scene.turns]
    first = next((spans.index(span) for span in ("attempt", "repair") if span in spans), len(spans) - 1)
    given = first if keep is None else keep
    played = len(spans) - given if turns is None else turns
    if given < 0 or played < 1 or given + played > len(spans):
        got, expected = f"keep {given}, play {played}", f"{len(spans)} turns together at most, one of them played"
        raise RunError(Fault("a scene has not so many turns.", f"scene '{scene.id}'", got, expected, "ask for fewer"))
    coming = tuple((turn.speaker, turn.span) for turn in scene.turns[given : given + played])
    return Opening(scene.id, scene.language, scene.turns[:given], coming)


def topic_opening(topic: str, language: str, cast: Cast, turns: int | None = None) -> Opening:
    """A scene on a topic: the teacher's question as in TOPIC_QUESTIONS (a topic that is a question stands as it is),
    then FORM, as far as its roles are cast. `turns` beyond it come back to the objection.

    Raises: RunError for an empty topic, a language without a question, a cast without a role of the form."""
    words = " ".join(topic.split())
    if not words or language not in TOPIC_QUESTIONS:
        got = f"'{words}' in language '{language}'"
        expected = f"a few words, in one of {', '.join(TOPIC_QUESTIONS)}"
        raise RunError(Fault("no question can be made of this topic.", "--topic", got, expected, "use --scene"))
    question = words if words.endswith("?") else TOPIC_QUESTIONS[language].format(topic=words.rstrip("."))
    form, goes_on = ([one for one in part if one[0] in cast.roles] for part in (FORM, GOES_ON))
    if not form or (turns is not None and turns < 1):
        got = f"{', '.join(cast.roles) or 'nobody'}, to play {len(form) if turns is None else turns} turns"
        expected = f"one turn or more, by {', '.join(dict.fromkeys(role for role, _ in FORM))}"
        raise RunError(Fault("nobody can talk about a topic.", "--topic", got, expected, "use --scene"))
    wanted = len(form) if turns is None else turns
    coming = (form + goes_on * wanted)[:wanted]
    return Opening("topic", language, (Turn(ASKER, "question", question),), tuple(coming))


def lines_of(transcript: Transcript) -> list[str]:
    """The transcript as it is rendered, a line a turn, each played one followed by its surprise."""
    said: list[list[str]] = [[] for _ in transcript.turns]
    for piece in render(transcript.scene):
        said[piece.turn].append(piece.text)
    lines = [transcript.text, ""] if transcript.text else []
    for turn, parts in zip(transcript.turns, said, strict=True):
        told = f"  [{turn.nats:.2f} nats a token{', cut' if turn.cut else ''}]" if turn.played else ""
        lines.append("".join(parts).rstrip("\n") + told)
    return lines


def _stem(encoder: Encoder, opening: Opening, turns: Sequence[TranscriptTurn], speaker: str, span: str) -> list[int]:
    """BOS, the text, the turns so far, the next one's label: the pieces that training has there."""
    so_far = [Turn(turn.speaker, turn.span, turn.text) for turn in turns]
    pieces = render(_scene(opening.id, opening.language, [*so_far, Turn(speaker, span, "")]))[:-1]
    texts = [f"{opening.text}\n\n"] * bool(opening.text) + [piece.text for piece in pieces]
    return [encoder.bos_id, *(int(id_) for ids in encoder.encode(texts, f"scene {opening.id}") for id_ in ids)]


def _turn(encoder: Encoder, speaker: str, span: str, said: Said) -> TranscriptTurn:
    text = encoder.tokenizer.decode(said.ids, skip_special_tokens=False).lstrip().split("\n", 1)[0].rstrip()
    turn = TranscriptTurn(speaker, span, text, True, sum(said.nats) / len(said.nats), len(said.ids))
    return turn if said.ended else replace(turn, text=text.rstrip("\ufffd"), cut=True)  # half a character at the cut


def _scene(scene_id: str, language: str, turns: Sequence[Turn]) -> Scene:
    return Scene(scene_id, "played", "", "", {}, tuple(turns), "", "", (), language)
