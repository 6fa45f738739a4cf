"""The orchestra: casts, turns, transcripts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from made_cast import QUESTION, ROLES, write_run, write_stage

from ontogeny.core.errors import ModelError, RunError
from ontogeny.core.run import RunDirectory
from ontogeny.models import orchestra as played
from ontogeny.models.adapters import load_adapter
from ontogeny.models.casting import Cast, load_cast, make_cast
from ontogeny.models.causal import load_model
from ontogeny.models.foreign import held_out_turns, measure_foreign_cost
from ontogeny.models.orchestra import Opening, assemble, lines_of, play, scene_opening, topic_opening
from ontogeny.models.sampling import Draw, Row, continue_rows
from ontogeny.scenes.shape import Scene, Turn, render

COMING = (("student", "attempt"), ("critic", "objection"), ("narrator", "plain"), ("student", "repair"))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunDirectory:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def orchestra(run):
    return assemble(make_cast(run))


def openings_of(count: int) -> list[Opening]:
    questions = [Turn("teacher", "question", f"{QUESTION} {'And why? ' * (i % 4)}".strip()) for i in range(count)]
    texts = ["", "The water goes out.\n\nIt comes in again."]
    return [
        Opening(f"scene-{i}", "en", (question,), COMING[: 1 + i % 4], texts[i % 2])
        for i, question in enumerate(questions)
    ]


def test_same_seed_same_transcript_alone_or_among_many(orchestra):
    openings = openings_of(9)
    many = play(orchestra, openings, 3, max_turn_tokens=12)
    alone = [play(orchestra, [one], 3, max_turn_tokens=12)[0] for one in openings]

    def words(transcripts):
        return [[(turn.speaker, turn.span, turn.text, turn.cut) for turn in one.turns] for one in transcripts]

    assert words(many) == words(alone) == words(play(orchestra, openings[::-1], 3, max_turn_tokens=12)[::-1])
    assert all(words(many)[i] != words(play(orchestra, openings, 4, max_turn_tokens=12))[i] for i in range(9))
    for one, opening in zip(many, openings, strict=True):
        assert [(turn.speaker, turn.span) for turn in one.turns[1:]] == list(opening.coming)
        assert (one.turns[0].played, one.turns[0].text, one.turns[0].nats) == (False, opening.given[0].text, None)
        assert all(turn.played and 0 < turn.nats < 20 and turn.tokens <= 12 for turn in one.turns[1:])
        assert not any("\n" in turn.text for turn in one.turns)
    assert {turn.cut for one in many for turn in one.turns if turn.played} == {False, True}


def test_a_turn_is_what_peft_says_after_the_scene_as_training_writes_it(run, orchestra):
    """The slow way: the trunk and one adapter by PEFT, the scene as one list of pieces."""
    opening = openings_of(4)[3]
    told = play(orchestra, [opening], 3, max_turn_tokens=12)[0]
    folder = run / "stages/02-science"
    for at, (speaker, _) in enumerate(opening.coming, 1):
        model = load_model(folder / "model")
        if speaker != "narrator":
            model = load_adapter(model, folder / "adapters" / speaker)
        turns = [Turn(turn.speaker, turn.span, turn.text) for turn in told.turns]
        scene = Scene("", "played", "", "", {}, tuple(turns), "", "", (), "en")
        pieces = [piece for piece in render(scene) if piece.turn < at]
        pieces += [piece for piece in render(scene) if piece.turn == at][:-1]  # its label
        ids = [0]
        for text in [opening.text + "\n\n", *(piece.text for piece in pieces)]:
            ids += orchestra.encoder.tokenizer.encode(text).ids
        said = continue_rows(model, [Row(ids, 12, (3, opening.id, at))], Draw(orchestra.kinds, True))[0]
        text = orchestra.encoder.tokenizer.decode(said.ids).split("\n")[0].strip().rstrip("\ufffd")
        assert (told.turns[at].text, told.turns[at].cut) == (text, not said.ended)
        assert told.turns[at].nats == pytest.approx(sum(said.nats) / len(said.nats), abs=1e-4)


def test_a_transcript_is_lines_and_json(orchestra):
    told = play(orchestra, openings_of(2)[1:], 3, max_turn_tokens=12)[0]
    lines = lines_of(told)
    assert lines[:3] == ["The water goes out.\n\nIt comes in again.", "", f"Teacher: {told.turns[0].text}"]
    assert lines[3].startswith(f"Student: {told.turns[1].text}  [") and len(lines) == 5
    back = json.loads(json.dumps(told.as_line()))
    assert back["cast"] == {role: f"{role}@science" for role in sorted(ROLES)} and back["foreign"] == []
    assert back["turns"][1]["text"] == told.turns[1].text and back["trunk"] == "science" and back["seed"] == 3
    assert told.scene.kind == "played" and told.scene.turns[0] == Turn("teacher", "question", told.turns[0].text)


def test_a_scene_longer_than_the_context_loses_its_beginning(run):
    long = Opening("long", "en", (Turn("teacher", "question", QUESTION * 20),), COMING)
    told = play(assemble(make_cast(run), 64), [long], 1)[0]
    assert all(turn.tokens <= 32 for turn in told.turns if turn.played)


def test_the_default_cast_is_the_last_stage_s(run):
    cast = make_cast(run)
    assert cast.trunk == "science" and cast.model == run / "stages/02-science/model" and not cast.foreign
    assert [member.name for member in cast.members] == ["critic@science", "student@science", "teacher@science"]


def test_a_cast_of_one_stage_plays_on_its_own_trunk(run):
    cast = make_cast(run, ["student@school", "critic"])
    assert cast.trunk == "school" and {member.stage for member in cast.members} == {"school"} and not cast.foreign


def test_a_mixed_cast_plays_on_the_latest_trunk_and_says_so(run):
    cast = make_cast(run, ["critic@science", "student@school"])
    assert cast.trunk == "science" and [member.name for member in cast.foreign] == ["student@school"]
    other = make_cast(run, ["student@school"], "science")
    assert other == cast and make_cast(run, ["critic@science"], "school").trunk == "school"
    told = play(assemble(cast), openings_of(1), 3, max_turn_tokens=6)[0]
    assert told.foreign == ("student@school",) and told.cast["student"] == "student@school"
    assert told.turns[1].text != play(assemble(make_cast(run)), openings_of(1), 3, max_turn_tokens=6)[0].turns[1].text


def test_the_adapter_cast_is_the_one_that_speaks(run):
    """On another trunk too: the stacked weights are the folder's, role by role."""
    cast = make_cast(run, ["critic@science", "student@school"])
    stack, ids_BT = load_cast(cast), torch.randint(1, 300, (1, 9))
    assert not any(parameter.requires_grad for parameter in stack.parameters()) and not stack.training
    for group, member in enumerate(cast.members):
        plain = load_adapter(load_model(cast.model), member.adapter)
        with torch.inference_mode():
            assert torch.allclose(stack(ids_BT, torch.tensor([group])).logits, plain(ids_BT).logits, atol=1e-4)


