"""Snapshots: a stage's end, stored under the hash of the prefix that made it, so that a prefix is grown once. No torch.

    <runs folder>/.store/snapshots/<prefix>.<machine>/
      snapshot.json        whose it is, what stands in it (sizes and hashes), what its stages were asked
      events.jsonl         what was told of its stages
      stages/00-conception/ 01-primer/ ...       as the life left them
      checkpoint/state.json, trunk/              the trunk's engine at the end of the last stage

Files that never change are hard-linked from the run, and into a run; those that a life appends to are copied. A
snapshot appears whole or not at all. `snapshot.json`'s time of change is when it was last used."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ontogeny.core.cursor import Cursor
from ontogeny.core.errors import OntogenyError
from ontogeny.core.hashes import file_sha256, sha256_hex
from ontogeny.core.prefix import machine_hash, prefix_hash
from ontogeny.core.run import RunDirectory, publish_folder, remove_tree, sync, write_json
from ontogeny.corpus.lived import lived_roots
from ontogeny.corpus.store import link_or_copy
from ontogeny.train.fingerprints import FINGERPRINTS, LOG
from ontogeny.train.gate import MEMBER, decide, gates_act
from ontogeny.train.versions import base_digest, probes_version, versions

if TYPE_CHECKING:
    from ontogeny.core.plan import Plan
    from ontogeny.corpus.rows import Corpus
    from ontogeny.train.ledger import Ledger
    from ontogeny.train.walk import Measure

ABOUT = "snapshot.json"
GROWING = (LOG, "consumed.bin")  # a life appends to these, or cuts them
ANSWERS = ("probes.json", "gate.json", FINGERPRINTS)  # what a stage is asked after it was read
TOLD_OF_STAGES = (
    *("adapters_written", "attempts_sealed", "book_chosen", "scenes_played", "replay_sealed", "journal_written"),
    *("probes_measured", "stage_ended"),
)
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)


def snapshots_of(run: RunDirectory) -> Path:
    """The snapshots that a run shares: in the store beside it, or in that which its member.json names (`store`, a path
    from the run)."""
    named = (run.read_json(MEMBER) or {}).get("store")
    return Path(os.path.normpath(run / (named or "../.store"))) / "snapshots"


def lived_passes(run: RunDirectory, plan: Plan, k: int) -> list[int]:
    """How often each of the first k stages was read: a pass more for each time its gate asked for one."""
    passes = []
    for stage in plan.stages[:k]:
        number = 1
        while (run.read_json(_gate_of(run, stage, number)) or {}).get("decision") == "repeat" and run.stage_folder(
            stage.number, stage.name, number + 1
        ).is_dir():
            number += 1
        passes.append(number)
    return passes


def _gate_of(run: RunDirectory, stage: Any, number: int) -> Path:
    return run.stage_folder(stage.number, stage.name, number) / "gate.json"


def asked_hash(plan: Mapping[str, Any], run: RunDirectory, index: int | None) -> str:
    """The hash of what a stage is asked (None: conception): battery, gate, the code of probes, and what the items come
    from: the corpus, or of an arm what stands in RUN/measured.

    `plan`: as plan.json. Contamination is told by the whole corpus, so another corpus asks other questions."""
    stages = plan["stages"]
    stage = stages[index] if index is not None else {}
    battery = stage.get("battery") or [name for one in stages for name in one["battery"]]
    folder = run / "measured"
    measured = [
        [path.relative_to(folder).as_posix(), file_sha256(path)] for path in sorted(folder.rglob("*")) if path.is_file()
    ]
    material = measured or [plan["corpus_hash"], [one["name"] for one in stages]]
    acts = gates_act(run) if stage.get("gate") else None
    return sha256_hex([probes_version(), material, plan["seed"], stage.get("name"), battery, stage.get("gate"), acts])


def measure_again(ledger: Ledger, corpus: Corpus, measure: Measure, cursor: Cursor) -> None:
    """Measures the stages behind the cursor that were asked something else when they were read, so hold no answers.

    Only what a snapshot or a branch brought is ever without them; every rank calls."""
    plan = ledger.plan
    for index, passes in enumerate(lived_passes(ledger.run, plan, cursor.stage)):
        for number in range(1, passes + 1):
            at = Cursor(index, number, 3)
            if (ledger.folder(at) / FINGERPRINTS).is_file():
                continue
            results = measure(at)
            gate = decide(plan.stages[index], number, results, gates_act(ledger.run))
            ledger.record(at, results, gate, lived_roots(corpus, index, ledger.folder(at)))


# --- storing ---


def store_snapshot(ledger: Ledger, manifest: Mapping[str, Any], cursor: Cursor) -> Path | None:
    """Stores the end of the stage that the cursor is in, if the life passes on from it; returns where.

    Rank 0 works, the others go on. A refused write is a warning in events.jsonl: the life needs no snapshot."""
    checkpoint = ledger.checkpoint()  # of the stage's end: it was saved before the stage was measured
    if not ledger.writer or ledger.snapshots is None or checkpoint is None:
        return None
    run, plan, k = ledger.run, ledger.plan, cursor.stage + 1
    gate = run.read_json(ledger.folder(cursor) / "gate.json") or {}
    if gate.get("decision") != "pass":
        return None
    aside = None
    try:
        base = base_digest(plan.genome.model)
        if base is None:
            return None
        passes = [*lived_passes(run, plan, cursor.stage), cursor.pass_]
        prefix = prefix_hash(plan, manifest, k, passes, base)
        machine = machine_hash(plan, versions())
        final = ledger.snapshots / f"{prefix}.{machine}"
        if final.is_dir() and _is_whole(final):
            return final
        aside = final.with_name(f".{final.name}.{os.getpid()}")
        _fill(aside, run, plan, checkpoint, passes)
        about = _about(plan, manifest, run, aside, k, passes, checkpoint)
        about |= {"prefix": prefix, "machine": machine, "tokens": ledger.tokens_seen}
        write_json(aside / ABOUT, about)
        publish_folder(aside, final)
    except (OSError, OntogenyError) as problem:
        if aside is not None:
            remove_tree(aside)
        told = str(problem.faults[0].got if isinstance(problem, OntogenyError) else problem)
        with suppress(OntogenyError):  # on a full disk even a warning may have no room
            run.event("warning", message=f"the end of {plan.stages[cursor.stage].name} was not stored: {told}")
        return None
    run.event("snapshot_stored", stage=ledger.folder(cursor).name, prefix=prefix, bytes=about["bytes"])
    return final


def _folders(run: RunDirectory, plan: Plan, passes: list[int]) -> Iterator[tuple[int | None, Path]]:
    """(stage index, folder) of conception and of every pass of the stages lived."""
    yield None, run.stage_folder(0, "conception")
    for stage, count in zip(plan.stages, passes, strict=False):
        for number in range(1, count + 1):
            yield stage.index, run.stage_folder(stage.number, stage.name, number)


def _fill(aside: Path, run: RunDirectory, plan: Plan, checkpoint: Path, passes: list[int]) -> None:
    remove_tree(aside)
    for _, folder in _folders(run, plan, passes):
        _bring(folder, aside / "stages" / folder.name)
    if (checkpoint / "trunk").is_dir():
        _bring(checkpoint / "trunk", aside / "checkpoint" / "trunk")
    (aside / "checkpoint").mkdir(exist_ok=True)
    shutil.copyfile(checkpoint / "state.json", aside / "checkpoint" / "state.json")
    names = {folder.name for _, folder in _folders(run, plan, passes)} | {stage.name for stage in plan.stages}
    with open(aside / "events.jsonl", "w", encoding="utf-8") as file:
        for event in run.read_jsonl("events.jsonl"):
            if event.get("event") in TOLD_OF_STAGES and event.get("stage") in names:
                file.write(json.dumps(event, ensure_ascii=False) + "\n")


def _bring(source: Path, target: Path, without: tuple[str, ...] = ()) -> None:
    """Links the files of a folder, hidden ones apart, into another; copies those that a life appends to."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if any(part[0] == "." for part in name.parts) or name.as_posix() in without:
            continue
        if path.is_dir():
            (target / name).mkdir(parents=True, exist_ok=True)
        elif name.as_posix() in GROWING:
            shutil.copyfile(path, target / name)
        else:
            link_or_copy(path, target / name)


