"""The page and the card as text; how the page looks is tested in a browser (tests/page)."""

import html
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from made_run import HOSTILE, dump, make_run

from ontogeny.report import plots
from ontogeny.report.card import fenced, make_card, write_card
from ontogeny.report.page import make_page, write_report
from ontogeny.report.read import read_life

KINDS = ("done", "interrupted", "gate_ended", "unprobed", "failed")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_life_has_a_page_and_a_card(tmp_path, kind):
    path = make_run(tmp_path / "life", kind=kind, stages=1 if kind == "unprobed" else 3)
    page = write_report(path).read_text("utf-8")
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert write_card(path).read_text("utf-8").startswith("---\n")
    assert not list(path.glob(".*.tmp"))


def test_an_empty_folder_has_a_page_that_says_so(tmp_path):
    page = write_report(tmp_path).read_text("utf-8")
    for said in ("No training step has been logged yet.", "There is no plan.json here.", "Nothing has happened yet."):
        assert said in page
    assert "None drawn yet." in write_card(tmp_path).read_text("utf-8")


def test_the_page_asks_for_nothing_outside_itself(tmp_path):
    page = write_report(make_run(tmp_path / "life")).read_text("utf-8")
    bare = re.sub(r'xmlns(:xlink)?="[^"]+"', "", page)
    assert not re.search(r'(src|href|action|data)="(?!#|data:,)', bare)
    assert "<script" not in page and "@import" not in page and "http" not in re.sub("http-equiv", "", bare)


def test_samples_are_text(tmp_path):
    page = write_report(make_run(tmp_path / "life")).read_text("utf-8")
    assert "&lt;script&gt;" in page and "\x1b" not in page and "\x00" not in page
    assert HOSTILE.replace("\x1b", "\ufffd").replace("\x00", "\ufffd") in html.unescape(page)


def test_ids_are_unique_and_every_reference_has_its_id(tmp_path):
    page = write_report(make_run(tmp_path / "life")).read_text("utf-8")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) | set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_equal_run_directories_give_equal_pages(tmp_path):
    first, second = make_run(tmp_path / "a" / "life"), make_run(tmp_path / "b" / "life")
    assert write_report(first).read_bytes() == write_report(second).read_bytes()


def test_no_folder_of_the_machine_reaches_the_page(tmp_path):
    path = make_run(tmp_path / "life")
    page = write_report(path).read_text("utf-8")
    assert "/some/where" not in page and str(tmp_path) not in page
    assert "ontogeny run runs/life/genome.yaml --out runs/life-again" in page


def test_the_figures_of_the_files_stand_on_the_page(tmp_path):
    path = make_run(tmp_path / "life")
    page = html.unescape(write_report(path).read_text("utf-8"))
    manifest = json.loads((path / "corpus/manifest.json").read_text("utf-8"))
    for stage in manifest["stages"]:
        assert stage["phases"]["books"]["root"] in page
    for book in manifest["books"]:
        assert book["fingerprint"] in page and book["title"] in page
    assert "−3.200" in page and "[−3.299, −3.101]" in page and "2,557,000" in page and "CC-BY-SA-3.0" in page


def test_every_chart_is_drawn_well_formed_and_named(tmp_path):
    life = read_life(make_run(tmp_path / "life"))
    for make in (plots.loss_chart, plots.rate_chart, plots.roles_chart, plots.forgetting_chart, plots.resolution_chart):
        chart = make(life)
        for svg in (chart.wide, chart.narrow):
            assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert len(chart.alt_text) > 30 and len(chart.caption) > 30
    assert all(value in plots.forgetting_chart(life).wide for value in (">5.51<", ">2.31<", ">2.49<"))


def test_charts_of_a_life_without_figures_are_left_out(tmp_path):
    life = read_life(tmp_path)
    assert [
        make(life)
        for make in (
            plots.loss_chart,
            plots.rate_chart,
            plots.roles_chart,
            plots.forgetting_chart,
            plots.resolution_chart,
        )
    ] == [None] * 5


def test_many_steps_are_thinned_and_that_is_said(tmp_path):
    chart = plots.loss_chart(read_life(make_run(tmp_path / "life", stages=1, steps=4000)))
    assert "mean of up to 6 logged steps" in chart.caption
    assert len(chart.wide) < 60_000


def test_figures_that_are_not_finite_break_nothing(tmp_path):
    path = make_run(tmp_path / "life", stages=1)
    file = path / "stages/01-primer/metrics.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    lines[3] |= {"loss_nats": float("nan"), "bits_per_byte": float("inf")}
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert "Infinity" not in make_page(read_life(path), "life")


def test_a_rise_and_a_failed_gate_are_loud(tmp_path):
    path = make_run(tmp_path / "life", kind="gate_ended")
    file = path / "stages/01-primer/probes.json"
    rows = json.loads(file.read_text("utf-8"))
    for one in rows:
        if one["on"] == "primer" and one["probe"] == "bits_per_byte":
            one |= {"value": 7.0, "ci95": [6.9, 7.1]}
    dump(file, rows)
    page = write_report(path).read_text("utf-8")
    assert 'class="learned rose"' in page and "ROSE in primer" in page
    assert page.count('<tr class="loud">') == 3


def test_the_cards_front_matter_is_yaml(tmp_path):
    from ruamel.yaml import YAML

    card = make_card(read_life(make_run(tmp_path / "life")), "life")
    front = YAML(typ="safe").load(card.split("---\n")[1])
    assert (
        front["book_licences"] == ["CC-BY-SA-3.0", "MIT"]
        and front["language"] == ["en"]
        and front["license"] == "other"
    )
    assert "The primer tales \\| a book" in card and "fell in each of the 3 stages" in card


def test_a_sample_cannot_leave_its_fence():
    assert fenced("a ```` b").startswith("`````text\n")