def test_the_last_pass_with_adapters_is_cast(run, tmp_path):
    again = RunDirectory(shutil.copytree(run.path, tmp_path / "again"))
    write_stage(again / "stages/02-science.2", again / "tokenizer", 9, ROLES)
    write_stage(again / "stages/03-end", again / "tokenizer", 10, {})
    cast = make_cast(again)
    assert (cast.trunk, cast.model.parent.name) == ("science", "02-science.2")
    shutil.rmtree(again / "stages/02-science.2/adapters")
    assert make_cast(again).model.parent.name == "02-science"
    bare = make_cast(again, ["student@school"], "end")
    assert bare.roles == ("student",) and bare.foreign == bare.members
    with pytest.raises(RunError, match="ROLE@STAGE"):
        make_cast(again, [], "end")


@pytest.mark.parametrize(
    ("words", "trunk", "told"),
    [
        (["studnet"], "", "closest: 'student'"),
        (["student@scool"], "", "closest: 'school'"),
        (["student", "student@school"], "", "cast twice"),
        (["student@"], "sciense", "closest: 'science'"),
        (["narrator"], "", "names a role that the stage does not have"),
    ],
)
def test_a_cast_that_does_not_exist(run, words, trunk, told):
    with pytest.raises(RunError, match=told):
        make_cast(run, words, trunk)


def test_an_adapter_of_another_run_is_refused(run, tmp_path):
    other = RunDirectory(shutil.copytree(run.path, tmp_path / "other"))
    shutil.rmtree(other / "stages/02-science/adapters/student")
    shutil.copytree(run / "stages/01-school/adapters/student", other / "stages/02-science/adapters/student")
    with pytest.raises(ModelError, match="another trunk") as refused:
        make_cast(other)
    assert "02-science/adapters/student" in str(refused.value)
    assert make_cast(other, ["student@school"], "school").trunk == "school"
    (other / "stages/02-science/adapters/student/adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be read"):
        make_cast(other)
    for stage in ("01-school", "02-science"):
        shutil.rmtree(other / "stages" / stage / "adapters")
    with pytest.raises(RunError, match="nobody to cast"):
        make_cast(other)


def test_an_adapter_that_fits_no_module_is_told(run, tmp_path):
    other = RunDirectory(shutil.copytree(run.path, tmp_path / "other"))
    path = other / "stages/02-science/adapters/student/adapter_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"target_modules": config["target_modules"][:2]}))
    with pytest.raises(ModelError, match="does not fit the trunk"):
        load_cast(make_cast(other))


