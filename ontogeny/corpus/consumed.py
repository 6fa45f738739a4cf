"""What a stage was really fed, against what was declared: consumed.bin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.core.errors import Fault
from ontogeny.core.positions import shown
from ontogeny.corpus.layout import PHASES
from ontogeny.corpus.lived import CHOICES, MEND, order_of, read_choices
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.sealed import Sealed

CONSUMED = "consumed.bin"
RECORD = np.dtype([("pass", "<u4"), ("phase", "<u4"), ("step", "<u4"), ("row", "<u4"), ("digest", "V32")])
PHASE_CODES = {phase: code for code, phase in enumerate(PHASES)}


def declared_records(
    corpus: Corpus,
    stage_index: int,
    pass_: int,
    order: Sequence[str] | None = None,
    sealed: Sealed | None = None,
) -> np.ndarray:
    """The records that a whole pass of a stage must leave, in order: books, replay, roles.

    `order`: the books of a self-chosen stage as they were chosen; without it, as they are declared. `sealed`: what the
    stage's weights decided; a stage with sealed rows needs it."""
    records = []
    for phase in PHASES:
        fed = [
            corpus.rows_of_step(stage_index, phase, step, order)
            for step in range(corpus.phase_steps(stage_index, phase))
        ]
        part = np.zeros(sum(map(len, fed)), dtype=RECORD)
        part["pass"], part["phase"] = pass_, PHASE_CODES[phase]
        if fed:
            part["row"] = np.concatenate([np.arange(rows.start, rows.stop) for rows in fed])
            part["step"] = np.repeat(np.arange(len(fed)), [len(rows) for rows in fed])
        digests = np.frombuffer(b"".join(corpus.phase_digests(stage_index, phase, sealed)), dtype="V32")
        part["digest"] = digests[part["row"]]
        records.append(part)
    return np.concatenate(records)


def verify_consumed(corpus: Corpus, stage_plan: Any, folder: Path, pass_: int) -> list[Fault]:
    """The first place where a stage folder's consumed.bin differs from the declared order, or from what the stage
    sealed; or nothing. Raises: RunError for sealed files that are not as they were sealed."""
    index = stage_plan if isinstance(stage_plan, int) else stage_plan.index
    order = None
    if runs := corpus.book_packs(index):
        choices, faults = read_choices(Path(folder), list(runs))
        if faults:
            return faults
        order = order_of(choices)
        if len(order) < len(runs):
            told = f"{len(order)} of {len(runs)} books"
            return [Fault("a stage chose fewer books than it read.", shown(Path(folder) / CHOICES), told, "all", MEND)]
    path = Path(folder) / CONSUMED
    if not path.is_file():
        return [
            Fault(
                "a stage has no record of what it was fed.",
                shown(path),
                "no file",
                CONSUMED,
                "run the stage, or bring its file",
            )
        ]
    raw = path.read_bytes()
    found = np.frombuffer(raw[: len(raw) - len(raw) % RECORD.itemsize], dtype=RECORD)
    declared = declared_records(corpus, index, pass_, order, Sealed(folder, corpus, index))
    common = min(len(found), len(declared))
    wrong = np.flatnonzero(found[:common].view("V48") != declared[:common].view("V48"))
    if len(wrong):
        return [_wrong(corpus, index, path, int(wrong[0]), found, declared)]
    if len(found) < len(declared):
        return [
            Fault(
                "a stage was fed less than was declared.",
                f"{shown(path)}, record {common}",
                f"{len(found)} records",
                f"{len(declared)} records; the first that is missing: " + _told(corpus, index, declared[common]),
                "resume the life until the stage has ended",
            )
        ]
    if len(found) > len(declared) or len(raw) % RECORD.itemsize:
        surplus = len(raw) - len(declared) * RECORD.itemsize
        return [
            Fault(
                "a stage was fed more than was declared.",
                f"{shown(path)}, record {common}",
                f"{surplus} bytes after the last declared record",
                f"{len(declared)} records of 48 bytes",
                "the run directory was changed from outside; bring it back from a copy",
            )
        ]
    return []


def _wrong(corpus: Corpus, index: int, path: Path, at: int, found: np.ndarray, declared: np.ndarray) -> Fault:
    got, expected = found[at], declared[at]
    header = [name for name in ("pass", "phase", "step", "row") if got[name] != expected[name]]
    elsewhere = np.flatnonzero((declared["digest"] == got["digest"]) & (declared["phase"] == got["phase"]))
    if header:
        told = ", ".join(f"{name} {int(got[name])}" for name in header)
    elif len(elsewhere):
        told = f"the ids and weights of row {int(declared[elsewhere[0]]['row'])}: an order that was not declared"
    else:
        told = f"ids and weights with digest {got['digest'].tobytes().hex()[:16]}..., which no declared row has"
    told += _kind(at, found.view("V48"), declared.view("V48"))
    return Fault(
        "a stage was not fed what was declared.",
        f"{shown(path)}, record {at}: {_told(corpus, index, expected)}",
        told,
        ", ".join(f"{name} {int(expected[name])}" for name in header)
        or f"digest {expected['digest'].tobytes().hex()[:16]}...",
        "the record or the corpus was changed; verify the corpus, or bring the file back from a copy",
    )


def _kind(at: int, found: np.ndarray, declared: np.ndarray) -> str:
    """What happened to the records, where it is plain from those beside them."""
    if at and found[at] == declared[at - 1]:
        return "; the record before it, once more"
    if at + 1 < len(declared) and found[at] == declared[at + 1]:
        return "; the record that belongs here was dropped" if len(found) < len(declared) else "; not in its turn"
    there = np.flatnonzero(found == declared[at])
    if len(there):
        return f"; the record that belongs here is record {int(there[0])}"
    return ""


def _told(corpus: Corpus, index: int, record: np.void) -> str:
    """A declared record in words: stage, phase, step, row, and what the row holds."""
    phase = PHASES[int(record["phase"])]
    name = corpus.manifest["stages"][index]["name"]
    return f"stage '{name}', {phase}, step {int(record['step'])}, row {int(record['row'])}: " + corpus.story_of(
        index, phase, int(record["row"])
    )
