"""The manifest: what a corpus holds, in numbers and roots. Written last."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.core.hashes import chain_root
from ontogeny.core.run import write_atomic
from ontogeny.corpus.heldout import HeldOut
from ontogeny.corpus.items.shape import Item
from ontogeny.corpus.layout import PHASES, VERSION, role_weights, root_name, trunk_weights
from ontogeny.corpus.passages import SPLITS
from ontogeny.corpus.phases import epochs_of, replay_list, role_steps, sealed_rows, steps_of, steps_of_books
from ontogeny.corpus.reading import StageReading, loop_loss_of
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.shelf import BookRecord, as_manifest
from ontogeny.corpus.sums import write_sums
from ontogeny.corpus.vocabulary import Encoder


def write_manifest(
    folder: Path,
    plan: Any,
    corpus_hash: str,
    encoder: Encoder,
    fingerprint: str,
    sample: dict[str, Any] | None,
    records: list[BookRecord],
    entries: list[dict],
    arm: dict[str, Any] | None = None,
) -> None:
    """Completes the stages' entries with their order roots, writes manifest.json, then the hashes of all files.

    `arm`: of a control arm, what it is and the corpus it was made from."""
    tokens = sum(entry["text_tokens"] for entry in entries)
    manifest = {
        "version": VERSION,
        "corpus_hash": corpus_hash,
        **({"arm": arm} if arm is not None else {}),
        "seed": plan.seed,
        "language": plan.language,
        "context_tokens": plan.context_tokens,
        "roles": list(plan.roles),
        "ids_dtype": encoder.ids_dtype.str,
        "tokenizer": {
            "fingerprint": fingerprint,
            "vocab_size": encoder.vocab_size,
            "bos_id": encoder.bos_id,
            "sample": sample,
            "bytes_per_token": round(sum(entry["bytes"] for entry in entries) / max(1, tokens), 4),
        },
        "books": [as_manifest(record) for record in records],
        "stages": entries,
    }
    corpus = Corpus(folder, manifest)
    for index, entry in enumerate(entries):
        for phase in PHASES:
            entry["phases"][phase]["root"] = chain_root(
                root_name(entry["name"], phase), corpus.phase_digests(index, phase)
            )
    write_atomic(folder / "manifest.json", in_lines(manifest))
    write_sums(folder, {f"books/{record.id}.txt": record.fingerprint for record in records})


def in_lines(manifest: dict[str, Any]) -> str:
    """The manifest as JSON that is small, and can be read and searched: a line a book, a line a fact of a stage."""

    def brief(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    def lines(values: list[str]) -> str:
        return "[\n" + ",\n".join(values) + "\n]"

    def members(of: dict[str, Any], **written: str) -> str:
        return "{\n" + ",\n".join(f"{brief(key)}: {written.get(key) or brief(of[key])}" for key in of) + "\n}"

    stages = [members(stage, books=lines([brief(book) for book in stage["books"]])) for stage in manifest["stages"]]
    return members(manifest, books=lines([brief(book) for book in manifest["books"]]), stages=lines(stages)) + "\n"


def stage_entry(
    stage: Any,
    plan: Any,
    reading: StageReading,
    passages: list[HeldOut],
    items: list[Item],
    unread: list[list[list[int]]],
    folder: Path,
    earlier: list[dict],
    replays: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """One stage of the manifest, roots apart; `earlier` are the entries of the stages before it, `replays` how many
    packs of them are read again, and how many sealed rows, where that does not follow from the stage's own."""
    warnings = list(reading.warnings)
    entry = {
        "name": stage.name,
        "reading": stage.reading,
        "sections": [[name, len(ids)] for name, ids in stage.sections],
        "books": _book_entries(reading, passages, unread),
        "turns": reading.turns,
        "book_packs": reading.book_packs,
        "span": [stage.span.unit, stage.span.amount],
        **packed_facts(stage, plan, reading),
        "warnings": warnings,
        "held_out": _held_out_counts(passages),
        "contaminated": sum(p.contaminated for p in passages),
        "items": {
            probe: {
                split: sum((item.probe, item.split) == (probe, split) and not item.contaminated for item in items)
                for split in SPLITS
            }
            for probe in dict.fromkeys(item.probe for item in items)
        },
    }
    entry["phases"] = phases_of(stage, plan, reading, folder, earlier, warnings, replays)
    if replays is None and not any(entry["items"].get("conflict_resolution", {}).values()):  # an arm has no items
        warnings.append("no items for conflict_resolution: the held-out text is too short")
    return entry


def packed_facts(stage: Any, plan: Any, reading: StageReading) -> dict[str, Any]:
    """What a stage's packs hold, in numbers."""
    capacity = reading.packs * plan.context_tokens
    return {
        "loop_loss": loop_loss_of(stage),
        "batch_packs": stage.batch_packs,
        "packs": reading.packs,
        "role_packs": reading.role_packs,
        "tokens": reading.loss_tokens,
        "text_tokens": reading.tokens,
        "padding_tokens": reading.padding_tokens,
        "utilisation": round(reading.tokens / capacity, 4) if capacity else 0.0,
        "bytes": reading.bytes,
        "scenes": dict(sorted(reading.scenes.items())),
        "scene_places": [list(place) for place in reading.scene_places],
    }


