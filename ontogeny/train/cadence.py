"""Light probes inside stages: every so many tokens the model in training is scored on a handful of rows."""

from __future__ import annotations

import time
from typing import Any

from ontogeny.core.cursor import Cursor
from ontogeny.probes.light import LightSet, light_nats, make_light_set
from ontogeny.train.learner import Learner
from ontogeny.train.ledger import Ledger

TRUNK_PHASES = ("books", "replay")


class Cadence:
    """The light probes of one phase. Without `probes.every_tokens`, in the roles' phase and on a stage that nothing is
    held out of there are none, and `reach` does nothing.

    Tokens are counted as they are fed, from what the ledger had seen on entering, so that every rank, and a life that
    comes back, scores after the same steps."""

    def __init__(self, learner: Learner, ledger: Ledger, cursor: Cursor):
        self.learner, self.ledger = learner, ledger
        self.stage = learner.plan.stages[cursor.stage]
        self.tokens = ledger.tokens_seen
        wanted = self.stage.light_every_tokens is not None and cursor.phase_name in TRUNK_PHASES
        self.light = self._set() if wanted else None

    def _set(self) -> LightSet | None:
        from ontogeny.corpus.vocabulary import make_encoder
        from ontogeny.probes.ask import measured_of
        from ontogeny.probes.sets import Asked

        plan, corpus = self.learner.plan, self.learner.corpus
        folder, stages = measured_of(self.ledger.run, tuple(one.name for one in plan.stages))
        name = self.stage.name
        if name not in stages:
            return None
        encoder = make_encoder(corpus.folder / "tokenizer")
        asked = Asked(folder, (name,), name, ("test",), None, encoder, plan.context_tokens, plan.seed)
        return make_light_set(asked, name)

    def reach(self, cursor: Cursor, batch: Any) -> None:
        """Scores and writes where the step just done took the tokens seen over a multiple of `every_tokens`.

        `cursor`: after that step; `batch`: what it fed, on all ranks together."""
        if self.light is None:
            return
        every = self.stage.light_every_tokens
        before, self.tokens = self.tokens, self.tokens + int((batch.weights_BT > 0).sum())
        if before // every == self.tokens // every:
            return
        started = time.monotonic()
        with self.learner.reading() as logits_of:
            scores = self.light.scores(light_nats(self.light.rows, logits_of))
        self.ledger.light(cursor, self.tokens, scores, time.monotonic() - started)
