"""What a self-chosen stage reads next: the book that its trunk has learned most about since it entered the stage.

At a book's end the trunk reads the first pack of every unread book, without learning; the book whose surprise fell most
is next. It is sealed before its first batch is fed, so that a life that comes back reads what it had chosen."""

from __future__ import annotations

import math
from typing import Any

from ontogeny.core.cursor import Cursor
from ontogeny.core.errors import Fault, RunError, TrainError
from ontogeny.core.run import disk_faults, write_json
from ontogeny.corpus.lived import CHOICES, choose, order_of, read_choices
from ontogeny.corpus.phases import steps_of_books
from ontogeny.train.learner import Learner
from ontogeny.train.ledger import Ledger


class Choices:
    """The books of one phase in the order they are chosen, as far as it is sealed; `order` grows as books end.

    Of a phase whose order is declared there is none: `order` is None, and `reach` does nothing."""

    def __init__(self, learner: Learner, ledger: Ledger, cursor: Cursor):
        self.learner, self.ledger, self.cursor = learner, ledger, cursor
        self.runs = learner.corpus.book_packs(cursor.stage) if cursor.phase_name == "books" else {}
        self.path = ledger.folder(cursor) / CHOICES
        self.sealed: dict[str, Any] = self._agreed_file() if self.runs else {}
        self.order: list[str] | None = order_of(self.sealed) if self.runs else None

    def reach(self, step: int) -> None:
        """Makes sure that the book which a step feeds is chosen and sealed; a step past the books needs none.

        Raises: RunError where choices that were lived are gone."""
        if self.order is None or len(self.order) == len(self.runs):
            return
        chosen = steps_of_books((self.runs[book] for book in self.order), self._batch_packs())
        if step < chosen:
            return
        if step > chosen:
            got, expected = f"{len(self.order)} books chosen: {chosen} steps", f"choices up to step {step}"
            fix = "bring the file back from a copy"
            raise RunError(Fault("sealed choices are gone.", str(self.path), got, expected, fix))
        if not self.order:
            book, now = next(iter(self.runs)), {}
            self.sealed = {"entry_nats": self._surprise(list(self.runs)[1:]), "chosen": []}
        else:
            now = self._surprise([book for book in self.runs if book not in self.order])
            book = choose(self.sealed["entry_nats"], now, list(self.runs))
        self.sealed["chosen"].append({"book": book, "now_nats": now})
        self._seal(book, now)
        self.order.append(book)

    def _batch_packs(self) -> int:
        return self.learner.plan.stages[self.cursor.stage].batch_packs

    def _surprise(self, books: list[str]) -> dict[str, float]:
        """Surprise of the trunk now on each book's first pack; every rank reads some, and all hold the same numbers.

        Raises: TrainError for a surprise that is not finite."""
        if not books:
            return {}
        stage, corpus = self.cursor.stage, self.learner.corpus
        firsts = {self.runs[book][0]: book for book in books}
        batch = corpus.batch_of(stage, "books", self.cursor.step, list(firsts))
        read = dict(self.ledger.gather(self.learner.surprise(batch)))
        nats = {book: read[first] for first, book in firsts.items()}
        for book, value in nats.items():
            if not math.isfinite(value):
                where = f"stage '{self.learner.plan.stages[stage].name}', first pack of book '{book}'"
                fix = "lower the learning rate or clip_norm, then run again with --resume"
                raise TrainError(Fault("a surprise is not finite.", where, str(value), "a finite number of nats", fix))
        return nats

    def _seal(self, book: str, now: dict[str, float]) -> None:
        if self.ledger.writer:
            with disk_faults(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, self.sealed)
            gain = self.sealed["entry_nats"][book] - now[book] if now else None
            stage = self.learner.plan.stages[self.cursor.stage].name
            self.ledger.run.event("book_chosen", stage=stage, book=book, gain_nats=gain, unread=len(now))
        self.ledger.barrier()

    def _agreed_file(self) -> dict[str, Any]:
        """What is sealed, as rank 0 reads it.

        Raises: RunError where it is not what a trunk decided."""
        found = []
        if self.ledger.writer:
            none = {"entry_nats": {}, "chosen": []}, []
            found = [read_choices(self.path.parents[1], list(self.runs)) if self.path.exists() else none]
        ((choices, faults),) = self.ledger.gather(found)
        if faults:
            raise RunError(faults)
        return choices
