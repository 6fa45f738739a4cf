"""coherence and dialogue: the true next turn against turns of other moments."""

from __future__ import annotations

from ontogeny.corpus.items.gaps import dealt_scenes, make_gap_items
from ontogeny.corpus.items.repairs import gap_scenes
from ontogeny.corpus.items.shape import check_items
from ontogeny.corpus.items.turns import FOILS, make_coherence_items, make_dialogue_items
from ontogeny.scenes.shape import label, led, render

from .held_out import make_material, make_play, make_scene, make_text, shorter_share

SCENES = tuple(make_scene(f"scene-{k}", k) for k in range(3))
EARLIER = make_material("primer", {}, scenes=tuple(make_scene(f"old-{k}", 50 + k) for k in range(3)))
MATERIAL = make_material("school", {"alpha": make_text(1), "beta": make_text(2)}, scenes=SCENES)
ASKED = make_gap_items(MATERIAL)
ITEMS = make_coherence_items(MATERIAL, ASKED, [EARLIER])
PLAYS = {"play-a": make_play(1), "play-b": make_play(2)}
STAGE = make_material("initiation", PLAYS)
DIALOGUE = make_dialogue_items(STAGE)


def scenes_at_hand():
    known = {scene.id: scene for scene, _ in dealt_scenes((*SCENES, *EARLIER.scenes))}
    return known | {scene.id: scene for _, _, scene in gap_scenes(MATERIAL, ASKED, "coherence")}


def test_the_answer_is_the_scenes_own_turn_and_foils_are_turns_of_its_kind():
    known = scenes_at_hand()
    turns = {}
    for scene in known.values():
        for turn in scene.turns:
            turns.setdefault((scene.kind, turn.span), {})[turn.text.strip()] = scene.id
    check_items(ITEMS, "here")
    for item in ITEMS:
        name, _, index = item.id.rpartition("-")
        scene, index = known[name], int(index)
        before = "".join(piece.text for piece in render(scene) if piece.turn < index)
        assert item.context == before + label(scene.turns[index].speaker, "en") and item.template == name
        assert item.answer == led(scene.turns[index].text) and len(set(item.foils)) == FOILS
        alike = turns[scene.kind, scene.turns[index].span]
        assert all(alike[foil.strip()] != name for foil in item.foils)
        assert all(foil.strip() not in item.context for foil in item.foils)


def test_every_split_has_authored_scenes_objections_and_repairs():
    by_kind = {(item.split, item.book is None, item.id.rpartition("-")[2]) for item in ITEMS}
    for split in ("gate", "test"):
        assert {index for of, authored, index in by_kind if of == split and authored} == {"1", "2", "3", "4"}
        assert {index for of, authored, index in by_kind if of == split and not authored} == {"2", "3"}
    assert max(sum(item.split == split for item in ITEMS) for split in ("gate", "test", "search")) <= 40


def test_few_scenes_give_no_items_of_their_own():
    alone = make_coherence_items(make_material("school", {}, scenes=SCENES), [], [])
    assert alone == []  # two other scenes offer two foils


def test_length_tells_no_turn():
    scenes = tuple(make_scene(f"many-{k}", 100 + k) for k in range(12))
    found = []
    for seed in range(4):
        material = make_material("school", {"a": make_text(20 + seed), "b": make_text(30 + seed)}, seed, scenes=scenes)
        found += make_coherence_items(material, make_gap_items(material), [])
    assert len(found) > 300 and abs(shorter_share(found) - 0.25) < 0.15
    said = [item for seed in range(4) for item in make_dialogue_items(make_material("initiation", PLAYS, seed))]
    assert len(said) > 200 and abs(shorter_share(said) - 0.25) < 0.15


def test_a_dialogues_turn_stands_in_the_book_after_anothers():
    assert len(DIALOGUE) > 40 and {item.split for item in DIALOGUE} == {"gate", "test", "search"}
    for item in DIALOGUE:
        text = PLAYS[item.book]
        place = int(item.id.rpartition("-")[2])
        speaker = item.context.rpartition("\n\n")[2]
        assert text[place:].startswith(speaker + item.answer + "\n\n") or text[place:] == speaker + item.answer + "\n"
        assert text[: place + len(speaker)].endswith(item.context)
        before = item.context.removesuffix(speaker).strip("\n").split("\n\n")
        assert not [block for block in before if ": " in block][-1].startswith(speaker)


def test_foils_of_a_dialogue_are_of_other_passages_and_the_same_speaker_where_they_can_be():
    same = elsewhere = 0
    for item in DIALOGUE:
        passage = next(
            p for p in STAGE.passages if p.book == item.book and p.start <= int(item.id.rpartition("-")[2]) < p.end
        )
        others = "".join(p.text for p in STAGE.passages if p.book == item.book and p is not passage)
        speaker = item.context.rpartition("\n\n")[2]
        for foil in item.foils:
            same += speaker + foil in others
            if foil not in others:  # nothing near in length there
                assert any(speaker + foil in text for book, text in PLAYS.items() if book != item.book)
                elsewhere += 1
    assert same > 0.8 * FOILS * len(DIALOGUE) and elsewhere < 0.1 * FOILS * len(DIALOGUE)


def test_headings_and_prose_are_no_dialogue():
    listed = "".join(
        f"Area: {k} square miles of land and water here.\n\nClimate: warm in the year {k} and cold in the next.\n\n"
        f"People: {k} thousand of them, and more to come.\n\nTrade: wool, tin and {k} kinds of cloth.\n\n"
        for k in range(60)
    )
    assert make_dialogue_items(make_material("school", {"facts": listed, "prose": make_text(5)})) == []


def test_a_short_dialogue_takes_foils_of_the_same_name_elsewhere():
    cast = ("Person", "Model")
    books = {f"talk-{k}": make_play(60 + k, turns=18, cast=cast) for k in range(6)}
    material = make_material("initiation", books)
    assert {sum(p.book == book for p in material.passages) for book in books} == {1}
    items = make_dialogue_items(material)
    assert items and all(
        any(f"{item.context.rpartition(chr(10))[2]}{foil}" in text for book, text in books.items() if book != item.book)
        for item in items
        for foil in item.foils
    )


def test_foils_of_a_gap_are_of_other_passages():
    texts = {f"{p.book}|{p.text}": p for p in MATERIAL.passages}
    repairs = [item for item in ITEMS if item.book and item.id.endswith("-3")]
    assert len(repairs) > 10
    for item in repairs:
        (home,) = (p for p in texts.values() if p.book == item.book and item.answer.strip() in p.text)
        assert not any(foil.strip() in home.text for foil in item.foils)
