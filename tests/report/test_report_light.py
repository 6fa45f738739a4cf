"""Light probes' lines in metrics.jsonl: drawn, judged, mirrored, and in nobody's way."""

from __future__ import annotations

import io
import json
import re
import threading

import pytest
from made_run import dump, make_run

from ontogeny.core.run import RunDirectory
from ontogeny.report.card import make_card
from ontogeny.report.emergence import emergence_series
from ontogeny.report.mirror import Mirror, flat, follow
from ontogeny.report.page import make_page, write_report
from ontogeny.report.read import read_life
from ontogeny.report.tables import emergence_table
from ontogeny.report.watch import progress_line, watch

STEP_AT = 8


def lit(path, points=16):
    """Writes light lines among the training lines of each stage: bits fall in a step, the margin is steady."""
    for folder in sorted((path / "stages").iterdir()):
        file = folder / "metrics.jsonl"
        if not file.is_file():
            continue
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        trunk = [line for line in lines if line["phase"] == "books"][:points]
        out = []
        for line in lines:
            out.append(line)
            if line in trunk:
                place = trunk.index(line)
                wobble = 0.01 * (-1) ** place
                scores = {"bits_per_byte": (3.0 if place < STEP_AT else 2.2) + wobble, "margin": 0.1 + wobble}
                keys = ("stage", "pass", "phase", "step", "tokens_seen")
                out.append({**{key: line[key] for key in keys}, "light": scores, "time_s": 1.0})
        file.write_text("".join(json.dumps(line) + "\n" for line in out), "utf-8")
    return path


@pytest.fixture
def path(tmp_path):
    return lit(make_run(tmp_path / "life"))


def test_light_lines_are_read_apart_from_training_lines(path, tmp_path):
    bare, life = read_life(make_run(tmp_path / "bare" / "life")), read_life(path)
    for ours, theirs in zip(life.stages, bare.stages, strict=True):
        assert ours.steps == theirs.steps
        assert len(ours.light) == (16 if ours.index else 0) and theirs.light == ()
    assert make_card(life, "life") == make_card(bare, "life"), "a card is of the whole life"


def test_the_page_draws_them_and_judges_them(path):
    page = write_report(path).read_text("utf-8")
    assert 'id="chart-light"' in page and 'id="chart-light-margin"' in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    rows = {row[:2]: row for row in emergence_table(read_life(path)).rows}
    step = rows["light bits_per_byte", "primer"]
    light = read_life(path).stages[1].light
    assert step[2] == "step" and step[3] == f"{light[STEP_AT].tokens_seen:,.0f}" == step[4]
    assert rows["light margin", "primer"][2:4] == ("cannot tell", "none")
    assert "Emergence over time" in page and "cannot tell" in page


def test_a_page_without_them_has_no_such_chart(tmp_path):
    page = make_page(read_life(make_run(tmp_path / "life")), "life")
    assert 'id="chart-light"' not in page and "No score has been measured often enough yet." in page


def test_series_hold_no_thresholded_score(path):
    found = emergence_series(read_life(path))
    names = {one.name for one in found}
    assert {"light bits_per_byte", "bits_per_byte plain", "conflict_resolution margin"} <= names
    assert not {one.unit for one in found} & {"share", "fraction"} and not {"conflict_resolution sum"} & names
    between = next(one for one in found if (one.name, one.on) == ("bits_per_byte plain", "primer"))
    assert len(between.values) == 4 and between.tokens[0] == 0.0, "a split is counted once, from conception on"
    assert list(between.tokens) == sorted(between.tokens)


def test_they_are_mirrored_over_tokens(path):
    (path / "wandb").mkdir()
    rows = []

    class Listener:
        def open(self, facts):
            return self

        def log(self, figures):
            rows.append(figures)

        def close(self, summary):
            pass

    follow(Mirror(RunDirectory(path), Listener().open, False), False, threading.Event())
    light = [row for row in rows if "light/margin" in row]
    assert len(light) == 48
    assert all(set(row) == {"tokens_seen", "light/margin", "light/bits_per_byte"} for row in light)
    assert flat({"phase": "books", "step": 3, "light": {"margin": float("nan")}, "time_s": 2}) == {}


def test_watching_goes_on_past_them(path, tmp_path):
    bare = make_run(tmp_path / "bare" / "life")
    told = []
    for run in (path, bare):
        out = io.StringIO()
        watch(run, out)
        told.append(out.getvalue())
    assert told[0] == told[1]
    assert progress_line(RunDirectory(path)) == progress_line(RunDirectory(bare))


def test_a_spoiled_light_line_is_no_point(path):
    file = path / "stages" / "01-primer" / "metrics.jsonl"
    file.write_text(file.read_text("utf-8") + '{"phase": "books", "light": [1]}\n{"light": {"margin": 1}}\n', "utf-8")
    assert len(read_life(path).stages[1].light) == 16
    dump(path / "outcome.json", {"outcome": "done"})
    assert "Emergence over time" in write_report(path).read_text("utf-8")
