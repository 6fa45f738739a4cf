"""Effects of authored scenes, the journal and played scenes, as the report tells them."""

import json

import numpy as np
import pytest
from made_run import append, dump, make_run

from ontogeny.report.page import make_page
from ontogeny.report.read import read_life
from ontogeny.report.remembered import entry_table, fate_table, newest_journal, played_table, transcripts
from ontogeny.report.scene_effects import SceneEffect, effect_table, mean_effect, scene_effects


def rows(on, read, held):
    told = {"probe": "scene_surprise", "subject": "trunk", "on": on, "split": None, "unit": "nats/byte", "chance": None}
    told |= {"higher_is_better": False, "ci95": [0.0, 9.0]}
    return [
        told | {"form": form, "value": 1.0, "n": len(some), "scenes": some}
        for form, some in (("read", read), ("held_out", held))
    ]


@pytest.fixture
def run(tmp_path):
    """Three stages; the scenes of the first were measured at conception and after it."""
    path = make_run(tmp_path / "run")
    folders = sorted(one.name for one in (path / "stages").iterdir())
    name = folders[1].split("-", 1)[1]
    for folder, read, held in (
        (folders[0], [["near", 3.0, 50], ["far", 4.0, 90]], [["sham-a", 3.5, 55], ["sham-b", 5.0, 80]]),
        (folders[1], [["near", 1.0, 50], ["far", 3.5, 90]], [["sham-a", 3.0, 55], ["sham-b", 4.75, 80]]),
    ):
        file = path / "stages" / folder / "probes.json"
        dump(file, json.loads(file.read_text()) + rows(name, read, held))
    return path, name, folders


def test_effects_are_differences_of_differences(run):
    path, name, _ = run
    near, far = scene_effects(read_life(path))
    assert (near.stage, near.id, near.sham, far.sham) == (name, "near", "sham-a", "sham-b")
    assert near.effect == pytest.approx((3.0 - 1.0) - (3.5 - 3.0))
    assert far.effect == pytest.approx((4.0 - 3.5) - (5.0 - 4.75))
    table = effect_table(read_life(path))
    assert [line[1] for line in table.rows] == ["all 2", "near", "far"] and "+1.500" in table.rows[1][-1]


def test_the_interval_draws_shams_with_all_their_scenes():
    rng = np.random.default_rng(1)
    effects = [
        SceneEffect("s", f"{g}{i}", 2.0 + g + rng.normal(0, 0.1), 2.0, f"sham{g}", 1.0, 1.0)
        for g in range(6)
        for i in range(4)
    ]
    mean, low, high = mean_effect(effects)
    drawn = []
    for _ in range(3000):
        some = [one.effect for g in rng.integers(6, size=6) for one in effects if one.sham == f"sham{g}"]
        drawn.append(sum(some) / len(some))
    assert mean == pytest.approx(np.mean([one.effect for one in effects]))
    assert [low, high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.15)
    assert high - low > 1, "as if scenes of one sham were independent it would be half as wide"


def entry(stage, text, fate, reducible):
    return {
        "stage": stage,
        "book": "b",
        "text": text,
        "fate": fate,
        "surprise_nats": 6.0,
        "now_nats": 9.0,
        "surprise_by_stage": [["first", 9.0], ["second", 5.0 - reducible]],
        "reducible_nats": reducible,
    }


def test_the_newest_journal_is_told(run):
    path, name, folders = run
    append(path / "stages" / folders[1] / "journal.jsonl", entry(name, "old", "still hard", 0.5))
    for one in (entry(name, "old", "learned", 0.5), entry("second", "x" * 500, "noise", -0.1)):
        append(path / "stages" / folders[2] / "journal.jsonl", one)
    life = read_life(path)
    assert [one["fate"] for one in newest_journal(life)] == ["learned", "noise"]
    assert [line[:5] for line in fate_table(life).rows] == [(name, "1", "1", "0", "0"), ("second", "1", "0", "0", "1")]
    first, second = entry_table(life).rows
    assert first[5] == "4.500", "as the newest trunk has it"
    assert first[2] == "old" and len(second[2]) <= 160 and second[2].endswith("…")


def test_played_scenes_and_their_transcripts(run):
    path, _, folders = run
    turns = [
        {"speaker": "teacher", "text": "What links them?", "played": False},
        {"speaker": "student", "text": "<b>Wind.</b>", "played": True},
    ]
    told = {"turns": turns, "gain_nats": 0.25}
    (path / "stages" / folders[2] / "sealed").mkdir()
    append(
        path / "stages" / folders[2] / "sealed/played.jsonl",
        told | {"accepted": False, "refused": "the critic objects"},
    )
    append(path / "stages" / folders[2] / "sealed/played.jsonl", told | {"accepted": True})
    life = read_life(path)
    assert played_table(life).rows == ((folders[2], "2", "1", "1 time the critic objects"),)
    (folder, verdict, said), (_, refused, _) = transcripts(life)
    assert (
        folder == folders[2]
        and verdict == "taken, gain +0.250 nats/token"
        and refused == "not taken: the critic objects"
    )
    assert said[1] == ("student", "<b>Wind.</b>", True)
    page = make_page(life, "run")
    assert "&lt;b&gt;Wind.&lt;/b&gt;" in page and "<b>Wind.</b>" not in page
    assert 'id="scenes"' in page and 'id="journal"' in page


def test_a_life_without_any_of_it_says_so(tmp_path):
    life = read_life(make_run(tmp_path / "run"))
    assert effect_table(life) is None and fate_table(life) is None and played_table(life) is None
    page = make_page(life, "run")
    assert "No authored scene has been measured" in page and "No stage keeps a journal." in page
