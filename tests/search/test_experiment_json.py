"""experiment.json from what lives hold: which values are paired, what is marked, what is missing and said so."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parent))
from made_experiment import STAGES, made, row, write_life

from ontogeny.search.experiment import FILE, make_experiment, write_experiment
from ontogeny.search.measured import GENOME, Member, read_measured


def lowered(side: str, on: str, number: int) -> float:
    """An effect on one arm and one stage alone."""
    return 0.5 if (side, on) == ("shuffle", "initiation") else 0.0


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    asked, members = made(folder, effect=lowered)
    return folder, asked, members, make_experiment(asked, members, {})


def pick(found: dict, **what) -> dict:
    return next(one for one in found["contrasts"] if what.items() <= one.items())


def plain_values(folder: Path, side: str, number: int) -> dict:
    """The newest test row of each key, read without the code under test."""
    newest = {}
    for path in sorted((folder / side / f"seed-{number}" / "stages").glob("*/probes.json"))[1:]:
        for one in json.loads(path.read_text()):
            if one["split"] == "test":
                newest[one["probe"], one["subject"], one["on"], one["form"]] = one["value"]
    return newest


def test_every_arm_probe_subject_set_and_form_is_there(whole):
    folder, _, _, found = whole
    keys = set(plain_values(folder, GENOME, 0))
    assert len(keys) == 3 + 6 + 6
    for arm in ("shuffle", "reverse"):
        rows = [one for one in found["contrasts"] if one["arm"] == arm]
        assert {(one["probe"], one["subject"], one["on"], one["form"]) for one in rows} == keys
        assert len(rows) == len(keys)


def test_a_contrast_is_a_paired_t_test_of_the_newest_values(whole):
    folder, _, _, found = whole
    for one in found["contrasts"]:
        key = (one["probe"], one["subject"], one["on"], one["form"])
        base, arm = ([plain_values(folder, side, n)[key] for n in range(6)] for side in (GENOME, one["arm"]))
        theirs = stats.ttest_rel(arm, base)
        assert one["n"] == 6 and one["missing"] == []
        assert one["mean"] == pytest.approx(np.mean(arm) - np.mean(base), abs=1e-9)
        assert one["ci95"] == pytest.approx(tuple(theirs.confidence_interval()), abs=1e-9)
        assert one["p_t"] == pytest.approx(theirs.pvalue, abs=1e-9)


def test_the_planted_effect_is_found_where_it_was_planted(whole):
    found = whole[3]
    planted = pick(found, arm="shuffle", probe="bits_per_byte", on="initiation")
    assert planted["ci95"][0] > 0.4 and planted["mean"] > planted["smallest_effect"]
    assert planted["p_holm"] < 0.05 and planted["p_sign_flip"] == 2 / 64
    other = pick(found, arm="reverse", probe="bits_per_byte", on="initiation")
    assert abs(other["mean"]) < 0.1


def test_one_contrast_is_primary_and_all_others_are_exploratory(whole):
    found = whole[3]
    marked = [one for one in found["contrasts"] if one["primary"]]
    assert [(one["arm"], one["probe"], one["on"], one["form"]) for one in marked] == [
        ("shuffle", "bits_per_byte", "initiation", "per_byte")
    ]
    assert all(one["exploratory"] != one["primary"] for one in found["contrasts"])
    assert found["primary"]["form"] == "per_byte" and found["departures"] == []


def test_holm_runs_over_every_contrast(whole):
    found = whole[3]
    smallest = min(found["contrasts"], key=lambda one: one["p_t"])
    assert smallest["p_holm"] == pytest.approx(len(found["contrasts"]) * smallest["p_t"])


def test_a_role_is_compared_where_each_side_read_the_stage(whole):
    told = pick(whole[3], arm="reverse", subject="critic", on="primer", form="sum")
    assert told["after"] == {"genome": "01-primer", "reverse": "03-primer"}
    assert pick(whole[3], arm="reverse", subject="trunk", on="primer", form="sum")["after"]["genome"] == "03-initiation"


def test_earlier_stages_are_described_by_their_number(whole):
    rows = whole[3]["by_stage"]
    assert {one["stage"] for one in rows} == {0, 1, 2}
    assert {one["subject"] for one in rows} == {"trunk"} and all("p_t" not in one for one in rows)
    assert len(rows) == 2 * 3 * 9


def test_lives_carry_tokens_and_seconds(whole):
    found = whole[3]
    assert len(found["lives"]) == 18 and found["complete"] and found["seeds"] == list(range(7, 13))
    assert found["lives"][0] == found["lives"][0] | {"outcome": "done", "tokens_seen": 15000, "seconds": 40.25}
    assert found["lives"][0]["seconds_since_begun"] == 42.5


def test_what_is_missing_is_named_and_never_dropped(tmp_path):
    asked, members = made(tmp_path, arms=("shuffle",), pairs=3)
    (tmp_path / "shuffle/seed-1/outcome.json").write_text('{"outcome": "interrupted"}')
    shutil.rmtree(tmp_path / "genome/seed-2")
    for path in (tmp_path / "shuffle/seed-0/stages").glob("*/probes.json"):
        rows = [one for one in json.loads(path.read_text()) if one["on"] != "lexicon"]
        path.write_text(json.dumps(rows))
    found = make_experiment(asked, members, {tmp_path / "shuffle/seed-1": "TrainError: it broke."})
    held = pick(found, probe="bits_per_byte", on="primer")
    assert (held["n"], held["ci95"], held["p_holm"]) == (1, None, None)
    assert held["note"] == "one pair: no interval" and held["mean"] is not None
    assert held["missing"] == ["shuffle seed-1: life not ended", "genome seed-2: life not ended"]
    gone = pick(found, probe="bits_per_byte", on="lexicon")
    assert (gone["n"], gone["mean"], gone["note"]) == (0, None, "no pair was measured")
    assert "shuffle seed-0: not measured" in gone["missing"]
    assert not found["complete"]
    outcomes = {(one["arm"], one["number"]): one["outcome"] for one in found["lives"]}
    assert outcomes["shuffle", 1] == "failed" and outcomes["genome", 2] == "not grown"
    assert found["departures"] == [
        "6 seeds were registered, 3 were asked for",
        "the primary contrast holds 1 of 3 pairs",
    ]


def test_a_primary_that_nobody_measured_is_told(tmp_path):
    asked, members = made(tmp_path, arms=("shuffle",), pairs=2)
    registered = {"primary": asked.registered["primary"] | {"on": "elsewhere"}, "seeds": 2}
    found = make_experiment(replace(asked, registered=registered), members, {})
    assert found["primary"]["measured"] is False
    assert found["departures"] == ["the primary contrast has not been measured"]
    assert not any(one["primary"] for one in found["contrasts"])


def test_without_a_registration_all_is_exploratory(tmp_path):
    asked, members = made(tmp_path, arms=("shuffle",), pairs=2, registered=False)
    found = make_experiment(asked, members, {})
    assert found["registered"] is None and found["primary"] is None
    assert all(one["exploratory"] for one in found["contrasts"])


def test_a_registered_form_is_the_one_that_counts(tmp_path):
    asked, members = made(tmp_path, arms=("shuffle",), pairs=2)
    primary = asked.registered["primary"] | {"probe": "conflict_resolution", "form": "margin", "subject": "critic"}
    found = make_experiment(replace(asked, registered={"primary": primary, "seeds": 2}), members, {})
    assert [(one["subject"], one["form"]) for one in found["contrasts"] if one["primary"]] == [("critic", "margin")]


def test_before_any_life_there_is_a_file_all_the_same(tmp_path):
    asked, members = made(tmp_path / "elsewhere", pairs=2)
    absent = [replace(one, path=tmp_path / one.side / str(one.number)) for one in members]
    found = write_experiment(tmp_path, asked, absent, {})
    assert json.loads((tmp_path / FILE).read_text()) == json.loads(json.dumps(found))
    assert found["contrasts"] == [] and {one["outcome"] for one in found["lives"]} == {"not grown"}


def test_rows_of_the_gate_s_split_and_without_a_value_are_left_out(tmp_path):
    rows = [
        row("bits_per_byte", "trunk", "primer", "per_byte", 2.0, split="gate"),
        row("bits_per_byte", "trunk", "lexicon", "per_byte", None),
        row("bits_per_byte", "trunk", STAGES[2], "per_byte", 1.5),
        row("conflict_resolution", "trunk", "unsplit", "sum", 0.5, split=None),
    ]
    write_life(tmp_path / "life", [("conception", rows), ("primer", rows)])
    reading = read_measured(Member(GENOME, 0, 7, tmp_path / "life").run)
    assert [key[2] for key in reading.newest] == ["initiation", "unsplit"]
    assert sorted(reading.stages) == [0, 1]


def test_unequal_machines_and_lives_left_over_are_remarked(tmp_path):
    asked, members = made(tmp_path, arms=("shuffle",), pairs=3)
    assert make_experiment(asked, members, {})["remarks"] == []
    plan = json.loads((tmp_path / "shuffle/seed-0/plan.json").read_text())
    plan["world"]["threads_per_rank"] = 1
    (tmp_path / "shuffle/seed-0/plan.json").write_text(json.dumps(plan))
    threads, others = make_experiment(asked, [one for one in members if one.number < 2], {})["remarks"]
    assert "different numbers of threads" in threads
    assert others == "not part of this comparison: genome/seed-2, shuffle/seed-2"
