"""Scenes played at hard places: what is given, what decides, what is sealed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from made_cast import CONTEXT_TOKENS, ROLES, write_run

from ontogeny.corpus.sealed import PLAYED
from ontogeny.models.casting import make_cast
from ontogeny.models.orchestra import Transcript, TranscriptTurn, assemble
from ontogeny.scenes.played import VERDICTS, question_about, scene_of_played
from ontogeny.train import playing
from ontogeny.train.playing import NO_GAIN, NO_SHAM, NOT_SAID, OBJECTED, judged, write_played

PARTS = {**ROLES, "reformulator": ROLES["student"]}
TEXT = (
    "The ship lay at anchor. The crew had eaten nothing. So they rowed to the shore at dusk. A light was burning there."
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("life"), roles=PARTS)


@pytest.fixture(scope="module")
def orchestra(run):
    return assemble(make_cast(run, trunk="school"), CONTEXT_TOKENS)


class Books:
    def of(self, book: str) -> str:
        return TEXT


def entry(sentence: str, before: str, fate: str = "still hard", reducible: float = 1.0) -> dict:
    start = TEXT.index(sentence)
    place = {"book": "ship", "start": start, "end": start + len(sentence), "before_start": TEXT.index(before)}
    return place | {"stage": "school", "text": sentence, "fate": fate, "reducible_nats": reducible}


HARD = [
    entry("So they rowed to the shore at dusk.", "The crew had", reducible=2.0),
    entry("The crew had eaten nothing.", "The ship lay", reducible=1.0),
    entry("A light was burning there.", "So they rowed", reducible=3.0, fate="learned"),
]


def played(run, folder, entries=HARD, seed=5, language="en"):
    plan = SimpleNamespace(seed=seed, language=language, context_tokens=CONTEXT_TOKENS)
    return write_played(run, folder, Books(), entries, "science", "school", plan, "reducible", torch.device("cpu"))


def test_what_is_played_and_sealed(run, tmp_path):
    lines = played(run, tmp_path)
    assert lines == [json.loads(line) for line in (tmp_path / PLAYED).read_text("utf-8").splitlines()]
    assert [line["start"] for line in lines] == [HARD[0]["start"], HARD[1]["start"]], "hardest first, learned ones not"
    first = lines[0]
    assert first["text"] == "The crew had eaten nothing." and HARD[0]["text"] not in json.dumps(first["turns"])
    given, *rest = first["turns"]
    assert given["text"] == question_about(first["text"], "en").text and not given["played"]
    assert [(turn["speaker"], turn["span"], turn["played"]) for turn in rest] == [
        ("student", "attempt", True),
        ("critic", "objection", True),
        ("reformulator", "repair", True),
    ]
    assert first["cast"]["critic"] == "critic@school"
    assert scene_of_played(first).kind == "played" and len(scene_of_played(first).turns) == 4
    for line in lines:
        assert line["accepted"] == (line["refused"] is None)
        agrees = line["critic_nats"] > 0 and line["gain_nats"] > 0
        assert line["accepted"] == agrees, "both, or it is not taken"


def test_the_same_again_and_another_seed(run, tmp_path):
    once, again, other = (played(run, tmp_path / name, seed=seed) for name, seed in (("a", 5), ("b", 5), ("c", 6)))
    assert once == again and [one["turns"] for one in once] != [one["turns"] for one in other]


def test_nobody_plays_where_roles_are_wanting_and_that_is_said(tmp_path):
    run = write_run(tmp_path / "life", roles=ROLES)  # without a reformulator
    assert played(run, tmp_path / "stage") == [] and (tmp_path / "stage" / PLAYED).read_text() == ""
    warned, told = [json.loads(line) for line in (tmp_path / "life/events.jsonl").read_text().splitlines()]
    assert (
        warned["event"] == "warning"
        and "stage 'school' did not train student, critic, reformulator" in warned["message"]
    )
    assert (told["event"], told["played"]) == ("scenes_played", 0)


def test_a_place_that_two_stages_read_is_played_once(run, tmp_path):
    twice = [*HARD, *(one | {"stage": "science"} for one in HARD)]
    assert len(played(run, tmp_path, twice)) == 2


def test_nothing_is_played_in_a_language_without_forms(run, tmp_path):
    assert played(run, tmp_path, language="xx") == []


def slow_nats(orchestra, stem: str, pieces: list[str], end: str, group: int) -> float:
    """Mean nats a token of `end`, one token after another, each from a forward pass of its own."""
    encode = orchestra.encoder.encode
    ids = [orchestra.encoder.bos_id, *(int(one) for some in encode([stem, *pieces], "") for one in some)]
    total, after = 0.0, [int(one) for one in encode([end], "")[0]]
    for token in after:
        orchestra.stack.set_groups(torch.tensor([group]))
        logits_V = orchestra.stack(input_ids=torch.tensor([ids])).logits[0, -1].double()
        total -= float(logits_V.log_softmax(0)[token])
        ids.append(token)
    return total / len(after)


def transcript(name: str, repair: str) -> Transcript:
    turns = (
        TranscriptTurn("teacher", "question", "What?", False),
        TranscriptTurn("student", "attempt", "It.", True, 1.0, 3),
        TranscriptTurn("critic", "objection", "No.", True, 1.0, 3),
        TranscriptTurn("reformulator", "repair", repair, True, 1.0, 3),
    )
    return Transcript(name, "en", 1, "school", {}, (), "It was so.", turns)


def test_verdicts_against_a_slow_reference(orchestra):
    told = [
        transcript("a", "They came late."),
        transcript("b", "Rowed to shore."),
        transcript("c", "A long way off it lay."),
    ]
    lines = judged(orchestra, told, ["So it ended."] * 3)
    pieces = ["Teacher:", " What?\n", "Student:", " It.\n", "Critic:", " No.\n", "Reformulator:"]
    text, critic = "It was so.\n\n", orchestra.group_of("critic")
    for line, one, sham in zip(lines, told, (told[1], told[0], told[0]), strict=True):
        assert line["sham"] == sham.scene_id

        def leaning(rewrite: str) -> float:
            said = [*pieces, f" {rewrite}\n\n", "Critic:"]
            yes, no = (slow_nats(orchestra, text, said, f" {verdict}\n", critic) for verdict in VERDICTS["en"])
            return no - yes

        expected = leaning(one.turns[-1].text) - leaning(sham.turns[-1].text)
        assert line["critic_nats"] == pytest.approx(expected, abs=1e-5)
        own = slow_nats(orchestra, text, [*pieces, f" {one.turns[-1].text}\n\n"], "So it ended.", -1)
        other = slow_nats(orchestra, text, [*pieces, f" {sham.turns[-1].text}\n\n"], "So it ended.", -1)
        assert line["gain_nats"] == pytest.approx(other - own, abs=1e-5)


@pytest.mark.parametrize(
    ("rewrite", "critic", "gain", "reason"),
    [
        ("Yes.", 0.1, 0.1, None),
        ("", None, None, NOT_SAID),
        ("Yes.", -0.1, 0.1, OBJECTED),
        ("Yes.", 0.0, 0.1, OBJECTED),
        ("Yes.", None, None, NO_SHAM),
        ("Yes.", 0.1, 0.0, NO_GAIN),
    ],
)
def test_why_a_rewrite_is_not_taken(rewrite, critic, gain, reason):
    assert playing._refusal(rewrite, critic, gain) == reason


def test_a_lone_scene_has_no_sham(orchestra):
    (line,) = judged(orchestra, [transcript("a", "They came.")], ["So it ended."])
    assert line["sham"] is None and not line["accepted"]
