from __future__ import annotations

import pytest
from making import make_prose

from ontogeny.corpus.clean import clean
from ontogeny.corpus.passages import HELD_OUT_FRAC, hold_out, make_passages, split_held_out


def test_passages_are_whole_paragraphs_of_about_the_target_size():
    book = clean(make_prose(1, 200, chapter_every=30), "plain")
    passages = make_passages(book.text, [chapter[1] for chapter in book.chapters])
    sizes = [p.end - p.start for p in passages]
    assert all(book.text[: p.start].endswith("\n\n") for p in passages[1:])
    assert max(sizes) < 1800 and 600 < sum(sizes) / len(sizes) < 1300
    assert [p.chapter for p in passages] == sorted(p.chapter for p in passages)
    assert passages[-1].chapter == len(book.chapters) - 1


def test_a_long_paragraph_is_a_passage_alone():
    long = "word " * 800
    book = clean(f"{'Short one. ' * 30}\n\n{long}\n\nAfter.", "plain")
    passages = make_passages(book.text, [chapter[1] for chapter in book.chapters])
    assert [book.text[p.start : p.end].strip() for p in passages] == [
        ("Short one. " * 30).strip(),
        long.strip(),
        "After.",
    ]


def test_five_percent_are_held_out_by_hash_and_never_the_first():
    passages = make_passages(clean(make_prose(2, 600), "plain").text, [])
    held = hold_out(passages, "fingerprint")
    assert len(held) == round(HELD_OUT_FRAC * len(passages)) and 0 not in held
    assert held == hold_out(passages, "fingerprint") != hold_out(passages, "another")
    chosen = {index for name in range(200) for index in hold_out(passages[:20], str(name))}
    assert chosen == set(range(1, 20))


def test_small_books_hold_out_one_or_none():
    passages = make_passages(clean(make_prose(3, 40), "plain").text, [])
    assert len(hold_out(passages[:7], "f")) == 0
    assert len(hold_out(passages[:8], "f")) == 1


def test_splits_get_their_shares():
    splits = list(split_held_out([("book", offset) for offset in range(31)]).values())
    assert [splits.count(name) for name in ("test", "gate", "search")] == [16, 8, 7]


@pytest.mark.parametrize(
    ("first", "second", "parted"),
    [
        ("It is so.", "And on it goes.", True),
        ("It is so.(141)", "And on it goes.", True),
        ("“It is so.”[31][32]", "And on it goes.", True),
        ("it is so, and", "and on it goes.", False),
        ("it is so:", "And on it goes.", False),
        ("from which it follows that", "\\begin{align}\nx = 2\n\\end{align}", False),
        ("from which it follows that", "(6) V = 3", False),
        ("x = 2", "(6) V = 3", True),
        ("A LINE OF A TABLE", "Another", True),
    ],
)
def test_a_passage_ends_with_a_sentence_where_the_book_lets_it(first, second, parted):
    before = "Words that fill a paragraph and end it here, not in the next.\n\n" * 24
    text = f"{before}{'so many words and no end ' * 8}{first}\n\n{second}\n\nThe end of it.\n\n"
    edge = text.index(second)
    ends = {p.end for p in make_passages(text.replace("next.\n\n", "next;\n\n"), [])}
    assert (edge in ends) == parted
