"""The proof of what was moved: a span that left a book stands in its scene, and a bridge quotes the other book."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ontogeny.core.errors import Fault
from ontogeny.corpus.arranged import own_repair
from ontogeny.corpus.passages import iterate_paragraphs
from ontogeny.corpus.shelf import Shelf
from ontogeny.corpus.spoken import label_of
from ontogeny.corpus.sums import MEND
from ontogeny.scenes.bridge import QUOTES, holds
from ontogeny.scenes.shape import led


def moved_fault(text: str, record: Mapping[str, Any] | None, where: str) -> Fault | None:
    """What is wrong with a span [of a book, `text`] that was moved into the scene of a record."""
    if record is not None and record["kind"] == "dialogue":
        return _dialogue_fault(text, record, where)
    repair = (own_repair(record) if record else None) or ""
    if text == led(repair):
        return None
    what, got = "a moved span is not the repair of its scene.", repr(repair[:60])
    return Fault(what, where, got, repr(text[:60]), MEND)


def _dialogue_fault(text: str, record: Mapping[str, Any], where: str) -> Fault | None:
    """The paragraphs of the span, their speakers' names apart, are the turns."""
    words = []
    for start, end in iterate_paragraphs(text, 0, len(text)):
        paragraph = text[start:end].rstrip()
        told = label_of(paragraph)
        words.append(None if told is None else paragraph[told[1] :])
    turns = [turn[2] for turn in record["turns"]]
    at = next((at for at, (a, b) in enumerate(zip(turns, words, strict=False)) if a != b), None)
    if at is None and len(turns) == len(words):
        return None
    at = min(len(turns), len(words)) if at is None else at
    got, expected = (repr(str(some[at])[:60]) if at < len(some) else "nothing" for some in (turns, words))
    return Fault("a moved span is not the turns of its scene.", f"{where}, turn {at}", got, expected, MEND)


def bridge_faults(record: Mapping[str, Any], entries: Mapping[str, Any], shelf: Shelf, where: str) -> Iterator[Fault]:
    """A bridge quotes a sentence that stage trained on, of another book, and both its ends hold the term.

    `entries`: the books of the stage in the manifest, by id."""
    far, term = record["far"], record["term"]
    book, place = far["book"], (far["start"], far["end"])
    if book == record["book"] or book not in entries:
        told = "another book of the stage"
        yield Fault("a bridge does not lead to another book.", where, repr(book), told, MEND)
        return
    entry = entries[book]
    read = [(first, last) for first, last, *_ in [*entry["training"], *entry["moved"]]]
    if not any(first <= place[0] < place[1] <= last for first, last in read):
        got = f"characters {place[0]} to {place[1]} of book '{book}'"
        yield Fault("a bridge quotes what is not read.", where, got, "a sentence of the training text", MEND)
    sentence = shelf.open(book).text[slice(*place)]
    asked = next((turn[2] for turn in record["turns"] if turn[1] == "question"), "")
    if not any(f"{left}{sentence}{right}" in asked for left, right in QUOTES):
        yield Fault("a bridge does not quote the other book.", where, repr(asked[:80]), repr(sentence[:80]), MEND)
    for side in (sentence, own_repair(record) or ""):
        if not holds(side, term):
            yield Fault("an end of a bridge lacks the term.", where, repr(side[:80]), repr(term), MEND)
