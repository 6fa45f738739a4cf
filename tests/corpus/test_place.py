"""Which scene stands where: rhythm, kinds in turn, mismatch before dialogue, bridges, runs of turns."""

from __future__ import annotations

import json
import math
import random
from itertools import groupby, pairwise
from types import SimpleNamespace

import pytest
from making import ROLES, copy_corpus, make_library, make_plan, make_prose, make_stage, scene_yaml

from ontogeny.core.errors import CorpusError
from ontogeny.corpus import made
from ontogeny.corpus.arranged import units_of
from ontogeny.corpus.made import MADE
from ontogeny.corpus.passages import make_passages
from ontogeny.corpus.prepare import corpus_hash, prepare_corpus
from ontogeny.corpus.proof import verify_corpus
from ontogeny.corpus.shelf import BookRecord, OpenBook, Shelf
from ontogeny.corpus.spoken import cast_of, runs_of
from ontogeny.corpus.survey import MASSED_SCENES, Pace, expected_counts, survey
from ontogeny.scenes.shape import Scene, Turn

ALL = ("conflict", *MADE)
RARE = (
    *("barley", "granite", "lantern", "violet", "harbour", "copper", "needle", "walnut", "saffron", "meadow"),
    *("pepper", "cannon", "ribbon", "thunder", "anchor"),
)


