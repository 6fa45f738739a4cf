"""What a phase reads that depends on the weights: written once, on entering it, before any step."""

from __future__ import annotations

from ontogeny.core.cursor import Cursor
from ontogeny.corpus.sealed import Sealed
from ontogeny.train.attempts import seal_attempts
from ontogeny.train.journal_scoring import seal_replay
from ontogeny.train.learner import Learner
from ontogeny.train.ledger import Ledger


def seal(learner: Learner, ledger: Ledger, cursor: Cursor) -> Sealed:
    """The sealed material of the cursor's stage, after what its phase needs was written. Every rank calls; rank 0
    writes, from exported models, and what is there already is used as it is.

    Raises: RunError where material that was lived on is gone."""
    if ledger.writer and cursor.phase_name in ("books", "roles"):  # both read them
        seal_attempts(ledger, learner.corpus, cursor, learner.device)
    if ledger.writer and cursor.phase_name == "replay":
        seal_replay(ledger, learner.corpus, cursor, learner.device)
    ledger.barrier()
    return Sealed(ledger.folder(cursor), learner.corpus, cursor.stage)