def _about(
    plan: Plan,
    manifest: Mapping[str, Any],
    run: RunDirectory,
    aside: Path,
    k: int,
    passes: list[int],
    checkpoint: Path,
) -> dict[str, Any]:
    written = plan.as_dict()
    used = {book for stage in plan.stages[:k] for _, books in stage.sections for book in books}
    files: dict[str, tuple[int, str]] = {}
    for folder in (aside / "stages").iterdir():  # hashed already, when the stage ended
        known = json.loads((folder / FINGERPRINTS).read_bytes())
        for path in (path for path in sorted(folder.rglob("*")) if path.is_file()):
            digest = known.get(path.relative_to(folder).as_posix()) or file_sha256(path)
            files[path.relative_to(aside).as_posix()] = path.stat().st_size, digest
    for path in (*sorted((aside / "checkpoint").rglob("*")), aside / "events.jsonl"):
        if path.is_file():
            files[path.relative_to(aside).as_posix()] = path.stat().st_size, file_sha256(path)
    return {
        "genome": plan.name,
        "stages": [stage.name for stage in plan.stages[:k]],
        "passes": passes,
        "cursor": json.loads((checkpoint / "state.json").read_bytes())["cursor"],
        "checkpoint": checkpoint.name,
        "asked": {folder.name: asked_hash(written, run, index) for index, folder in _folders(run, plan, passes)},
        "gated": [stage.gate is not None for stage in plan.stages[:k]],
        "light": [_light(plan, index) for index in range(k)],
        "books": {book["id"]: book["fingerprint"] for book in manifest["books"] if book["id"] in used},
        "bytes": sum(size for size, _ in files.values()),
        "made": round(time.time(), 3),
        "files": files,
    }


