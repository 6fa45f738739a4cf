"""Slots: what fits, what is chosen and why, what a choice hangs on."""

from __future__ import annotations

import hashlib

import pytest

from ontogeny.core.errors import GenomeError
from ontogeny.core.genome import load_genome
from ontogeny.core.slots import choose_books

FIELDS = {"title": "T", "author": "A", "language": "en", "field": "botany", "level": "primer", "form": "reader"}


def catalogue(**books: dict[str, str]) -> str:
    lines = ["books:"]
    for book, fields in books.items():
        lines.append(f"  {book}:")
        told = {"source": f"file:books/{book}.md", "licence": "MIT", **FIELDS, **fields}
        lines += [f"    {key}: {value!r}" for key, value in told.items()]
    return "\n".join(lines) + "\n"


PLANTS = {f"plant-{number}": {} for number in range(8)}
OTHERS = {
    "owl-two": {"field": "birds"},
    "herbal": {"form": "dictionary"},
    "flora": {"level": "science"},
    "plante": {"language": "fr"},
}


@pytest.fixture
def chosen(project):
    """A function: the choices of the project's genome after its second stage's sections were replaced."""

    def of(sections: str, *overrides: str, further: dict[str, dict[str, str]] | None = None):
        library = project.write("plants.library.yaml", catalogue(**PLANTS, **OTHERS, **(further or {})))
        head = project.genome.read_text().partition("      - {name: birds")[0]
        tail = f"      - {{name: birds, books: [owl]}}\n{sections}\nmachine: {{ranks: 1}}\n"
        project.genome.write_text(head + tail)
        loaded = load_genome(project.genome, overrides, [library])
        return choose_books(loaded.genome, loaded.library)

    return of


SLOT = "      - {name: plants, slot: {field: botany, level: primer, form: reader, count: 3}}"


def ranked(seed: int, section: str, books) -> list[str]:
    return sorted(books, key=lambda book: hashlib.sha256(f"{seed}|second|{section}|{book}".encode()).hexdigest())


def test_a_slot_takes_what_fits_by_a_hash_anybody_can_compute(chosen):
    found = chosen(SLOT)["second/plants"]
    assert found.books == ranked(3, "plants", PLANTS)[:3]
    assert found.slot == {"field": "botany", "level": "primer", "form": "reader", "count": 3}
    assert found.reasons[found.books[2]] == (
        "field botany, level primer, form reader; 3 of 8 by SHA-256(seed 3, second, plants, id)"
    )
    assert list(found.reasons) == found.books


def test_a_key_left_open_lets_in_more_but_never_another_language(chosen):
    found = chosen("      - {name: plants, slot: {field: botany, count: 10}}")["second/plants"]
    assert set(found.books) == {*PLANTS, "herbal", "flora"}
    assert chosen("      - {name: x, slot: {level: science, count: 1}}")["second/x"].books == ["flora"]


def test_a_book_that_the_genome_names_is_never_chosen(chosen):
    named = ranked(3, "plants", PLANTS)[0]
    after = f"{SLOT}\n      - {{name: named, books: [{named}]}}"
    assert chosen(after)["second/plants"].books == ranked(3, "plants", PLANTS)[1:4]


def test_an_earlier_choice_is_not_made_again(chosen):
    both = chosen(f"{SLOT}\n      - {{name: more, slot: {{field: botany, level: primer, form: reader, count: 5}}}}")
    first, second = both["second/plants"].books, both["second/more"].books
    assert sorted(first + second) == sorted(PLANTS)
    assert second == [book for book in ranked(3, "more", PLANTS) if book not in first]


def test_a_choice_hangs_on_seed_place_and_catalogue_alone(chosen):
    books = chosen(SLOT)["second/plants"].books
    assert chosen(SLOT, "stages.0.sections=[{name: other, books: [fox]}]")["second/plants"].books == books
    assert chosen(SLOT, "stages.1.sections.1.slot.count=2")["second/plants"].books == books[:2]
    assert chosen(SLOT, "seed=4")["second/plants"].books == ranked(4, "plants", PLANTS)[:3] != books
    further = {f"fern-{number}": {"field": "ferns"} for number in range(3)}
    assert chosen(SLOT, further=further)["second/plants"].books == books


def test_too_few_books_are_counted_for_every_slot(chosen):
    sections = f"{SLOT}\n" + "\n".join(
        [
            "      - {name: more, slot: {field: botany, form: reader, count: 9}}",
            "      - {name: none, slot: {field: botanie, count: 1}}",
        ]
    )
    with pytest.raises(GenomeError) as caught:
        chosen(sections)
    first, second = caught.value.faults
    assert "'more'" in first.what and first.got.startswith("6 of 9; 3 more are used elsewhere")
    assert first.where == "stages[1].sections[2].slot"
    assert second.got.startswith("0 of 1; no book has field 'botanie'; closest: 'botany'")


def test_two_slots_of_a_stage_need_names_of_their_own(chosen):
    with pytest.raises(GenomeError) as caught:
        chosen(f"{SLOT}\n{SLOT}")
    (fault,) = caught.value.faults
    assert "two slots of stage 'second' have the name 'plants'" in fault.what
    assert fault.where.startswith("genome.yaml:21:16")
