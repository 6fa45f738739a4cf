"""Induction: is the second copy of a random run of tokens foreseen, having read the first?

Olsson et al. 2022: heads that look for what came after the last such token. The tokens are drawn, so no knowledge of
language helps; the control puts another run before the very same copy."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ontogeny.core.hashes import seed_of
from ontogeny.probes.intervals import interval_of_mean, interval_of_share
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked, read_lines, result_row

PROBE, ON = "induction", "random tokens"
SEQUENCES, RUN_TOKENS = 48, 32
MIN_RUN_TOKENS = 4
MIN_VOCABULARY = 2 * RUN_TOKENS


@dataclass(frozen=True)
class InductionSet:
    """Pairs of rows (repeated, control) that end in the same tokens. The copy's first token is given, not scored."""

    rows: tuple[Row, ...]
    on: str = ON
    split: str | None = None
    probe: str = PROBE

    def results(self, nats: Mapping[int, Sequence[float]], seed: int) -> list[dict[str, Any]]:
        """The score in nats a token, control minus repeated; and the share of copies likelier than in the control."""
        gains = [(nats[i + 1][0] - nats[i][0]) / len(self.rows[i].ends[0]) for i in range(0, len(self.rows), 2)]
        rights = [0.5 if gain == 0 else float(gain > 0) for gain in gains]
        n = len(gains)
        mean, share = interval_of_mean(gains, seed), interval_of_share(rights, seed)
        return [
            result_row(self, "score", sum(gains) / n, "nats/token", 0.0, n, mean, True),
            result_row(self, "preferred", sum(rights) / n, "fraction", 0.5, n, share, True),
        ]


def make_induction_sets(asked: Asked) -> list[InductionSet]:
    """One set for all stages: ids that occur in their held-out text, drawn by the seed; special ones never do.

    Where a folder has no held-out text, or too little, any id that is not special is drawn. Empty for a context that
    holds no two runs of MIN_RUN_TOKENS. Raises: ModelError if a file cannot be read."""
    length = min(RUN_TOKENS, (asked.context_tokens - 1) // 2)
    if length < MIN_RUN_TOKENS:
        return []
    ids = _ids(asked)
    rng = random.Random(seed_of(asked.seed, ON, "induction"))
    rows = []
    for _ in range(SEQUENCES):
        run, other = rng.sample(ids, length), rng.sample(ids, length)
        for before in (run, other):
            rows.append(Row((asked.encoder.bos_id, *before, run[0]), (tuple(run[1:]),)))
    return [InductionSet(tuple(rows))]


def _ids(asked: Asked) -> list[int]:
    """The ids to draw from, in order."""
    tokenizer = asked.encoder.tokenizer
    special = {id_ for id_, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    special.add(asked.encoder.bos_id)
    seen: set[int] = set()
    for stage in asked.stages:
        texts = [one["text"] for one in read_lines(asked.folder / stage / "heldout.jsonl")]
        seen |= {int(token) for ids in asked.encoder.encode(texts, f"corpus/{stage}/heldout.jsonl") for token in ids}
    seen -= special
    return sorted(seen) if len(seen) >= MIN_VOCABULARY else sorted(set(tokenizer.get_vocab().values()) - special)
