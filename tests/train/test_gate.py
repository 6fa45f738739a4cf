"""Gates: the worse end of an interval, repeats counted, a row that was not measured."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from ontogeny.core.errors import TrainError
from ontogeny.core.run import RunDirectory
from ontogeny.core.schema import Gate
from ontogeny.train.gate import MEMBER, decide, gates_act


def stage(**rule) -> SimpleNamespace:
    gate = Gate(probe="bits_per_byte", on="primer", **rule) if rule else None
    return SimpleNamespace(name="primer", gate=gate)


def row(low: float, high: float, **other) -> dict:
    return {
        "probe": "bits_per_byte",
        "subject": "trunk",
        "on": "primer",
        "split": "gate",
        "form": "per_byte",
        "value": (low + high) / 2,
        "n": 9,
        "ci95": [low, high],
        **other,
    }


def test_a_stage_without_a_gate_passes():
    told = decide(stage(), 1, [])
    assert (told["rule"], told["passed"], told["decision"]) == (None, True, "pass")


@pytest.mark.parametrize(
    "rule, passed, value",
    [
        ({"below": 3.1}, True, 3.0),
        ({"below": 3.0}, False, 3.0),
        ({"below": 2.9}, False, 3.0),
        ({"above": 1.9}, True, 2.0),
        ({"above": 2.0}, False, 2.0),
        ({"above": 2.5}, False, 2.0),
    ],
)
def test_the_worse_end_decides(rule, passed, value):
    told = decide(stage(**rule), 1, [row(2.0, 3.0)])
    assert (told["passed"], told["value"], told["n"]) == (passed, value, 9)
    assert told["decision"] == ("pass" if passed else "end")
    assert told["bound"] == next(iter(rule.values()))
    assert "bits_per_byte of trunk on primer" in told["rule"]


@pytest.mark.parametrize(
    "repeats, pass_, decision",
    [(1, 1, "repeat"), (1, 2, "end"), (2, 1, "repeat"), (2, 2, "repeat"), (2, 3, "end"), (0, 1, "end")],
)
def test_repeats_are_counted(repeats, pass_, decision):
    rule = stage(below=1.0, otherwise="repeat", max_repeats=repeats)
    assert decide(rule, pass_, [row(2.0, 3.0)])["decision"] == decision


def test_a_repeat_that_is_good_enough_passes():
    assert decide(stage(below=4.0, otherwise="repeat"), 2, [row(2.0, 3.0)])["decision"] == "pass"


@pytest.mark.parametrize(
    "other", [{"split": "test"}, {"on": "lexicon"}, {"subject": "student"}, {"probe": "conflict_resolution"}]
)
def test_a_row_that_was_not_measured_is_told(other):
    with pytest.raises(TrainError, match="was not measured"):
        decide(stage(below=1.0), 1, [row(2.0, 3.0, **other)])


def test_the_first_form_stands_for_the_probe():
    rows = [row(2.0, 3.0), row(0.1, 0.2, form="per_token")]
    assert decide(stage(below=1.0), 1, rows)["value"] == 3.0


@pytest.mark.parametrize("otherwise, would", [("end", "end"), ("repeat", "repeat")])
def test_a_gate_that_may_not_act_says_what_it_would_have_done(otherwise, would):
    told = decide(stage(below=1.0, otherwise=otherwise), 1, [row(2.0, 3.0)], acts=False)
    assert (told["decision"], told["would"], told["passed"], told["value"]) == ("pass", would, False, 3.0)
    good = decide(stage(below=4.0), 1, [row(2.0, 3.0)], acts=False)
    assert (good["decision"], good["would"], good["passed"]) == ("pass", "pass", True)


def test_a_gate_that_may_not_act_lets_pass_what_was_not_measured():
    told = decide(stage(below=1.0), 1, [], acts=False)
    assert (told["decision"], told["passed"]) == ("pass", None) and "was not measured" in told["would"]


def test_gates_act_but_in_a_life_of_an_experiment(tmp_path):
    run = RunDirectory(tmp_path)
    assert gates_act(run)
    (tmp_path / MEMBER).write_text('{"gates": "recorded"}')
    assert not gates_act(run)


@pytest.mark.parametrize(("arm", "acts"), [(None, True), ({"kind": "initiation_only"}, False)])
def test_gates_do_not_act_in_an_arm_grown_alone(tmp_path, arm, acts):
    (tmp_path / "plan.json").write_text(json.dumps({"arm": arm}))
    assert gates_act(RunDirectory(tmp_path)) is acts
