from __future__ import annotations

import math
import time
from types import SimpleNamespace

import pytest
from making import make_library, make_plan, make_prose, make_stage, scene_yaml

from ontogeny.core.errors import LibraryError
from ontogeny.corpus import triggers
from ontogeny.corpus.passages import make_passages
from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.corpus.shelf import OpenBook
from ontogeny.corpus.triggers import find_triggers, matches, refuse_everywhere
from ontogeny.scenes.shape import Scene


def scene_of(trigger, scene_id="s", language="en", kind="conflict"):
    return Scene(scene_id, kind, "f", "l", trigger, (), "yes", "no", (), language, where="scenes.yaml:3:3")


def book_of(text, chapters=()):
    record = SimpleNamespace(id="book", fingerprint="f", field="f", level="l", chapters=list(chapters))
    return OpenBook(0, record, text, make_passages(text, [chapter[1] for chapter in chapters]), frozenset())


def reading_of(*books):
    return lambda: ((number, book, [i for i, _ in book.training()]) for number, book in enumerate(books))


@pytest.mark.parametrize(
    ("trigger", "text", "chapter", "hit"),
    [
        ({"phrase": "The RAIN"}, "then the rain fell", "", True),
        ({"pattern": "r[ai]+n"}, "then the rain fell", "", True),
        ({"pattern": "^rain"}, "then the rain fell", "", False),
        ({"topic": "rain"}, "then the rain fell", "", False),
        ({"topic": "rain"}, "Rain fell, and the rains came back.", "", True),
        ({"topic": "rain"}, "then the rain fell", "Of Rain and Wind", True),
        ({"topic": "rain"}, "then the train left, a train of thought", "Of Trains", False),
        ({"topic": "rain"}, "nothing fell", "Of Rain", False),
        ({"topic": "chain of causes"}, "A chain of causes, and another chain of causes.", "", True),
        ({"topic": "chain of causes"}, "A chain of causes, and another chain of a cause.", "", False),
        ({"after": "chapter"}, "then the rain fell", "", False),
    ],
)
def test_what_triggers(trigger, text, chapter, hit):
    assert matches(scene_of(trigger), text, chapter) is hit


def test_a_russian_topic_is_known_in_its_forms():
    assert matches(scene_of({"topic": "рыбка"}, language="ru"), "Он поймал рыбку. Взмолилась рыбка.")
    assert not matches(scene_of({"topic": "рыбка"}, language="ru"), "Он поймал рыбку. Взмолился старик.")


def test_a_pattern_that_explodes_is_an_error_in_time(monkeypatch):
    monkeypatch.setattr(triggers, "PATTERN_LIMIT_S", 0.05)
    begun = time.monotonic()
    with pytest.raises(LibraryError, match="pattern of scene 'greedy' explodes") as caught:
        matches(scene_of({"pattern": "(.*a){20}$"}, "greedy"), "aaaa aaaa " * 60 + "?")
    assert caught.value.faults[0].where == "scenes.yaml:3:3"
    assert time.monotonic() - begun < 60  # unguarded, it would not end in a life


@pytest.mark.parametrize("trigger", [{"phrase": "e"}, {"pattern": r"\w"}])
def test_a_trigger_that_matches_everywhere_is_an_error(trigger):
    book = book_of("\n\n".join(f"Number {n} of the lines is here." for n in range(40)) + "\n")
    with pytest.raises(LibraryError, match="scene 'wide' matches everywhere") as caught:
        refuse_everywhere(reading_of(book), [scene_of({"phrase": "number 7"}), scene_of(trigger, "wide")])
    assert "40 of 40 paragraphs" in str(caught.value) and "scenes.yaml:3:3" in str(caught.value)
    small = book_of("\n\n".join(f"Number {n} of the lines is here." for n in range(39)) + "\n")
    refuse_everywhere(reading_of(small), [scene_of(trigger)])


def test_half_of_the_paragraphs_is_not_everywhere():
    lines = [f"Number {n} is {'odd' if n % 2 else 'even'}." for n in range(60)]
    refuse_everywhere(reading_of(book_of("\n\n".join(lines))), [scene_of({"phrase": "odd"})])
    with pytest.raises(LibraryError, match="31 of 60"):
        refuse_everywhere(reading_of(book_of("\n\n".join([*lines[:-2], "odd", "odd"]))), [scene_of({"phrase": "odd"})])


def test_the_first_paragraph_that_triggers_a_scene_gets_it():
    text = "# One\n\nA lamp is here.\n\nA lamp again.\n\n# Two\n\nA river runs.\n"
    chapters = [["One", 0, 1], ["Two", text.index("# Two"), 1]]
    scenes = [
        scene_of({"phrase": "lamp"}, "a"),
        scene_of({"phrase": "lamp"}, "b"),
        scene_of({"after": "chapter"}, "c"),
        scene_of({"topic": "river"}, "d"),
        scene_of({"phrase": "river"}, "e"),
    ]
    found = find_triggers(reading_of(book_of(text, chapters)), scenes, lambda scene: math.inf)
    starts = {name: text[place[1] :].split("\n")[0] for name, (place, _) in found.items()}
    assert starts == {"a": "A lamp is here.", "b": "A lamp again.", "c": "A river runs."}
    limited = find_triggers(reading_of(book_of(text, chapters)), scenes, lambda scene: 0 if scene.id < "c" else -1)
    assert set(limited) == {"a", "b"}


def test_bad_triggers_and_long_scenes_leave_nothing_behind(tmp_path):
    library = make_library(tmp_path, {"a": make_prose(1, 60)}, {"one": scene_yaml("wide", "pattern: '[a-z]'")})
    plan = make_plan([make_stage(0, "one", ["a"])])
    with pytest.raises(LibraryError, match=r"matches everywhere(.|\n)*scenes.yaml:2"):
        prepare_corpus(plan, library, tmp_path / "corpus")
    long = scene_yaml("long", "phrase: river").replace("What does", "What, " + "again and again, " * 60 + "does")
    library = make_library(tmp_path, {"a": make_prose(1, 60)}, {"one": long + scene_yaml("short", "phrase: lamp")})
    with pytest.raises(LibraryError, match=r"scene 'long' is longer than a pack(.|\n)*at most 127"):
        prepare_corpus(plan, library, tmp_path / "corpus")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stages"]
