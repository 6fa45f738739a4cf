"""The proof of an arm that was packed anew: it holds the genome's units, in the order or with the change that it says.

What the genome read stands in the manifest; its scenes are in the arm's files, each with its place in the genome's.
From these the arm is arranged again, and compared with what its packs hold."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from ontogeny.core.arms import REPACKED, REPEATING
from ontogeny.core.errors import Fault
from ontogeny.corpus.arranged import (
    Unit,
    parted_bridges,
    shuffled_life,
    swapped_repairs,
    units_of,
    with_mixed_sentences,
)
from ontogeny.corpus.layout import PASSAGE
from ontogeny.corpus.repack import RangeSizes, sections_of, token_counter, unit_tokens
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.shelf import Shelf
from ontogeny.corpus.sums import MEND
from ontogeny.corpus.vocabulary import Encoder

MANIFEST = "manifest.json"


def kind_of(corpus: Corpus) -> str | None:
    """The kind of an arm that was made of other packs than its plan would make; None of any other corpus."""
    kind = (corpus.manifest.get("arm") or {}).get("kind")
    return kind if kind in REPACKED else None


class ArmProof:
    """The checks of a whole life; `faults` is all of them."""

    def __init__(self, corpus: Corpus, shelf: Shelf, encoder: Encoder):
        self.corpus, self.shelf, self.encoder = corpus, shelf, encoder
        self.arm, self.entries = corpus.manifest["arm"], corpus.manifest["stages"]
        self.shards = [corpus.shard(index) for index in range(len(self.entries))]

    def faults(self) -> Iterator[Fault]:
        """The first fault of what the arm did."""
        if self.arm["kind"] in REPEATING:
            yield from self._repeated()
            return
        scenes, lost = self._scenes()
        if lost is not None:
            yield lost
            return
        units = [units_of(index, entry, scenes[index], self.shelf) for index, entry in enumerate(self.entries)]
        if self.arm["kind"] == "shuffle":
            if lost := self._lost(units):
                yield lost
                return
            life = [unit for stage in units for unit in stage]
            order, expected, faults = self._boundaries(life, scenes)
            yield from faults
            units = [[life[n] for n in order[begin:end]] for begin, end in zip([0, *expected], expected, strict=False)]
        elif self.arm["kind"] == "sentence_shuffle":
            seed = self.corpus.manifest["seed"]
            units = [
                with_mixed_sentences(entry["name"], stage, sections_of(entry, self.shelf), self.shelf, seed)
                for entry, stage in zip(self.entries, units, strict=True)
            ]
        else:
            yield from self._swaps(scenes)
        for index, stage in enumerate(units):
            yield from self._held(index, stage)

    def _scenes(self) -> tuple[list[list[dict[str, Any]]], Fault | None]:
        """The scenes as the genome's stages had them, or what is wrong with them."""
        there = sorted((tuple(record["of"]), record) for shard in self.shards for record in shard.scenes)
        keys, counts = [key for key, _ in there], [sum(key[0] == index for key, _ in there) for index in self._indices]
        wanted = [(index, number) for index, count in enumerate(counts) for number in range(count)]
        if keys != wanted or sum(map(len, (shard.scenes for shard in self.shards))) != len(wanted):
            expected = "each scene of the genome once"
            return [], Fault("scenes are lost, or stand twice.", self._where(), f"{len(keys)} scenes", expected, MEND)
        return [[record for key, record in there if key[0] == index] for index in self._indices], None

    @property
    def _indices(self) -> range:
        return range(len(self.entries))

    def _lost(self, units: list[list[Unit]]) -> Fault | None:
        """The first range of the genome's that no pack of the life holds."""
        there = {one for index in self._indices for one in self._found(index)}
        ranges = (one for stage in units for unit in stage for step in unit for one in step.ranges)
        told = next((self._told(one) for one in ranges if one not in there), None)
        return Fault("text of the genome is lost.", self._where(), "in no pack", told, MEND) if told else None

    def _boundaries(
        self, life: list[Unit], scenes: list[list[dict[str, Any]]]
    ) -> tuple[list[int], list[int], list[Fault]]:
        """The order of a shuffled life, where its stages end, and what is wrong with what the manifest says of it."""
        sizes = [RangeSizes(self.corpus, index) for index in self._indices]
        tokens = [unit_tokens(unit, sizes, scenes) for unit in life]
        room = self.corpus.manifest["context_tokens"] - 1
        rooms = [room * packs for packs in self.arm["packs"]]
        order, expected = shuffled_life(tokens, self.arm["text_tokens"], rooms, self.corpus.manifest["seed"])
        if (got := list(accumulate(self.arm["units"]))) != expected or sum(tokens) != sum(self.arm["text_tokens"]):
            what = "a stage does not end where it should."
            return order, got, [Fault(what, self._where(), f"units {got}", f"{expected}", MEND)]
        return order, expected, []

    def _swaps(self, scenes: list[list[dict[str, Any]]]) -> Iterator[Fault]:
        swap, span = (
            (parted_bridges, "question") if self.arm["kind"] == "bridges_apart" else (swapped_repairs, "repair")
        )
        for index, stage in enumerate(scenes):
            expected = swap(stage, token_counter(self.encoder))
            for got, wanted in zip(stage, expected, strict=True):
                if got["turns"] != [list(turn) for turn in wanted["turns"]]:
                    where = f"{self.entries[index]['name']}/scenes.jsonl, scene '{got['id']}'"
                    told = [
                        repr(next((turn[2] for turn in reversed(one["turns"]) if turn[1] == span), ""))[:80]
                        for one in (got, wanted)
                    ]
                    yield Fault(f"a scene does not bear the {span} it was given.", where, *told, MEND)

    def _held(self, index: int, units: list[Unit]) -> Iterator[Fault]:
        """The packs of a stage hold its units, in order."""
        shard, found = self.shards[index], self._found(index)
        wanted = [
            one for unit in units for step in unit for one in (*step.ranges, *((step.scene,) if step.scene else ()))
        ]
        if found != wanted:
            at = next((i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), None)
            at = min(len(found), len(wanted)) if at is None else at
            got, expected = (self._told(part[at]) if at < len(part) else "nothing" for part in (found, wanted))
            what = f"the packs do not hold what the arm {self.arm['kind']} makes of the genome's."
            where = f"{MANIFEST}, {shard.entry['name']}/segments.npy: stage '{shard.entry['name']}', range {at}"
            yield Fault(what, where, got, expected, MEND)

    def _found(self, index: int) -> list[tuple[int, ...]]:
        """What begins in the packs of a stage, in order: ranges, and scenes by their places in the genome's."""
        segments = self.shards[index].segments()
        begun = segments[segments["skip"] == 0][["kind", "source", "start", "end"]].tolist()
        of = [tuple(record["of"]) for record in self.shards[index].scenes]
        return [(source, start, end) if kind == PASSAGE else of[source] for kind, source, start, end in begun]

    def _told(self, one: tuple[int, ...]) -> str:
        if len(one) == 2:
            return f"scene {one[1]} of the genome's stage '{self.entries[one[0]]['name']}'"
        source, start, end = one
        if not 0 <= source < len(self.shelf.records):
            return f"book {source} of the manifest, which is not there"
        book = self.shelf.records[source].id
        return (
            f"book '{book}', characters {start} to {end}: {self.shelf.open(book).text[start : min(end, start + 60)]!r}"
        )

    def _repeated(self) -> Iterator[Fault]:
        """Every stage holds the packs of the first, and goes on in them where the one before it ended."""
        first = 0
        for shard, entry in zip(self.shards, self.entries, strict=True):
            books = entry["phases"]["books"]
            if (shard.digests != self.shards[0].digests).any() or entry["books"] != self.entries[0]["books"]:
                where, one = f"{MANIFEST}, stage '{entry['name']}'", self.entries[0]["name"]
                yield Fault("a stage does not repeat the first.", where, "other packs", f"those of '{one}'", MEND)
            if books["first"] != first:
                where = f"{MANIFEST}, stage '{entry['name']}'"
                yield Fault("a stage does not go on where it should.", where, str(books["first"]), str(first), MEND)
            first = (first + books["rows"]) % entry["packs"]

    def _where(self) -> str:
        return f"{MANIFEST}, arm {self.arm['kind']}"
