"""What a probe is asked, the shape of what it gives back, and the lines of items it reads.

A probe that needs only the surprise of rows is a maker in battery.SETS:

    def make_sets(asked: Asked) -> list[ProbeSet]

One set for each `on` (a stage of asked.stages, or an item set) and split that has something to score; an empty list
where there is nothing, which the battery tells as an error. `items_of(asked, probe)` gives the lines of items.jsonl to
make them of, `row_of` the row of one context and its ends. A set of one's own needs:

    .probe, .on, .split         as in probes.json
    .rows                       tuple of Row: all that is to be scored; the battery batches it and shares it among ranks
    .results(nats, seed)        the set's rows of probes.json without `subject` and `forward_tokens` (the battery adds
                                both); nats[i][e] is the surprise of end e of row i, summed over its tokens, in nats

Results are a function of (rows, nats, seed) alone, so that they are the same on every rank. `result_row` lays one out.

A live probe needs more of the model than that (it generates, or looks inside). It is a function in battery.LIVE:

    def measure_it(model, asked: Asked) -> list[dict]

It runs once, on one rank, on the trunk, before any adapter is loaded; it leaves the model as it found it (evaluation
mode, weights, no .grad), draws from generators of its own (`seed_of(asked.seed, ...)`), and returns rows of probes.json
without `subject` but with `forward_tokens`. Rows must be JSON: plain numbers, lists, strings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ontogeny.core.errors import Fault, ModelError
from ontogeny.corpus.vocabulary import Encoder
from ontogeny.probes.scoring import Row

ITEMS = "items.jsonl"


@dataclass(frozen=True)
class Asked:
    """What is to be scored: `stages` of the folder's, in `splits`.

    `folder` holds <stage>/{items,heldout}.jsonl and items.jsonl; `stage` is the one just read (None: conception);
    `gate`: (probe, on) that a gate looks at: the splits after the first are scored there alone (None: everywhere)."""

    folder: Path
    stages: Sequence[str]
    stage: str | None
    splits: Sequence[str]
    gate: tuple[str, str] | None
    encoder: Encoder
    context_tokens: int
    seed: int

    def splits_of(self, probe: str, on: str) -> tuple[str, ...]:
        """The splits of one probe on one stage or item set."""
        return tuple(split for split in self.splits if split == self.splits[0] or self.gate in (None, (probe, on)))


class ProbeSet(Protocol):
    """The items of one probe on one stage or item set and split, as rows to be scored."""

    @property
    def probe(self) -> str: ...
    @property
    def on(self) -> str: ...
    @property
    def split(self) -> str | None: ...
    @property
    def rows(self) -> tuple[Row, ...]: ...

    def results(self, nats: Mapping[int, Sequence[float]], seed: int) -> list[dict[str, Any]]:
        """Rows of probes.json, without subject and forward_tokens."""
        ...


def items_of(asked: Asked, probe: str) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """(on, split, lines) of a probe: of each stage asked, then of each general set; contaminated items left out.

    Lines have the fields of corpus.items.shape.Item. A folder without general items has none.
    Raises: ModelError if a file cannot be read."""
    for stage in asked.stages:
        lines = read_lines(asked.folder / stage / ITEMS)
        yield from _split_up(asked, probe, stage, [line for line in lines if line["probe"] == probe])
    general = asked.folder / ITEMS
    lines = [line for line in read_lines(general) if line["probe"] == probe] if general.is_file() else []
    for on in dict.fromkeys(line["on"] for line in lines):
        yield from _split_up(asked, probe, on, [line for line in lines if line["on"] == on])


def _split_up(
    asked: Asked, probe: str, on: str, lines: Sequence[dict[str, Any]]
) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    for split in asked.splits_of(probe, on):
        mine = [line for line in lines if line["split"] == split and not line.get("contaminated")]
        if mine:
            yield on, split, mine


def row_of(asked: Asked, context: Sequence[int], ends: Sequence[Sequence[int]]) -> Row | None:
    """The row of one item: BOS and the context, then its ends, all encoded apart, as turns are when packs are made.

    A context too long loses its beginning, equally for all ends. Ids that all ends begin with are scored once. None: an
    end is empty, or the longest alone fills a row; such an item is left out, which n shows."""
    room = asked.context_tokens - 1 - max(map(len, ends))
    if room < (1 if len(context) else 0) or not all(map(len, ends)):
        return None
    kept = context[len(context) - room :] if len(context) > room else context
    stem = (asked.encoder.bos_id, *map(int, kept))
    return shared_row(stem, [tuple(map(int, end)) for end in ends])


def shared_row(stem: tuple[int, ...], ends: Sequence[tuple[int, ...]]) -> Row:
    """A row whose ends give what they all begin with to the stem, to be fed and scored once."""
    most = min(map(len, ends)) - 1 if len(ends) > 1 else 0
    common = next((k for k in range(most) if len({end[k] for end in ends}) > 1), most)
    return Row((*stem, *ends[0][:common]), tuple(end[common:] for end in ends), common)


def result_row(
    one: ProbeSet, form: str, value: float, unit: str, chance: float | None, n: int, ci95: Sequence[float], higher: bool
) -> dict[str, Any]:
    """One row of a set's results, its keys in the order of probes.json."""
    return {
        "probe": one.probe,
        "on": one.on,
        "split": one.split,
        "form": form,
        "value": value,
        "unit": unit,
        "chance": chance,
        "n": n,
        "ci95": list(ci95),
        "higher_is_better": higher,
    }


def read_lines(path: Path) -> list[dict[str, Any]]:
    """A JSONL file of the corpus. Raises: ModelError that names the file and the line."""
    lines: list[dict[str, Any]] = []
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                lines.append(json.loads(line))
        return lines
    except (OSError, ValueError) as error:
        where = f"corpus/{path.parent.name}/{path.name}:{len(lines) + 1}"
        raise ModelError(
            Fault(
                "a probe cannot read its items.",
                where,
                getattr(error, "strerror", None) or str(error),
                "a JSONL file written by prepare",
                "prepare the corpus again",
            )
        ) from error
