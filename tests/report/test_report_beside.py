"""Another life beside this one: on the same held-out text, or refused."""

import json
import shutil

import pytest
from made_run import dump, make_run
from typer.testing import CliRunner

from ontogeny.cli.app import app
from ontogeny.core.errors import RunError
from ontogeny.report.beside import beside_table
from ontogeny.report.page import write_report
from ontogeny.report.read import read_life
from ontogeny.report.story import difference


@pytest.fixture
def pair(tmp_path):
    """A life, and one whose every value is 0.25 higher, which an arm lived."""
    ours = make_run(tmp_path / "whole")
    theirs = tmp_path / "skipped"
    shutil.copytree(ours, theirs)
    for file in (theirs / "stages").glob("*/probes.json"):
        rows = json.loads(file.read_text())
        for row in rows:
            if row["value"] is not None:
                row["value"] += 0.25
        dump(file, rows)
    plan = json.loads((theirs / "plan.json").read_text())
    dump(theirs / "plan.json", plan | {"arm": {"kind": "initiation_only", "book": None}})
    return ours, theirs


def test_both_trunks_on_the_last_stages_text(pair):
    ours, theirs = pair
    life, other = read_life(ours), read_life(theirs)
    table = beside_table(life, other, theirs)
    last = life.stage_names[-1]
    assert {row[1] for row in table.rows} == {last} and len(table.rows) > 2
    assert all("-0.250" in row[7].replace("\u2212", "-") for row in table.rows)
    assert "skipped, arm initiation_only;" in table.note
    measured = life.stages[-1].find("bits_per_byte", last), other.stages[-1].find("bits_per_byte", last)
    low, high = difference(measured[1], measured[0])[1:]
    bits = next(row for row in table.rows if row[0] == "bits_per_byte")
    assert f"{abs(low):.3f}" in bits[7] and f"{abs(high):.3f}" in bits[7]


def test_the_page_holds_the_section_only_where_it_is_asked_for(pair):
    ours, theirs = pair
    assert 'id="beside"' not in write_report(ours).read_text("utf-8")
    done = CliRunner().invoke(app, ["report", str(ours), "--beside", str(theirs)])
    assert done.exit_code == 0
    assert 'id="beside"' in (ours / "report.html").read_text("utf-8")


@pytest.mark.parametrize("change", [{"parts": [[9.0, 3], [9.0, 4]]}, {"n": 3}])
def test_other_items_are_refused_and_nothing_is_written(pair, change):
    ours, theirs = pair
    for path, further in ((ours, {"parts": [[9.0, 3], [9.0, 5]]}), (theirs, {"parts": [[9.0, 3], [9.0, 5]]} | change)):
        for file in (path / "stages").glob("*/probes.json"):
            dump(file, [row | further for row in json.loads(file.read_text())])
    with pytest.raises(RunError) as told:
        write_report(ours, theirs)
    assert told.value.faults[0].where == str(theirs) and "other items" in told.value.faults[0].got
    assert not (ours / "report.html").exists() and not (ours / "card.md").exists()


def test_a_life_that_was_never_measured_is_refused(pair, tmp_path):
    with pytest.raises(RunError, match="cannot stand side by side"):
        write_report(pair[0], make_run(tmp_path / "early", kind="unprobed"))
