from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ontogeny.core.errors import LibraryError
from ontogeny.scenes.conflict import load_scenes

GOOD = """
- id: orbitals
  kind: conflict
  field: chemistry
  level: school
  language: en
  trigger: {phrase: electron}
  turns:
    - {speaker: teacher, span: question, text: "Where is it?"}
    - speaker: student
      span: repair
      text: |
        Around,
        not at.
  resolution_expected: Around, not at.
  foil: At a point.
"""


def load(tmp_path, text, language="en"):
    path = tmp_path / "scenes.yaml"
    path.write_text(text, encoding="utf-8")
    return load_scenes(path, language)


def test_a_scene_is_read_with_its_lines_joined(tmp_path):
    (scene,) = load(tmp_path, GOOD)
    assert scene.trigger == {"phrase": "electron"} and scene.turns[1].text == "Around, not at." and scene.tags == ()


def test_a_scene_knows_where_it_stands(tmp_path):
    text = GOOD + GOOD.replace("id: orbitals", "id: other").replace("kind: conflict", "kind: mismatch")
    first, second = load(tmp_path, text.replace("{phrase: electron}", "{topic: electron}"))
    assert first.trigger == {"topic": "electron"} and (first.kind, second.kind) == ("conflict", "mismatch")
    assert "scenes.yaml:2" in first.where and "scenes.yaml:18" in second.where


def test_all_faults_come_at_once_with_their_lines(tmp_path):
    bad = GOOD.replace("{phrase: electron}", "{phrase: a, after: chapter}").replace("span: repair", "span: fix")
    text = GOOD + bad.replace("foil:", "foli:")
    with pytest.raises(LibraryError) as caught:
        load(tmp_path, text)
    told = str(caught.value)
    assert len(caught.value.faults) == 5
    assert "closest: 'foil'" in told and "two scenes are named 'orbitals'" in told and "exactly one of" in told
    assert "'foil' is missing" in told
    assert all("scenes.yaml:" in fault.where for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("{phrase: electron}", "{pattern: '(open'}"), "compiles"),
        (("span: repair", "span: reflection"), "span: repair"),
        (("foil: At a point.", "foil: Around, not at."), "differs from resolution_expected"),
        (("level: school", "level: !!python/object:os.system school"), "tag"),
        (("id: orbitals", "id: Orbitals here"), "id"),
        (('text: "Where is it?"', 'text: ""'), "text"),
        (("kind: conflict", "kind: tension"), "'conflict' or 'mismatch'"),
        (("{phrase: electron}", "{phrase: electron, topic: electron}"), "exactly one of"),
        (("speaker: teacher", "speaker: The Teacher"), "speaker"),
    ],
)
def test_one_fault(tmp_path, change, told):
    with pytest.raises(LibraryError, match=told):
        load(tmp_path, GOOD.replace(*change))


def test_no_list_and_no_scene_in_the_language(tmp_path):
    with pytest.raises(LibraryError, match="not a list"):
        load(tmp_path, "id: x")
    with pytest.raises(LibraryError, match="no scene in language 'ru'"):
        load(tmp_path, GOOD, "ru")
    with pytest.raises(LibraryError, match="cannot be read"):
        load_scenes(tmp_path / "absent.yaml", "en")


def test_shipped_scenes_load():
    root = Path(__file__).parents[2]
    paths = sorted(root.glob("stages/*/scenes.yaml"))
    assert len(paths) == 8
    for path in paths:
        scenes = load_scenes(path, "ru" if path.parent.name.startswith("ru-") else "en")
        assert len([scene for scene in scenes if scene.kind == "conflict"]) >= 6, path


def test_scenes_need_no_torch():
    import subprocess

    code = (
        "import sys, ontogeny.scenes.gap, ontogeny.scenes.conflict, ontogeny.corpus.prepare, ontogeny.corpus.proof;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
