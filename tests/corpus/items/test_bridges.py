"""bridge: two books that share a rare term, and what stands in for either."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from ontogeny.corpus.heldout import HeldOut
from ontogeny.corpus.items import bridges
from ontogeny.corpus.items.bridges import MAX_HOLDERS, MAX_NEAR, MIN_LETTERS, make_bridge_items
from ontogeny.corpus.items.shape import check_items

from .held_out import make_material, make_text, shorter_share

EARLIER = make_material("primer", {"old": make_text(40), "older": make_text(41)})
MATERIAL = make_material("school", {"alpha": make_text(42), "beta": make_text(43)})
ITEMS = make_bridge_items(MATERIAL, [EARLIER])
PASSAGES = [*EARLIER.passages, *MATERIAL.passages]


def words(text):
    return set(re.findall(r"[a-z]+", text.lower()))


def holders():
    found = defaultdict(list)
    for passage in PASSAGES:
        for word in words(passage.text):
            if len(word) >= MIN_LETTERS:
                found[word].append(passage)
    near = Counter(word for p in PASSAGES for word in words(f"{p.above} {p.text} {p.below}"))
    two_books = {w: some for w, some in found.items() if len({p.book for p in some}) > 1}
    return {w: some for w, some in two_books.items() if len(some) <= MAX_HOLDERS and near[w] <= MAX_NEAR}


def passage_at(book, offset):
    return next(p for p in PASSAGES if p.book == book and p.start <= offset < p.end)


def test_the_term_ties_two_books_and_stands_nowhere_else():
    check_items(ITEMS, "here")
    rare = holders()
    assert len(ITEMS) > 30 and {item.kind for item in ITEMS} == {"within", "across"}
    for item in ITEMS:
        term, (far_book, far_offset) = item.more["term"], item.more["far"]
        far, before = item.context.split("\n\n")
        assert term in rare and item.template == term and far_book != item.book and item.on == "school"
        assert (
            passage_at(far_book, far_offset).text[far_offset - passage_at(far_book, far_offset).start :].startswith(far)
        )
        assert term in words(far) and term in words(item.answer) and term not in words(before)
        assert item.book in ("alpha", "beta") and (item.kind == "across") == (far_book in ("old", "older"))
        offset = int(item.id.rpartition("-")[2])
        home = passage_at(item.book, offset)
        assert home.split == item.split and before + item.answer in home.text
        assert home.start + home.text.index(before + item.answer) + len(before) + 1 == offset


def test_what_stands_in_for_a_book_lacks_the_term_and_is_near_in_length():
    rare = holders()
    for item in ITEMS:
        far, before = item.context.split("\n\n")
        other_far, kept_before = item.more["without_a"].split("\n\n")
        kept_far, other_before = item.more["without_b"].split("\n\n")
        assert (kept_far, kept_before) == (far, before)
        texts = {p.text for p in rare[item.more["term"]]}
        for true, other in ((far, other_far), (before, other_before), (item.answer, item.foils[0])):
            assert abs(len(true.encode()) - len(other.encode())) <= max(8, 0.25 * len(true.encode()))
            assert item.more["term"] not in words(other)
            assert not any(other.strip() in text for text in texts)
        assert words(item.foils[0]) & set(rare)


def test_a_split_takes_a_term_and_an_answer_once():
    for split in ("gate", "test", "search"):
        mine = [item for item in ITEMS if item.split == split]
        assert len(mine) <= 40 and len({item.more["term"] for item in mine}) == len(mine)
        assert len({item.answer for item in mine}) == len(mine)


def test_touch_is_the_share_of_weighted_terms():
    rare, shelf = holders(), bridges._shelf_of(MATERIAL, [EARLIER])
    weight = {term: math.log(1 + len(PASSAGES) / len(some)) for term, some in rare.items()}
    of = {book: {t for t, some in rare.items() if any(p.book == book for p in some)} for book in ("old", "alpha")}
    sums = [sum(weight[t] for t in some) for some in (of["old"] & of["alpha"], of["old"], of["alpha"])]
    touch = bridges._touches(shelf, {("old", "alpha")})["old", "alpha"]
    assert touch == pytest.approx(sums[0] / math.sqrt(sums[1] * sums[2])) and 0 < touch < 1


def test_books_that_hardly_touch_come_first():
    shelf = bridges._shelf_of(MATERIAL, [EARLIER])
    touches = bridges._touches(shelf, {(item.more["far"][0], item.book) for item in ITEMS})
    for split in ("gate", "test", "search"):
        told = [touches[item.more["far"][0], item.book] for item in ITEMS if item.split == split]
        steps = [round(touch * bridges.TOUCH_STEPS) for touch in told]
        assert steps == sorted(steps)
    assert len(set(touches.values())) > 2


def test_contaminated_passages_give_nothing_and_one_book_gives_no_bridge():
    assert make_bridge_items(make_material("school", {"alpha": make_text(42)})) == []
    spoilt = [replace(p, contaminated=p.book == "beta") for p in MATERIAL.passages]
    assert make_bridge_items(replace(MATERIAL, passages=spoilt)) == []


def test_length_tells_nothing():
    found = []
    for seed in range(4):
        books = {f"{name}{seed}": make_text(70 + 4 * seed + k) for k, name in enumerate("abcd")}
        found += make_bridge_items(make_material("school", books, seed))
    assert len(found) > 200 and abs(shorter_share(found) - 0.5) < 0.15


def test_a_sentence_that_both_books_have_is_no_bridge():
    shared = "The marvellous quincunx of Anselmo stood there."
    text = f"Here it was dark and cold. {shared} Nobody came to see it again.\n\n"
    passages = list(MATERIAL.passages)
    for name, seed in (("a", 90), ("b", 91)):
        whole = text + make_text(seed, paragraphs=4)
        passages.append(HeldOut(name, 0, len(whole), "test", whole))
    terms = {item.more["term"] for item in make_bridge_items(replace(MATERIAL, passages=passages))}
    assert not terms & {"marvellous", "quincunx", "anselmo"}
    apart = [replace(p, text=p.text.replace("stood there", "fell") if p.book == "a" else p.text) for p in passages]
    assert {"marvellous", "quincunx"} & {i.more["term"] for i in make_bridge_items(replace(MATERIAL, passages=apart))}
