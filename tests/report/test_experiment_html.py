"""experiment.html as text: the question first, every contrast, what is missing, and nothing that a name could run."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "search"))
from made_experiment import made

from ontogeny.report.experiment_page import make_page, verdict, write_page
from ontogeny.report.figures import signed
from ontogeny.search.experiment import make_experiment

EQUAL = {"side": "shuffle", "what": "trained tokens", "base": 100, "arm": 100, "equal": True, "must": True, "pairs": 6}


def planted(side: str, on: str, number: int) -> float:
    return 0.5 if (side, on) == ("shuffle", "initiation") else 0.0


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    asked, members = made(tmp_path_factory.mktemp("made"), effect=planted)
    return make_experiment(asked, members, {}) | {"equality": [EQUAL]}


def text_of(page: str) -> str:
    """The words of a page; tags, styles, drawings and contents left out."""
    plain = re.sub(r"<style>.*?</style>|<nav.*?</nav>|<svg.*?</svg>", " ", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", plain).split())


def primary_of(found: dict) -> dict:
    return next(row for row in found["contrasts"] if row["primary"])


def test_the_question_and_what_was_said_beforehand_come_first(found):
    words = text_of(make_page(found))
    order = ["Does bits_per_byte of the trunk on initiation differ", "Yes: shuffle minus genome is", "Said beforehand"]
    order += [
        "bits_per_byte (per_byte)",
        "What was done does not depart",
        "Primary contrast",
        "All contrasts",
        "What is equal",
    ]
    places = [words.index(one) for one in order]
    assert places == sorted(places)
    assert "better for the genome" in words and "smallest" in words


def test_every_contrast_stands_in_a_table_with_its_interval(found):
    page = make_page(found)
    for arm in found["arms"]:
        table = page[page.index(f"{arm} against the genome</summary>") :].partition("</table>")[0]
        rows = [row for row in found["contrasts"] if row["arm"] == arm]
        assert table.count("<tr") == len(rows) + 1
        for row in rows:
            assert f"{row['probe']} on {row['on']} ({row['form']}" in table
            assert f"[{signed(row['ci95'][0])}, {signed(row['ci95'][1])}]" in table
        assert table.count("exploratory") == len([row for row in rows if not row["primary"]])
    assert page.count(">primary</td>") == 1
    charts = re.findall(r'<figure class="chart" id="chart-([^"]+)"', page)
    assert charts == ["primary", "bits-per-byte-per-byte", "conflict-resolution-sum", "conflict-resolution-margin"]


def test_a_null_says_what_could_have_been_seen(found):
    row = primary_of(found) | {"mean": 0.01, "ci95": [-0.2, 0.22], "smallest_effect": 0.345}
    assert verdict(found, row).startswith("No difference was shown")
    assert "0.345 or more would have been seen four times in five" in verdict(found, row)


def test_one_pair_and_no_pair_say_so(found, tmp_path):
    asked, members = made(tmp_path, arms=("shuffle",), pairs=2)
    shutil.rmtree(tmp_path / "shuffle/seed-1")
    words = text_of(make_page(make_experiment(asked, members, {tmp_path / "shuffle/seed-1": "DiskError: full\nmore"})))
    assert "one pair has no interval" in words and "There is no primary contrast with an interval" in words
    assert "Not all lives have ended." in words and "failed: DiskError: full" in words
    assert "6 seeds were registered, 2 were asked for" in words and "No contrast has an interval yet" in words
    none = make_experiment(asked, [replace(one, path=tmp_path / "x" / one.side) for one in members], {})
    assert "It has not been measured." in text_of(make_page(none))


def test_without_a_registration_it_says_that_all_is_exploratory(found, tmp_path):
    asked, members = made(tmp_path, arms=("shuffle",), pairs=2, registered=False)
    words = text_of(make_page(make_experiment(asked, members, {})))
    assert "No contrast was registered beforehand" in words and "Nothing was registered" in words


def test_what_should_be_equal_and_is_not_stands_out(found):
    broken = [EQUAL, EQUAL | {"what": "rates", "equal": False, "arm": "a" * 64}]
    page = make_page(found | {"equality": broken})
    table = page[page.index('id="equality"') :].partition("</section>")[0]
    assert table.count('class="loud"') == 1 and "have to be equal and are not" in table and "a" * 13 not in table


def test_names_are_text(found):
    page = make_page(found | {"name": "<script>1</script>", "command": "ontogeny experiment '<b>'"})
    assert "<script" not in page and "<b>" not in page and "&lt;script&gt;" in page


def test_equal_results_give_equal_pages(found, tmp_path):
    assert make_page(found) == make_page(found)
    assert write_page(tmp_path, found).read_text("utf-8") == make_page(found)
    assert not re.search(r"https?://(?!www\.w3\.org)", make_page(found)), "nothing is fetched"
