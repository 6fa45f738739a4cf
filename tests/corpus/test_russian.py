"""Russian scenes as they are shipped, and what becomes of the Russian books that the user brings."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from ontogeny.core.library import load_library
from ontogeny.corpus.clean import CleanBook, clean
from ontogeny.corpus.triggers import matches
from ontogeny.scenes.conflict import load_scenes
from ontogeny.scenes.gap import linking_sentences
from ontogeny.scenes.shape import Scene, render
from tests.shipped import ROOT, catalogues_of

BOOKS = ROOT.parent / "shared" / "books"
TALE = BOOKS / "1-primer" / "ruslit-skazka-o-rybake-i-rybke.txt"
HISTORY = BOOKS / "3-school" / "ruslit-istoriya-pugacheva.txt"
STAGES = {"ru-primer": TALE, "ru-school": HISTORY}
SPOKEN = (
    ("teacher", "question"),
    ("student", "attempt"),
    ("critic", "objection"),
    ("student", "repair"),
    ("reformulator", "reflection"),
)
ORDINALS = ("первая", "вторая", "третия", "четвертая", "пятая", "шестая", "седьмая", "осьмая")
needs_books = pytest.mark.skipif(not (TALE.is_file() and HISTORY.is_file()), reason="the books of shared/ are absent")


def scenes_of(stage: str) -> list[Scene]:
    return load_scenes(ROOT / "stages" / stage / "scenes.yaml", "ru")


EVERY_SCENE = [pytest.param(stage, scene, id=scene.id) for stage in STAGES for scene in scenes_of(stage)]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def brought(path: Path) -> CleanBook:
    return clean(path.read_text("utf-8"), "plain", "ru")


@pytest.mark.parametrize(("stage", "scene"), EVERY_SCENE)
def test_a_russian_scene_has_its_shape(stage, scene):
    assert scene.id.startswith(f"{stage}-") and scene.level == stage and scene.kind == "conflict" and scene.tags
    assert tuple((turn.speaker, turn.span) for turn in scene.turns) == SPOKEN
    assert 90 <= sum(len(turn.text.split()) for turn in scene.turns) <= 220
    said = " ".join(turn.text for turn in scene.turns)
    assert not re.search(r"[A-Za-z\"]| - |\.\.\.", said + scene.resolution_expected + scene.foil)
    assert "".join(piece.text for piece in render(scene)).startswith("Учитель: ")


@pytest.mark.parametrize(("stage", "scene"), EVERY_SCENE)
def test_a_russian_foil_is_matched_and_the_resolution_stands_in_the_repair(stage, scene):
    resolution, foil = scene.resolution_expected, scene.foil
    repair = scene.turns[3].text
    others = " ".join(turn.text for turn in scene.turns if turn.span != "repair")
    assert re.search(rf"(?:^|[.?!] ){re.escape(resolution)}(?: |$)", repair)
    assert resolution not in others and foil not in repair + others
    assert abs(len(words(foil)) - len(words(resolution))) <= 0.15 * len(words(resolution))
    assert len(set(words(resolution)) & set(words(foil))) >= 0.5 * len(set(words(resolution)))


def test_enough_russian_scenes_whose_foils_betray_nothing_by_length():
    everything = [scene for stage in STAGES for scene in scenes_of(stage)]
    assert all(len(scenes_of(stage)) >= 15 for stage in STAGES)
    assert len({scene.id for scene in everything}) == len(everything)
    signs = [len(words(scene.foil)) - len(words(scene.resolution_expected)) for scene in everything]
    assert abs(sum(sign > 0 for sign in signs) - sum(sign < 0 for sign in signs)) <= 0.1 * len(signs)


def test_the_catalogue_asks_for_files_and_holds_no_text():
    entries = load_library(ROOT, tuple(catalogues_of("skazka"))).entries
    ours = [entry for entry in entries.values() if entry.language == "ru"]
    assert len(ours) == 2 and all(entry.source.startswith("file:stages/brought/") for entry in ours)
    assert "/stages/brought/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


@needs_books
@pytest.mark.parametrize("stage", STAGES)
def test_most_triggers_are_found_in_the_book(stage):
    paragraphs = brought(STAGES[stage]).text.strip("\n").split("\n\n")
    told = [scene for scene in scenes_of(stage) if "after" not in scene.trigger]
    hits = {scene.id: sum(matches(scene, paragraph) for paragraph in paragraphs) for scene in told}
    assert all(hits.values()), hits
    assert max(hits.values()) < len(paragraphs) / 3, hits


@needs_books
def test_the_chapters_of_the_history():
    book = brought(HISTORY)
    titles = [title for title, _, _ in book.chapters]
    chapters = [title for title in titles if title.startswith("Глава ")]
    assert titles[0] == "Предисловие" and chapters == [f"Глава {ordinal}" for ordinal in ORDINALS]
    assert len([title for title in titles if title.startswith("Примечания к главе ")]) == 8
    assert titles[-1] == "Примечания" and len(titles) == 1 + 8 + 8 + 1
    assert all(book.text[start:].startswith(f"{title}\n\n") for title, start, _ in book.chapters)


@needs_books
def test_a_tale_in_verse_without_stanzas_is_parted_at_sentences():
    source, book = TALE.read_text("utf-8"), brought(TALE)
    paragraphs = book.text.strip("\n").split("\n\n")
    assert 15 <= len(paragraphs) <= 30 and book.kinds == {"verse": len(paragraphs)}
    assert book.text.split() == source.split() and clean(book.text, "plain", "ru").text == book.text
    assert all(re.search(r"[.!?…][»”]?$", paragraph) for paragraph in paragraphs)
    assert sum(bool(linking_sentences(f"{paragraph}\n\n", "ru")) for paragraph in paragraphs) >= 4
    assert len(clean(source, "plain", "ru", {"long_verse"}).text.strip("\n").split("\n\n")) == 1


def test_long_verse_is_parted_in_any_language_and_stays_what_it_was():
    line = "The river went to the sea at night,"
    stanza = [line, "And nobody heard it go;", "The stars were many and far and bright,", "The moon was late and low."]
    ode = "\n".join(stanza * 20)
    book = clean(ode, "plain")
    parts = book.text.strip("\n").split("\n\n")
    assert len(parts) == 10 and "\n".join(parts) == ode
    assert dict((rule, count) for rule, count, _ in book.cuts) == {"long_verse": 9}
    assert clean(book.text, "plain").text == book.text
    breathless = "\n".join([line] * 80)
    assert clean(breathless, "plain").text == f"{breathless}\n\n"
    assert clean("\n".join(stanza * 12), "plain").text.count("\n\n") == 1
    assert all(len(part.split("\n")) >= 8 for part in parts) and not any(a == b == "" for a, b in pairwise(parts))