def test_a_speaker_who_is_not_cast(orchestra):
    opening = Opening("one", "en", (), (("reformulator", "repair"), ("studnet", "attempt")))
    with pytest.raises(RunError) as refused:
        play(orchestra, [opening, replace(opening, coming=COMING)], 1)
    assert len(refused.value.faults) == 3 and "closest: 'student'" in str(refused.value)
    assert "two scenes have one id" in str(refused.value)


def scene_of(*spans: str) -> Scene:
    turns = tuple(Turn("teacher" if span == "question" else "student", span, f"{span}.") for span in spans)
    return Scene("one", "conflict", "", "", {}, turns, "", "", (), "en")


def test_what_of_a_written_scene_is_given():
    scene = scene_of("question", "question", "attempt", "objection", "repair")
    assert [turn.span for turn in scene_opening(scene).given] == ["question", "question"]
    assert [span for _, span in scene_opening(scene).coming] == ["attempt", "objection", "repair"]
    assert len(scene_opening(scene, keep=4).given) == 4 and scene_opening(scene, turns=1).coming == (
        ("student", "attempt"),
    )
    assert len(scene_opening(scene, keep=0).coming) == 5
    assert [turn.span for turn in scene_opening(scene_of("question", "plain", "repair")).given] == ["question", "plain"]
    for keep, turns in ((5, None), (-1, None), (None, 4), (None, 0), (3, 3)):
        with pytest.raises(RunError, match="not so many turns"):
            scene_opening(scene, keep, turns)


def test_a_topic_becomes_a_question(run):
    cast = make_cast(run)
    opening = topic_opening(" the  tides. ", "en", cast)
    assert opening.given == (Turn("teacher", "question", "What is the tides, and how do you know?"),)
    assert opening.coming == (("student", "attempt"), ("critic", "objection"), ("student", "repair"))  # no reformulator
    assert [span for _, span in topic_opening("tides", "en", cast, 6).coming] == [
        *("attempt", "objection", "repair", "objection", "repair", "objection")
    ]
    assert topic_opening("Why tides?", "en", cast, 1).given[0].text == "Why tides?"
    assert topic_opening("прилив", "ru", cast).given[0].text == "Что такое прилив, и откуда ты это знаешь?"
    for topic, language, turns in ((" ", "en", None), ("tides", "de", None), ("tides", "en", 0)):
        with pytest.raises(RunError, match="--topic"):
            topic_opening(topic, language, cast, turns)
    with pytest.raises(RunError, match="nobody can talk"):
        topic_opening("tides", "en", Cast("science", cast.model, cast.members[2:]))


def test_what_a_foreign_trunk_costs(run):
    cast = make_cast(run, ["student@school", "teacher@school"], "science")
    student, teacher = measure_foreign_cost(run, cast, "en", 128)
    assert (student.member, student.trunk, student.turns, teacher.turns) == ("student@school", "science", 3, 5)
    turns = held_out_turns(run, cast.members[1], "en")
    assert cast.members[1].role == "student" and student.bytes == sum(len(turn) for _, turn in turns)
    encoder = assemble(cast).encoder
    sums = []
    for home, adapted in [
        (home, one) for home in (run / "stages/01-school/model", cast.model) for one in (True, False)
    ]:
        model = load_model(home)
        model, total = load_adapter(model, cast.members[1].adapter) if adapted else model, 0.0
        for context, turn in turns:
            stem, end = encoder.encode([context, turn])
            ids = [0, *stem.tolist(), *end.tolist()]
            nats_T = -model(torch.tensor([ids])).logits[0].log_softmax(-1)
            total += sum(float(nats_T[at - 1, ids[at]].detach()) for at in range(1 + len(stem), len(ids)))
        sums.append(total / student.bytes)
    told = [student.own_nats, student.own_bare_nats, student.other_nats, student.other_bare_nats]
    assert told == pytest.approx(sums, abs=1e-5) and len({round(one, 4) for one in sums}) == 4


def test_a_role_whose_stage_holds_out_nothing(run, tmp_path):
    other = RunDirectory(shutil.copytree(run.path, tmp_path / "other"))
    shutil.rmtree(other / "corpus")
    cost = measure_foreign_cost(other, make_cast(other, ["student@school"], "science"), "en", 128)[0]
    assert (cost.turns, cost.own_nats) == (0, None) and measure_foreign_cost(other, make_cast(other), "en", 128) == []


def test_the_form_of_a_topic_speaks_of_spans_there_are():
    from ontogeny.scenes.shape import SPANS

    assert {span for _, span in played.FORM} <= set(SPANS) and played.GOES_ON[0][1] == "objection"
