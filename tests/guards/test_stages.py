"""The shipped stages: every catalogue entry reads, every scene has its shape and can be triggered."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ontogeny.core.library import LibraryEntry
from ontogeny.corpus.sources import read_source

ROOT = Path(__file__).parents[2]
STAGES = ("primer", "lexicon", "school", "university", "science", "initiation")
ENTRY_KEYS = {"source", "title", "author", "language", "field", "level", "form", "licence", "sha256"}
SCENE_KEYS = {"id", "kind", "field", "level", "trigger", "turns", "resolution_expected", "foil", "tags", "language"}
SPAN_SPEAKER = {
    "question": "teacher",
    "attempt": "student",
    "objection": "critic",
    "repair": "student",
    "reflection": "reformulator",
}
MIN_STAGE_BYTES = 600_000
MIN_SCENES, MIN_TRIGGERED = 12, 8
SCENE_WORDS = (90, 220)
RUSSIAN_STAGES = ("ru-primer", "ru-school")
MIN_DEFINITIONS, MIN_RUSSIAN_DEFINITIONS = 60, 30
DEFINITION_WORDS = (8, 25)


@lru_cache
def load(path: str) -> Any:
    return YAML(typ="safe", pure=True).load((ROOT / path).read_text(encoding="utf-8"))


@lru_cache
def books(catalogue: str = "stages/library.yaml") -> dict[str, dict[str, str]]:
    return load(catalogue)["books"]


@lru_cache
def text_of(book_id: str) -> str:
    entry = LibraryEntry.model_validate({"id": book_id, **books()[book_id]})
    if entry.source.startswith("package:"):
        dist = entry.source.removeprefix("package:").partition("/")[0]
        try:
            metadata.distribution(dist)
        except metadata.PackageNotFoundError:
            pytest.skip(f"the package {dist} is not installed")
    return read_source(entry, ROOT).text


def scenes(stage: str) -> list[dict[str, Any]]:
    return load(f"stages/{stage}/scenes.yaml")


def stage_books(stage: str) -> list[str]:
    return [book for section in load(f"stages/{stage}/stage.yaml")["sections"] for book in section["books"]]


def words(text: str) -> int:
    return len(text.split())


EVERY_SCENE = [pytest.param(stage, scene, id=scene["id"]) for stage in STAGES for scene in scenes(stage)]


@pytest.mark.parametrize("catalogue", ["stages/library.yaml", "stages/lexicon/gcide.library.yaml"])
def test_catalogue_entries_have_every_field(catalogue):
    for book_id, fields in books(catalogue).items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", book_id), book_id
        assert set(fields) == ENTRY_KEYS and all(isinstance(value, str) and value for value in fields.values()), book_id
        assert re.fullmatch(r"[0-9a-f]{64}", fields["sha256"]) and fields["level"] in STAGES, book_id
        assert ("GPL" in fields["licence"]) == (catalogue != "stages/library.yaml"), book_id


@pytest.mark.parametrize("book_id", list(books()))
def test_every_book_reads_and_fits_its_fingerprint(book_id):
    assert len(text_of(book_id)) > 4_000


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_its_keys_and_enough_books(stage):
    written = load(f"stages/{stage}/stage.yaml")
    assert set(written) <= {"name", "sections", "scenes"} and written["name"] == stage
    assert written["scenes"] == {"every_tokens": 2000, "kinds": ["conflict", "gap"]}
    assert all(set(section) == {"name", "books"} and section["name"] for section in written["sections"])
    listed = stage_books(stage)
    assert len(set(listed)) == len(listed) and all(books()[book]["level"] == stage for book in listed)
    assert sum(len(text_of(book).encode()) for book in listed) >= MIN_STAGE_BYTES


def test_scene_ids_are_unique_and_each_stage_has_enough():
    ids = [scene["id"] for stage in STAGES for scene in scenes(stage)]
    assert len(set(ids)) == len(ids)
    assert all(len(scenes(stage)) >= MIN_SCENES for stage in STAGES)


@pytest.mark.parametrize(("stage", "scene"), EVERY_SCENE)
def test_a_scene_has_its_shape(stage, scene):
    assert set(scene) == SCENE_KEYS
    assert scene["kind"] in ("conflict", "mismatch") and scene["level"] == stage and scene["language"] == "en"
    assert scene["tags"] and all(isinstance(tag, str) for tag in scene["tags"])
    (kind,) = scene["trigger"]
    assert kind in ("phrase", "pattern") or scene["trigger"] == {"after": "chapter"}
    assert all(set(turn) == {"speaker", "span", "text"} for turn in scene["turns"])
    assert [turn["span"] for turn in scene["turns"]] == list(SPAN_SPEAKER)
    assert all(turn["speaker"] == SPAN_SPEAKER[turn["span"]] for turn in scene["turns"])
    assert SCENE_WORDS[0] <= sum(words(turn["text"]) for turn in scene["turns"]) <= SCENE_WORDS[1]


@pytest.mark.parametrize(("stage", "scene"), EVERY_SCENE)
def test_a_foil_is_matched_and_the_resolution_is_found_by_the_student(stage, scene):
    resolution, foil = scene["resolution_expected"], scene["foil"]
    repair = next(turn["text"] for turn in scene["turns"] if turn["span"] == "repair")
    others = " ".join(turn["text"] for turn in scene["turns"] if turn["span"] != "repair")
    assert re.search(rf"(?:^|[.?!] ){re.escape(resolution)}(?: |$)", repair), "a whole sentence of the repair"
    assert resolution not in others, "nobody says it before the student finds it"
    assert resolution != foil and foil not in repair + others
    assert abs(words(resolution) - words(foil)) <= 0.15 * words(resolution)
    shared = set(re.findall(r"\w+", resolution.lower())) & set(re.findall(r"\w+", foil.lower()))
    assert len(shared) >= 0.5 * len(set(re.findall(r"\w+", resolution.lower()))), "the same surface form and vocabulary"


def test_the_length_of_a_foil_betrays_nothing():
    signs = [words(s["foil"]) - words(s["resolution_expected"]) for stage in STAGES for s in scenes(stage)]
    assert abs(sum(sign > 0 for sign in signs) - sum(sign < 0 for sign in signs)) <= 0.1 * len(signs)


@pytest.mark.parametrize("stage", STAGES)
def test_most_triggers_are_found_in_the_books_of_the_stage(stage):
    passages = [passage for book in stage_books(stage) for passage in text_of(book).split("\n\n")]
    found = 0
    for scene in scenes(stage):
        phrase, pattern = scene["trigger"].get("phrase"), scene["trigger"].get("pattern")
        hits = (
            sum(
                phrase.casefold() in passage.casefold() if phrase else bool(re.search(pattern, passage))
                for passage in passages
            )
            if phrase or pattern
            else 0
        )
        assert hits < len(passages) / 3, f"{scene['id']} would be triggered nearly everywhere"
        found += hits > 0
    assert found >= MIN_TRIGGERED


def definitions(stage: str) -> list[dict[str, str]]:
    return load(f"stages/{stage}/probes.yaml")["definitions"]


@pytest.mark.parametrize("stage", STAGES + RUSSIAN_STAGES)
def test_a_definition_is_one_sentence_without_its_word(stage):
    language, least = ("ru", MIN_RUSSIAN_DEFINITIONS) if stage in RUSSIAN_STAGES else ("en", MIN_DEFINITIONS)
    assert len(definitions(stage)) >= least
    for one in definitions(stage):
        text = one["definition"]
        assert set(one) == {"word", "pos", "language", "definition"} and one["language"] == language
        assert DEFINITION_WORDS[0] <= words(text) <= DEFINITION_WORDS[1], one["word"]
        assert text[0].isupper() and text.endswith(".") and not re.search(r"[.?!] ", text), one["word"]
        said = re.findall(r"[^\W\d_]+", text.lower())
        assert not [word for word in said if re.fullmatch(rf"{one['word']}(s|es|ed|d|ing|ly|а|ы|и|у|ом)?", word)], text


def test_no_word_is_defined_twice_over_all_stages():
    for stages in (STAGES, RUSSIAN_STAGES):
        told = [one["word"] for stage in stages for one in definitions(stage)]
        assert len(set(told)) == len(told)
        texts = [one["definition"] for stage in stages for one in definitions(stage)]
        assert len(set(texts)) == len(texts)


DIALOGUES = sorted((ROOT / "stages/initiation").glob("dialogue-*.md"))


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_a_dialogue_is_two_speakers_in_turn(path):
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    speakers = [block.partition(":")[0] for block in blocks if not block.startswith("# ")]
    assert set(speakers) == {"Person", "Model"} and all("\n" not in block for block in blocks)
    assert all(a != b for a, b in pairwise(speakers))
    assert 12_000 <= len(path.read_bytes()) <= 16_500
