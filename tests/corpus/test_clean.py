"""Each rule of cleaning, alone and switched off; what must survive them; text that nobody expects."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from making import make_prose

from ontogeny.core.cleaning import RULES
from ontogeny.corpus.clean import _COMPOSED, clean
from ontogeny.corpus.lines import kept_kind, surely_wrapped
from ontogeny.corpus.pages import _stands

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
ONE_LINE = " ".join(WRAPPED.split("\n"))
PROSE = f"{WRAPPED}\n\nAnd then {WRAPPED[0].lower()}{WRAPPED[1:]}\n\n"
SMALL_PRINT = """**The Project Gutenberg Etext of Nothing**

Copyright laws are changing all over the world, be sure to check
the copyright laws for your country before posting these files!!

**Welcome To The World of Free Plain Vanilla Electronic Texts**

***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***
Why is this "Small Print!" statement here?  You know: lawyers.

LIMITED WARRANTY; DISCLAIMER OF DAMAGES
But for the "Right of Replacement or Refund" described below.

WHAT IF YOU *WANT* TO SEND MONEY EVEN IF YOU DON'T HAVE TO?
Money should be paid to "Project Gutenberg Association".

"""
BOX = """  +--------------------------------------------+
  |            TRANSCRIBER'S NOTES             |
  |                                            |
  | Spelling was kept.                         |
  +--------------------------------------------+

"""
PAGES = "".join(
    f"The sentence of {chr(86 + page) * 3} was so long that it had to be broken by\n{page}\n\nthe end of the page, and"
    f" {chr(86 + page) * 2} went on in the next one.\n\n"
    for page in range(11, 31)
)
HEADS = "".join(
    f"The sentence on this page was so long that it had to be broken by\nTHE STORY OF NOTHING {page}\n"
    "the end of the page, and it went on in the next one.\n\n"
    "It ended here.\n\nIt ended there.\n\nAnd nobody read it to its end.\n\n"
    for page in range(11, 31, 2)
)
OPEN = (
    "The sentence of {n} here was so long that it had to be broken by\n{end}the end of the page, and {n} went on.\n\n"
)
FEET = [
    "{n}\n{head}\n",
    "{n}\n\n\n{head}\n\n",
    "- {n} -\n\x0c{head}\n\n",
    "\n{n}\n\n\x0c{head}\n",
    "{n} / 90\n{head}\n",
]
CONTENTS = """CONTENTS

                                   PAGE
I. THE RIVER                          1
II. THE BRIDGE                       12
III. THE MILL                        30



I. THE RIVER

"""
ADS = """THE END.




BOOKS BY THE SAME AUTHOR

The River. With maps. 12mo, cloth, $1.25 net.

The Bridge. Second edition. 8vo, cloth, gilt top. Price, $2.00.

