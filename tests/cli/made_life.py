"""A life written as the walk writes it, without a walk: stage folders, events, a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ontogeny.core.cursor import Cursor
from ontogeny.core.genome import load_genome
from ontogeny.core.hashes import file_sha256
from ontogeny.core.plan import Plan
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.rows import Corpus
from ontogeny.train.fingerprints import FINGERPRINTS, fingerprints
from ontogeny.train.ledger import Ledger
from ontogeny.train.preparing import fresh_or_ours, prepared
from ontogeny.train.rank import replan


def prepare(name: str, *overrides: str, genome: str = "genome.yaml") -> RunDirectory:
    """A prepared run of the project that the working folder holds."""
    run = RunDirectory(Path("runs") / name)
    loaded = load_genome(Path(genome), overrides)
    with fresh_or_ours(run, loaded):
        prepared(loaded, run, lambda _: None)
    return run


def plan_of(run: RunDirectory) -> Plan:
    """The plan as the ranks make it."""
    return replan(run, Corpus(run / "corpus").manifest)


def manifest_of(run: RunDirectory) -> dict[str, Any]:
    """The corpus's manifest."""
    return run.read_json("corpus/manifest.json")


def ledger_of(run: RunDirectory, tokens: int = 0) -> Ledger:
    """A ledger of one rank."""
    ledger = Ledger(run, plan_of(run), 0, 1)
    ledger.tokens_seen = tokens
    return ledger


def live(run: RunDirectory, stages: int, decisions: tuple[str, ...] = (), mark: str = "") -> Cursor:
    """Writes conception and the first stages, each once; the cursor after the last one. `decisions` of the gates."""
    plan = plan_of(run)
    run.event("life_started")
    _folder(run, run.stage_folder(0, "conception"), mark, None)
    for stage in plan.stages[:stages]:
        decision = decisions[stage.index] if stage.index < len(decisions) else "pass"
        _folder(run, run.stage_folder(stage.number, stage.name), mark, {"decision": decision})
    checkpoint(run, Cursor(stages - 1, 1, 3), mark)
    return Cursor(stages - 1, 1, 3)


def _folder(run: RunDirectory, folder: Path, mark: str, gate: dict | None) -> None:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.safetensors").write_bytes(f"weights of {folder.name} {mark}".encode() * 100)
    (folder / "probes.json").write_text("[]\n")
    if gate is not None:
        (folder / "adapters" / "student").mkdir(parents=True)
        (folder / "adapters" / "student" / "adapter.safetensors").write_bytes(b"adapter")
        (folder / "metrics.jsonl").write_text('{"stage": "x"}\n')
        (folder / "consumed.bin").write_bytes(b"x" * 96)
        (folder / "gate.json").write_text(json.dumps(gate))
        run.event("adapters_written", stage=folder.name.partition("-")[2], lora_b_norm={"student": 1.0})
    log = folder / "metrics.jsonl"
    run.event("probes_measured", stage=folder.name, **({"metrics_sha256": file_sha256(log)} if gate else {}))
    (folder / FINGERPRINTS).write_text(json.dumps(fingerprints(folder)))


def checkpoint(run: RunDirectory, cursor: Cursor, mark: str = "") -> Path:
    """A checkpoint at a cursor."""
    folder = run / "checkpoints" / f"{cursor.stage + 1:02d}.01.{cursor.phase}-x.{cursor.step:08d}"
    (folder / "trunk" / "engine").mkdir(parents=True)
    (folder / "trunk" / "engine" / "state.pt").write_bytes(f"state {cursor} {mark}".encode() * 50)
    (folder / "roles").mkdir()
    (folder / "roles" / "state.pt").write_bytes(b"roles")
    lengths = {
        str((one / name).relative_to(run.path)): (one / name).stat().st_size
        for one in run.stage_folders()
        for name in ("metrics.jsonl", "consumed.bin")
        if (one / name).exists()
    }
    state = {"cursor": cursor.as_dict(), "tokens_seen": 1234, "lengths": lengths, "genome_hash": "old"}
    state["machine"] = {"ranks": 1, "zero_stage": 0}
    (folder / "state.json").write_text(json.dumps(state))
    return folder
