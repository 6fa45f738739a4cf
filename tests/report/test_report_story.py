"""What is said about a life: the changes, their intervals, the sentences; and the files they are read from."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from made_run import ROLES, append, dump, make_run

from ontogeny.report import story
from ontogeny.report.figures import count, duration, rate, real, signed, visible
from ontogeny.report.read import Measurement, logged_step, measurement, read_life, stage_of
from ontogeny.report.times import lived_seconds, spent_times


def row(value, low=None, high=None):
    return Measurement("bits_per_byte", "trunk", "primer", "test", "plain", value, "", None, 9, low, high, False)


def test_a_change_with_symmetric_intervals_is_the_root_of_the_squares():
    delta, low, high = story.difference(row(3.0, 2.9, 3.1), row(2.5, 2.4, 2.6))
    assert delta == pytest.approx(-0.5)
    assert (low, high) == (pytest.approx(-0.5 - math.hypot(0.1, 0.1)), pytest.approx(-0.5 + math.hypot(0.1, 0.1)))


def test_a_paired_change_is_narrower_and_agrees_with_a_slow_bootstrap():
    rng = np.random.default_rng(3)
    sizes = rng.integers(300, 900, 12).astype(float)
    was = sizes * rng.normal(3.0, 0.5, 12)
    now = was - sizes * rng.normal(0.2, 0.05, 12)
    before = replace(row(was.sum() / sizes.sum(), 2.7, 3.3), parts=tuple(zip(was, sizes, strict=True)))
    after = replace(row(now.sum() / sizes.sum(), 2.5, 3.1), parts=tuple(zip(now, sizes, strict=True)))
    delta, low, high = story.difference(before, after)
    drawn = []
    for _ in range(4000):
        chosen = rng.integers(0, 12, 12)
        drawn.append((now[chosen].sum() - was[chosen].sum()) / sizes[chosen].sum())
    assert delta == pytest.approx((now.sum() - was.sum()) / sizes.sum())
    assert [low, high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.01)
    assert high < 0
    unpaired = story.difference(replace(before, parts=()), replace(after, parts=()))
    assert unpaired[2] > 0


def test_a_change_uses_the_ends_that_matter():
    _, low, high = story.difference(row(3.0, 2.9, 3.4), row(2.5, 2.1, 2.6))
    assert low == pytest.approx(-0.5 - math.hypot(0.4, 0.4))
    assert high == pytest.approx(-0.5 + math.hypot(0.1, 0.1))


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (row(2.0, 1.9, 2.1), "fell"),
        (row(4.0, 3.9, 4.1), "rose"),
        (row(3.01, 2.9, 3.1), "unclear"),
        (row(2.0), "unclear"),
    ],
)
def test_the_verdict_follows_the_interval(after, verdict):
    before = row(3.0, 2.9, 3.1)
    change = story.Change("primer", 1, before, after, None, *story.difference(before, after))
    assert change.verdict == verdict


def test_a_whole_life_is_told(tmp_path):
    life = read_life(make_run(tmp_path / "life"))
    found = story.changes(life)
    assert [change.verdict for change in found] == ["fell"] * 3
    assert found[0].before.value == pytest.approx(5.51) and found[1].before.value == pytest.approx(3.44)
    assert found[0].forgotten == pytest.approx(0.18) and found[2].forgotten is None
    assert "fell in each of the 3 stages" in story.change_sentence(found)
    assert "2 of 2 earlier stages stood higher" in story.forgetting_sentence(found)
    assert story.outcome_sentence(life).startswith("The life is complete")


def test_a_rise_is_said_as_loudly(tmp_path):
    path = make_run(tmp_path / "life")
    file = path / "stages/03-school/probes.json"
    rows = json.loads(file.read_text("utf-8"))
    for one in rows:
        if one["probe"] == "bits_per_byte" and one["on"] == "school":
            one |= {"value": 4.0, "ci95": [3.9, 4.1]}
    dump(file, rows)
    assert "ROSE in school; fell in primer and lexicon" in story.change_sentence(story.changes(read_life(path)))


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("interrupted", "interrupted at stage school"),
        ("failed", "FAILED"),
        ("gate_ended", "gate ended"),
        ("unprobed", "has not ended"),
    ],
)
def test_every_ending_has_its_sentence(tmp_path, kind, word):
    life = read_life(make_run(tmp_path / "life", kind=kind))
    assert word in story.outcome_sentence(life)


def test_nothing_measured_claims_nothing(tmp_path):
    life = read_life(make_run(tmp_path / "life", kind="unprobed"))
    assert [change.verdict for change in story.changes(life)] == ["unmeasured"] * 3
    assert "nothing can be said" in story.change_sentence(story.changes(life))


def test_a_repeated_stage_is_judged_by_its_last_pass(tmp_path):
    life = read_life(make_run(tmp_path / "life", kind="gate_ended"))
    assert [stage.folder for stage in life.stages] == [
        "00-conception",
        "01-primer",
        "02-lexicon",
        "03-school",
        "03-school.2",
    ]
    last = story.changes(life)[-1]
    assert last.passes == 2 and last.before.value == pytest.approx(3.06)


def test_an_empty_folder_is_a_life_without_facts(tmp_path):
    life = read_life(tmp_path)
    assert (life.stages, life.outcome, life.state, life.stage_names) == ((), None, "running", [])


def test_lines_that_are_no_steps_are_left_out(tmp_path):
    assert logged_step({"probe": "bits_per_byte", "value": 3.0}) is None
    step = logged_step({"phase": "roles", "step": 3, "loss_nats": {"student": 2.0, "critic": math.nan}, "lr": 1e-4})
    assert step.roles["student"].lr == 1e-4 and step.roles["critic"].loss_nats is None and step.loss_nats is None
    path = make_run(tmp_path / "life", kind="interrupted")
    with open(path / "stages/03-school/metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"stage": "school", "ph')
    assert len(read_life(path).stages[-1].steps) == 12


def test_a_measurement_without_an_interval_is_read():
    one = measurement({"probe": "unprompted", "subject": "trunk", "value": 0.4, "ci95": None, "samples": ["a"]})
    assert (one.low, one.high, one.samples, one.n) == (None, None, ("a",), None)


@pytest.mark.parametrize(
    ("folder", "parts"),
    [
        ("01-primer", (1, "primer", 1)),
        ("01-primer.2", (1, "primer", 2)),
        ("12-a-b_c.10", (12, "a-b_c", 10)),
        ("scratch", (-1, "scratch", 1)),
    ],
)
def test_folder_names(folder, parts):
    assert stage_of(folder) == parts


def test_the_better_split_is_reported(tmp_path):
    stage = read_life(make_run(tmp_path / "life")).stages[1]
    assert stage.find("bits_per_byte", "primer").split == "test"
    assert stage.find("bits_per_byte", "nowhere") is None
    assert stage.find("conflict_resolution", "primer", ROLES[0]).subject == ROLES[0]


def test_time_is_counted_over_a_kill(tmp_path):
    path = tmp_path / "events.jsonl"
    facts = {"stage": "primer", "pass": 1, "phase": "books"}
    for time, event, more in (
        (100, "life_started", {}),
        (101, "phase_entered", facts),
        (111, "checkpoint", {}),
        (300, "resumed", {}),
        (302, "phase_entered", facts),
        (322, "phase_ended", facts),
        (323, "checkpoint", {}),
        (326, "probes_measured", {"stage": "01-primer"}),
        (400, "phase_entered", {**facts, "phase": "replay"}),
        (405, "checkpoint", {}),
        (406, "adapters_written", {}),
        (410, "probes_measured", {"stage": "01-primer.2", "seconds": 3.0}),
    ):
        append(path, {"time": time, "event": event, **more})
    spent = spent_times(read_life(tmp_path))
    assert [(row.phase, row.seconds, row.entered) for row in spent] == [
        ("books", 30.0, 2),
        ("probes", 3.0, 1),
        ("replay", 6.0, 1),
        ("probes", 3.0, 1),
    ]
    assert spent[-1].pass_number == 2
    assert lived_seconds(read_life(tmp_path)) == 121.0


def test_figures_as_text():
    assert (count(1234567), real(-1.5), real(0.00001), signed(0.25), rate(2.5e-4), rate(1e-3)) == (
        "1,234,567",
        "−1.500",
        "1.00e−05",
        "+0.250",
        "2.5e-4",
        "1e-3",
    )
    assert (duration(3.21), duration(59.6), duration(250), duration(10920)) == (
        "3.2 s",
        "1 min 00 s",
        "4 min 10 s",
        "3 h 02 min",
    )
    assert real(None) == "–" and visible("a\x00\ud800b\n") == "a�?b\n"