def _light(plan: Plan, index: int) -> int | None:
    return plan.stages[index].light_every_tokens


def _is_whole(snapshot: Path) -> bool:
    """Whether every file is there in its size; contents are looked at before they are used."""
    try:
        files = json.loads((snapshot / ABOUT).read_bytes())["files"]
        return all((snapshot / name).stat().st_size == size for name, (size, _) in files.items())
    except DAMAGE:
        return False


# --- reusing ---


@dataclass(frozen=True)
class _Found:
    """A snapshot that a plan could begin from."""

    path: Path
    about: dict[str, Any]

    @property
    def k(self) -> int:
        return len(self.about["stages"])


def begin_from_snapshot(
    run: RunDirectory,
    plan: Plan,
    manifest: Mapping[str, Any],
    store: Path,
    tell: Callable[[str], None] = lambda _: None,
) -> int | None:
    """Lays the longest stored prefix of the plan into a run without checkpoints; returns the stages it spares, or None.

    A stage taken so keeps its probes where battery, gate and corpus are those it was asked with; else the life measures
    it again. Light probes inside a stage stay those of the life that grew it: they must have been as dense.
    A damaged snapshot is taken out of the store with a warning. Killed inside, a later call begins anew."""
    if run.checkpoints() or not store.is_dir():
        return None
    base = base_digest(plan.genome.model)
    if base is None:
        return None
    found, strangers = _found(plan, manifest, store, base)
    for one in found:
        try:
            kept = _kept(one, plan, run)
        except DAMAGE:
            continue
        if kept is None:
            continue
        if damage := _damage(one):
            message = f"a snapshot is damaged, and was taken away: {one.path.name[:12]}, {damage}"
            run.event("warning", message=message)
            tell(message)
            remove_tree(one.path)
            continue
        try:
            _lay(one, run, plan, kept)
        except OSError as problem:  # another process freed it meanwhile, or the disk is full
            run.event("warning", message=f"a snapshot could not be laid into the run: {problem}")
            remove_tree(run / "stages")
            continue
        tell(
            f"snapshot: {', '.join(one.about['stages'])} as {one.about['genome']} grew them; "
            f"{one.about['tokens']} trained tokens saved"
        )
        return one.k
    for message in strangers:
        tell(message)
    return None