def make_essay(seed: int, paragraphs: int = 40) -> str:
    """Prose of which some paragraphs speak of a rare thing, in the middle of them."""
    blocks = make_prose(seed, paragraphs, chapter_every=10).strip().split("\n\n")
    told = []
    for number, block in enumerate(blocks):
        word = RARE[(number // 3 + seed) % len(RARE)]
        rare = f"It was so. Some {word} was found near the road. All the {word} of the town is kept there. It is so."
        told += [block, rare] if number % 3 == 0 and not block.startswith("CHAPTER") else [block]
    return "\n\n".join(told) + "\n"


def make_play(seed: int, turns: int = 60) -> str:
    rng = random.Random(seed)
    prose = make_prose(seed, turns).strip().split("\n\n")
    names = [rng.choice(("Anna", "Boris", "Clara")) for _ in range(turns)]
    return "The Play\n\n" + "\n\n".join(f"{n}: {b[:150]}" for n, b in zip(names, prose, strict=True)) + "\n"


def mismatch_yaml(scene_id: str, trigger: str) -> str:
    return scene_yaml(scene_id, trigger).replace("kind: conflict", "kind: mismatch")


def prepared_stage(
    tmp_path, *, forms=None, kinds=ALL, scenes="", reading="sequential", rhythm="interleaved", every=250, **more
):
    books = {"one": make_essay(1), "two": make_essay(2), "three": make_essay(3), "play": make_play(4)}
    library = make_library(tmp_path, books, {"all": scenes or scene_yaml("s", "phrase: river with")})
    if forms:
        path = tmp_path / "stages/library.yaml"
        text = path.read_text()
        for book, form in forms.items():
            at = text.index(f"  {book}:")
            text = text[:at] + text[at:].replace("form: reader", f"form: {form}", 1)
        path.write_text(text)
        from ontogeny.core.library import load_library

        library = load_library(tmp_path)
    stage = make_stage(0, "all", [], kinds=kinds, reading=reading, rhythm=rhythm, every_tokens=every, **more)
    stage.sections = [("first", ["one"]), ("second", ["two", "three"]), ("third", ["play"])]
    plan = make_plan([stage], context_tokens=256)
    return plan, library, prepare_corpus(plan, library, tmp_path / "corpus")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    odd = "".join(mismatch_yaml(f"m{i}", "phrase: absent") for i in range(4))  # the prose is too alike to make any
    scenes = "".join(scene_yaml(f"s{i}", "phrase: river with") for i in range(3)) + odd
    return prepared_stage(tmp_path_factory.mktemp("whole"), every=150, scenes=scenes)


def texts_of(corpus):
    return {b["id"]: (corpus.folder / f"books/{b['id']}.txt").read_text("utf-8") for b in corpus.manifest["books"]}


def test_every_kind_is_placed_and_the_corpus_is_proven(whole):
    _, _, corpus = whole
    stage = corpus.manifest["stages"][0]
    assert set(stage["scenes"]) == set(ALL) and min(stage["scenes"].values()) >= 1
    assert verify_corpus(corpus.folder) == []
    places = stage["scene_places"]
    assert {(kind, sum(n for k, _, _, n in places if k == kind)) for kind in ALL} == set(stage["scenes"].items())
    assert any(chapter.startswith("CHAPTER") for _, _, chapter, _ in places)


def test_what_a_scene_takes_out_is_what_it_says(whole):
    _, _, corpus = whole
    texts = texts_of(corpus)
    training = {book["id"]: book["training"] for book in corpus.manifest["stages"][0]["books"]}
    for record in corpus.shard(0).scenes:
        if "-" not in record["id"]:  # an authored one
            assert record["removed"] is None
            continue
        start, end = record["removed"]
        moved = texts[record["book"]][start:end]
        assert not any(s < end and e > start for s, e in training[record["book"]])
        if record["kind"] == "dialogue":
            paragraphs = [block.partition(": ")[2] for block in moved.strip().split("\n\n")]
            assert paragraphs == [turn[2] for turn in record["turns"]] and len(paragraphs) >= 2
        else:
            assert moved in (f" {record['turns'][-1][2]}", record["turns"][-1][2])


def test_a_bridge_leads_to_another_section_that_was_read_long_before(whole):
    _, _, corpus = whole
    texts, section = texts_of(corpus), {"one": 0, "two": 1, "three": 1, "play": 2}
    bridges = [record for record in corpus.shard(0).scenes if record["kind"] == "bridge"]
    segments = corpus.shard(0).segments()
    index = {book["id"]: number for number, book in enumerate(corpus.manifest["books"])}
    for record in bridges:
        far = record["far"]
        sentence = texts[far["book"]][far["start"] : far["end"]]
        assert section[far["book"]] < section[record["book"]]
        assert (
            sentence in record["turns"][0][2] and record["term"] in sentence and record["term"] in record["turns"][3][2]
        )
        assert record["term"] not in record["turns"][1][2]
        at = (segments["kind"] == 0) & (segments["source"] == index[far["book"]])
        at &= (segments["start"] < far["end"]) & (segments["end"] > far["start"])
        assert record["pack"] - int(segments["pack"][at].max(initial=0)) >= 2
    assert len({record["term"] for record in bridges}) == len(bridges) >= 1


def test_a_damaged_bridge_or_dialogue_is_found(whole, tmp_path):
    _, _, corpus = whole
    kinds = {}
    for number, record in enumerate(corpus.shard(0).scenes):
        kinds.setdefault(record["kind"], number)

    def told(name, number, change):
        folder = copy_corpus(corpus.folder, tmp_path / name)
        path = folder / "all/scenes.jsonl"
        records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        change(records[number])
        path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
        return " ".join(fault.what for fault in verify_corpus(folder))

    def set_far(record):
        record["far"]["start"] += 1

    def same_book(record):
        record["far"]["book"] = record["book"]

    def other_turn(record):
        record["turns"][0][2] += " And more."

    assert "bridge does not quote" in told("far", kinds["bridge"], set_far)
    assert "another book" in told("book", kinds["bridge"], same_book)
    assert "lacks the term" in told("term", kinds["bridge"], lambda record: record.update(term="nothing"))
    assert "not the turns of its scene" in told("turn", kinds["dialogue"], other_turn)
    assert "not the repair of its scene" in told(
        "repair", kinds["contradiction"], lambda record: record["turns"][-1].__setitem__(2, "No.")
    )


def test_units_hold_every_scene_and_every_character_read(whole):
    _, _, corpus = whole
    entry, scenes = corpus.manifest["stages"][0], corpus.shard(0).scenes
    shelf = Shelf(corpus.folder, [BookRecord(**book) for book in corpus.manifest["books"]])
    units = units_of(0, entry, scenes, shelf)
    assert [step.scene[1] for unit in units for step in unit if step.scene] == list(range(len(scenes)))
    read = sum(e - s for unit in units for step in unit for _, s, e in step.ranges)
    assert read == sum(e - s for book in entry["books"] for s, e in book["training"])


# Mismatch before dialogue --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reading", ["sequential", "self_chosen"])
def test_mismatch_stands_before_a_book_of_dialogue(tmp_path, reading):
    scenes = scene_yaml("s", "phrase: river with") + "".join(mismatch_yaml(f"m{i}", "phrase: absent") for i in range(3))
    _, _, corpus = prepared_stage(tmp_path, forms={"three": "dialogue"}, scenes=scenes, reading=reading)
    records = corpus.shard(0).scenes
    odd = [record for record in records if record["kind"] == "mismatch" and not record.get("before")]
    wrong = [record for record in odd if record["book"] not in ("one", "two")]
    assert all((r["book"], r["offset"]) == ("three", 0) for r in records if r.get("before"))
    assert wrong == [] and {"m0", "m1", "m2"} & {record["id"] for record in records}
    assert {record["book"] for record in records if record["kind"] == "dialogue"} <= {"three", "play"}
    assert verify_corpus(corpus.folder) == []


def test_attempts_come_from_evenly_spaced_passages_of_a_long_book(tmp_path, monkeypatch):
    monkeypatch.setattr(made, "POOL_PASSAGES", 4)
    _, _, corpus = prepared_stage(tmp_path, kinds=("gap",))
    shelf = Shelf(corpus.folder, [BookRecord(**book) for book in corpus.manifest["books"]])
    asked = 0
    for scene in corpus.shard(0).scenes:
        book = shelf.open(scene["book"])
        training = [passage for _, passage in book.training()]
        looked_at = training[:: -(-len(training) // 4)]
        assert 1 < len(looked_at) <= 4 < len(training)
        attempt = next(text for _, span, text in scene["turns"] if span == "attempt")
        assert any(attempt in book.text[start:end] for start, end, _ in looked_at)
        asked += 1
    assert asked > 5


def test_mismatch_scenes_open_a_stage_that_begins_with_dialogue(tmp_path):
    scenes = "".join(
        mismatch_yaml(f"m{i}", trigger) for i, trigger in enumerate(("phrase: river with", "phrase: absent"))
    )
    scenes += scene_yaml("s", "phrase: river with")
    _, _, corpus = prepared_stage(tmp_path, forms={"one": "dialogue"}, scenes=scenes)
    records = corpus.shard(0).scenes
    opening = [record["id"] for record in records if record.get("before")]
    assert opening and all(name.startswith("m") for name in opening)
    assert [record["id"] for record in records[: len(opening)]] == opening
    assert [record["offset"] for record in records[: len(opening)]] == [0] * len(opening)
    assert [r["id"] for r in records if r["kind"] == "mismatch"] == opening, "none behind, none made"
    assert corpus.shard(0).segments()["kind"][0] == 1, "a scene is the first thing that is read"
    assert verify_corpus(corpus.folder) == []
    shelf = Shelf(corpus.folder, [BookRecord(**book) for book in corpus.manifest["books"]])
    units = units_of(0, corpus.manifest["stages"][0], records, shelf)
    assert [step.scene for step in units[0]][: len(opening)] == [(0, number) for number in range(len(opening))]


# Rhythm and turns ----------------------------------------------------------------------------------------------------


def reading_of(chars: int):
    text = "\n\n".join(f"This is sentence {n} of a text." for n in range(chars // 30)) + "\n"
    record = SimpleNamespace(id="b", fingerprint="f", field="f", level="l", chapters=[])
    book = OpenBook(0, record, text, make_passages(text, []), frozenset())
    return lambda: iter([(0, book, [i for i, _ in book.training()])])


def authored(count: int, kind="conflict"):
    turns = (Turn("teacher", "question", "Why?"), Turn("student", "repair", "So."))
    return [Scene(f"{kind}{i}", kind, "f", "l", {"phrase": "zzz"}, turns, "a", "b", (), "en") for i in range(count)]


def slots_of(rhythm, kinds=ALL, scenes=(), **more):
    pace = Pace(100, kinds, [kind for kind in kinds if kind in MADE], rhythm, None, 3.0, **more)
    placement = survey(reading_of(12_000), list(scenes), pace, seed=1, stage="s")
    return placement, [slot.scene.kind if slot.scene else slot.kinds[0] for slot in placement.slots]


def test_interleaved_kinds_alternate_evenly():
    placement, kinds = slots_of("interleaved", ("gap", "contradiction", "bridge"))
    assert kinds[:6] == ["gap", "contradiction", "bridge"] * 2
    steps = [b.at - a.at for a, b in pairwise(placement.slots)]
    assert max(steps) - min(steps) < 1e-6
    assert placement.slots[1].kinds == ("contradiction", "bridge", "gap"), "the next kinds in the order of the list"


def test_spaced_kinds_follow_one_after_another_as_evenly():
    even, _ = slots_of("interleaved", scenes=authored(5))
    placement, kinds = slots_of("spaced", scenes=authored(5))
    assert [slot.at for slot in placement.slots] == [slot.at for slot in even.slots]
    assert [kind for kind, _ in groupby(kinds)] == [
        "mismatch",
        "conflict",
        "gap",
        "contradiction",
        "bridge",
        "dialogue",
    ]
    counts = [kinds.count(kind) for kind in MADE]
    assert max(counts) - min(counts) <= 1


def test_massed_scenes_come_in_groups():
    even, kinds = slots_of("interleaved", ("gap", "contradiction"))
    placement, massed = slots_of("massed", ("gap", "contradiction"))
    assert massed == kinds
    groups = [len(list(group)) for _, group in groupby(slot.at for slot in placement.slots)]
    assert set(groups[:-1]) == {MASSED_SCENES} and groups[-1] <= MASSED_SCENES
    assert {slot.at for slot in placement.slots} <= {slot.at for slot in even.slots}


def test_massed_scenes_stand_at_neighbouring_paragraphs(tmp_path):
    _, _, corpus = prepared_stage(tmp_path, rhythm="massed", kinds=("gap",), every=900)
    _, _, even = prepared_stage(tmp_path / "even", kinds=("gap",), every=900)
    massed, spread = (
        [b["offset"] - a["offset"] for a, b in pairwise(c.shard(0).scenes) if a["book"] == b["book"]]
        for c in (corpus, even)
    )
    assert sorted(massed)[len(massed) // 2] < sorted(spread)[len(spread) // 2] / 2


@pytest.mark.parametrize("rhythm", ["interleaved", "spaced", "massed"])
def test_mismatch_comes_before_the_boundary_and_dialogue_behind_it(rhythm):
    placement, kinds = slots_of(rhythm, scenes=authored(3, "mismatch"))
    assert placement.boundary == pytest.approx(12_000 / 2, rel=0.1)
    for slot, kind in zip(placement.slots, kinds, strict=True):
        assert kind != "mismatch" or slot.at < placement.boundary
        assert kind != "dialogue" or slot.at >= placement.boundary
    assert kinds.count("mismatch") > 3 and "dialogue" in kinds


def test_without_dialogue_mismatch_stands_anywhere():
    placement, kinds = slots_of("interleaved", ("gap", "mismatch"))
    assert placement.boundary == math.inf and kinds[-2:] in (["gap", "mismatch"], ["mismatch", "gap"])


def test_the_order_of_kinds_and_the_rhythm_decide_the_hash(whole):
    plan, library, _ = whole
    scenes, before = plan.stages[0].scenes, corpus_hash(plan, library)
    hashes = {before}
    for change in ({"rhythm": "massed"}, {"kinds": [*reversed(ALL)]}, {"kinds": ["gap"]}):
        plan.stages[0].scenes = SimpleNamespace(**{**vars(scenes), **change})
        hashes.add(corpus_hash(plan, library))
    plan.stages[0].scenes = scenes
    assert len(hashes) == 4 and corpus_hash(plan, library) == before


def test_expected_counts():
    assert expected_counts(50, {"conflict": 9}, ["gap"]) == {"conflict": 9, "gap": 41}
    assert expected_counts(10, {"conflict": 20}, ["gap", "bridge"]) == {"conflict": 5, "gap": 3, "bridge": 2}
    assert expected_counts(10, {"conflict": 20}, []) == {"conflict": 10}
    assert expected_counts(10, {"conflict": 6, "mismatch": 2}, ["mismatch"]) == {"conflict": 3, "mismatch": 7}
    assert expected_counts(4, {}, ["gap"]) == {"gap": 4}


def test_made_kinds_need_roles_and_a_language(tmp_path):
    library = make_library(tmp_path, {"a": make_prose(1, 30)}, {"one": scene_yaml("s", "phrase: river with")})
    stage = make_stage(0, "one", ["a"], kinds=("bridge", "dialogue"), roles=("teacher",))
    with pytest.raises(CorpusError) as caught:
        prepare_corpus(make_plan([stage], roles=("teacher",), language="fr"), library, tmp_path / "corpus")
    told = str(caught.value)
    assert "language 'fr'" in told and "no student, critic, reformulator" in told and "need two roles" in told


# Runs of turns -------------------------------------------------------------------------------------------------------


def book_of(text):
    record = SimpleNamespace(id="b", fingerprint="f", field="f", level="l", chapters=[])
    return OpenBook(0, record, text, make_passages(text, []), frozenset())


def runs(text, max_chars=10_000, max_speakers=4):
    paragraphs, at = [], 0
    for block in text.split("\n\n"):
        paragraphs.append((at, at + len(block) + 2))
        at += len(block) + 2
    cast = cast_of(book_of(text + "\n\n"))
    return [
        (run.first, run.last, [(who, text[s:e]) for who, s, e in run.turns])
        for run in runs_of(text, paragraphs, cast, max_chars, max_speakers)
    ]


TALK = "\n\n".join(["Anna: Hail.", "Boris: And you?", "Anna: Well."] * 5)


def test_a_run_is_whole_and_ends_where_nobody_speaks():
    text = "They met.\n\n" + TALK.replace("Anna: Well.\n\n", "Anna: Well.\n\nA bell.\n\n", 1)
    found = runs(text)
    assert found[0] == (1, 4, [("anna", "Hail."), ("boris", "And you?"), ("anna", "Well.")])
    assert found[1][0] == 5


def test_a_run_is_cut_at_speakers_and_size():
    text = "\n\n".join(
        f"{name}: Word." for name in ("Anna", "Boris", "Anna", "Clara", "Boris", "Clara", "Anna", "Clara") * 4
    )
    assert all(len({who for who, _ in turns}) <= 2 for _, _, turns in runs(text, max_speakers=2))
    assert all(len(turns) <= 3 for _, _, turns in runs(text, max_chars=40))
    assert sum(len(turns) for _, _, turns in runs(text, max_speakers=3)) > 24


def test_a_list_with_heads_is_no_dialogue():
    country = "\n\n".join(["Location: south.", "Terrain: hills.", "Climate: mild.", "Note: none."])
    assert runs("\n\n".join([country] * 6)) == []
    assert runs("\n\n".join(f"Country {n}\n\n{country}" for n in range(6))) == []


def test_behind_dashes_two_speak_in_turn():
    text = "Он вошёл.\n\n— Кто там?\n\n— Это я.\n\n— Входи.\n\nДверь скрипнула.\n\n— Садись."
    assert runs(text) == [(1, 4, [("—0", "Кто там?"), ("—1", "Это я."), ("—0", "Входи.")])]


def test_roles_are_those_of_the_genome(whole):
    _, _, corpus = whole
    spoken = [turn[0] for record in corpus.shard(0).scenes if record["kind"] == "dialogue" for turn in record["turns"]]
    assert spoken and set(spoken) <= set(ROLES)
