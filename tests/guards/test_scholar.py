"""genome/scholar.yaml: a thousand books, chosen by rule, that fit where they stand and fit the machine it is for."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from ontogeny.core.address import is_remote
from ontogeny.core.estimates import MEAN_BOOK_BYTES
from ontogeny.core.genome import LoadedGenome, load_genome
from ontogeny.core.plan import ModelFacts, World, make_plan
from ontogeny.core.slots import choose_books

ROOT = Path(__file__).parents[2]
TITLES = ROOT.parent / "shared" / "gutenberg-titles.tsv"
CATALOGUE = ROOT / "stages" / "scholar.library.yaml"
FACTS = ModelFacts("llama", 6_744_707_072, 32768, 4096, 32, 4096, 2)
NODE = World(ranks=8, threads_per_rank=8, device="cuda")


@pytest.fixture(scope="module")
def scholar() -> LoadedGenome:
    return load_genome(ROOT / "genome/scholar.yaml", (), [CATALOGUE])


@pytest.fixture(scope="module")
def read(scholar) -> list[str]:
    """Every book a life would read, slots filled."""
    chosen = choose_books(scholar.genome, scholar.library)
    named = [book for stage in scholar.genome.stages for section in stage.sections for book in section.book_ids]
    return named + [book for filled in chosen.values() for book in filled.books]


def test_a_thousand_books_in_six_stages(scholar, read):
    assert len(read) == len(set(read)) == 1000
    assert [stage.name for stage in scholar.genome.stages] == [
        "primer", "lexicon", "school", "university", "science", "initiation"
    ]  # fmt: skip
    assert all(scholar.library.entries[book].source == f"gutenberg:{book.removeprefix('pg')}" for book in read)


def test_books_stand_where_they_belong(scholar):
    for stage in scholar.genome.stages:
        for section in stage.sections:
            entries = [scholar.library.entries[book] for book in section.book_ids]
            assert all(entry.level == stage.name and entry.language == "en" for entry in entries), section.name
            assert section.slot is None or section.slot.level == stage.name


def test_no_work_is_read_twice_and_nothing_is_half_a_book(scholar, read):
    titles = [scholar.library.entries[book].title for book in read]
    assert len(set(map(str.casefold, titles))) == len(titles)
    assert not [title for title in titles if re.search(r"\b(?:index of|audio|magazine|newsletter)\b", title, re.I)]


def test_it_fits_eight_cards_of_eighty_gib_and_every_number_is_an_estimate(scholar):
    sizes = dict.fromkeys(scholar.library.entries, MEAN_BOOK_BYTES)
    plan = make_plan(scholar.genome, scholar.library, NODE, FACTS, book_bytes=sizes)
    assert plan.memory.total_gib < 72, "the rest is what a framework takes"
    assert plan.estimate and plan.provisional["slot_books"] + plan.provisional["remote_books"] == 1000
    assert plan.warnings[0].startswith("provisional: ")
    assert not any("decay to zero" in warning or "used twice" in warning for warning in plan.warnings)
    assert sum(stage.text_bytes for stage in plan.stages) == pytest.approx(0.95 * 1000 * MEAN_BOOK_BYTES, rel=0.01)


def test_no_book_of_its_catalogue_is_of_another_kind(scholar):
    own = [entry for book, entry in scholar.library.entries.items() if book.startswith("pg")]
    assert len(own) > 1000 and all(is_remote(entry.source) and entry.sha256 is None for entry in own)


@pytest.mark.skipif(not TITLES.is_file(), reason="no list of Gutenberg's titles here")
def test_the_rule_gives_the_catalogue(tmp_path):
    choose = runpy.run_path(str(ROOT / "stages/scholar/choose.py"))
    choose["write_catalogue"](TITLES, tmp_path / "made.yaml")
    assert (tmp_path / "made.yaml").read_text("utf-8") == CATALOGUE.read_text("utf-8")


def test_slugs_become_titles():
    worded = runpy.run_path(str(ROOT / "stages/scholar/choose.py"))["worded"]
    assert (
        worded("McGuffey-s-First-Eclectic-Reader-Revised-Edition_1")
        == "McGuffey's First Eclectic Reader Revised Edition"
    )
    assert worded("Opticks--13-Or-A-Treatise-of-Light_2") == "Opticks: Or A Treatise of Light"
    assert worded("Ella-a-schoolgirl-b-A-book-for-children_3") == "Ella a schoolgirl: A book for children"
    assert worded(
        "A-very-long-title-that-goes-on-and-on-until-the-list-cuts-it-off-in-the-middle-of-the-word-ab__4"
    ) == ("A very long title that goes on and on until the list cuts it off in the middle")