def _found(plan: Plan, manifest: Mapping[str, Any], store: Path, base: str) -> tuple[list[_Found], list[str]]:
    """The snapshots of this prefix and this machine, the longest first; and why others of its stages are not."""
    machine = machine_hash(plan, versions())
    names = [stage.name for stage in plan.stages]
    prints = {book["id"]: book["fingerprint"] for book in manifest["books"]}
    found, strangers = [], []
    for path in sorted(store.glob(f"[!.]*.{machine}")):
        try:
            about = json.loads((path / ABOUT).read_bytes())
            k, passes = len(about["stages"]), about["passes"]
            if about["stages"] != names[:k] or len(passes) != k:
                continue
            if prefix_hash(plan, manifest, k, passes, base) == path.name.partition(".")[0]:
                found.append(_Found(path, about))
            elif others := sorted(
                book for book, digest in about["books"].items() if prints.get(book, digest) != digest
            ):
                strangers.append(
                    f"a snapshot of {', '.join(about['stages'])} was grown on another text of {', '.join(others)}"
                )
        except DAMAGE:
            continue  # what cannot be read is no snapshot of ours
    return sorted(found, key=lambda one: one.k, reverse=True), list(dict.fromkeys(strangers))


def _kept(one: _Found, plan: Plan, run: RunDirectory) -> set[str] | None:
    """The stage folders whose probes stand; None where the snapshot's life may not have passed on as this one would."""
    about, written = one.about, plan.as_dict()
    if any(_light(plan, index) not in (None, light) for index, light in enumerate(about["light"])):
        return None
    folders = list(_folders(run, plan, about["passes"]))
    kept = {folder.name for index, folder in folders if asked_hash(written, run, index) == about["asked"][folder.name]}
    for index, folder in folders[:-1]:  # after the last one this life measures and decides itself
        if index is not None and folder.name not in kept and (plan.stages[index].gate or about["gated"][index]):
            return None
    return kept


def _damage(one: _Found) -> str:
    """The first file of a snapshot that is not as it was stored, or nothing."""
    for name, (size, digest) in one.about["files"].items():
        try:
            path = one.path / name
            if path.stat().st_size != size or file_sha256(path) != digest:
                return f"{name} changed"
        except OSError as problem:
            return f"{name}: {problem.strerror}"
    return ""


def _lay(one: _Found, run: RunDirectory, plan: Plan, kept: set[str]) -> None:
    """Stages first, then what is told of them, the checkpoint last: without it the life begins at conception."""
    about = one.about
    remove_tree(run / "stages")
    remove_tree(run / "checkpoints")
    for _, folder in _folders(run, plan, about["passes"]):
        _bring(one.path / "stages" / folder.name, folder, () if folder.name in kept else ANSWERS)
    last = list(_folders(run, plan, about["passes"]))[-1][1].name
    run.event("snapshot_reused", stage=last, prefix=about["prefix"], trained_tokens_saved=about["tokens"])
    for line in (one.path / "events.jsonl").read_text("utf-8").splitlines():
        told = json.loads(line)
        name, lived_at = told.pop("event"), told.pop("time")
        if name in ("probes_measured", "stage_ended") and told["stage"] not in kept:
            continue
        own = {"seconds": 0.0} if name == "probes_measured" else {}
        run.event(name, **told | own | {"lived_at": lived_at, "from_snapshot": about["prefix"]})
    final = run / "checkpoints" / about["checkpoint"]
    aside = final.with_name(f".{final.name}.tmp")
    _bring(one.path / "checkpoint", aside, ("state.json",))
    state = json.loads((one.path / "checkpoint" / "state.json").read_bytes())
    write_json(aside / "state.json", state | {"genome_hash": plan.genome_hash, "corpus_hash": plan.corpus_hash})
    for folder in (run / "stages").iterdir():
        sync(folder)
    publish_folder(aside, final)
    os.utime(one.path / ABOUT)
