"""Declared ascents: which neighbours declare one, and when measures speak against it."""

from __future__ import annotations

import dataclasses
import random

import pytest

from ontogeny.core.ascent import MARGINS, compare, find_ascents, level_of, median_of
from ontogeny.core.plan import World, make_plan


def measured(rng: random.Random, hardness: float, n: int = 20) -> dict:
    """The difficulty of a book: each measure at a usual value, `hardness` times four of its margins above it."""
    usual = {"compression_ratio": 0.43, "mtld": 65.0, "grade": 8.0, "sentence_words": 20.0}
    return {
        name: {
            "value": usual[name] + MARGINS[name] * (4 * hardness + rng.gauss(0, 0.5)),
            "se": MARGINS[name] / 10 if n > 1 else None,
            "n": n,
        }
        for name in MARGINS
    }


def stages_of(*lots: tuple[str, float], books: int = 5, level: str | None = None):
    """(stages, levels, difficulties) of stages named by level, with books of one hardness."""
    rng = random.Random(1)
    stages, levels, known = [], {}, {}
    for name, hardness in lots:
        ids = [f"{name}-{number}" for number in range(books)]
        stages.append((name, [("one", ids)]))
        levels |= dict.fromkeys(ids, level or name)
        known |= {book: measured(rng, hardness) for book in ids}
    return stages, levels, known


def test_an_ascent_is_left_alone_and_a_descent_is_told():
    up = list(find_ascents(*stages_of(("primer", 0), ("school", 1), ("science", 2))))
    assert [(one.before, one.after) for one in up] == [("primer", "school"), ("school", "science")]
    assert not any(one.fails for one in up) and up[0].names("rises") == list(MARGINS)
    (first, second) = find_ascents(*stages_of(("primer", 1), ("school", 0), ("science", 2)))
    assert first.fails and not second.fails and first.names("falls") == list(MARGINS)
    assert "stage 'school' (school) comes after 'primer' (primer), but compression_ratio falls from" in first.told()


def test_noise_does_not_warn():
    for seed in range(20):
        stages, levels, known = stages_of(("primer", 0), ("lexicon", 0), ("school", 0))
        rng = random.Random(seed)
        known = {book: measured(rng, rng.gauss(0, 0.5)) for book in known}
        assert not any(one.fails for one in find_ascents(stages, levels, known)), seed


def test_as_many_that_rise_as_fall_are_no_warning():
    stages, levels, known = stages_of(("primer", 1), ("school", 0))
    for book, told in known.items():
        if book.startswith("school"):
            for name in ("grade", "sentence_words"):
                told[name] = {**told[name], "value": told[name]["value"] + 20 * MARGINS[name]}
    (one,) = find_ascents(stages, levels, known)
    assert one.names("rises") == ["grade", "sentence_words"] and not one.fails
    for book in [book for book in known if book.startswith("school")]:
        known[book] = {**known[book], "grade": None}
    (one,) = find_ascents(stages, levels, known)
    assert one.fails and "grade" not in one.measures and "(sentence_words rises)" in one.told()


@pytest.mark.parametrize("names", [("school", "primer"), ("first", "second"), ("primer", "second")])
def test_what_declares_nothing(names):
    assert (
        list(find_ascents(*stages_of((names[0], 1), (names[1], 0), level="school" if "second" not in names else "x")))
        == []
    )


def test_the_level_of_a_stage():
    assert level_of("primer", ["school", "school"]) == "primer"
    assert level_of("first", ["school", "primer", "school"]) == "school"
    assert level_of("first", ["school", "primer"]) is None
    assert level_of("first", ["beginners"]) is None and level_of("first", []) is None


def test_neighbours_in_a_section():
    rng = random.Random(3)
    known = {name: measured(rng, hardness) for name, hardness in (("a", 2), ("b", 0), ("c", 1), ("d", 0))}
    levels = {"a": "primer", "b": "school", "c": "science", "d": "science"}
    stages = [("first", [("nature", ["a", "b", "c", "d"]), ("one", ["a"])])]
    told = {(one.before, one.after): one for one in find_ascents(stages, levels, known)}
    assert set(told) == {("a", "b"), ("b", "c")} and told["a", "b"].fails and not told["b", "c"].fails
    assert told["a", "b"].where == "in section 'nature' of stage 'first', book"
    del known["b"]  # not audited: nothing is said
    assert list(find_ascents(stages, levels, known)) == []


def test_a_book_of_a_few_windows_stands_for_no_side_alone():
    rng = random.Random(4)
    long, short = measured(rng, 1), measured(rng, 0, n=1)
    assert compare([long], [short], "grade") is None
    assert compare([long], [short, short], "grade")["verdict"] == "falls"
    assert median_of([short], "grade") == {
        "median": pytest.approx(short["grade"]["value"], abs=1e-3),
        "ci95": None,
        "n": 1,
    }
    assert median_of([{"grade": None}], "grade") is None
    told = median_of([long, short, measured(rng, 0.5)], "mtld")
    assert told["n"] == 3 and told["ci95"][0] <= told["median"] <= told["ci95"][1]


def test_a_plan_warns_of_what_an_audit_found(project, facts):
    loaded = project.load("stages.1.name=school", "stages.0.sections.0.books=[fox]", "stages.0.name=primer")
    rng = random.Random(5)
    records = {
        "fox": {"difficulty": measured(rng, 1), "language_differs": False},
        "owl": {
            "difficulty": measured(rng, 0),
            "language_differs": True,
            "declared": "en",
            "reads_as": {"detected": "fr", "share": 1.0, "n": 9},
        },
    }
    pair = {"a": "fox", "b": "owl", "kind": "edition", "a_in_b": 0.6, "b_in_a": 0.8}
    audit = {"books": records, "duplicates": [pair]}

    def warnings(audit):
        return make_plan(loaded.genome, loaded.library, World(), facts, book_bytes={"owl": 9}, audit=audit).warnings

    assert warnings(None) == () == warnings({"books": {}, "duplicates": []})
    twin, language = warnings(audit)  # the owl reads as French, and is compared with nothing
    assert twin == "near-duplicates (edition, 80% shared): book 'fox' and book 'owl'"
    assert language == "book 'owl' is declared 'en' and reads as 'fr'"
    mended = {**records["owl"], "language_differs": False}
    descent, _ = warnings({**audit, "books": {**records, "owl": mended}})
    assert descent.startswith("an order declared as ascending is not: stage 'school' (school) comes after 'primer'")
    plain = make_plan(loaded.genome, loaded.library, World(), facts, book_bytes={"owl": 9})
    told = make_plan(loaded.genome, loaded.library, World(), facts, book_bytes={"owl": 9}, audit=audit)
    assert dataclasses.replace(told, warnings=()) == plain  # an audit moves no number
