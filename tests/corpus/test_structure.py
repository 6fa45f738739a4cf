"""Chapters with their depths, in several languages and forms; paragraphs by kind."""

from __future__ import annotations

import pytest

from ontogeny.corpus.clean import clean
from ontogeny.corpus.passages import make_passages

TEXT = "\n\nIt was a long morning in the valley, and the river carried the boats of the farmers past the mill.\n\n"


def tree(text, markup="plain", language="en"):
    return [(title, depth) for title, _, depth in clean(text, markup, language).chapters]


def book_of(*headings):
    return TEXT.join(["", *headings, ""])


def test_parts_books_chapters_and_sections():
    headings = (
        "PREFACE",
        "PART ONE",
        "BOOK I",
        "CHAPTER I. The River",
        "§ 1. Of Boats",
        "CHAPTER II. The Mill",
        "BOOK II",
        "CHAPTER I",
    )
    assert tree(book_of(*headings)) == [
        ("PREFACE", 1), ("PART ONE", 1), ("BOOK I", 2), ("CHAPTER I. The River", 3), ("§ 1. Of Boats", 4),
        ("CHAPTER II. The Mill", 3), ("BOOK II", 2), ("CHAPTER I", 3),
    ]  # fmt: skip


def test_what_comes_first_holds_the_other():
    assert tree(book_of("THE FIRST BOOK", "PART I", "PART II", "THE SECOND BOOK", "PART I")) == [
        ("THE FIRST BOOK", 1), ("PART I", 2), ("PART II", 2), ("THE SECOND BOOK", 1), ("PART I", 2),
    ]  # fmt: skip


def test_numbers_of_every_form():
    for heading in (
        "CHAPTER IV",
        "Chapter 4",
        "CHAPTER THE FOURTH",
        "Ch. 4",
        "CH. IV. The Mill",
        "Chapter Twenty-One.",
        "THE FOURTH DIALOGUE",
        "Lecture IV: Light",
    ):
        other = heading.replace("FOURTH", "FIFTH")
        assert tree(book_of(heading, other))[0] == (heading, 1), heading


def test_titles_on_the_next_line_and_after_a_blank_one():
    text = book_of("CHAPTER I.\n\nTHE RIVER", "CHAPTER II.\nTHE BRIDGE\nAND THE MILL", "CHAPTER III\n\nOf a Lamp")
    assert tree(text) == [
        ("CHAPTER I. THE RIVER", 1),
        ("CHAPTER II. THE BRIDGE AND THE MILL", 1),
        ("CHAPTER III Of a Lamp", 1),
    ]


def test_sentences_that_begin_like_headings_are_none():
    for sentence in (
        "Part of the river was dry.",
        "Chapter I treats of the mill.",
        "Ch. 4, p. 23",
        "Ch. 4 of the other book.",
        "I am no title.",
        "Book learning, he said, is",
        "Chapter IV of it was long",
        "Chapter IV containing the river was long.",
        "Kapitel 3 in der Mühle fehlt.",
        "Chapter IV, in which he says so,",
        "MIX",
    ):
        assert tree(f"{sentence}{TEXT}") == [], sentence


