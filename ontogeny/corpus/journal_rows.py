"""The rows that a stage replays of the journals before it: made when its replay begins, and again by whoever proves it.

Shapes: R sealed rows, T tokens of a pack."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.core.errors import Fault
from ontogeny.core.positions import shown
from ontogeny.core.run import STAGE_FOLDER, RunDirectory
from ontogeny.corpus.journal import JOURNAL, Texts, ranked, read_journal
from ontogeny.corpus.layout import PASSAGE
from ontogeny.corpus.pack import Packer, Part
from ontogeny.corpus.phases import replay_list
from ontogeny.corpus.rewritten import Unit, entry_unit, played_unit
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.sealed import MEND, REPLAY, REPLAY_CODES, REPLAY_IDS, sealed_rows_of
from ontogeny.corpus.vocabulary import Encoder, make_encoder


@dataclass(frozen=True)
class ReplayRows:
    """Sealed rows of a replay phase, and what each holds: [{row, parts: [{kind, ...}]}]."""

    ids_RT: np.ndarray
    codes_RT: np.ndarray
    told: list[dict[str, Any]]

    def files(self) -> dict[str, bytes]:
        """The files of a stage folder that hold them, by name."""
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in self.told)
        return {
            REPLAY_IDS: self.ids_RT.tobytes(),
            REPLAY_CODES: self.codes_RT.tobytes(),
            REPLAY: f"[\n{lines}\n]\n".encode(),
        }


class _Rows:
    """Where a packer puts its packs: into memory."""

    def __init__(self) -> None:
        self.ids: list[np.ndarray] = []
        self.codes: list[np.ndarray] = []
        self.segments: list[tuple[int, ...]] = []

    @property
    def rows(self) -> int:
        return len(self.ids)

    def add(self, ids_T: np.ndarray, codes_T: np.ndarray) -> None:
        self.ids.append(ids_T.copy())
        self.codes.append(codes_T.copy())

    def note(self, segment: tuple[int, ...]) -> None:
        self.segments.append(segment)


def journal_before(run: RunDirectory, number: int) -> list[dict[str, Any]]:
    """The newest journal of the stages before the one of this number, which carries those before it on; its later pass,
    where it was read twice. Raises: RunError as `read_journal`."""
    folders = [path for path in run.stage_folders() if int(STAGE_FOLDER.fullmatch(path.name)[1]) < number]
    return next((read_journal(path) for path in reversed(folders) if (path / JOURNAL).is_file()), [])


def replay_rows(
    corpus: Corpus,
    stage_index: int,
    entries: Sequence[Mapping[str, Any]],
    selection: str,
    played: Sequence[Mapping[str, Any]] | None = None,
) -> ReplayRows:
    """The sealed rows of a stage's replay: journal entries in their paragraphs' context, weighed as plain text.

    `played`: where the journal is rewritten, the lines of played.jsonl. The scenes accepted come before the entries,
    and an entry comes as a journal scene where one can be made of it.

    Entries come best first, those of each stage in turn (the latest first), a paragraph once; then they begin again,
    until the planned rows are full. Without an entry the rows are earlier packs, by lot."""
    rows = sealed_rows_of(corpus.manifest["stages"][stage_index])
    if rows and not entries:
        return _earlier_packs(corpus, stage_index, rows)
    encoder = make_encoder(corpus.folder / "tokenizer")
    texts = Texts(corpus, encoder)
    scenes = (played_unit(texts, line) for line in played or () if line["accepted"])
    chosen = _once(texts, in_turn(entries, selection, corpus.manifest["seed"]))
    units = chain(filter(None, scenes), (entry_unit(texts, entry, played is not None) for entry in chosen))
    return filled_rows(units, rows, corpus.context_tokens, encoder)


def filled_rows(units: Iterable[Unit], rows: int, context_tokens: int, encoder: Encoder) -> ReplayRows:
    """So many rows of units, each whole, in their order; they begin again where they are too few."""
    found, used = _Rows(), []
    packer = Packer(found, context_tokens, encoder.bos_id)  # type: ignore[arg-type]
    for unit in islice(cycle(units), rows * context_tokens):
        if found.rows >= rows:
            break
        packer.add_unit([[Part(unit.ids, unit.codes, PASSAGE, len(used))]])
        used.append(unit)
    told: list[dict[str, Any]] = [{"row": row, "parts": []} for row in range(rows)]
    for row, first, tokens, _, number, *_ in found.segments:
        if row < rows:
            told[row]["parts"].append({**used[number].told, "first_token": first, "tokens": tokens})
    shape = (rows, context_tokens)
    ids_RT = np.array(found.ids[:rows], encoder.ids_dtype).reshape(shape)
    return ReplayRows(ids_RT, np.array(found.codes[:rows], np.uint8).reshape(shape), told)


def in_turn(entries: Sequence[Mapping[str, Any]], selection: str, seed: int) -> list[Mapping[str, Any]]:
    """Entries best first, a stage after the other, the latest first: nats of one stage are not those of another."""
    stages = list(dict.fromkeys(entry["stage"] for entry in entries))
    queues = [ranked([entry for entry in entries if entry["stage"] == stage], selection, seed) for stage in stages]
    return [entry for turn in zip_longest(*queues) for entry in turn if entry is not None]


def _once(texts: Texts, entries: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The entries without those whose paragraph another brings already."""
    met = set()
    for entry in entries:
        place = (entry["stage"], entry["book"], texts.paragraph(entry)[-1])
        if place not in met:
            met.add(place)
            yield entry


