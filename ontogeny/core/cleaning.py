"""The rules of cleaning by name, so that a genome can be checked without the corpus room, which holds what they do."""

from __future__ import annotations

RULES: dict[str, str] = {
    "newlines": "line ends of any system become one, a form feed ends a paragraph",
    "control_characters": "characters that no reader sees are removed",
    "unicode_nfc": "letters and their accents are composed",
    "gutenberg_header": "what stands before the start marker is cut",
    "gutenberg_footer": "what stands after the end marker is cut",
    "produced_by": "who typed the book is cut",
    "markdown_heading": "the marks of a heading are removed, its words stay",
    "hard_wrap": "lines that a typesetter broke are joined",
    "play_speaker": "a speaker's name becomes `Name: `",
    "stage_direction": "a stage direction stands in parentheses",
}
