from __future__ import annotations

from ontogeny.corpus.clean import clean
from ontogeny.corpus.lines import is_verse_or_table

HEADER = """The Project Gutenberg EBook of Nothing

This eBook is for the use of anyone anywhere.

*** START OF THIS PROJECT GUTENBERG EBOOK NOTHING ***




Produced by A. Person and the Proofreading Team

"""
FOOTER = """

End of the Project Gutenberg EBook of Nothing

*** END OF THIS PROJECT GUTENBERG EBOOK NOTHING ***

Section 1. General Terms of Use
"""
WRAPPED = """It was a long morning in the valley, and the river carried the boats of
the farmers past the mill without a sound, as it had done every spring
since the bridge was built."""


def cuts_of(book):
    return {rule: count for rule, count, _ in book.cuts}


def test_gutenberg_header_footer_and_credits_are_cut_and_counted():
    book = clean(HEADER + WRAPPED + FOOTER, "plain")
    assert book.text == " ".join(WRAPPED.split("\n")) + "\n\n"
    assert cuts_of(book) == {"gutenberg_header": 1, "gutenberg_footer": 1, "produced_by": 1, "hard_wrap": 2}


def test_a_start_marker_over_two_lines():
    text = HEADER.replace("NOTHING ***", "NOTHING AND\nMUCH MORE***") + WRAPPED
    assert clean(text, "plain").text.startswith("It was a long morning")


def test_an_old_small_print_header():
    text = "**Welcome**\n\n*END THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n" + WRAPPED
    assert clean(text, "plain").text.startswith("It was a long morning")


def test_newlines_and_characters_stay_what_they_are():
    book = clean("\ufeffCafe\u0301 ﬁn\r\n\r\nx² ½\x00\rnext", "plain")
    assert book.text == "Café ﬁn\n\nx² ½\nnext\n\n"


def test_verse_tables_dialogue_and_lists_keep_their_lines():
    verse = "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand or eye,"
    table = "Element        Weight   Symbol of the element as it is written\nHydrogen       1.008    H"
    dialogue = (
        "Hylas: Good morrow, Philonous: I did not expect to find you abroad so early this day.\n"
        "Philonous: It is indeed something unusual; but my thoughts were so taken up with it."
    )
    steps = "1. Take the lamp from its place above the door and light it with the long match\n2. Wait"
    for block in (verse, table, dialogue, steps):
        assert clean(block, "plain").text == block + "\n\n"


def test_hard_wrapped_lines_are_told_from_free_ones():
    assert not is_verse_or_table(WRAPPED.split("\n"))
    assert is_verse_or_table(
        ["A line that ends early enough for more", "words", "to have fitted there, as verse does it"]
    )


def test_markdown_headings_become_chapters():
    book = clean("# The Book\n\n## One\n\nText of one.\n\n## Two ##\nText of two.", "markdown")
    assert book.text == "The Book\n\nOne\n\nText of one.\n\nTwo\n\nText of two.\n\n"
    assert [title for title, _ in book.chapters] == ["The Book", "One", "Two"]
    assert all(book.text[start:].startswith(title + "\n\n") for title, start in book.chapters)


def test_plain_chapters_in_english_russian_and_roman():
    text = (
        "CHAPTER I. The River\n\nText.\n\nГЛАВА ВТОРАЯ\n\nText.\n\nXIV.\n\nText.\n\nPART THREE\n\n"
        "Text.\n\nI am no title.\n\nMIX"
    )
    titles = [title for title, _ in clean(text, "plain").chapters]
    assert titles == ["CHAPTER I. The River", "ГЛАВА ВТОРАЯ", "XIV.", "PART THREE"]


def test_a_play_becomes_turns():
    play = (
        "# Hamlet\n\n### SCENE I. Elsinore.\n\n_Enter BERNARDO_\n\n**FIRST CLOWN**  \nWho's there?  \n"
        "Stand! _Exit_\n\n**HENRY IV**  \nNay."
    )
    book = clean(play, "play")
    assert book.text == (
        "Hamlet\n\nSCENE I. Elsinore.\n\n(Enter BERNARDO)\n\nFirst Clown: Who's there?\n"
        "Stand! (Exit)\n\nHenry IV: Nay.\n\n"
    )
    assert [title for title, _ in book.chapters] == ["Hamlet", "SCENE I. Elsinore."]
    assert cuts_of(book)["play_speaker"] == 2


def test_nothing_is_nothing():
    assert clean(" \n\n \t\n", "plain").text == ""