The Mill. 16mo, paper covers, 50 cents.
"""
FIRES = {
    "newlines": "one\rtwo",
    "control_characters": "o\u200bne two",
    "unicode_nfc": "Cafe\u0301 noir",
    "gutenberg_header": HEADER + PROSE,
    "gutenberg_footer": PROSE * 2 + FOOTER,
    "licence": f"{WRAPPED}\n\nRedistribution is subject to the Project Gutenberg License.\n\n{PROSE}",
    "produced_by": f"Produced by A. Person and the Distributed Team\n\n{PROSE}",
    "transcriber_note": f"[Transcriber's Note: spelling was kept.]\n\n{PROSE}",
    "page_number": PAGES,
    "running_head": HEADS,
    "hyphenation": f"An interesting valley lay there.\n\nIt was long and quiet and most inter-\nesting.\n\n{PROSE}",
    "contents": CONTENTS + PROSE,
    "illustration_list": "LIST OF ILLUSTRATIONS\n\nThe river      3\nThe bridge     9\nThe mill      12\n\n\n\n\n"
    + PROSE,
    "index": PROSE * 3 + "INDEX\n\nboats, 3, 9\nbridge, 12\nfarmers, 2\nmill, 7\nriver, 1\n",
    "advertisement": PROSE + ADS,
    "empty_illustration": f"{WRAPPED}\n\n[Illustration]\n\n{PROSE}",
    "paragraph_lines": ONE_LINE + "\n" + ONE_LINE,
    "long_verse": "\n".join(f"The line that has the number {n} is short." for n in range(200)),
    "markdown_heading": "# One\n\ntext of one",
    "heading_lines": f"CHAPTER I\n\nTHE RIVER\n\n{PROSE}",
    "hard_wrap": WRAPPED,
    "indent": "    The first line stands apart,\n    And so the second.",
    "broken_paragraph": f"{WRAPPED[:-1]} by the\n\n[Illustration: The bridge]\n\nfarmers of the valley.",
    "footnote": f"{WRAPPED[:40]} [Footnote: Not this one.] of boats was long.",
    "play_speaker": "**HAMLET**\nWords.",
    "stage_direction": "Words. _Exit_",
}
MARKUPS = {"markdown_heading": "markdown", "play_speaker": "play", "stage_direction": "play"}


def cuts_of(book):
    return {rule: count for rule, count, _ in book.cuts}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_fires_is_counted_and_can_be_switched_off(rule):
    text, markup = FIRES[rule], MARKUPS.get(rule, "plain")
    book, without = clean(text, markup), clean(text, markup, skip={rule})
    assert rule in cuts_of(book) and rule not in cuts_of(without)
    assert book.text != without.text
    assert {name for name, _ in book.shown} <= set(cuts_of(book)) <= set(RULES)


def test_gutenberg_header_footer_and_credits_are_cut_and_counted():
    book = clean(HEADER + WRAPPED + FOOTER, "plain")
    assert book.text == ONE_LINE + "\n\n"
    assert cuts_of(book) == {"gutenberg_header": 1, "gutenberg_footer": 1, "produced_by": 1, "hard_wrap": 2}


@pytest.mark.parametrize(
    "marker",
    [
        "*** START OF THE PROJECT GUTENBERG EBOOK NOTHING ***",
        "***START OF THE PROJECT GUTENBERG EBOOK NOTHING AND\nMUCH MORE***",
        "*** START OF THIS PROJECT GUTENBERG ETEXT NOTHING ***",
        "*** START DIESES PROJECT GUTENBERG EBOOKS NICHTS ***",
        "*** START: PROJECT GUTENBERG EBOOK NOTHING ***",
        "**Welcome**\n\n*END THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*",
        "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.10.04.01*END*",
        SMALL_PRINT + "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.10.04.01*END*\n\n" + HEADER,
        SMALL_PRINT,
    ],
)
def test_the_forms_of_start_markers(marker):
    assert clean(f"{marker}\n\n{PROSE}", "plain").text.startswith("It was a long morning")


@pytest.mark.parametrize(
    "marker",
    [
        "*** END OF THE PROJECT GUTENBERG EBOOK NOTHING ***",
        "***END OF THE PROJECT GUTENBERG EBOOK NOTHING***",
        "End of Project Gutenberg's Nothing, by Nobody",
        "End of The Project Gutenberg Etext of Nothing",
        "Ende dieses Project Gutenberg Etexts Nichts",
        "*** ENDE DIESES PROJECT GUTENBERG EBOOKS NICHTS ***",
        "START: FULL LICENSE\n\nTHE FULL PROJECT GUTENBERG LICENSE",
    ],
)
def test_the_forms_of_end_markers(marker):
    book = clean(f"{PROSE}{PROSE}The last words.\n\n{marker}\n\nAny terms that follow.\n", "plain")
    assert book.text.endswith("The last words.\n\n") and "gutenberg_footer" in cuts_of(book)


def test_two_books_in_one_file():
    book = clean(
        HEADER + "The first book is short.\n" + FOOTER + HEADER + "The second is as short.\n" + FOOTER, "plain"
    )
    assert book.text == "The first book is short.\n\nThe second is as short.\n\n"


def test_licences_and_notes_of_makers_go_wherever_they_stand_and_the_printer_gutenberg_stays():
    shakespeare = "<<THIS ELECTRONIC VERSION OF THE COMPLETE WORKS IS COPYRIGHT 1990 BY\nA LIBRARY>>"
    real = "The press that Gutenberg built in 1450 was made of wood. We produced by hand what he printed."
    book = clean(
        f"{real}\n\n{shakespeare}\n\n{BOX}{real}\n\n\n\n\nTranscriber's Note:\n\nA comma was corrected.\n", "plain"
    )
    assert book.text == f"{real}\n\n{real}\n\n"
    assert cuts_of(book)["transcriber_note"] == 2


def test_page_numbers_go_and_numbers_of_sections_stay():
    book = clean(PAGES, "plain")
    assert cuts_of(book)["page_number"] == 20 and not re.search(r"\d", book.text)
    assert "broken by the end of the page" in book.text
    sections = "".join(f"{number}\n\n{PROSE}" for number in range(1, 9))
    assert "\n\n5\n\n" in clean(sections, "plain").text
    marked = "It [Pg 1]was a long [Pg 2] morning in the\n[Pg 3]\nvalley, H_{12} and all {13} of it."
    assert clean(marked, "plain").text == "It was a long morning in the\nvalley, H_{12} and all {13} of it.\n\n"


@pytest.mark.parametrize("foot", FEET)
def test_a_number_at_the_foot_goes_with_the_head_of_the_next_page(foot):
    ends = {page: foot.format(n=page, head="THE HISTORY OF NOTHING") for page in range(11, 31)}
    book = clean("".join(OPEN.format(n=chr(86 + page) * 3, end=end) for page, end in ends.items()), "plain")
    assert not re.search(r"\d|HISTORY", book.text) and "broken by the end of the page" in book.text


def test_running_heads_go_and_chapters_that_recur_stay():
    assert "STORY" not in clean(HEADS, "plain").text
    chapters = "".join(f"CHAPTER {number}\n\n{PROSE}{PROSE}" for number in range(1, 9))
    assert len(clean(chapters, "plain").chapters) == 8


def test_divided_words_are_put_together_and_hyphens_of_words_kept():
    text = (
        "The interesting note lay in the book by the well-known mother-in-law, and nobody read it at all.\n\n"
        "It was an inter-\nesting day with a well-\nknown note-\nbook of two-\nand three pages and a zephy-\n"
        "rous wind, it seemed."
    )
    told = clean(text, "plain").text.replace("\n", " ")
    for piece in ("an interesting day", "a well-known note-book", "two- and three", "zephyrous wind"):
        assert piece in told


def test_contents_lists_and_indexes_go_and_lists_in_prose_stay():
    book = clean(CONTENTS + PROSE, "plain")
    assert book.text.startswith("I. THE RIVER\n\nIt was") and book.chapters == [("I. THE RIVER", 0, 1)]
    story = f"CONTENTS\n\n{WRAPPED}\n\nThe contents of the box were:\n\n1. A lamp\n2. A river\n\n{PROSE}"
    assert "contents" not in cuts_of(clean(story, "plain"))
    assert "1. A lamp\n2. A river" in clean(story, "plain").text


def test_notes_and_pictures_are_marked_and_kept():
    marked = "[Footnote 3: It was\nrebuilt.]\n\n[Illustration: THE BRIDGE\n\nas it was]\n\n[3] Another note."
    text = f"{WRAPPED}\n\n{marked}\n\n{PROSE}"
    book = clean(text, "plain")
    assert book.kinds["note"] == 2 and book.kinds["illustration"] == 2
    assert "[Footnote 3: It was\nrebuilt.]" in book.text and "[Illustration: THE BRIDGE\n\nas it was]" in book.text


def test_characters_that_are_taken_as_composed_join_no_other():
    taken = {chr(code) for code in range(sys.maxunicode + 1) if _COMPOSED.match(chr(code))}
    assert all(unicodedata.is_normalized("NFC", sign) and not unicodedata.combining(sign) for sign in taken)
    parts = (unicodedata.decomposition(chr(code)).split() for code in range(sys.maxunicode + 1))
    joining = {chr(int(pair[1], 16)) for pair in parts if len(pair) == 2 and not pair[0].startswith("<")}
    assert joining and not taken & joining


def test_words_divided_twice_in_a_row_are_left_alone():
    text = "He said super-\ncali-\nfragilistic words.\n"
    assert clean(text, "plain").text.strip() == text.strip()


def test_a_line_of_odd_blanks_below_a_bare_number_is_no_title():
    for blank in "\u2003\u2009\u202f\u205f":
        book = clean(f"Chapter I\n\n{blank}\n\nText goes here and on.\n\nChapter II\n\n{blank}\n\nMore.\n", "plain")
        assert "Text goes here" in book.text and len(book.chapters) == 2


@given(st.text("ab-é ", min_size=1, max_size=4), st.text("ab-é .", max_size=30))
def test_a_word_stands_where_no_letter_goes_on(form, text):
    assert _stands(form, text) == bool(re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text))


def test_newlines_and_characters_stay_what_they_are():
    book = clean("\ufeffCafe\u0301 ﬁn\r\n\r\nx² ½\x00\rnext", "plain")
    assert book.text == "Café ﬁn\n\nx² ½\nnext\n\n"


def test_a_line_end_that_was_converted_twice_is_one():
    assert clean(WRAPPED.replace("\n", "\r\r\n"), "plain").text == ONE_LINE + "\n\n"
    assert clean("one\r\rtwo\r\n\r\nthree", "plain").text == "one\n\ntwo\n\nthree\n\n"


@pytest.mark.parametrize("markup", ["plain", "markdown", "play"])
def test_soft_hyphens_within_words_go(markup):
    told = "The co\u00adop\u00aderative \u00adking rode out\u00ad\u00ad at dawn."
    book = clean(told, markup)
    assert (
        book.text == "The cooperative king rode out\u00ad\u00ad at dawn.\n\n"
        and cuts_of(book)["control_characters"] == 3
    )
    assert clean(told, markup, skip={"control_characters"}).text.strip() == told


def test_a_soft_hyphen_at_a_lines_end_divides_a_word():
    assert clean("It was a co\u00adop\u00ad\nerative that built the mill.", "plain").text == (
        "It was a cooperative\nthat built the mill.\n\n"
    )


VERSE = "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand or eye,"
TABLE = "Element        Weight   Symbol of the element as it is written\nHydrogen       1.008    H"
DIALOGUE = (
    "Hylas: Good morrow, Philonous: I did not expect to find you abroad so early this day.\n"
    "Philonous: It is indeed something unusual; but my thoughts were so taken up with it."
)
STEPS = "1. Take the lamp from its place above the door and light it with the long match\n2. Wait"
CODE = "def light(lamp):\n    lamp.fill(oil)\n    return lamp.burn(hours=3)"
MATHS = "\\[\n\\int x\\,dx = \\tfrac{1}{2} x^2 + C,\n\\]"
COUPLET = (
    "And thou, who on the ocean of thy days dost swim and go,\nBut tell me what threat would be, or what promise so!"
)


SMALL_VERSE = (
    "the river in the evening turns to glass,\nand all the boats are lying on the shore;\n"
    "no wind is out to move the yellow grass,\nand no one comes to open any door."
)
NESTED = "1. first thing to do\n2. second thing to do\n   - one within it\n   - another\n3. third thing"


@pytest.mark.parametrize("block", [SMALL_VERSE, NESTED, VERSE, TABLE, DIALOGUE, STEPS, CODE, MATHS, COUPLET])
def test_verse_tables_dialogue_lists_code_and_mathematics_keep_their_lines(block):
    assert clean(f"{block}\n\n{WRAPPED}", "plain").text == f"{block}\n\n{ONE_LINE}\n\n"


def test_wrapped_lists_and_quotations_are_joined():
    listed = "1. Take the lamp from its place above the door and light it\n   with the long match.\n2. Wait."
    assert clean(listed, "plain").text == (
        "1. Take the lamp from its place above the door and light it with the long match.\n2. Wait.\n\n"
    )
    quoted = "\n".join(f"    {line}" for line in WRAPPED.split("\n"))
    assert clean(quoted, "plain").text == ONE_LINE + "\n\n"


def test_prose_around_a_formula_is_joined_and_the_formula_is_not():
    formula = "\\[\nx = y\n  + z.\n\\]"
    after = "where the old mill stands by the river and its boats,\nthe farmers see it."
    joined = after.replace("\n", " ")
    assert clean(f"{WRAPPED}\n{formula}\n{after}", "plain").text == f"{ONE_LINE}\n{formula}\n{joined}\n\n"


def test_hard_wrapped_lines_are_told_from_free_ones():
    assert surely_wrapped(WRAPPED.split("\n")) and kept_kind(WRAPPED.split("\n")) is None
    assert not surely_wrapped(VERSE.split("\n"))


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
    assert [(title, depth) for title, _, depth in book.chapters] == [("Hamlet", 1), ("SCENE I. Elsinore.", 2)]
    assert cuts_of(book)["play_speaker"] == 2


def test_nothing_is_nothing():
    assert clean(" \n\n \t\n", "plain").text == "" == clean("", "plain").text


ODD = {
    "newlines": "\n" * 125000,
    "spaces": "x" + " " * 125000 + "y",
    "digits": "1234567890" * 12500,
    "one_line": "word " * 25000,
    "one_word": "a" * 125000,
    "lines": "word\n" * 25000,
    "numbers": "\n\n".join(map(str, range(5000))),
    "brackets": "[" * 50000 + "]" * 50000,
    "footnotes": "[Footnote " * 12500,
    "notes": "[Transcriber's note: x\n\n" * 1250,
    "markers": "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n\n" * 1250,
    "contents": "CONTENTS\n\nthe river 12\n\n" * 1250,
    "stars": "*" * 125000,
    "hyphens": "-\n" * 25000,
    "returns": "\r" * 125000,
    "romans": "I.\n\n" * 5000,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_text_is_done(name):
    """It comes back, which it would not if a pattern backtracked over these."""
    book = clean(ODD[name], "plain")
    assert book.text == "" or book.text.endswith("\n\n")
    assert len(book.text) <= 2 * len(ODD[name]) + 2


WORDS = st.sampled_from(
    [
        "the",
        "River",
        "lamp,",
        "II.",
        "12",
        "CHAPTER",
        "I",
        "[Illustration]",
        "[Footnote",
        "1:",
        "and]",
        "-",
        "—",
        "Mr.",
        "Socrates:",
        "x=2",
        "§",
        "it.",
        "'no'",
        "́",
        "{3}",
        "*",
        "inter-",
        "a",
    ]
)


@pytest.mark.parametrize("text", ["One.\n \x0cTHE HEAD\nTwo.", "Page 3 \t\x0c\nTwo.", "One. \x0c Two."])
def test_a_form_feed_leaves_no_space_at_a_lines_end(text):
    book = clean(text, "plain")
    assert not re.search(r"[ \t]\n", book.text) and clean(book.text, "plain").text == book.text


@pytest.mark.parametrize("line", ["ı", "vı", "Page ı", "[ıı]"])
def test_a_letter_that_looks_like_a_roman_number_is_none(line):
    assert clean(f"A line that goes on and\n\n{line}\n\nends here.", "plain", "tr").text.count(line) == 1


LINES = st.lists(WORDS, min_size=1, max_size=14).map(" ".join)
BLOCKS = st.lists(LINES, min_size=1, max_size=6).map("\n".join)
TEXTS = st.lists(st.tuples(BLOCKS, st.integers(1, 5)), max_size=12).map(
    lambda parts: "".join(b + "\n" * n for b, n in parts)
)


@settings(max_examples=250, deadline=None)
@given(TEXTS)
@example("inter-\ninter- the\n")
@example("12 [Footnote lamp, - Socrates: River x=2 * Socrates: - lamp,\n\nand][Footnote and]")
@example("CHAPTER and] a River the - [Footnote and]\nx=2")
@example("—Mr.\n— x=2 [Footnote it [Footnote and] and] I\nlamp, lamp, it. CHAPTER inter- — x=2 Mr. - — " + "'no' " * 20)
def test_cleaning_twice_is_cleaning_once(text):
    book = clean(text, "plain")
    assert clean(book.text, "plain").text == book.text
    assert "\n\n\n" not in book.text and (not book.text or book.text.endswith("\n\n"))
    assert all(book.text.startswith(title + "\n\n", offset) for title, offset, _ in book.chapters)
    assert sum(book.kinds.values()) == book.text.count("\n\n")


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_no_character_is_invented(text):
    kept = clean(text, "plain").text
    for char in set(kept) - set(" \n"):
        assert kept.count(char) <= clean(text, "plain", skip=RULES).text.count(char)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 9))
def test_prose_is_kept_whole(seed, chapter_every):
    text = make_prose(seed, 20, chapter_every)
    assert clean(text, "plain").text == text.rstrip("\n") + "\n\n"


def test_an_escaped_mark_is_no_heading_and_loses_its_escape():
    book = clean("# The fan\n\n\\# 1 fan of all\n\nOf a thing.\n", "markdown")
    assert book.text == "The fan\n\n# 1 fan of all\n\nOf a thing.\n\n"
    assert [title for title, *_ in book.chapters] == ["The fan"]
    kept = clean("\\# 1 fan of all\n", "markdown", skip={"markdown_heading"})
    assert kept.text == "\\# 1 fan of all\n\n"