def phases_of(
    stage: Any,
    plan: Any,
    reading: StageReading,
    folder: Path,
    earlier: list[dict],
    warnings: list[str],
    replays: tuple[int, int] | None = None,
) -> dict[str, dict[str, Any]]:
    """The lists of a stage's phases, roots apart; `replays` as in `stage_entry`."""
    epochs = epochs_of([stage.span.unit, stage.span.amount])
    rows = reading.packs * epochs
    steps = steps_of(rows, stage.batch_packs)
    if stage.reading == "self_chosen":
        steps = epochs * steps_of_books(reading.book_packs.values(), stage.batch_packs)
    return {
        "books": {"rows": rows, "steps": steps, "tokens": reading.loss_tokens * epochs},
        "replay": replay_phase(stage, plan, folder, reading.packs, earlier, warnings, replays),
        "roles": roles_phase(stage, plan, folder, warnings),
    }


def _book_entries(
    reading: StageReading, passages: list[HeldOut], unread: list[list[list[int]]]
) -> list[dict[str, Any]]:
    """What became of each book of a stage, in ranges of characters."""
    return [
        {
            "id": book.id,
            "training": [list(r) for r in book.training],
            "held_out": [[p.start, p.end, p.split] for p in passages if p.book == book.id and book.read_to],
            "moved": [list(r) for r in book.moved],
            "unread": rest,
            "tokens": book.tokens,
        }
        for book, rest in zip(reading.books, unread, strict=True)
    ]


def _held_out_counts(passages: list[HeldOut]) -> dict[str, dict[str, int]]:
    """Passages, bytes and tokens of each split, contaminated ones left out."""
    counts = {}
    for split in SPLITS:
        scored = [p for p in passages if p.split == split and not p.contaminated]
        counts[split] = {
            "passages": len(scored),
            "bytes": sum(len(p.text.encode()) for p in scored),
            "tokens": sum(p.tokens for p in scored),
        }
    return counts


def replay_phase(
    stage: Any,
    plan: Any,
    folder: Path,
    packs: int,
    earlier: list[dict],
    warnings: list[str],
    replays: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Rows of earlier stages that a stage reads again: `replays` (declared packs, sealed rows), or its replay_frac and
    its journal's of its own packs. Tokens count each sealed row as full, for nobody knows it yet."""
    wanted = int(stage.replay_frac * packs + 1e-9) if replays is None else replays[0]
    sealed = sealed_rows(stage.journal_replay_frac, packs, len(earlier)) if replays is None else replays[1]
    read = [entry["phases"]["books"] for entry in earlier]
    there = [min(entry["packs"], books["rows"]) for entry, books in zip(earlier, read, strict=True)]
    chosen = [
        [index, (read[index].get("first", 0) + place) % earlier[index]["packs"]]
        for index, place in replay_list(plan.seed, stage.name, wanted, there)
    ]
    if earlier and len(chosen) < wanted:
        warnings.append(f"replay wants {wanted} earlier packs, there are {len(chosen)}")
    tokens = 0
    for index, entry in enumerate(earlier):
        mine = sorted(pack for at, pack in chosen if at == index)
        if mine:
            codes = _codes(folder / entry["name"] / "codes.bin", plan.context_tokens)[mine]
            tokens += int((trunk_weights(entry["loop_loss"])[codes] > 0).sum())
    rows = len(chosen) + sealed
    tokens += sealed * (plan.context_tokens - 1)
    counted = {"rows": rows, "steps": steps_of(rows, stage.batch_packs), "tokens": tokens}
    return counted | {"list": chosen, **({"sealed_rows": sealed} if sealed else {})}


def roles_phase(
    stage: Any, plan: Any, folder: Path, warnings: list[str], rows_wanted: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Rows and tokens of each role, and the steps they share; writes role_rows.npy.

    `rows_wanted`: rows by role where they do not follow from the role's span; its packs are read in a circle."""
    codes_RT = _codes(folder / stage.name / "role_codes.bin", plan.context_tokens)
    counts_KR = (
        np.stack([(role_weights(role)[codes_RT] > 0).sum(axis=1) for role in range(len(plan.roles))])
        if plan.roles and len(codes_RT)
        else np.zeros((len(plan.roles), len(codes_RT)), dtype=np.int64)
    )
    np.save(folder / stage.name / "role_rows.npy", counts_KR > 0, allow_pickle=False)
    rows_by_role, tokens_by_role = Counter(), Counter()
    for role, name in enumerate(plan.roles):
        if name not in stage.roles:
            continue
        counts = counts_KR[role][counts_KR[role] > 0]
        span = stage.roles[name].span
        if span.unit == "tokens":
            counts = counts[: 1 + int(np.searchsorted(np.cumsum(counts), span.amount))]
        elif span.unit == "epochs":
            counts = np.tile(counts, span.amount)
        if rows_wanted is not None and len(counts):
            counts = np.resize(counts_KR[role][counts_KR[role] > 0], rows_wanted.get(name, 0))
        if len(counts) == 0:
            warnings.append(f"role '{name}' has no turn in this stage: its adapter does not train")
            continue
        rows_by_role[name], tokens_by_role[name] = len(counts), int(counts.sum())
    batch_tokens = {name: stage.roles[name].batch_tokens for name in rows_by_role}
    return {
        "rows": sum(rows_by_role.values()),
        "steps": role_steps(rows_by_role, batch_tokens, plan.context_tokens),
        "tokens": sum(tokens_by_role.values()),
        "rows_by_role": dict(rows_by_role),
        "tokens_by_role": dict(tokens_by_role),
    }


def _codes(path: Path, context_tokens: int) -> np.ndarray:
    if path.stat().st_size == 0:
        return np.empty((0, context_tokens), dtype=np.uint8)
    return np.memmap(path, dtype=np.uint8, mode="r").reshape(-1, context_tokens)
