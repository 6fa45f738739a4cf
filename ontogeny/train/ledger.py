"""The ledger: what a life writes while it walks, and how it comes back to a cursor after a kill.

Rank 0 writes; every rank calls. A checkpoint is one folder, made aside and renamed:
    checkpoints/<stage>.<pass>.<phase>.<step>/state.json, trunk/ (the trunk's engine), roles/ (the roles' engine),
                                              journal.npz (what a journal may hold of the stage so far)
In the roles phase trunk/ is hard-linked from the checkpoint before, so that it is stored once."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch.distributed as dist

from ontogeny.core.cursor import PHASE_CODE, PHASES, Cursor
from ontogeny.core.errors import DiskError
from ontogeny.core.hashes import file_sha256
from ontogeny.core.plan import Plan
from ontogeny.core.run import RunDirectory, disk_faults, publish_folder, remove_tree, truncate, write_json
from ontogeny.core.units import bits_per_byte
from ontogeny.corpus.journal import JOURNAL
from ontogeny.train.fingerprints import FINGERPRINTS, LIVED_ROOT, LOG, fingerprints
from ontogeny.train.journal import STATE as CANDIDATES
from ontogeny.train.journal import Candidates, read_candidates, write_candidates
from ontogeny.train.learner import Learner, StepMetrics
from ontogeny.train.loop_terms import loop_line
from ontogeny.train.snapshots import snapshots_of

KEPT_CHECKPOINTS = 2
GROWING = (LOG, "consumed.bin")
WRITER_WORDS = ("inline_container", "iostream error", "os error")  # what torch and safetensors say of a refused write


class Ledger:
    """Metrics, consumed rows, checkpoints and results of one life."""

    def __init__(self, run: RunDirectory, plan: Plan, rank: int, world: int):
        self.run, self.plan, self.rank, self.world = run, plan, rank, world
        self.writer = rank == 0
        self.snapshots: Path | None = snapshots_of(run)  # where stage ends are stored; None: nowhere
        self.tokens_seen = 0
        self._since = StepMetrics()
        self._fed: list[tuple[int, int, bytes]] = []
        self._fed_at = (0, 1, "books")
        self.candidates = Candidates()  # of the stage's journal
        self._clock = time.monotonic()

    def folder(self, cursor: Cursor) -> Path:
        """The stage folder the cursor is in."""
        return self.run.stage_folder(cursor.stage + 1, self.plan.stages[cursor.stage].name, cursor.pass_)

    def checkpoint(self) -> Path | None:
        """The newest whole checkpoint."""
        return next(reversed(self.run.checkpoints()), None)

    def restore(self) -> Cursor:
        """The cursor to go on from: the newest checkpoint's, past a stage that was measured, or conception. Cuts
        growing files back to its lengths, and takes away the outcome: a life that goes on has not ended.

        Raises: RunError where the checkpoint was made by other ranks or another ZeRO stage."""
        checkpoint = self.checkpoint()
        cursor, lengths = Cursor(), {}
        if checkpoint is not None:
            state = json.loads((checkpoint / "state.json").read_text("utf-8"))
            self.run.require_machine(**self._machine())
            cursor, lengths = Cursor.from_dict(state["cursor"]), state["lengths"]
            self.tokens_seen = state["tokens_seen"]
            self.candidates = read_candidates(checkpoint / CANDIDATES, self.rank)
            if cursor.phase_name == "measure" and (self.folder(cursor) / FINGERPRINTS).is_file():
                decision = self.run.read_json(self.folder(cursor) / "gate.json")["decision"]
                cursor = cursor if decision == "end" else cursor.after_stage(decision)
        if self.writer:
            (self.run / "outcome.json").unlink(missing_ok=True)
            self._cut_back(cursor, lengths)
        self.barrier()
        return cursor

    def _machine(self) -> dict[str, int]:
        return {"ranks": self.world, "zero_stage": self.plan.genome.machine.zero_stage}

    def _cut_back(self, cursor: Cursor, lengths: dict[str, int]) -> None:
        """Growing files of stages already behind stay; the cursor's is cut, later ones go."""
        number, pass_ = cursor.stage + 1, cursor.pass_
        for folder in self.run.stage_folders():
            name, _, last = folder.name.partition(".")
            here = (int(name.partition("-")[0]), int(last) if last.isdigit() else 1)
            if here < (number, pass_):
                continue
            for growing in GROWING:
                path = folder / growing
                if path.exists() or str(path.relative_to(self.run.path)) in lengths:
                    truncate(path, lengths.get(str(path.relative_to(self.run.path)), 0))

    def feed(self, cursor: Cursor, metrics: StepMetrics) -> None:
        """Takes in what a step fed and measured."""
        self._fed += [(cursor.step, row, digest) for row, digest in metrics.fed]
        self._since.add(metrics)

    def log(self, cursor: Cursor, metrics: StepMetrics) -> None:
        """One line of metrics over all steps since the last, summed over ranks. The cursor is the step just done."""
        sums = self._gathered(self._since)
        self._since = StepMetrics()
        seconds, self._clock = time.monotonic() - self._clock, time.monotonic()
        self.tokens_seen += sums.tokens
        if not self.writer:
            return
        loss = {name: sums.nats[name] / sums.weight[name] for name in sums.nats if sums.weight[name] > 0}
        roles = cursor.phase_name == "roles"
        line = {
            "stage": self.plan.stages[cursor.stage].name,
            "pass": cursor.pass_,
            "phase": cursor.phase_name,
            "step": cursor.step,
            "tokens_seen": self.tokens_seen,
            "loss_nats": loss if roles else loss.get("trunk"),
            "bits_per_byte": bits_per_byte(sum(sums.nats.values()), sums.text_bytes) if sums.text_bytes else None,
            "lr": metrics.lr if roles else metrics.lr["trunk"],
            "grad_norm": metrics.grad_norm if roles else metrics.grad_norm.get("trunk"),
            "tokens_per_s": sums.tokens / seconds if seconds > 0 else None,
            "time_s": round(time.time(), 3),
        }
        self._append(cursor, line | loop_line(sums))

    def light(self, cursor: Cursor, tokens_seen: int, scores: dict[str, float], seconds: float) -> None:
        """A line of metrics for light probes, measured at a step; the `seconds` they took count for no speed."""
        self._clock += seconds
        if self.writer:
            place = {**self._place(cursor), "step": cursor.step, "tokens_seen": tokens_seen}
            self._append(cursor, {**place, "light": scores, "time_s": round(time.time(), 3)})

    def _append(self, cursor: Cursor, line: dict) -> None:
        with (
            disk_faults(self.folder(cursor)),
            open(self.folder(cursor) / LOG, "a", encoding="utf-8") as file,
        ):
            file.write(json.dumps(line) + "\n")

    def _gathered(self, mine: StepMetrics) -> StepMetrics:
        if self.world == 1:
            return mine
        total = StepMetrics()
        for one in self.gather([replace(mine, lr={}, grad_norm={}, fed=[])]):
            total.add(one)
        return total

    def save(self, learner: Learner, cursor: Cursor) -> None:
        """A checkpoint at the cursor: all of it, or none."""
        name = f"{cursor.stage + 1:02d}.{cursor.pass_:02d}.{cursor.phase}-{PHASES[cursor.phase]}.{cursor.step:08d}"
        final = self.run / "checkpoints" / name
        aside = final.with_name(f".{name}.tmp")
        before = self.checkpoint()
        if self.writer:
            remove_tree(aside)
            with disk_faults(aside):
                aside.mkdir(parents=True)
        self.barrier()
        kind = learner.entered[2] if learner.entered else None
        carried = self.plan.stages[cursor.stage].trunk.update == "full"
        state = {
            "cursor": cursor.as_dict(),
            "tokens_seen": self.tokens_seen,
            "machine": self._machine(),
            "genome_hash": self.plan.genome_hash,
            "corpus_hash": self.plan.corpus_hash,
        }
        if kind:
            with whole_or_gone(aside):
                learner.save(aside / kind, state)
        self._write_consumed(cursor, learner)
        candidates = self.gather([self.candidates])
        if self.writer:
            with whole_or_gone(aside):
                if any(part.count for part in candidates):
                    write_candidates(aside / CANDIDATES, candidates)
                if kind != "trunk" and before and (before / "trunk").is_dir() and carried:
                    link_tree(before / "trunk", aside / "trunk")
                state["lengths"] = self._lengths()
                write_json(aside / "state.json", state)
            publish_folder(aside, final)
            self.run.event("checkpoint", name=name, **self._place(cursor), step=cursor.step)
            for old in self.run.checkpoints()[:-KEPT_CHECKPOINTS]:
                remove_tree(old)
        self.barrier()

    def _write_consumed(self, cursor: Cursor, learner: Learner) -> None:
        """Appends what every rank fed since the last checkpoint, in the order of steps and ranks."""
        if not learner.entered:
            return
        fed = [record for rank in self.gather([self._fed]) for record in rank]
        self._fed = []
        if not (self.writer and fed):
            return
        fed.sort(key=lambda record: record[0])  # stable: within a step, ranks hold consecutive slices
        stage, pass_, phase = self._fed_at
        folder = self.run.stage_folder(stage + 1, self.plan.stages[stage].name, pass_)
        raw = b"".join(
            b"".join(number.to_bytes(4, "little") for number in (pass_, PHASE_CODE[phase], step, row)) + digest
            for step, row, digest in fed
        )
        with disk_faults(folder), open(folder / "consumed.bin", "ab") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())

    def enter(self, cursor: Cursor) -> None:
        """Remembers the phase whose rows are fed from here on, and makes its folder."""
        self._fed_at = (cursor.stage, cursor.pass_, cursor.phase_name)
        self._clock = time.monotonic()
        if self.writer:
            with disk_faults(self.run.path):
                self.folder(cursor).mkdir(parents=True, exist_ok=True)
                for name in (FINGERPRINTS, JOURNAL):  # what is still read has not ended
                    (self.folder(cursor) / name).unlink(missing_ok=True)
            self.run.event("phase_entered", **self._place(cursor), step=cursor.step)

    def _place(self, cursor: Cursor) -> dict[str, object]:
        return {"stage": self.plan.stages[cursor.stage].name, "pass": cursor.pass_, "phase": cursor.phase_name}

    def _lengths(self) -> dict[str, int]:
        lengths = {}
        for folder in self.run.stage_folders():
            for name in GROWING:
                if (folder / name).exists():
                    lengths[str((folder / name).relative_to(self.run.path))] = (folder / name).stat().st_size
        return lengths

    def conceived(self) -> bool:
        """Whether conception is over: its fingerprints are written last."""
        return (self.run.stage_folder(0, "conception") / FINGERPRINTS).is_file()

    def record(
        self,
        cursor: Cursor | None,
        results: list[dict],
        gate: dict | None,
        lived_roots: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Writes what was measured after a stage (None: at conception), the gate's word, then the fingerprints of all
        that the stage leaves. `lived_roots`: of each phase of which the weights decided something."""
        if self.writer:
            folder = self.folder(cursor) if cursor else self.run.stage_folder(0, "conception")
            write_json(folder / "probes.json", results)
            if gate is not None:
                write_json(folder / "gate.json", gate)
            log = folder / LOG
            hashed = {"metrics_sha256": file_sha256(log)} if log.is_file() else {}
            self.run.event("probes_measured", stage=folder.name, rows=len(results), **hashed)
            if gate is not None:
                self.run.event("stage_ended", stage=folder.name, decision=gate["decision"])
            lived = {LIVED_ROOT + phase: root for phase, root in lived_roots.items()}
            write_json(folder / FINGERPRINTS, fingerprints(folder) | lived)  # last: from here on it is recorded
        self.barrier()

    def gather(self, mine: list) -> list:
        """The lists of all ranks, one after another."""
        if self.world == 1:
            return mine
        parts: list[list] = [[] for _ in range(self.world)]
        dist.all_gather_object(parts, mine)
        return [item for part in parts for item in part]

    def barrier(self) -> None:
        """Waits for every rank."""
        if self.world > 1:
            dist.barrier()


@contextlib.contextmanager
def whole_or_gone(aside: Path) -> Generator[None]:
    """Writing into a folder made aside: a refused write is a DiskError, and what was written of it goes away.

    torch and safetensors tell a full disk in words of their own, not as an OSError."""
    try:
        with disk_faults(aside):
            try:
                yield
            except Exception as problem:
                if not any(word in str(problem) for word in WRITER_WORDS):
                    raise
                raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, or another refusal ({problem})") from problem
    except DiskError:
        remove_tree(aside)
        raise


def link_tree(source: Path, target: Path) -> None:
    """Hard-links every file of a folder: stored once, and there as long as either folder is."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, place)
