"""The proof of a stage's packs: their digests and roots, and that they decode to the declared ranges in order.

Shapes: R packs, T tokens of a pack."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise

import numpy as np

from ontogeny.core.errors import Fault
from ontogeny.core.hashes import chain_root
from ontogeny.corpus.layout import NO_TARGET, PASSAGE, PHASES, code_of, root_name, row_digests
from ontogeny.corpus.proof_arms import kind_of
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.shelf import Shelf
from ontogeny.corpus.sums import MEND
from ontogeny.corpus.turns import clipped
from ontogeny.corpus.vocabulary import Encoder
from ontogeny.scenes.shape import Scene, Turn, render

CHUNK_ROWS = 512
GROUPS_A_BATCH = 256
TOLD_PACKS = 6
TEXT_CHARS = 128 << 20  # of the books kept open
SCENES_KEPT = 512


@dataclass(frozen=True)
class _Run:
    """Tokens of one source that one pack holds; the fields of a segment."""

    pack: int
    first: int
    tokens: int
    kind: int
    source: int
    start: int
    end: int
    skip: int

    def of(self, rows_RT: np.ndarray) -> np.ndarray:
        """The part of its pack that a run names."""
        return rows_RT[self.pack, self.first : self.first + self.tokens]


class PacksProof:
    """One stage's checks of its packs; `faults` is all of them. `changed`: the stage's files that are not as hashed."""

    def __init__(self, corpus: Corpus, shelf: Shelf, encoder: Encoder, index: int, changed: list[str]):
        self.corpus, self.shelf, self.encoder, self.index = corpus, shelf, encoder, index
        self.shard = corpus.shard(index)
        self.entry = self.shard.entry
        self.name = self.entry["name"]
        self.suspects = ", ".join(file for file in changed if not file.endswith(("heldout.jsonl", "items.jsonl")))
        self._texts: OrderedDict[int, str] = OrderedDict()
        self._scene = lru_cache(SCENES_KEPT)(self._read_scene)

    def faults(self) -> Iterator[Fault]:
        yield from self._packs()
        yield from self._role_packs()
        if kind_of(self.corpus) not in ("shuffle", "sentence_shuffle"):  # whose order is that of the arm, proven there
            yield from self._order()
            yield from self._book_packs()
            yield from self._bridges()
        yield from self._roots()

    def _where(self, what: str) -> str:
        """A place, after the files that changed, if any did; a number that is not the files' is the manifest's."""
        return f"{self.suspects or 'manifest.json'}: {what}"

    def _packs(self) -> Iterator[Fault]:
        stored = [digest.tobytes() for digest in self.shard.digests]
        actual = [
            digest
            for first in range(0, self.entry["packs"], CHUNK_ROWS)
            for digest in row_digests(
                self.shard.ids_RT[first : first + CHUNK_ROWS],
                self.shard.codes_RT[first : first + CHUNK_ROWS],
                self.shard.trunk_weights,
            )
        ]
        wrong = self._wrong_packs("")
        changed = {i for i, (a, b) in enumerate(zip(actual, stored, strict=True)) if a != b}
        declared, rows = self.entry["phases"]["books"]["root"], range(self.entry["phases"]["books"]["rows"])
        read = [self.corpus.locate(self.index, "books", row)[1] for row in rows]
        root_of = partial(chain_root, root_name(self.name, "books"))
        if changed and not wrong and root_of(actual[pack] for pack in read) == declared:
            for i in sorted(changed)[:TOLD_PACKS]:
                where = self._where(f"digests.bin, {self.corpus.describe(self.index, i)}")
                told = "a stored digest was changed; its pack is whole."
                yield Fault(told, where, stored[i].hex(), actual[i].hex(), MEND)
            return
        suspects = sorted(changed | wrong)
        yield from self._told(suspects[:TOLD_PACKS], actual, stored)
        if len(suspects) > TOLD_PACKS:
            told = f"{len(suspects) - TOLD_PACKS} more packs are not what was declared."
            yield Fault(told, self._where(f"stage '{self.name}'"), "", "", MEND)
        root = root_of(stored[pack] for pack in read)
        if not suspects and root != declared:
            where = self._where(f"stage '{self.name}', phase books")
            yield Fault("the order root is not that of the packs.", where, root, declared, MEND)

    def _told(self, suspects: list[int], actual: list[bytes], stored: list[bytes]) -> Iterator[Fault]:
        """The packs that are not as declared: swapped ones in pairs, the others one by one."""
        declared = {pack: self._declared_ids(pack) for pack in suspects}
        left = list(suspects)
        while left:
            i = left.pop(0)
            j = next((j for j in left if self._swapped(i, j, declared, actual, stored)), None)
            if j is not None:
                left.remove(j)
                packs = f"{self.corpus.describe(self.index, i)} and {self.corpus.describe(self.index, j)}"
                told = f"packs {i} and {j} of stage '{self.name}' are swapped."
                yield Fault(told, self._where(packs), f"{j} before {i}", f"{i} before {j}", MEND)
                continue
            got, expected = self._difference(i, declared[i])
            where = self._where(self.corpus.describe(self.index, i))
            yield Fault("a pack is not what was declared.", where, got, expected, MEND)

    def _swapped(
        self, i: int, j: int, declared: dict[int, np.ndarray], actual: list[bytes], stored: list[bytes]
    ) -> bool:
        if (actual[i], actual[j]) == (stored[j], stored[i]) != (stored[i], stored[j]):
            return True
        ids = self.shard.ids_RT
        crossed = np.array_equal(ids[i], declared[j]) and np.array_equal(ids[j], declared[i])
        return crossed and not np.array_equal(ids[i], ids[j])

    def _difference(self, pack: int, declared_T: np.ndarray) -> tuple[str, str]:
        """(what stands, what should stand) at the first token of a pack that is not as declared."""
        ids_T, decode = self.shard.ids_RT[pack].astype(np.int64), self.encoder.tokenizer.decode
        wrong = np.flatnonzero(ids_T != declared_T)
        if not len(wrong):
            return "other codes: weights, or speakers, that are not those of its text", "those of its text"
        at = int(wrong[0])
        told = [
            repr(decode([int(i) for i in row[at : at + 8] if i < self.encoder.vocab_size], skip_special_tokens=False))
            for row in (ids_T, declared_T)
        ]
        return f"from token {at} on {told[0]}", told[1]

    def _role_packs(self) -> Iterator[Fault]:
        for pack in sorted(self._wrong_packs("role_"))[:TOLD_PACKS]:
            yield Fault(
                "a scene pack of the roles is not what was declared.",
                self._where(self.corpus.describe(self.index, pack, "role_")),
                "other tokens or codes",
                "the tokens of those passages and scenes",
                MEND,
            )

    def _order(self) -> Iterator[Fault]:
        """What the packs hold, in their order, is what the manifest says was read, in its order."""
        segments = self.shard.segments()
        begun = segments[(segments["kind"] == PASSAGE) & (segments["skip"] == 0)]
        found: list[list[int]] = []
        for source, start, end in begun[["source", "start", "end"]].tolist():
            if found and found[-1][0] == source and found[-1][2] == start:
                found[-1][2] = end
            else:
                found.append([source, start, end])
        ranges = [[(s, e) for s, e in entry["training"]] for entry in self.entry["books"]]
        turns = self.entry["turns"] or [(n, 0, part[-1][1]) for n, part in enumerate(ranges) if part]
        source_of = [self.shelf.index[entry["id"]] for entry in self.entry["books"]]
        declared = [[source_of[book], start, end] for book, start, end in clipped(turns, ranges)]
        if found != declared:
            at = next(
                (i for i, (a, b) in enumerate(zip(found, declared, strict=False)) if a != b),
                min(len(found), len(declared)),
            )
            told = [self._range(part[at]) if at < len(part) else "nothing" for part in (found, declared)]
            what = "the packs do not hold the declared ranges in the declared order."
            yield Fault(what, self._where(f"stage '{self.name}', range {at}"), told[0], told[1], MEND)

    def _range(self, told: list[int]) -> str:
        source, start, end = told
        if not 0 <= source < len(self.shelf.records):
            return f"book {source} of the manifest, which is not there"
        text = self._text(source)[start : min(end, start + 60)]
        return f"book '{self.shelf.records[source].id}', characters {start} to {end}: {text!r}"

    def _book_packs(self) -> Iterator[Fault]:
        """Each book of a self-chosen stage fills the packs that the manifest gives it, and no other book does."""
        if self.entry["reading"] != "self_chosen":
            return
        segments = self.shard.segments()
        packs, sources = segments["pack"].astype(np.int64), segments["source"].astype(np.int64)
        scenes = segments["kind"] != PASSAGE
        of_scene = np.array([self.shelf.index[scene["book"]] for scene in self.shard.scenes], dtype=np.int64)
        sources[scenes] = of_scene[sources[scenes]]
        reached = 0
        for book, (first, count) in self.entry["book_packs"].items():
            mine = packs[sources == self.shelf.index[book]]
            got = [int(mine.min()), int(mine.max()) + 1] if len(mine) else []
            if got != [first, first + count] or first != reached:
                where = f"manifest.json, stage '{self.name}', book '{book}'"
                yield Fault("a book does not fill its packs.", where, f"packs {got}", f"{[first, first + count]}", MEND)
            reached = first + count

    def _bridges(self) -> Iterator[Fault]:
        """No pack holds both ends of a bridge, its scene or its paragraph and the sentence of the other book."""
        scenes = self.shard.scenes
        if not any("far" in scene for scene in scenes):
            return
        segments = self.shard.segments()
        packs, starts, ends, owners = (segments[name].astype(np.int64) for name in ("pack", "start", "end", "source"))
        owners = np.where(segments["kind"] == PASSAGE, owners, -1 - owners)
        order = np.argsort(owners, kind="stable")
        moved: dict[str, list[int]] = {}
        for number, scene in enumerate(scenes):
            moved.setdefault(scene["book"], []).extend([number] if scene["removed"] else [])

        grouped = owners[order]

        def of(owner: int) -> np.ndarray:
            return order[slice(*np.searchsorted(grouped, [owner, owner + 1]))]

        for number, scene in enumerate(scenes):
            if "far" not in scene:
                continue
            book, first, last = self.shelf.index[scene["far"]["book"]], scene["far"]["start"], scene["far"]["end"]
            text = of(book)
            there = set(packs[text][(starts[text] < last) & (ends[text] > first)].tolist())
            for other in moved.get(scene["far"]["book"], ()):
                if scenes[other]["removed"][0] < last and scenes[other]["removed"][1] > first:
                    there |= set(packs[of(-1 - other)].tolist())
            if both := there & {scene["pack"], *packs[of(-1 - number)].tolist()}:
                where = self._where(f"stage '{self.name}', scene '{scene['id']}', {self._range([book, first, last])}")
                expected = "the two in different packs"
                yield Fault("both ends of a bridge stand in one pack.", where, f"pack {min(both)}", expected, MEND)

    def _roots(self) -> Iterator[Fault]:
        for phase in PHASES[1:]:
            got = chain_root(root_name(self.name, phase), self.corpus.phase_digests(self.index, phase))
            if got != (declared := self.entry["phases"][phase]["root"]):
                where = self._where(f"stage '{self.name}', phase {phase}")
                yield Fault("the order root is not that of the rows.", where, got, declared, MEND)

    def _wrong_packs(self, prefix: str) -> set[int]:
        """Packs whose tokens do not decode to their ranges, or that are not filled as their segments say."""
        ids, codes = (getattr(self.shard, f"{prefix}{kind}_RT") for kind in ("ids", "codes"))
        segments = self.shard.segments(prefix)
        wrong = _badly_filled(ids, codes, segments, self.encoder.bos_id)
        if not len(segments):
            return wrong
        keys = np.stack([segments[name].astype(np.int64) for name in ("kind", "source", "start", "end")])
        starts = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0) | (segments["skip"][1:] == 0)])
        edges = np.r_[starts, len(segments)]
        for first in range(0, len(starts), GROUPS_A_BATCH):
            bounds = edges[first : first + GROUPS_A_BATCH + 1].tolist()
            runs = [_Run(*segment) for segment in segments[bounds[0] : bounds[-1]].tolist()]
            groups = [runs[a - bounds[0] : b - bounds[0]] for a, b in pairwise(bounds)]
            groups = [[run for run in group if run.pack < len(ids)] for group in groups]
            self._check_groups([group for group in groups if group], ids, codes, wrong)
        return wrong

    def _check_groups(self, groups: list[list[_Run]], ids: np.ndarray, codes: np.ndarray, wrong: set[int]) -> None:
        """Adds to `wrong` the packs in which a range, decoded, is not its text, or a code not its turn's."""
        coded = [np.concatenate([run.of(ids) for run in group]).tolist() for group in groups]
        texts = self.encoder.tokenizer.decode_batch(coded, skip_special_tokens=False)
        for group, text in zip(groups, texts, strict=True):
            if text != self._text_of(group[0]):
                wrong.update(self._wrong_of(group, ids))
                continue
            want = self._scene(group[0].source)[1] if group[0].kind != PASSAGE else None
            for run in group:
                if np.any(run.of(codes) != (0 if want is None else want[run.skip : run.skip + run.tokens])):
                    wrong.add(run.pack)

    def _wrong_of(self, group: list[_Run], ids: np.ndarray) -> list[int]:
        """Which packs of a range that decodes wrongly hold the wrong tokens."""
        expected = self._ids_of(group[0])
        sure = [r.pack for r in group if not np.array_equal(r.of(ids), expected[r.skip : r.skip + r.tokens])]
        return sure or [run.pack for run in group]

    def _text(self, source: int) -> str:
        """A book of the manifest, kept open with those read beside it."""
        if source not in self._texts:
            self._texts[source] = self.shelf.text(self.shelf.records[source].id)
            while len(self._texts) > 1 and sum(map(len, self._texts.values())) > TEXT_CHARS:
                self._texts.popitem(last=False)
        self._texts.move_to_end(source)
        return self._texts[source]

    def _text_of(self, run: _Run) -> str:
        return self._text(run.source)[run.start : run.end] if run.kind == PASSAGE else self._scene(run.source)[2]

    def _ids_of(self, run: _Run) -> np.ndarray:
        return self.encoder.encode([self._text_of(run)])[0] if run.kind == PASSAGE else self._scene(run.source)[0]

    def _read_scene(self, index: int) -> tuple[np.ndarray, np.ndarray, str]:
        """(ids, codes, text) of a scene as its turns say."""
        record = self.shard.scenes[index]
        turns = tuple(Turn(*turn) for turn in record["turns"])
        pieces = render(Scene(record["id"], record["kind"], "", "", {}, turns, "", "", (), record["language"]))
        coded = self.encoder.encode([piece.text for piece in pieces])
        codes = [
            np.full(len(ids), code_of(piece.span, piece.speaker, self.corpus.role_names), dtype=np.uint8)
            for piece, ids in zip(pieces, coded, strict=True)
        ]
        return np.concatenate(coded), np.concatenate(codes), "".join(piece.text for piece in pieces)

    def _declared_ids(self, pack: int) -> np.ndarray:
        """The row that a pack's segments declare."""
        row_T = np.full(self.corpus.context_tokens, self.encoder.bos_id, dtype=np.int64)
        segments = self.shard.segments()
        for run in (_Run(*segment) for segment in segments[segments["pack"] == pack].tolist()):
            expected = self._ids_of(run)[run.skip : run.skip + run.tokens]
            row_T[run.first : run.first + len(expected)] = expected
        return row_T


