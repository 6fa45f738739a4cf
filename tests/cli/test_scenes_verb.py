"""`ontogeny scenes list | find | show`: what stands in the library of tensions, and what to do where nothing does."""

from __future__ import annotations

import json

import pytest

SCENE = """\
- id: {id}
  kind: {kind}
  field: {field}
  level: {level}
  trigger: {{after: chapter}}
  turns:
    - {{speaker: teacher, span: question, text: "{question}"}}
    - {{speaker: student, span: attempt, text: "It must be the first thing that I saw."}}
    - {{speaker: student, span: repair, text: "I looked again. {resolution}"}}
  resolution_expected: {resolution}
  foil: {foil}
  tags: [{tags}]
  language: {language}
"""
FIRST = (
    dict(
        id="a-shadow",
        kind="conflict",
        field="light",
        level="first",
        question="Why are shadows short at noon?",
        resolution="The lamp is high.",
        foil="The lamp is strong.",
        tags="wrong cause, one change",
        language="en",
    ),
    dict(
        id="a-fence",
        kind="conflict",
        field="geometry",
        level="first",
        question="How many posts has a fence of ten gaps, and a shadow at each?",
        resolution="There are eleven.",
        foil="There are ten.",
        tags="wrong measure",
        language="en",
    ),
)
SECOND = (
    dict(
        id="b-forecast",
        kind="mismatch",
        field="Forecasting",
        level="second",
        question="Does a friend keep to the forecast?",
        resolution="He has heard it.",
        foil="He has made it.",
        tags="broken expectation",
        language="en",
    ),
    dict(
        id="b-count",
        kind="conflict",
        field="arithmetic",
        level="second",
        question="Далеко ли пойдёт счёт?",
        resolution="Очень далеко.",
        foil="Очень близко.",
        tags="state and change",
        language="ru",
    ),
)


@pytest.fixture
def library(project):
    project.write("stages/first/scenes.yaml", "# Two.\n" + "".join(SCENE.format(**one) for one in FIRST))
    project.write("stages/second/scenes.yaml", "".join(SCENE.format(**one) for one in SECOND))
    return project


@pytest.fixture
def ids(library, ontogeny):
    """The ids that a command of `ontogeny scenes` lists."""

    def run(*arguments: str) -> list[str]:
        told = ontogeny("scenes", *arguments)
        assert told.code == 0, told.err
        return [line.split()[0] for line in told.out.splitlines()]

    return run


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["a-shadow", "a-fence", "b-forecast", "b-count"]),
        (["--stage", "first"], ["a-shadow", "a-fence"]),
        (["--field", "forecasting"], ["b-forecast"]),
        (["--tag", "WRONG cause"], ["a-shadow"]),
        (["--kind", "mismatch"], ["b-forecast"]),
        (["--language", "ru"], ["b-count"]),
        (["--level", "second", "--language", "en"], ["b-forecast"]),
    ],
)
def test_list_and_its_filters(ids, options, expected):
    assert ids("list", *options) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["shadow"], ["a-shadow", "a-fence"]),  # the beginning of "shadows", too
        (["SHADOW", "noon"], ["a-shadow"]),
        (["shadow noon"], ["a-shadow"]),  # one argument of two words is two words
        (["first", "thing"], ["a-shadow", "a-fence", "b-forecast", "b-count"]),
        (["geometry"], ["a-fence"]),  # a field
        (["expectation"], ["b-forecast"]),  # a tag
        (["счет"], ["b-count"]),  # without the dots of ё
        (["first", "--kind", "mismatch"], ["b-forecast"]),
    ],
)
def test_find_by_words_of_turns_fields_and_tags(ids, words, expected):
    assert ids("find", *words) == expected


def test_a_word_is_not_found_inside_another(library, refused):
    assert "no scene speaks of this." in refused("scenes", "find", "adow")[0]


def test_a_row_tells_id_stage_kind_field_and_tags(library, ontogeny):
    told = ontogeny("scenes", "find", "noon").out.split()
    assert told == ["a-shadow", "first", "conflict", "light", "wrong", "cause,", "one", "change"]


def test_json_and_quiet(library, ontogeny):
    (one,) = json.loads(ontogeny("scenes", "find", "noon", "--json").out)
    assert one["id"] == "a-shadow" and one["stage"] == "first" and one["tags"] == ["wrong cause", "one change"]
    assert (one["file"], one["line"]) == ("stages/first/scenes.yaml", 2)
    assert one["turns"][0] == {"speaker": "teacher", "span": "question", "text": FIRST[0]["question"]}
    assert json.loads(ontogeny("scenes", "show", "a-shadow", "--json").out) == one
    assert len(json.loads(ontogeny("scenes", "list", "--json").out)) == 4
    for command in (["list"], ["find", "noon"], ["show", "a-shadow"]):
        told = ontogeny("scenes", *command, "-q")
        assert (told.code, told.out, told.err) == (0, "", "")


def test_show_prints_the_scene_as_it_is_read_and_where_it_was_written(library, ontogeny):
    told = ontogeny("scenes", "show", "a-fence").out
    assert told.startswith("Teacher: How many posts") and "Student: I looked again. There are eleven.\n" in told
    assert "resolution expected: There are eleven.\nfoil: There are ten.\n" in told
    file, _, line = told.splitlines()[-1].removeprefix("written: ").rpartition(":")
    assert (library.root / file).read_text("utf-8").splitlines()[int(line) - 1] == "- id: a-fence"


@pytest.mark.parametrize(
    ("arguments", "what", "told"),
    [
        (["list", "--field", "geomtry"], "no scene has this field.", "closest: 'geometry'"),
        (["list", "--tag", "wrong caus"], "no scene has this tag.", "closest: 'wrong cause'"),
        (["list", "--kind", "gap"], "no scene has this kind.", "conflict, mismatch"),
        (["list", "--level", "third"], "no scene has this level.", "first, second"),
        (["find", "noon", "--stage", "frist"], "no scene has this stage.", "closest: 'first'"),
        (["find", "geomtry"], "no scene speaks of this.", "closest: 'geometry'"),
        (["list", "--stage", "first", "--language", "ru"], "all of this at once.", "1 without --stage 'first'"),
        (["find", "noon", "gaps"], "no scene has all of this at once.", "1 without 'noon', 1 without 'gaps'"),
        (["show", "a-fense"], "no such scene.", "closest: 'a-fence'"),
        (["show", "a-fence", "--language", "ru"], "no such scene.", "an id of `ontogeny scenes list`"),
    ],
)
def test_what_is_not_there_is_told_with_what_is_near(library, refused, arguments, what, told):
    (block,) = refused("scenes", *arguments)
    assert what in block and told in block and "stages/*/scenes.yaml" in block


def test_everything_that_is_not_there_is_told_at_once(library, refused):
    assert len(refused("scenes", "find", "zebra", "noon", "quagga", "--field", "alchemy")) == 3


def test_without_scenes_a_list_is_empty_and_a_search_is_refused(project, ontogeny, refused):
    assert ontogeny("scenes", "list").out == ""
    assert "no scene speaks of this." in refused("scenes", "find", "noon")[0]
