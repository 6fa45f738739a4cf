"""In-context learning: how much less a token surprises late in a row than early in one.

The in-context score of Olsson et al. 2022 is the loss at token 500 minus the loss at token 50; a single token is noisy,
so windows are scored, and of the very same tokens: each token of a late window stands at an early position of another
row, which begins later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ontogeny.probes.intervals import interval_of_mean
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked, read_lines, result_row

PROBE = "in_context"
WINDOWS_512 = ((40, 60), (450, 500))  # positions of the early and the late window where a context has 512 tokens
MAX_WINDOWS = 24
MIN_CONTEXT_TOKENS = 32  # in a shorter one the windows would hold a token or two


@dataclass(frozen=True)
class InContextSet:
    """Rows on one stage's held-out text: of each run of tokens the late row, then its early ones, which divide the run.
    `windows` are the positions scored, the early ones first."""

    on: str
    split: str | None
    rows: tuple[Row, ...]
    windows: tuple[tuple[int, int], tuple[int, int]]
    probe: str = PROBE

    def results(self, nats: Mapping[int, Sequence[float]], seed: int) -> list[dict[str, Any]]:
        """Nats a token: late minus early (below 0: context helps), and the two it is made of; n counts runs of tokens.

        Guessing gives no chance for a loss."""
        size = rows_a_run(self.windows)
        firsts = range(0, len(self.rows), size)
        tokens = self.windows[1][1] - self.windows[1][0]
        late = [nats[i][0] / tokens for i in firsts]
        early = [sum(nats[i + k][0] for k in range(1, size)) / tokens for i in firsts]
        both = [one - other for one, other in zip(late, early, strict=True)]
        return [
            result_row(
                self,
                form,
                sum(values) / len(values),
                "nats/token",
                chance,
                len(values),
                interval_of_mean(values, seed),
                False,
            )
            | {"windows": [list(window) for window in self.windows]}
            for form, values, chance in (("late_minus_early", both, 0.0), ("late", late, None), ("early", early, None))
        ]


def windows_of(context_tokens: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The early and the late window, [first, end) in positions of a row, in proportion to its length."""
    (a, b), (c, d) = ((round(x * context_tokens / 512) for x in window) for window in WINDOWS_512)
    return (a, b), (c, d)


def rows_a_run(windows: tuple[tuple[int, int], tuple[int, int]]) -> int:
    """One late row, and as many early ones as it takes to score the same tokens."""
    early, late = windows
    return 1 - -(late[1] - late[0]) // (early[1] - early[0])


def make_in_context_sets(asked: Asked) -> list[InContextSet]:
    """A set a stage and split: late windows that share no token, spread evenly over its sound held-out passages.

    Passages follow each other as in their book, book after book, so a context may run over a gap between passages. None
    for text too short for a row, or a context below MIN_CONTEXT_TOKENS. Raises: ModelError if a file cannot be read."""
    if asked.context_tokens < MIN_CONTEXT_TOKENS:
        return []
    found = []
    for stage in asked.stages:
        lines = [one for one in read_lines(asked.folder / stage / "heldout.jsonl") if not one["contaminated"]]
        books = {book: place for place, book in enumerate(dict.fromkeys(one["book"] for one in lines))}
        lines.sort(key=lambda one: (books[one["book"]], one["start"]))
        for split in asked.splits_of(PROBE, stage):
            texts = [one["text"] for one in lines if one["split"] == split]
            coded = asked.encoder.encode(texts, f"corpus/{stage}/heldout.jsonl")
            rows = _rows([int(token) for ids in coded for token in ids], asked)
            if rows:
                found.append(InContextSet(stage, split, tuple(rows), windows_of(asked.context_tokens)))
    return found


def _rows(ids: Sequence[int], asked: Asked) -> list[Row]:
    """The rows of each run. Position 0 of a row is BOS, so position p holds the p-th token behind it."""
    early, late = windows_of(asked.context_tokens)
    places = range(late[0] - 1, len(ids) - (late[1] - late[0]) + 1, late[1] - late[0])
    if len(places) > MAX_WINDOWS:
        places = [places[k * len(places) // MAX_WINDOWS] for k in range(MAX_WINDOWS)]
    rows = []
    for place in places:
        stop, step = place + late[1] - late[0], early[1] - early[0]
        cuts = [(late[0], place, stop), *((early[0], k, min(k + step, stop)) for k in range(place, stop, step))]
        for position, first, end in cuts:
            rows.append(Row((asked.encoder.bos_id, *ids[first - position + 1 : first]), (tuple(ids[first:end]),)))
    return rows