def _badly_filled(ids: np.ndarray, codes: np.ndarray, segments: np.ndarray, bos_id: int) -> set[int]:
    """Packs that do not begin with BOS, whose segments leave a hole or overlap, or whose padding is not padding."""
    packs, firsts, tokens = (segments[name].astype(np.int64) for name in ("pack", "first_token", "tokens"))
    count, context = ids.shape
    if count == 0:
        return set()
    ends = firsts + tokens
    begins = np.r_[True, packs[1:] != packs[:-1]] if len(packs) else np.zeros(0, dtype=bool)
    wanted = np.where(begins, 1, np.r_[0, ends[:-1]])
    wrong = set(np.minimum(packs[(firsts != wanted) | (ends > context) | (packs >= count)], count - 1).tolist())
    if np.any(np.diff(packs) < 0):
        wrong.add(int(min(packs[1:][np.diff(packs) < 0].min(), count - 1)))
    filled = np.ones(count, dtype=np.int64)
    known = packs < count
    np.maximum.at(filled, packs[known], np.minimum(ends[known], context))
    for first in range(0, count, CHUNK_ROWS):
        rows = slice(first, first + CHUNK_ROWS)
        blank = np.arange(context) >= filled[rows, None]
        blank[:, 0] = True
        bad = blank & ((ids[rows] != bos_id) | (codes[rows] != NO_TARGET))
        wrong |= set((first + np.flatnonzero(bad.any(axis=1))).tolist())
    return wrong
