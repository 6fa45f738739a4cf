"""The corpus as the walk reads it: any batch of any phase, at once, from anywhere.

Shapes: B rows of a global batch, T tokens of a pack."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ontogeny.corpus.layout import SCENE, role_weights, row_digest
from ontogeny.corpus.phases import dealt, rows_of_book_step
from ontogeny.corpus.shard import Shard, read_manifest

if TYPE_CHECKING:
    from ontogeny.corpus.sealed import Sealed

TRUNK, SEALED = -1, -2


@dataclass(frozen=True)
class Batch:
    """What one step feeds. `weights_BT[:, t]` weighs token t as a target, predicted from t-1; column 0 is 0."""

    step: int
    rows_B: np.ndarray
    ids_BT: np.ndarray
    weights_BT: np.ndarray
    group_B: np.ndarray
    codes_BT: np.ndarray  # what each token is, uint8: see corpus/layout.py


def slice_of_rank(batch: Batch, rank: int, ranks: int) -> Batch:
    """A rank's run of consecutive rows of the global batch, ceil(B / R) of them; the last ranks may have none."""
    share = -(-len(batch.rows_B) // ranks)
    mine = slice(rank * share, (rank + 1) * share)
    parts = (batch.rows_B, batch.ids_BT, batch.weights_BT, batch.group_B, batch.codes_BT)
    return Batch(batch.step, *(part[mine] for part in parts))


class Corpus:
    """A prepared corpus: its manifest, and the rows of each (stage, phase)."""

    def __init__(self, folder: Path, manifest: dict[str, Any] | None = None):
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder) if manifest is None else manifest
        self.context_tokens: int = self.manifest["context_tokens"]
        self.role_names: list[str] = self.manifest["roles"]
        self._shards: dict[int, Shard] = {}

    def phase_rows(self, stage_index: int, phase: str) -> int:
        """Rows of a phase list."""
        return self._phase(stage_index, phase)["rows"]

    def phase_steps(self, stage_index: int, phase: str) -> int:
        """Steps of a phase."""
        return self._phase(stage_index, phase)["steps"]

    def batches(
        self,
        stage: Any,
        phase: str,
        first_step: int = 0,
        order: Sequence[str] | None = None,
        sealed: Sealed | None = None,
    ) -> Iterator[Batch]:
        """The batches of a phase from `first_step` on, which costs no walking. `stage` is an index, or has one.

        `order`: for the books of a self-chosen stage, their ids as they were chosen; it may grow as they are read.
        Without it they come in the declared order. `sealed`: what the stage's weights decided; without it the packs
        are those declared, and the sealed rows of the replay phase cannot be had."""
        index = stage if isinstance(stage, int) else stage.index
        for step in range(first_step, self.phase_steps(index, phase)):
            yield self.batch(index, phase, step, order, sealed)

    def batch(
        self,
        stage_index: int,
        phase: str,
        step: int,
        order: Sequence[str] | None = None,
        sealed: Sealed | None = None,
    ) -> Batch:
        """One global batch; `order` and `sealed` as in `batches`."""
        return self.batch_of(stage_index, phase, step, self.rows_of_step(stage_index, phase, step, order), sealed)

    def batch_of(
        self, stage_index: int, phase: str, step: int, rows: Sequence[int], sealed: Sealed | None = None
    ) -> Batch:
        """Rows of a phase list as a batch."""
        ids_BT = np.empty((len(rows), self.context_tokens), dtype=np.int32)
        weights_BT = np.empty((len(rows), self.context_tokens), dtype=np.float32)
        codes_BT = np.empty((len(rows), self.context_tokens), dtype=np.uint8)
        group_B = np.empty(len(rows), dtype=np.int8)
        for at, row in enumerate(rows):
            ids_BT[at], codes_BT[at], weight_of_code, group_B[at] = self.coded(stage_index, phase, row, sealed)
            weights_BT[at] = weight_of_code[codes_BT[at]]
        return Batch(step, np.asarray(rows, dtype=np.int32), ids_BT, weights_BT, group_B, codes_BT)

    def book_packs(self, stage_index: int) -> dict[str, list[int]]:
        """The run of packs [first, packs] of each book of a self-chosen stage, in declared order; else nothing."""
        return self.manifest["stages"][stage_index]["book_packs"]

    def rows_of_step(self, stage_index: int, phase: str, step: int, order: Sequence[str] | None = None) -> range:
        """The rows of the phase list that a step feeds; `order` as in `batches`."""
        if phase == "roles":
            counts = self._phase(stage_index, phase)["rows_by_role"].values()
            steps = self.phase_steps(stage_index, phase)
            bounds = [sum(dealt(at, rows, steps)[0] for rows in counts) for at in (step, step + 1)]
            return range(*bounds)
        batch_packs = self.manifest["stages"][stage_index]["batch_packs"]
        book_packs = self.book_packs(stage_index)
        if phase == "books" and book_packs:
            return rows_of_book_step(step, book_packs if order is None else order, book_packs, batch_packs)
        first = step * batch_packs
        return range(first, min(first + batch_packs, self.phase_rows(stage_index, phase)))

    def row(
        self, stage_index: int, phase: str, row: int, sealed: Sealed | None = None
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """(ids_T, weights_T, group) of one row of a phase list; `sealed` as in `batches`."""
        ids_T, codes_T, weight_of_code, group = self.coded(stage_index, phase, row, sealed)
        return ids_T, weight_of_code[codes_T], group

    def coded(
        self, stage_index: int, phase: str, row: int, sealed: Sealed | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """(ids_T, codes_T, weight of each code, group) of one row of a phase list; `sealed` as in `batches`."""
        stage, pack, role = self.locate(stage_index, phase, row)
        shard = self.shard(stage)
        if role == SEALED:
            assert sealed is not None, f"row {row} of the replay of stage {stage_index} is sealed: its files are needed"
            ids_RT, codes_RT = sealed.replay_ids_RT, sealed.replay_codes_RT
            assert ids_RT is not None and codes_RT is not None, f"stage {stage_index} has no sealed rows"
            return ids_RT[pack].astype(np.int32), codes_RT[pack], shard.trunk_weights, TRUNK
        if role == TRUNK:
            ids_T, codes_T, weight_of_code = shard.ids_RT[pack], shard.codes_RT[pack], shard.trunk_weights
        else:
            ids_T, codes_T, weight_of_code = shard.role_ids_RT[pack], shard.role_codes_RT[pack], role_weights(role)
        ids_T = ids_T.astype(np.int32)
        for first, ids in sealed.over(phase, pack) if sealed is not None else ():
            ids_T[first : first + len(ids)] = ids
        return ids_T, codes_T, weight_of_code, role

    def locate(self, stage_index: int, phase: str, row: int) -> tuple[int, int, int]:
        """(stage, pack, role or TRUNK) behind a row of a phase list, or (stage, sealed row, SEALED)."""
        entry = self._phase(stage_index, phase)
        if not 0 <= row < entry["rows"]:
            raise IndexError(f"{phase} of stage {stage_index} has {entry['rows']} rows, not row {row}")
        if phase == "books":  # `first`: of an arm that repeats a stage, where it goes on in its packs
            packs = self.manifest["stages"][stage_index]["packs"]
            return stage_index, (entry.get("first", 0) + row) % packs, TRUNK
        if phase == "replay":
            declared = len(entry["list"])
            return (*entry["list"][row], TRUNK) if row < declared else (stage_index, row - declared, SEALED)
        return stage_index, *self._role_row(stage_index, row)

    def phase_digests(self, stage_index: int, phase: str, sealed: Sealed | None = None) -> Iterator[bytes]:
        """The digest of each row of a phase list, in declared order: as fed with what is `sealed`, or, without it, as
        declared, which sealed rows are not."""
        for row in range(self.phase_rows(stage_index, phase)):
            stage, pack, role = self.locate(stage_index, phase, row)
            if role == TRUNK and not (sealed is not None and sealed.over(phase, pack)):
                yield self.shard(stage).digests[pack].tobytes()
            elif role != SEALED or sealed is not None:
                ids, weights, _ = self.row(stage_index, phase, row, sealed)
                yield row_digest(ids, weights)

    def story_of(self, stage_index: int, phase: str, row: int) -> str:
        """A row of a phase list in words, for messages."""
        stage, pack, role = self.locate(stage_index, phase, row)
        if role == SEALED:
            return f"sealed row {pack} of stage '{self.shard(stage).entry['name']}' (told in its sealed/replay.json)"
        reader = "" if role == TRUNK else f", read as {self.role_names[role]}"
        return self.describe(stage, pack, "" if role == TRUNK else "role_") + reader

    def describe(self, stage_index: int, pack: int, prefix: str = "") -> str:
        """A pack in words: which passages of which books it holds, how they begin, which scenes, when it is read."""
        shard = self.shard(stage_index)
        segments = shard.segments(prefix)
        told: dict[str, list] = {}
        for segment in segments[segments["pack"] == pack]:
            if segment["kind"] == SCENE:
                told[f"scene '{shard.scenes[segment['source']]['id']}'"] = []
            else:
                book, start, end = self.manifest["books"][segment["source"]]["id"], segment["start"], segment["end"]
                span = told.setdefault(f"book '{book}'", [int(start), 0, self._first_words(book, start, end)])
                span[1] = int(end)
        parts = [f"{name}, characters {s[0]} to {s[1]}{s[2]}" if s else name for name, s in told.items()]
        when = "" if prefix else self._when(stage_index, pack)
        return f"pack {pack} of stage '{shard.entry['name']}' ({'; '.join(parts) or 'no text'}{when})"

    def _first_words(self, book: str, start: int, end: int) -> str:
        """How a range of a book begins, if the book can be read."""
        try:
            text = (self.folder / "books" / f"{book}.txt").read_bytes().decode("utf-8")[start:end]
        except (OSError, ValueError):
            return ""
        return f": '{' '.join(text[:100].split())[:40]}...'"

    def _when(self, stage_index: int, pack: int) -> str:
        """The step that feeds a pack first: of the phase, or of its book where books are chosen on the way."""
        batch_packs = self.manifest["stages"][stage_index]["batch_packs"]
        for book, (first, packs) in self.book_packs(stage_index).items():
            if first <= pack < first + packs:
                return f"; step {(pack - first) // batch_packs} of book '{book}'"
        return f"; step {pack // batch_packs}"

    def shard(self, stage_index: int) -> Shard:
        """A stage's files, mapped into memory."""
        if stage_index not in self._shards:
            self._shards[stage_index] = Shard(self.folder, self.manifest, stage_index)
        return self._shards[stage_index]

    def _phase(self, stage_index: int, phase: str) -> dict:
        return self.manifest["stages"][stage_index]["phases"][phase]

    def _role_row(self, stage_index: int, row: int) -> tuple[int, int]:
        """(pack of role_ids, role) of a row of the roles' list."""
        entry = self._phase(stage_index, "roles")
        steps = range(entry["steps"])
        step = bisect_right(steps, row, key=lambda at: self.rows_of_step(stage_index, "roles", at).start) - 1
        at = row - self.rows_of_step(stage_index, "roles", step).start
        for name, rows in entry["rows_by_role"].items():
            first, last = dealt(step, rows, entry["steps"])
            if at < last - first:
                role = self.role_names.index(name)
                packs = self.shard(stage_index).packs_of_role(role)
                return int(packs[(first + at) % len(packs)]), role
            at -= last - first
        raise AssertionError(f"row {row} of the roles of stage {stage_index} is in no role's run")
