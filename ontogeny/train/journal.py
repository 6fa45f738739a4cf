"""The journal while books are read: which transitions from sentence to sentence surprised the trunk most.

Nothing but what a step measured anyway is looked at; memory is bounded. Each rank keeps what it read, and every
checkpoint holds it, so that a life that comes back writes the same journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ontogeny.core.cursor import Cursor
from ontogeny.corpus.journal import UNIFORM, lots, selection_of
from ontogeny.corpus.transitions import TRANSITION, BookRuns, SentenceStarts, transitions

if TYPE_CHECKING:
    from ontogeny.train.learner import Learner, StepMetrics
    from ontogeny.train.ledger import Ledger

MAX_CANDIDATES = 4000
CANDIDATE = np.dtype([("rank", "<f8"), *TRANSITION.descr])  # `rank`: what decides who is kept
STATE = "journal.npz"


class Candidates:
    """Transitions of one pass of a stage: those kept, and how many were read."""

    def __init__(self) -> None:
        self.kept = np.empty(0, CANDIDATE)
        self.count = 0

    def add(self, found: np.ndarray, rank: np.ndarray) -> None:
        """Takes in some transitions, TRANSITION[S], each with what decides whether it is kept."""
        new = np.empty(len(found), CANDIDATE)
        new["rank"] = rank
        for name in TRANSITION.names:
            new[name] = found[name]
        self.kept = np.concatenate([self.kept, new])
        self.count += len(found)
        if len(self.kept) >= 2 * MAX_CANDIDATES:
            self.kept = self.best()

    def best(self) -> np.ndarray:
        """The MAX_CANDIDATES of the greatest rank, in that order; of equals, the earlier in the packs."""
        order = np.lexsort((self.kept["first"], self.kept["pack"], -self.kept["rank"]))
        return self.kept[order[:MAX_CANDIDATES]]

    @classmethod
    def of_ranks(cls, parts: list[Candidates]) -> Candidates:
        """What all ranks kept, together."""
        whole = cls()
        whole.kept = np.concatenate([part.kept for part in parts])
        whole.count = sum(part.count for part in parts)
        return whole


def write_candidates(path: Path, parts: list[Candidates]) -> None:
    """The candidates of each rank, as a checkpoint keeps them."""
    counts = np.array([(part.count, len(part.kept)) for part in parts])
    np.savez(path, counts=counts, kept=np.concatenate([part.kept for part in parts]))


def read_candidates(path: Path, rank: int) -> Candidates:
    """What a rank had kept; nothing where a checkpoint has no candidates."""
    mine = Candidates()
    if path.is_file():
        with np.load(path, allow_pickle=False) as state:
            counts, kept = state["counts"], state["kept"]
        first = int(counts[:rank, 1].sum())
        mine.count, mine.kept = int(counts[rank, 0]), kept[first : first + int(counts[rank, 1])]
    return mine


class Listener:
    """Hears what one phase reads. Of a phase that is not books, or a stage without a journal, `hear` does nothing."""

    def __init__(self, learner: Learner, ledger: Ledger, cursor: Cursor):
        self.ledger, self.corpus, self.stage = ledger, learner.corpus, learner.plan.stages[cursor.stage]
        self.listens = learner.keeps_nats = cursor.phase_name == "books" and self.stage.journal is not None
        if cursor.phase_name == "books" and cursor.step == 0:
            ledger.candidates = Candidates()
        if self.listens:
            shard = self.corpus.shard(self.stage.index)
            self.packs, self.runs = shard.entry["packs"], BookRuns(shard)
            self.starts = SentenceStarts(self.corpus.folder / "tokenizer")
            self.by_lot = selection_of(learner.plan.genome.arm) == UNIFORM

    def hear(self, batch: Any, metrics: StepMetrics) -> None:
        """Takes in what a step's books cost on this rank; a pack is heard when it is first read."""
        if not self.listens:
            return
        at = {int(row): place for place, row in enumerate(batch.rows_B)}
        read = [(row, nats_T) for row, nats_T in metrics.read if row < self.packs]
        if not read:
            return
        packs_B = np.array([self.corpus.locate(self.stage.index, "books", row)[1] for row, _ in read])
        ids_BT = batch.ids_BT[[at[row] for row, _ in read]]
        runs_BT = np.stack([self.runs.of_pack(int(pack)) for pack in packs_B])
        found = transitions(self.starts, packs_B, ids_BT, np.stack([nats_T for _, nats_T in read]), runs_BT)
        seed = self.corpus.manifest["seed"]
        rank = lots(seed, self.stage.name, found["pack"], found["first"]) if self.by_lot else found["nats"]
        self.ledger.candidates.add(found, rank)
