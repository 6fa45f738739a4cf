"""The library of tensions as it is shipped: enough scenes, of known kinds of conflict, none said twice."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest

from ontogeny.scenes.conflict import read_scenes
from ontogeny.scenes.gap import split_sentences
from ontogeny.scenes.language import TABLES
from ontogeny.scenes.shape import NARRATOR, SPANS, Scene, render

ROOT = Path(__file__).parents[2]
ENGLISH = ("primer", "lexicon", "school", "university", "science", "initiation")
RUSSIAN = ("ru-primer", "ru-school")
LEVELS = {"en": ENGLISH, "ru": RUSSIAN}
SPEAKERS = {"teacher", "student", "critic", "reformulator", NARRATOR}
MOST_WORDS = 300  # a scene of fewer fits 400 tokens of any vocabulary worth training
FOIL_LENGTH = (0.6, 1.6)  # words of the foil to words of the resolution


@lru_cache
def scenes_of(stage: str) -> tuple[Scene, ...]:
    return tuple(read_scenes(ROOT / "stages" / stage / "scenes.yaml"))


@lru_cache
def kinds_of_conflict() -> tuple[str, ...]:
    """The closed list, as stages/README.md gives it."""
    text = (ROOT / "stages/README.md").read_text("utf-8")
    table = text.partition("| tag | what goes wrong |\n")[2].partition("\n\n")[0]
    return tuple(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))


def everything() -> list[Scene]:
    return [scene for stage in ENGLISH + RUSSIAN for scene in scenes_of(stage)]


def rendered(scene: Scene) -> str:
    return "".join(piece.text for piece in render(scene))


EVERY_SCENE = [pytest.param(scene, id=scene.id) for scene in everything()]


def test_every_folder_with_scenes_is_looked_at():
    assert {path.parent.name for path in ROOT.glob("stages/*/scenes.yaml")} == set(ENGLISH + RUSSIAN)


def test_there_are_enough_scenes():
    conflicts = {stage: sum(one.kind == "conflict" for one in scenes_of(stage)) for stage in ENGLISH + RUSSIAN}
    assert all(conflicts[stage] >= 20 for stage in ENGLISH + RUSSIAN), conflicts
    assert sum(conflicts[stage] for stage in ENGLISH) >= 120 and sum(conflicts[stage] for stage in RUSSIAN) >= 30
    assert sum(scene.kind == "mismatch" for scene in scenes_of("initiation")) >= 3


def test_ids_are_unique_over_all_stages_and_begin_with_theirs():
    assert not [name for name, count in Counter(one.id for one in everything()).items() if count > 1]
    assert all(scene.id.startswith(f"{stage}-") for stage in ENGLISH + RUSSIAN for scene in scenes_of(stage))


def test_the_first_twelve_of_a_stage_stand_where_they_stood():
    firsts = {stage: (scenes_of(stage)[0].id, scenes_of(stage)[11].id) for stage in ENGLISH}
    assert firsts == {
        "primer": ("primer-wet-street", "primer-if-it-is-dry"),
        "lexicon": ("lexicon-what-is-a-game", "lexicon-dough"),
        "school": ("school-landlocked", "school-great-empire"),
        "university": ("university-orbitals", "university-perfect-fit"),
        "science": ("science-passed-test", "science-tea"),
        "initiation": ("initiation-empty-apology", "initiation-grief"),
    }


@pytest.mark.parametrize("scene", EVERY_SCENE)
def test_a_scene_says_what_it_is(scene):
    assert scene.field.strip() and scene.kind in ("conflict", "mismatch") and scene.language in TABLES
    assert scene.level in LEVELS[scene.language]
    assert set(scene.tags) & set(kinds_of_conflict()), f"none of {scene.tags} is a kind of conflict"
    assert len(set(scene.tags)) == len(scene.tags)
    assert (scene.kind == "mismatch") == ("broken expectation" in scene.tags)


@pytest.mark.parametrize("scene", EVERY_SCENE)
def test_the_way_out_is_found_in_the_repair_and_the_foil_nowhere(scene):
    assert any(scene.resolution_expected in turn.text for turn in scene.turns if turn.span == "repair")
    assert not any(scene.foil in turn.text for turn in scene.turns)
    least, most = FOIL_LENGTH
    assert least <= len(scene.foil.split()) / len(scene.resolution_expected.split()) <= most


@pytest.mark.parametrize("scene", EVERY_SCENE)
def test_a_scene_is_spoken_by_the_roles_and_short(scene):
    assert {turn.speaker for turn in scene.turns} <= SPEAKERS and {turn.span for turn in scene.turns} <= set(SPANS)
    assert len(rendered(scene).split()) < MOST_WORDS


@pytest.mark.parametrize("language", LEVELS)
def test_no_sentence_is_said_in_two_scenes(language):
    said: dict[str, str] = {}
    for scene in everything():
        if scene.language != language:
            continue
        sentences = {
            " ".join(re.findall(r"\w+", sentence.text.casefold()))
            for text in (*(turn.text for turn in scene.turns), scene.foil)
            for sentence in split_sentences(text)
        }
        for sentence in sentences:
            if len(sentence.split()) > 2:  # "Yes." and "Is it?" belong to everybody
                assert said.setdefault(sentence, scene.id) == scene.id, f"{said[sentence]} and {scene.id}: {sentence}"


def test_the_closed_list_is_used_and_no_kind_carries_the_library():
    used = Counter(tag for scene in everything() for tag in scene.tags if tag in kinds_of_conflict())
    assert len(kinds_of_conflict()) == len(set(kinds_of_conflict())) == len(used)
    assert min(used.values()) >= 3, used
    assert max(used.values()) <= len(everything()) / 4, used


@pytest.mark.parametrize("stage", ENGLISH)
def test_a_stage_varies_its_fields_and_its_triggers(stage):
    scenes = scenes_of(stage)
    assert len({scene.field for scene in scenes}) >= 8
    assert {"phrase", "after"} <= {key for scene in scenes for key in scene.trigger}
    phrases = [scene.trigger["phrase"].casefold() for scene in scenes if "phrase" in scene.trigger]
    assert len(set(phrases)) == len(phrases), "two scenes would wait for the same words"
