"""Clozes: the answer stands in the book where its id says, the foils are of its class and nowhere near."""

from __future__ import annotations

import json
import random
import re
from collections import Counter

import pytest

from ontogeny.corpus.items.clozes import CONTEXT_CHARS, ITEMS_PER_SPLIT, make_cloze_items
from ontogeny.corpus.items.shape import check_items
from ontogeny.corpus.passages import SPLITS
from ontogeny.corpus.proof import verify_corpus

from .blind import SCORERS, chance, right_share
from .held_out import make_material, words_of_books

LETTERS = "abdefgiklmnoprstuv"
RUSSIAN = str.maketrans(LETTERS + LETTERS.upper(), "абдефгиклмнопрстувАБДЕФГИКЛМНОПРСТУВ")


def make_facts(seed, paragraphs=80, language="en"):
    """Prose with names and numbers near the ends of its sentences."""
    rng = random.Random(seed)
    words = words_of_books()

    def ending():
        last = rng.choice(words)
        return rng.choice((last, last.capitalize(), str(rng.randint(2, 9999)), f'"{last}"', f"{last} ({last})"))

    def sentence():
        said = " ".join(rng.choices(words, k=rng.randint(5, 14)))
        return f"{said.capitalize()} {ending()}{rng.choice('.?!')}"

    blocks = [" ".join(sentence() for _ in range(rng.randint(3, 7))) for _ in range(paragraphs)]
    text = "\n\n".join(blocks) + "\n"
    return text.translate(RUSSIAN) if language == "ru" else text


BOOKS = {
    "en": {"one": make_facts(1), "two": make_facts(2)},
    "ru": {"one": make_facts(3, language="ru"), "two": make_facts(4, language="ru")},
}
ITEMS = {
    language: make_cloze_items(make_material("school", books, language=language)) for language, books in BOOKS.items()
}


def class_of(text):
    """Names, numbers and other words, told by their form: written apart from the maker's."""
    if re.fullmatch(r"[\d.,]+", text):
        return "number"
    return "name" if text.istitle() else "word" if text.islower() and len(text) >= 5 else None


@pytest.mark.parametrize("language", BOOKS)
def test_every_split_is_filled_with_all_kinds(language):
    check_items(ITEMS[language], "items.jsonl")
    counts = Counter((item.split, item.kind) for item in ITEMS[language])
    for split in SPLITS:
        mine = [counts[split, kind] for kind in ("number", "name", "word")]
        assert min(mine) >= 8 and sum(mine) <= ITEMS_PER_SPLIT
    assert sum(item.split == "test" for item in ITEMS[language]) == ITEMS_PER_SPLIT


@pytest.mark.parametrize("language", BOOKS)
def test_the_answer_stands_where_the_id_says_behind_its_context(language):
    for item in ITEMS[language]:
        text, offset = BOOKS[language][item.book], int(item.id.rpartition("-")[2])
        assert item.id == f"cloze-{item.book}-{offset}"
        assert text[offset - 1 :].startswith(item.answer) and item.answer[0] == " "
        assert text[: offset - 1].endswith(item.context) and 30 <= len(item.context) <= CONTEXT_CHARS
        before = text[offset - 1 - len(item.context) - 1]
        assert before.isspace(), "the context begins with a whole word"
        after = text[offset + len(item.answer) - 1 :]
        assert not after[0].isalnum(), "a whole word is asked"
        assert re.match(r"\W*(?:\S+\s+){0,2}\S*[.?!)\"]", after), "near its sentence's end"


@pytest.mark.parametrize("language", BOOKS)
def test_foils_are_of_the_same_class_near_in_length_and_not_in_the_context(language):
    for item in ITEMS[language]:
        told = {word.casefold() for word in re.findall(r"\w+", item.context)}
        assert len(set(item.foils)) == 3
        for end in (item.answer, *item.foils):
            assert class_of(end[1:]) == item.kind and end[1:].casefold() not in told
            assert abs(len(end) - len(item.answer)) <= (1 if item.kind == "number" else 8)


@pytest.mark.parametrize("language", BOOKS)
def test_no_word_is_asked_twice_in_a_split_and_no_sentence(language):
    for split in SPLITS:
        mine = [item for item in ITEMS[language] if item.split == split]
        assert len({item.answer for item in mine}) == len(mine)
    assert len({item.context for item in ITEMS[language]}) == len(ITEMS[language])


def test_a_scorer_that_looks_at_the_words_alone_is_near_chance():
    """Over books enough that chance itself is told from a bias: the standard error is 0.016."""
    items = [
        item
        for seed in range(10, 24)
        for item in make_cloze_items(make_material("school", {"one": make_facts(seed, 120)}, seed=seed))
    ]
    assert len(items) > 700
    for name, score in SCORERS.items():
        assert abs(right_share(items, score) - chance(items)) < 0.06, name


def test_a_contaminated_passage_gives_nothing_and_items_are_a_function_of_their_material():
    material = make_material("school", BOOKS["en"])
    assert make_cloze_items(material) == ITEMS["en"]
    none = [type(one)(**{**vars(one), "contaminated": True}) for one in material.passages]
    assert make_cloze_items(type(material)("school", 7, "en", none)) == []


def test_a_capital_behind_a_colon_is_no_name_and_a_small_word_is_not_asked():
    text = "\n\n".join(
        f"Anna: We were all of us on the way to the house of number {n} again with {n} of Boris: Come with which."
        for n in range(1000, 1200)
    )
    items = make_cloze_items(make_material("school", {"one": text + "\n"}))
    assert not {item.answer for item in items} & {" Come", " which"}


def test_text_without_blanks_gives_none():
    text = "\n\n".join("天地玄黄宇宙洪荒日月盈昃。" * 20 for _ in range(20)) + "\n"
    assert make_cloze_items(make_material("school", {"one": text}, language="zh")) == []


def test_the_proof_of_a_corpus_finds_an_answer_that_the_book_does_not_hold(own_copy):
    path = own_copy / "first/items.jsonl"
    lines = path.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if json.loads(line)["probe"] == "cloze_fact")
    record = json.loads(lines[at])
    for change in ({"answer": record["answer"] + "x"}, {"id": record["id"][:-1] + "0" * record["id"].count("-")}):
        path.write_text("\n".join([*lines[:at], json.dumps(record | change), *lines[at + 1 :]]) + "\n")
        (fault,) = verify_corpus(own_copy)
        assert f"first/items.jsonl, line {at + 1}: stage 'first', item 'cloze-" in fault.where
        assert fault.what == "an item's answer is not the book's text."