def test_russian_headings():
    headings = (
        "ПРЕДИСЛОВИЕ",
        "ЧАСТЬ ПЕРВАЯ",
        "Глава первая",
        "ГЛАВА II. Мельница",
        "ЧАСТЬ ВТОРАЯ",
        "Глава осьмая",
        "ЭПИЛОГ",
    )
    assert tree(book_of(*headings), language="ru") == [
        ("ПРЕДИСЛОВИЕ", 1), ("ЧАСТЬ ПЕРВАЯ", 1), ("Глава первая", 2), ("ГЛАВА II. Мельница", 2), ("ЧАСТЬ ВТОРАЯ", 1),
        ("Глава осьмая", 2), ("ЭПИЛОГ", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("heading", ["Erstes Kapitel", "Kapitel 3", "Chapitre premier", "CAPÍTULO IV", "Teil 2"])
def test_other_languages_by_the_generic_forms(heading):
    other = {"Erstes Kapitel": "Zweites Kapitel"}.get(heading, heading)
    assert (heading, 1) in tree(book_of(heading, other))


GERMAN = "Sechstes Siebentes Siebtes Achtes Neuntes Zehntes Elftes Zwölftes Dreizehntes Sechzehntes Zwanzigstes"
FRENCH = "CINQUIÈME SIXIÈME SEPTIÈME HUITIÈME NEUVIÈME DIXIÈME ONZIÈME SEIZIÈME DIX-SEPTIÈME DIX-NEUVIÈME VINGTIÈME"


@pytest.mark.parametrize(
    "headings",
    [
        [f"{word} Kapitel" for word in (*GERMAN.split(), "Einundzwanzigstes", "Dreißigstes")],
        [f"CHAPITRE {word}" for word in FRENCH.split()],
        [f"{word.capitalize()} chapitre" for word in FRENCH.split()],
    ],
    ids=["german", "french", "french_before"],
)
def test_ordinals_as_far_as_books_count(headings):
    assert tree(book_of(*headings)) == [(heading, 1) for heading in headings]


@pytest.mark.parametrize(
    "heading",
    [
        "CHAPTER {}, in which the King rides out",
        "CHAPTER {} wherein he comes to a river.",
        "Chapter {}. Containing what the miller said to the King of the river, of the bridge, and of all the boats.",
        "Глава {}, в которой король едет на охоту",
        "Глава {}. О том, как построили мост",
        "Kapitel {}, worin der König ausreitet",
        "Chapitre {}, où le roi sort à cheval",
    ],
)
def test_titles_that_tell_what_happens(heading):
    assert tree(book_of(heading.format("I"), heading.format("II")))[1:] == [(heading.format("II"), 1)]


def test_acts_and_scenes():
    assert tree(book_of("ACT I", "SCENE I. A mill.", "SCENE II. A river.", "ACT II", "SCENE I. A bridge.")) == [
        ("ACT I", 1), ("SCENE I. A mill.", 2), ("SCENE II. A river.", 2), ("ACT II", 1), ("SCENE I. A bridge.", 2),
    ]  # fmt: skip


def test_stories_in_capitals_and_titles_that_the_contents_named():
    stories = ("THE WOLF AND THE KID", "THE OX", "BELLING THE CAT")
    assert tree(book_of("PREFACE", *stories).replace(TEXT, TEXT * 2))[1:] == [(title, 1) for title in stories]
    contents = "CONTENTS\n\nRain    1\nThe Clock    2\nWinter    3\n\n\n\n\n"
    assert tree(contents + book_of("Rain", "The Clock", "Winter")) == [("Rain", 1), ("The Clock", 1), ("Winter", 1)]


def test_roman_numbers_alone_and_letters_of_a_dictionary():
    assert tree(book_of("I", "II.", "III")) == [("I", 1), ("II.", 1), ("III", 1)]
    assert tree(book_of(*"ABCDEFGHIJ")) == [(letter, 1) for letter in "ABCDEFGHIJ"]


def test_numbers_alone_are_chapters_when_long_and_notes_when_short():
    long = TEXT * 10
    assert [title for title, _ in tree("".join(f"{n}{long}" for n in range(1, 5)))] == ["1", "2", "3", "4"]
    assert tree("".join(f"{n}\n\nSo it is said.\n\n" for n in range(1, 9))) == []


def test_markdown_headings_have_their_own_depth_and_code_its_lines():
    text = "# The Book\n\n## One\n\nText of one.\n\n```\n# no heading\n\nx\n```\n\n## Two ##\nText of two."
    book = clean(text, "markdown")
    assert [(title, depth) for title, _, depth in book.chapters] == [("The Book", 1), ("One", 2), ("Two", 2)]
    assert "```\n# no heading\n\nx\n```" in book.text


def test_kinds_of_paragraphs():
    assert clean("MENO: No.\n\nSOCRATES: Yes.\n\n" * 6, "plain").kinds == {"dialogue": 12}
    assert clean("HYL. It is so.\n\nPHIL. Is it so.\n\n" * 6, "plain").kinds == {"dialogue": 12}
    assert clean("Socrates. It is so.\n\nMeno. Is it so.\n\n" * 6, "plain").kinds == {"dialogue": 12}
    assert clean("— Кто там? — спросил он.\n\n— Я, — ответил другой.\n\n" * 4, "plain", "ru").kinds == {"dialogue": 8}
    assert clean("Q. What is a river?\n\nA. Water that goes by.\n\n" * 4, "plain").kinds == {"question": 4, "answer": 4}
    numbered = "".join(
        f"{n}. What is the chief end of river {n}?\n\nThe sea is its chief end.\n\n" for n in range(1, 6)
    )
    assert clean(numbered, "plain").kinds == {"question": 5, "answer": 5}
    assert clean(
        "Жил старик со своею старухой\nУ самого синего моря;\nОни жили в ветхой землянке", "plain", "ru"
    ).kinds == {"verse": 1}


def test_russian_paragraphs_that_are_lines():
    lines = "\n".join([TEXT.strip() + " И всё это было давно, и никто того не помнил.", "— Кто там?", TEXT.strip() * 2])
    assert clean(lines, "plain", "ru").text.count("\n\n") == 3


def test_no_passage_ends_in_mid_sentence():
    part = "It was a long morning in the valley, and the river carried the boats " * 16
    text = f"{part}of the farmers,\n\nwhich were\n\n$x = 1$\n\nand the mill.\n\n" * 6
    passages = make_passages(text, [])
    assert len(passages) == 6 and all(text[p.start : p.end].endswith("mill.\n\n") for p in passages)
    endless = make_passages("no end\n\n" * 5000, [])
    assert max(p.end - p.start for p in endless) < 8000


WRAPPED = "The king rode out at dawn with all his men, and he did\nnot stop until the evening."


def test_paragraphs_that_an_indent_begins():
    text = "\n".join(f"    {WRAPPED}" for _ in range(3))
    assert clean(text, "plain").text == (WRAPPED.replace("\n", " ") + "\n\n") * 3
    kept = clean(text, "plain", skip={"paragraph_lines"})
    assert kept.text.strip() == text.strip()
    verse = "   The lamp is out;\nThe boat is gone;\n   The mill is still;\nThe day is done."
    assert clean(verse, "plain").text.strip() == verse.strip()


def test_a_title_or_a_speaker_directly_above_the_text():
    stories = ("THE WOLF AND THE KID", "THE OX", "BELLING THE CAT", "THE TWO POTS")
    told = clean("".join(f"{title}\n{WRAPPED}\n\n{TEXT}{TEXT}" for title in stories), "plain")
    assert [title for title, *_ in told.chapters] == list(stories)
    assert clean(f"We have seen that\n{WRAPPED}", "plain").text.startswith("We have seen that The king")
    kept = clean(f"Socrates\n{WRAPPED}", "plain").text
    assert kept == f"Socrates\n\n{WRAPPED}\n\n".replace("he did\n", "he did ")


def test_questions_and_answers_without_a_blank_line_between():
    pair = "Q. {n}. What is a year?\nA. A year is the time in which the earth goes about the sun, and\nit is long."
    apart, close = (clean(gap.join(pair.format(n=n) for n in range(4)), "plain") for gap in ("\n\n", "\n"))
    assert apart.kinds == close.kinds == {"question": 4, "answer": 4}
    assert apart.text == close.text and clean(apart.text, "plain").text == apart.text
    assert "question" not in clean(pair.format(n=1), "plain").kinds
    names = "В. Иванов. Мельница.\nО. Петров. Река."
    assert clean("\n\n".join([names] * 4), "plain", "ru").text == (names + "\n\n") * 4


def test_numbers_where_a_page_breaks_a_sentence_are_no_chapters():
    page = TEXT * 10 + "The miller said that it\n\n* See the chronicle, iii. 20.\n\n{}\n\nwould have been well.\n\n"
    assert tree("".join(page.format(n) for n in range(1, 9))) == []
    chapters = "".join(f"{n}{TEXT * 10}" for n in range(1, 9)).replace("3\n\nIt was", "3\n\nit was")
    assert [title for title, _ in tree(chapters)] == ["1", "2", "4", "5", "6", "7", "8"]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_numbers_in_words_are_chapters_when_they_count_up(language):
    first = "One Two Three Four Five Six Seven Eight Nine TEN Eleven Twelve Thirteen Fourteen Fifteen Sixteen Seventeen"
    words = [*first.split(), "Eighteen", "Nineteen", "Twenty", "Twenty-One", "Twenty Two"]
    if language == "ru":
        words = ["Один", "Два", "Три", "Четыре"]
    assert [title for title, _ in tree("".join(f"{word}{TEXT * 10}" for word in words))] == words
    for others in (["One", "Five", "Nine", "Two"], ["one", "two", "three"], ["The One", "A Two", "No Three"]):
        assert tree("".join(f"{word}{TEXT * 10}" for word in others)) == []


def test_titles_that_are_underlined():
    titles = ("The Romans", "His Youth", "His Age", "The Saxons and the Danes")
    lines = [f"{title}\n{('-' if 'His' in title else '=') * len(title)}" for title in titles]
    text = book_of(*lines)
    assert tree(text) == [(titles[0], 1), (titles[1], 2), (titles[2], 2), (titles[3], 1)]
    book = clean(text, "plain")
    assert "--" not in book.text and "==" not in book.text and clean(book.text, "plain").text == book.text
    assert tree(book_of(*lines[1:3])) == []
    for other in ("27\n--", "apples   pears\n--------------", "the end\n-------", "The End\n------------------------"):
        assert tree(book_of(*[other] * 4)) == []
