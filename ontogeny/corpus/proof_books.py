"""The proof of a stage's ranges: the law of the book, the order of its turns, what is held out and asked of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ontogeny.core.errors import Fault
from ontogeny.core.positions import shown
from ontogeny.corpus.passages import hold_out
from ontogeny.corpus.proof_arms import kind_of
from ontogeny.corpus.proof_moved import bridge_faults, moved_fault
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.shard import Shard
from ontogeny.corpus.shelf import OpenBook, Shelf
from ontogeny.corpus.sums import MEND
from ontogeny.corpus.turns import Turn, cut_turns, interleaved, joined

MANIFEST = "manifest.json"
KINDS = ("training", "held_out", "moved", "unread")
OF_A_BOOK = {"conflict_resolution": "gap", "cloze_fact": "cloze"}  # probe -> how the ids of its items begin


class BooksProof:
    """One stage's checks of what the manifest and the material of the probes say; `faults` is all of them."""

    def __init__(self, corpus: Corpus, shelf: Shelf, index: int):
        self.corpus, self.shelf = corpus, shelf
        self.shard = corpus.shard(index)
        self.entry = self.shard.entry
        self.name = self.entry["name"]

    def faults(self) -> Iterator[Fault]:
        yield from self._law_of_the_book()
        yield from self._turns()
        yield from self._held_out()
        yield from self._items()

    def _law_of_the_book(self) -> Iterator[Fault]:
        """Training, held out, moved and unread are the cleaned book, each character once."""
        scenes = [record for shard in self._shards() for record in shard.scenes]
        read = {(record["book"], tuple(record["removed"])): record for record in scenes if record["removed"]}
        for entry in self.entry["books"]:
            book = self.shelf.open(entry["id"])
            where = f"{MANIFEST}, stage '{self.name}', book '{entry['id']}'"
            ranges = sorted((r[0], r[1]) for kind in KINDS for r in entry[kind])
            if fault := _not_the_book(book, ranges, where):
                yield fault
            if entry["training"]:
                held = [
                    [book.passages[i].start, book.passages[i].end]
                    for i in hold_out(book.passages, book.record.fingerprint)
                ]
                if held != [[s, e] for s, e, _ in entry["held_out"]]:
                    yield Fault(
                        "the held-out passages are not those the hash chooses.",
                        where,
                        f"{len(entry['held_out'])} passages",
                        f"{len(held)} passages by SHA-256",
                        MEND,
                    )
            for start, end, scene_id in entry["moved"]:
                record = read.get((entry["id"], (start, end)))
                place = f"{where}, characters {start} to {end} ({self.name}/scenes.jsonl, scene '{scene_id}')"
                if fault := moved_fault(book.text[start:end], record, place):
                    yield fault
        entries = {entry["id"]: entry for shard in self._shards() for entry in shard.entry["books"]}
        for number, record in enumerate(self.shard.scenes, 1):
            if "far" in record:
                place = f"{self._place('scenes.jsonl', number)}, scene '{record['id']}'"
                yield from bridge_faults(record, entries, self.shelf, place)

    def _shards(self) -> list[Shard]:
        """Where the scenes of the stage may stand: in its own files, or, in a shuffled life, in those of any."""
        shuffled = kind_of(self.corpus) == "shuffle"
        return [self.corpus.shard(i) for i in range(len(self.corpus.manifest["stages"]))] if shuffled else [self.shard]

    def _turns(self) -> Iterator[Fault]:
        """The turns of an interleaved stage are those that the rule makes of its sections, as far as it was read."""
        if self.entry["reading"] != "interleaved":
            return
        books, ranges = iter(enumerate(self.entry["books"])), {}
        sections = []
        for _, count in self.entry["sections"]:
            cut = [one for n, book in islice(books, count) for one in self._cut(n, book)]
            ranges.update(cut)
            sections.append([turn for turn, _ in cut])
        declared = self.entry["turns"]
        expected = joined(ranges[turn] for turn in interleaved(sections))[: max(1, len(declared))]
        if expected and declared and declared[-1][:2] == expected[-1][:2] and declared[-1][2] < expected[-1][2]:
            expected[-1][2] = declared[-1][2]  # where the span ended
        if declared != expected:
            at = next((i for i, (a, b) in enumerate(zip(declared, expected, strict=False)) if a != b), len(expected))
            yield Fault(
                "the sections are not read in the order of their turns.",
                f"{MANIFEST}, stage '{self.name}', turn {at}",
                self._told(declared, at),
                self._told(expected, at),
                MEND,
            )

    def _cut(self, number: int, entry: dict[str, Any]) -> Iterator[tuple[Turn, tuple[int, int, int]]]:
        """The turns of a book, each with its run of characters."""
        passages = [passage for _, passage in self.shelf.open(entry["id"]).training()]
        for turn in cut_turns(number, passages):
            yield turn, (number, passages[turn.first].start, passages[turn.last - 1].end)

    def _told(self, turns: list[list[int]], at: int) -> str:
        if at >= len(turns):
            return "nothing"
        book, start, end = turns[at]
        return f"book '{self.entry['books'][book]['id']}', characters {start} to {end}"

    def _held_out(self) -> Iterator[Fault]:
        declared = {(entry["id"], s, e): split for entry in self.entry["books"] for s, e, split in entry["held_out"]}
        found = set()
        for number, record in self._records("heldout.jsonl"):
            if isinstance(record, Fault):
                yield record
                continue
            book, start, end = record["book"], record["start"], record["end"]
            found.add((book, start, end))
            where = f"{self._place('heldout.jsonl', number)}, book '{book}', characters {start} to {end}"
            if declared.get((book, start, end)) != record["split"]:
                told = declared.get((book, start, end), "a declared one")
                yield Fault("a held-out passage is not in the manifest.", where, record["split"], told, MEND)
            elif (text := self.shelf.open(book).text[start:end]) != record["text"]:
                at = next(
                    (i for i, (a, b) in enumerate(zip(text, record["text"], strict=False)) if a != b),
                    min(len(text), len(record["text"])),
                )
                got, expected = (repr(one[max(0, at - 20) : at + 40]) for one in (record["text"], text))
                yield Fault("a held-out passage is not the book's text.", where, got, expected, MEND)
        fingerprints = {(self._fingerprint(book), start) for book, start, _ in found}
        for book, start, end in declared:
            if (self._fingerprint(book), start) not in fingerprints:
                where = f"{self._place('heldout.jsonl')}, book '{book}', characters {start} to {end}"
                yield Fault("a held-out passage is missing.", where, "nothing", "a line with its text", MEND)

    def _fingerprint(self, book: str) -> str:
        return self.shelf.records[self.shelf.index[book]].fingerprint

    def _items(self) -> Iterator[Fault]:
        """The answer of an item that a book gave stands there, word for word."""
        for number, item in self._records("items.jsonl"):
            if isinstance(item, Fault):
                yield item
                continue
            where = f"{self._place('items.jsonl', number)}, item '{item['id']}'"
            if (kind := OF_A_BOOK.get(item["probe"])) is None or item["book"] is None:
                continue
            offset, sentence = int(item["id"].rpartition("-")[2]), item["answer"][1:]
            text = self.shelf.open(item["book"]).text[offset : offset + len(sentence)]
            if text != sentence or item["id"] != f"{kind}-{item['book']}-{offset}":
                where += f", book '{item['book']}', characters {offset} to {offset + len(sentence)}"
                yield Fault("an item's answer is not the book's text.", where, repr(sentence), repr(text), MEND)

    def _records(self, name: str) -> Iterator[tuple[int, Any]]:
        """(line, record, or a fault where it is none) of a file of JSON lines."""
        with open(self.shard.folder / name, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    record = json.loads(line)
                    if not isinstance(record, dict):
                        raise ValueError("not an object")
                except ValueError as problem:
                    where = self._place(name, number)
                    yield number, Fault("a line cannot be read.", where, str(problem), "JSON as it was written", MEND)
                    continue
                yield number, record

    def _place(self, name: str, number: int | None = None) -> str:
        line = f", line {number}" if number else ""
        return f"{shown(self.shard.folder / name)}{line}: stage '{self.name}'"


def _not_the_book(book: OpenBook, ranges: list[tuple[int, int]], where: str) -> Fault | None:
    """The first place where sorted ranges leave a hole in a book, overlap, or run past its end."""
    reached = 0
    for start, end in [*ranges, (len(book.text), len(book.text))]:
        if start != reached or end < start:
            first, last = sorted((start, reached))
            return Fault(
                "the ranges of a book are not the book.",
                f"{where}, characters {first} to {last}: {book.text[first : min(last, first + 60)]!r}",
                "read twice" if start < reached else "in no range",
                f"each of {len(book.text)} characters once",
                MEND,
            )
        reached = end
    return None
