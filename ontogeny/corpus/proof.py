"""The proof that a corpus holds what its manifest declares: digests, roots, ranges, bytes; from its files alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from ontogeny.core.errors import Fault, OntogenyError
from ontogeny.core.hashes import chain_root, sha256_hex
from ontogeny.core.positions import shown
from ontogeny.corpus.consumed import declared_records, verify_consumed
from ontogeny.corpus.layout import NO_TARGET, PASSAGE, PHASES, code_of, merge_ranges, read_json_lines, row_digests
from ontogeny.corpus.manifest import root_name
from ontogeny.corpus.passages import hold_out
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.shelf import BookRecord, Shelf
from ontogeny.corpus.vocabulary import Encoder, make_encoder, tokenizer_fingerprint
from ontogeny.scenes.shape import Scene, Turn, led, render

__all__ = ["declared_records", "verify_consumed", "verify_corpus"]

CHUNK_ROWS = 512
GROUPS_A_BATCH = 256
FAULTS_A_STAGE = 8
MEND = "prepare the corpus again, or bring the file back from a copy"


def verify_corpus(folder: Path) -> list[Fault]:
    """Every fault of a prepared corpus, each with its stage, pack, book and passage; nothing if all holds."""
    try:
        corpus = Corpus(folder)
        shelf = Shelf(corpus.folder, [BookRecord(**book) for book in corpus.manifest["books"]])
        faults = [*_check_books(corpus, shelf)]
        encoder = make_encoder(corpus.folder / "tokenizer")
        got, declared = tokenizer_fingerprint(corpus.folder / "tokenizer"), corpus.manifest["tokenizer"]["fingerprint"]
        if got != declared:
            faults.append(
                Fault(
                    "the tokenizer is not the one the packs were made with.",
                    shown(corpus.folder / "tokenizer/tokenizer.json"),
                    got,
                    declared,
                    MEND,
                )
            )
    except OntogenyError as problem:
        return list(problem.faults)
    if faults:
        return faults  # what follows is judged by these books and this tokenizer
    for index in range(len(corpus.manifest["stages"])):
        try:
            found = [*_StageProof(corpus, shelf, encoder, index).faults()]
        except OntogenyError as problem:
            found = list(problem.faults)
        except (OSError, ValueError, KeyError, IndexError) as problem:
            found = [
                Fault(
                    "a stage's files cannot be read.",
                    shown(corpus.folder / corpus.shard(index).entry["name"]),
                    f"{type(problem).__name__}: {problem}",
                    "files as prepare writes them",
                    MEND,
                )
            ]
        faults += found[:FAULTS_A_STAGE]
        if len(found) > FAULTS_A_STAGE:
            faults.append(
                Fault(
                    f"{len(found) - FAULTS_A_STAGE} more faults in this stage.",
                    f"stage '{corpus.manifest['stages'][index]['name']}'",
                )
            )
    return faults


def _check_books(corpus: Corpus, shelf: Shelf) -> Iterator[Fault]:
    for record in shelf.records:
        where = shown(corpus.folder / "books" / f"{record.id}.txt")
        try:
            raw = (corpus.folder / "books" / f"{record.id}.txt").read_bytes()
        except OSError as problem:
            yield Fault(
                f"book '{record.id}' cannot be read.", where, problem.strerror or str(problem), "its text", MEND
            )
            continue
        if sha256_hex(raw) != record.fingerprint:
            yield Fault(f"book '{record.id}' is not what was packed.", where, sha256_hex(raw), record.fingerprint, MEND)


class _StageProof:
    """One stage's checks; `faults` is all of them."""

    def __init__(self, corpus: Corpus, shelf: Shelf, encoder: Encoder, index: int):
        self.corpus, self.shelf, self.encoder, self.index = corpus, shelf, encoder, index
        self.shard = corpus.shard(index)
        self.entry = self.shard.entry
        self.name = self.entry["name"]

    def faults(self) -> Iterator[Fault]:
        yield from self._law_of_the_book()
        yield from self._packs()
        yield from self._held_out()
        yield from self._phases()

    def _law_of_the_book(self) -> Iterator[Fault]:
        """Training, held out, moved and unread are the cleaned book, each character once."""
        read = {(record["book"], tuple(record["removed"])): record for record in self.shard.scenes if record["removed"]}
        for entry in self.entry["books"]:
            book = self.shelf.open(entry["id"])
            where = f"stage '{self.name}', book '{entry['id']}'"
            ranges = sorted((r[0], r[1]) for kind in ("training", "held_out", "moved", "unread") for r in entry[kind])
            joined = merge_ranges(ranges)
            if joined != [[0, len(book.text)]] or sum(e - s for s, e in ranges) != len(book.text):
                yield Fault(
                    "the ranges of a book are not the book.",
                    where,
                    f"{joined[:4]}",
                    f"[[0, {len(book.text)}]], each character once",
                    MEND,
                )
            if entry["training"]:
                held = {
                    (book.passages[i].start, book.passages[i].end)
                    for i in hold_out(book.passages, book.record.fingerprint)
                }
                if held != {(s, e) for s, e, _ in entry["held_out"]}:
                    yield Fault(
                        "the held-out passages are not those the hash chooses.",
                        where,
                        f"{len(entry['held_out'])} passages",
                        f"{len(held)} passages by SHA-256",
                        MEND,
                    )
            for start, end, scene_id in entry["moved"]:
                record = read.get((entry["id"], (start, end)))
                repair = next((turn[2] for turn in record["turns"] if turn[1] == "repair"), "") if record else ""
                if book.text[start:end] != led(repair):
                    yield Fault(
                        "a moved span is not the repair of its scene.",
                        f"{where}, characters {start} to {end}",
                        repr(repair[:60]),
                        repr(book.text[start:end][:60]),
                        f"see scene '{scene_id}'; {MEND}",
                    )

    def _packs(self) -> Iterator[Fault]:
        stored = [self.shard.digests[32 * i : 32 * i + 32] for i in range(len(self.shard.digests) // 32)]
        actual = [
            digest
            for first in range(0, self.entry["packs"], CHUNK_ROWS)
            for digest in row_digests(
                self.shard.ids_RT[first : first + CHUNK_ROWS],
                self.shard.codes_RT[first : first + CHUNK_ROWS],
                self.shard.trunk_weights,
            )
        ]
        root = self.entry["phases"]["books"]["root"]
        epochs = self.entry["span"][1] if self.entry["span"][0] == "epochs" else 1
        if len(stored) != len(actual):
            yield Fault(
                "a stage does not have a digest for each pack.",
                f"stage '{self.name}', digests.bin",
                f"{len(stored)} digests",
                f"{len(actual)}",
                MEND,
            )
            return
        wrong = self._wrong_packs("")
        changed = [i for i, (a, b) in enumerate(zip(actual, stored, strict=True)) if a != b]
        if changed and not wrong and chain_root(root_name(self.name, "books"), actual * epochs) == root:
            yield from (
                Fault(
                    "a stored digest was changed; its pack is whole.",
                    f"digests.bin, {self.corpus.describe(self.index, i)}",
                    stored[i].hex(),
                    actual[i].hex(),
                    MEND,
                )
                for i in changed
            )
            return
        suspects = sorted(set(changed) | wrong)
        yield from self._told(suspects, actual, stored, wrong)
        if not suspects and chain_root(root_name(self.name, "books"), stored * epochs) != root:
            yield Fault(
                "the order root is not that of the packs.",
                f"stage '{self.name}', phase books",
                chain_root(root_name(self.name, "books"), stored * epochs),
                root,
                MEND,
            )
        yield from (
            Fault(
                "a scene pack of the roles is not what was declared.",
                self.corpus.describe(self.index, pack, "role_"),
                "other tokens or codes",
                "the tokens of those passages and scenes",
                MEND,
            )
            for pack in sorted(self._wrong_packs("role_"))
        )
        yield from self._training_ranges()

    def _told(self, suspects: list[int], actual: list[bytes], stored: list[bytes], wrong: set[int]) -> Iterator[Fault]:
        """The packs that are not as declared: swapped ones in pairs, the others one by one."""
        ids, declared = self.shard.ids_RT, {pack: self._declared_ids(pack) for pack in suspects[:64]}
        left = list(suspects)
        for i in suspects:
            for j in suspects:
                if (
                    i < j
                    and i in left
                    and j in left
                    and (
                        (actual[i], actual[j]) == (stored[j], stored[i]) != (stored[i], stored[j])
                        or (
                            i in wrong
                            and i in declared
                            and j in declared
                            and np.array_equal(ids[i], declared[j])
                            and np.array_equal(ids[j], declared[i])
                        )
                    )
                ):
                    left = [pack for pack in left if pack not in (i, j)]
                    yield Fault(
                        f"packs {i} and {j} of stage '{self.name}' are swapped.",
                        f"{self.corpus.describe(self.index, i)} and {self.corpus.describe(self.index, j)}",
                        f"{j} before {i}",
                        f"{i} before {j}",
                        MEND,
                    )
        for pack in left:
            yield Fault(
                "a pack is not what was declared.",
                self.corpus.describe(self.index, pack),
                actual[pack].hex(),
                stored[pack].hex() if actual[pack] != stored[pack] else "the text of those ranges",
                MEND,
            )

    def _training_ranges(self) -> Iterator[Fault]:
        """What the packs hold, in their order, is what the manifest says was read, in its order."""
        segments = self.shard.segments()
        segments = segments[(segments["kind"] == PASSAGE) & (segments["skip"] == 0)]
        declared = [
            (self.shelf.index[entry["id"]], start, end)
            for entry in self.entry["books"]
            for start, end in entry["training"]
        ]
        found: list[tuple[int, int, int]] = []
        for source, start, end in segments[["source", "start", "end"]].tolist():
            if found and found[-1][0] == source and found[-1][2] == start:
                found[-1] = (source, found[-1][1], end)
            else:
                found.append((source, start, end))
        if found != declared:
            at = next(
                (i for i, (a, b) in enumerate(zip(found, declared, strict=False)) if a != b),
                min(len(found), len(declared)),
            )
            told = [
                f"book '{self.shelf.records[r[0]].id}', characters {r[1]} to {r[2]}" if r else "nothing"
                for r in ((ranges[at] if at < len(ranges) else None) for ranges in (found, declared))
            ]
            yield Fault(
                "the packs do not hold the declared ranges in the declared order.",
                f"stage '{self.name}'",
                told[0],
                told[1],
                MEND,
            )

    def _wrong_packs(self, prefix: str) -> set[int]:
        """Packs whose tokens do not decode to their ranges, or that are not filled as their segments say."""
        ids, codes = (getattr(self.shard, f"{prefix}{kind}_RT") for kind in ("ids", "codes"))
        segments = self.shard.segments(prefix)
        wrong = _badly_filled(ids, codes, segments, self.encoder.bos_id)
        groups = [
            list(group)
            for _, group in groupby(
                segments, key=lambda s: (int(s["kind"]), int(s["source"]), int(s["start"]), int(s["end"]))
            )
        ]
        for first in range(0, len(groups), GROUPS_A_BATCH):
            batch = groups[first : first + GROUPS_A_BATCH]
            coded = [np.concatenate([_tokens_of(ids, s) for s in group]) for group in batch]
            texts = self.encoder.tokenizer.decode_batch([c.tolist() for c in coded], skip_special_tokens=False)
            for group, text in zip(batch, texts, strict=True):
                want_codes = self._scene(int(group[0]["source"]))[1] if group[0]["kind"] != PASSAGE else None
                for s in group if text == self._text_of(group[0]) else ():
                    want = 0 if want_codes is None else want_codes[s["skip"] : s["skip"] + s["tokens"]]
                    if np.any(_tokens_of(codes, s) != want):
                        wrong.add(int(s["pack"]))
                if text != self._text_of(group[0]):
                    wrong.update(self._wrong_of(group, ids))
        return wrong

    def _wrong_of(self, group: list[np.void], ids: np.ndarray) -> Iterator[int]:
        """Which packs of a range that decodes wrongly hold the wrong tokens."""
        expected = self._ids_of(group[0])
        sure = [
            int(s["pack"])
            for s in group
            if not np.array_equal(_tokens_of(ids, s), expected[s["skip"] : s["skip"] + s["tokens"]])
        ]
        yield from sure or [int(s["pack"]) for s in group]

    def _text_of(self, segment: np.void) -> str:
        if segment["kind"] == PASSAGE:
            record = self.shelf.records[segment["source"]]
            return self.shelf.open(record.id).text[segment["start"] : segment["end"]]
        return self._scene(int(segment["source"]))[2]

    def _ids_of(self, segment: np.void) -> np.ndarray:
        if segment["kind"] == PASSAGE:
            return self.encoder.encode([self._text_of(segment)])[0]
        return self._scene(int(segment["source"]))[0]

    def _scene(self, index: int) -> tuple[np.ndarray, np.ndarray, str]:
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
        row = np.full(self.corpus.context_tokens, self.encoder.bos_id, dtype=np.int64)
        segments = self.shard.segments()
        for s in segments[segments["pack"] == pack]:
            row[s["first_token"] : s["first_token"] + s["tokens"]] = self._ids_of(s)[
                s["skip"] : s["skip"] + s["tokens"]
            ]
        return row

    def _held_out(self) -> Iterator[Fault]:
        declared = {(entry["id"], s, e, split) for entry in self.entry["books"] for s, e, split in entry["held_out"]}
        for record in read_json_lines(self.shard.folder / "heldout.jsonl"):
            where = f"stage '{self.name}', book '{record['book']}', characters {record['start']} to {record['end']}"
            if (record["book"], record["start"], record["end"], record["split"]) not in declared:
                yield Fault(
                    "a held-out passage is not in the manifest.", where, record["split"], "a declared one", MEND
                )
            elif self.shelf.open(record["book"]).text[record["start"] : record["end"]] != record["text"]:
                yield Fault(
                    "a held-out passage is not the book's text.",
                    where,
                    repr(record["text"][:60]),
                    "the text of that range",
                    MEND,
                )

    def _phases(self) -> Iterator[Fault]:
        for phase in PHASES[1:]:
            got = chain_root(root_name(self.name, phase), self.corpus.phase_digests(self.index, phase))
            if got != self.entry["phases"][phase]["root"]:
                yield Fault(
                    "the order root is not that of the rows.",
                    f"stage '{self.name}', phase {phase}",
                    got,
                    self.entry["phases"][phase]["root"],
                    MEND,
                )


def _tokens_of(rows: np.ndarray, segment: np.void) -> np.ndarray:
    """The part of its pack that a segment names."""
    return rows[segment["pack"], segment["first_token"] : segment["first_token"] + segment["tokens"]]


def _badly_filled(ids: np.ndarray, codes: np.ndarray, segments: np.ndarray, bos_id: int) -> set[int]:
    """Packs that do not begin with BOS, whose segments leave a hole or overlap, or whose padding is not padding."""
    wrong = set()
    filled = np.ones(len(ids), dtype=np.int64)
    for pack, first, tokens in segments[["pack", "first_token", "tokens"]].tolist():
        if pack >= len(ids) or filled[pack] != first:
            wrong.add(min(pack, len(ids) - 1))
        else:
            filled[pack] += tokens
    for pack in range(len(ids)):
        blank = np.r_[0, filled[pack] : ids.shape[1]]
        if np.any(ids[pack, blank] != bos_id) or np.any(codes[pack, blank] != NO_TARGET):
            wrong.add(pack)
    return wrong
