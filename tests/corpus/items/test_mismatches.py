"""mismatch_recovery: sentences in sequence, and one of another book in the place of the second."""

from __future__ import annotations

from ontogeny.corpus.items.mismatches import make_mismatch_items
from ontogeny.corpus.items.shape import check_items

from .held_out import make_material, make_text, shorter_share

BOOKS = {"alpha": make_text(1), "beta": make_text(2), "gamma": make_text(3)}
MATERIAL = make_material("school", BOOKS)
ITEMS = make_mismatch_items(MATERIAL)


def test_the_sequence_stands_in_the_book():
    check_items(ITEMS, "here")
    assert {item.split for item in ITEMS} == {"gate", "test", "search"}
    assert any(item.more["later"] for item in ITEMS)
    for item in ITEMS:
        passage = next(p for p in MATERIAL.passages if f"{p.book}-{p.start}" == item.template)
        whole = item.context + item.answer + item.more["next"] + (item.more["later"] or "")
        assert passage.split == item.split and whole in passage.text
        offset = int(item.id.rpartition("-")[2])
        assert BOOKS[item.book][offset - len(item.context) - 1 :].startswith(whole)


def test_what_breaks_in_is_of_another_book_and_near_in_length():
    for item in ITEMS:
        (foil,) = item.foils
        assert foil[0] == item.answer[0] and foil.strip() not in BOOKS[item.book]
        assert any(foil.strip() in text for text in BOOKS.values())
        assert abs(len(foil.encode()) - len(item.answer.encode())) <= max(8, 0.25 * len(item.answer.encode()))


def test_with_one_book_it_is_of_another_passage():
    material = make_material("school", {"alpha": BOOKS["alpha"]})
    items = make_mismatch_items(material)
    assert items
    for item in items:
        passage = next(p for p in material.passages if f"{p.book}-{p.start}" == item.template)
        assert item.foils[0].strip() not in passage.text


def test_the_shorter_come_first_and_those_with_a_later_sentence():
    for split in ("gate", "test", "search"):
        mine = [item for item in ITEMS if item.split == split]
        assert len(mine) <= 40
        later = [bool(item.more["later"]) for item in mine]
        assert later == sorted(later, reverse=True)


def test_length_tells_nothing():
    found = [item for seed in range(6) for item in make_mismatch_items(make_material("school", BOOKS, seed))]
    assert len(found) > 300 and abs(shorter_share(found) - 0.5) < 0.15


def test_the_same_for_the_same_and_another_for_another_seed():
    assert make_mismatch_items(MATERIAL) == ITEMS
    again = make_mismatch_items(make_material("school", BOOKS, seed=8))
    assert [item.answer for item in again] == [item.answer for item in ITEMS]
    assert [item.foils for item in again] != [item.foils for item in ITEMS]
