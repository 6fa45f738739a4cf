"""The rules of cleaning by name, so that a genome can be checked without the corpus room, which holds what they do."""

from __future__ import annotations

from ontogeny.core.errors import closest

RULES: dict[str, str] = {
    "newlines": "line ends of any system become one, a form feed ends a paragraph",
    "control_characters": "characters that no reader sees are removed",
    "unicode_nfc": "letters and their accents are composed",
    "gutenberg_header": "what stands before a Project Gutenberg start marker is cut, the small print too",
    "gutenberg_footer": "what stands after a Project Gutenberg end marker is cut",
    "licence": "terms of use of an electronic edition are cut wherever they stand",
    "produced_by": "who typed, scanned or proofread the electronic edition is cut",
    "transcriber_note": "notes of a transcriber about the electronic edition are cut, boxed or bracketed ones too",
    "page_number": "page numbers that count up are cut: [Pg 12], {12}, Page 12, a number alone on its line",
    "running_head": "the line at the head or foot of every page is cut",
    "hyphenation": "a word divided at a line's end is put together",
    "contents": "a table of contents is cut; its titles help to find the chapters",
    "illustration_list": "a list of illustrations, plates, figures or maps is cut",
    "index": "an index of words and pages is cut",
    "advertisement": "a publisher's list of books with their prices is cut",
    "empty_illustration": "the mark of a picture without a caption is cut",
    "paragraph_lines": "where lines, indents, or questions and answers are paragraphs, blank lines part them",
    "markdown_heading": "the marks of a heading are removed, its words stay",
    "heading_lines": "a heading over several lines becomes one, and stands apart from the text below it",
    "hard_wrap": "lines that a typesetter broke are joined",
    "long_verse": "verse of more than 60 lines without a blank one is parted where a line ends a sentence",
    "indent": "spaces before every line of a paragraph are removed, what one line has more stays",
    "broken_paragraph": "a paragraph that a page's end or a picture broke in mid-sentence is put together",
    "footnote": "a footnote in mid-sentence becomes a paragraph of its own after it",
    "play_speaker": "a speaker's name becomes `Name: `",
    "stage_direction": "a stage direction stands in parentheses",
}


def unknown_rules(names: object) -> list[tuple[int, str, str]]:
    """(position, name, what was expected) of each name in a list that is no rule's."""
    listed = enumerate(names if isinstance(names, (list, tuple)) else [])
    return [
        (position, name, f"one of {', '.join(RULES)}{closest(name, RULES)}")
        for position, name in listed
        if isinstance(name, str) and name not in RULES
    ]