def _earlier_packs(corpus: Corpus, stage_index: int, rows: int) -> ReplayRows:
    entries = corpus.manifest["stages"][:stage_index]
    books = [entry["phases"]["books"] for entry in entries]
    there = [min(entry["packs"], of["rows"]) for entry, of in zip(entries, books, strict=True)]
    stage = corpus.manifest["stages"][stage_index]["name"]
    drawn = replay_list(corpus.manifest["seed"], stage, rows, there, "journal")
    drawn = [(at, (books[at].get("first", 0) + place) % entries[at]["packs"]) for at, place in drawn]
    chosen = list(islice(cycle(drawn), rows))
    ids = [corpus.shard(at).ids_RT[pack] for at, pack in chosen]
    codes = [corpus.shard(at).codes_RT[pack] for at, pack in chosen]
    told = [
        {"row": row, "parts": [{"kind": "pack", "stage": entries[at]["name"], "pack": pack}]}
        for row, (at, pack) in enumerate(chosen)
    ]
    return ReplayRows(np.stack(ids), np.stack(codes), told)


def replay_faults(
    corpus: Corpus,
    stage_index: int,
    entries: Sequence[Mapping[str, Any]],
    selection: str,
    folder: Path,
    played: Sequence[Mapping[str, Any]] | None = None,
) -> list[Fault]:
    """The first sealed row of a stage folder that is not what the journals before it and the books make."""
    if not sealed_rows_of(corpus.manifest["stages"][stage_index]):
        return []
    expected = replay_rows(corpus, stage_index, entries, selection, played)
    for name, wanted in expected.files().items():
        path = Path(folder) / name
        got = path.read_bytes() if path.is_file() else b""
        if got == wanted:
            continue
        size = len(wanted) // len(expected.told)
        row = next(
            (
                at
                for at in range(len(expected.told))
                if got[at * size : (at + 1) * size] != wanted[at * size : (at + 1) * size]
            ),
            0,
        )
        place = f", row {row}" if name != REPLAY else ""
        parts = ", ".join(_part(part) for part in expected.told[row]["parts"])
        what = "a sealed row is not what the journal makes of the books."
        return [Fault(what, shown(path) + place, "other tokens" if place else "other rows", parts, MEND)]
    return []


def _part(part: Mapping[str, Any]) -> str:
    if part["kind"] == "pack":
        return f"pack {part['pack']} of stage '{part['stage']}'"
    if part["kind"] == "played":
        return f"scene '{part['id']}'"
    what = "the scene about" if part["kind"] == "journal scene" else "around"
    return f"book '{part['book']}', {what} characters {part['start']} to {part['end']}"
