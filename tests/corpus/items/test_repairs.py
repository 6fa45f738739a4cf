"""self_repair: the same question twice, the second time after a wrong attempt and an objection."""

from __future__ import annotations

from dataclasses import replace

from ontogeny.corpus.items.gaps import gap_candidates, gap_id, make_gap_items
from ontogeny.corpus.items.repairs import gap_scenes, make_repair_items
from ontogeny.scenes.language import ENGLISH
from ontogeny.scenes.shape import Turn, render_until_repair

from .held_out import make_material, make_scene, make_text

SCENES = tuple(make_scene(f"scene-{k}", k) for k in range(3))
MATERIAL = make_material("school", {"alpha": make_text(1), "beta": make_text(2)}, scenes=SCENES)
ASKED = make_gap_items(MATERIAL)
ITEMS = make_repair_items(MATERIAL, ASKED)


def test_the_first_question_is_that_of_conflict_resolution():
    asked = {item.id: item for item in ASKED}
    gaps = [item for item in ITEMS if item.kind == "gap"]
    assert len(gaps) > 0.9 * sum(item.kind == "gap" for item in ASKED)
    for item in gaps:
        same = asked[item.id]
        assert (item.context, item.answer, item.foils, item.split, item.book) == (
            *(same.context, same.answer, same.foils),
            *(same.split, same.book),
        )
        assert item.probe == "self_repair"


def test_the_second_goes_on_with_the_foil_and_an_objection_that_names_what_it_lacks():
    for item in (item for item in ITEMS if item.kind == "gap"):
        question, attempt, objection, last = item.more["second"].split("\n")
        assert item.context == f"{question}\n{last}" and last == "Reformulator:"
        assert attempt == f"Student: {item.foils[0].strip()}"
        named = [word.strip('"') for word in objection.split() if word.startswith('"')]
        named = [word.strip('".,') for word in named]
        assert named and not {word.lower() for word in attempt.split()} & set(named)
        assert item.answer.strip() not in item.more["second"]


def test_a_fresh_wrong_end_is_said_nowhere_and_near_in_length():
    gaps = [item for item in ITEMS if item.kind == "gap"]
    fresh = [item for item in gaps if item.more["fresh"]]
    assert len(fresh) > 0.9 * len(gaps)
    for item in fresh:
        other = item.more["fresh"]
        assert other[0] == item.answer[0] and other.strip() not in item.more["second"] + item.answer
        assert abs(len(other.encode()) - len(item.answer.encode())) <= max(8, 0.25 * len(item.answer.encode())) + 1
        (home,) = (p for p in MATERIAL.passages if p.book == item.book and item.answer.strip() in p.text)
        assert other.strip() not in home.text and any(other.strip() in p.text for p in MATERIAL.passages)
    authored = [item for item in ITEMS if item.kind == "conflict"]
    assert all(item.more["fresh"] == item.foils[0] for item in authored)


def test_an_authored_scene_is_asked_before_its_attempt_and_before_its_repair():
    scenes = {scene.id: scene for scene in SCENES}
    authored = [item for item in ITEMS if item.kind == "conflict"]
    assert {item.id for item in authored} == set(scenes)
    for item in authored:
        scene = scenes[item.id]
        assert item.context == f"Teacher: {scene.turns[0].text}\nStudent:"
        assert item.more["second"] == render_until_repair(scene)


def test_a_scene_without_an_attempt_is_not_asked_again():
    scene = make_scene("plain", 9)
    turns = (scene.turns[0], Turn("student", "repair", scene.turns[3].text))
    material = make_material("school", {}, scenes=(replace(scene, turns=turns),))
    asked = make_gap_items(material)
    assert len(asked) == 1 and make_repair_items(material, asked) == []


def test_scenes_about_gaps_are_whole_and_objected_to_rightly():
    gaps = {gap_id(one): one for passage in MATERIAL.passages for one in gap_candidates(passage, "en")}
    told = list(gap_scenes(MATERIAL, ASKED, "coherence"))
    assert {scene.turns[0].text[:9] for *_, scene in told} == {form[:9] for form in ENGLISH.missing}
    for item, passage, scene in told:
        assert [turn.span for turn in scene.turns] == ["question", "attempt", "objection", "repair"]
        assert scene.turns[3].text == item.answer.removeprefix(" ")
        after = gaps[item.id].after
        assert passage is gaps[item.id].passage
        named = [word.strip('".,') for word in scene.turns[2].text.split() if word.startswith('"')]
        assert named and set(named) <= {word.strip(".").lower() for word in after.split()}
        assert not set(named) & set(scene.turns[1].text.lower().strip(".").split())


def test_russian_and_languages_without_gap_scenes():
    text = (
        "Растение стоит в тёмной комнате. Поэтому листья медленно тянутся к окну. Садовник поворачивает горшок.\n\n"
        "Вода стоит в старом пруду. Поэтому лодки долго лежат на берегу. Рыбак чинит сети до вечера.\n\n"
    ) * 40
    material = make_material("ru", {"сад": text}, language="ru")
    items = make_repair_items(material, make_gap_items(material))
    assert items and all("\nУченик: " in item.more["second"] and "\nКритик: " in item.more["second"] for item in items)
    other = make_material("de", {"alpha": make_text(1)}, language="de")
    assert make_repair_items(other, make_gap_items(other)) == []
