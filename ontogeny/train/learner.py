"""The learner: everything this project says to DeepSpeed. One engine at a time, built on entering a phase.

Legend: B row of a micro-batch, T token, V vocabulary."""

from __future__ import annotations

import gc
import logging
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import deepspeed
import numpy as np
import torch
import torch.distributed as dist
from deepspeed.accelerator import get_accelerator

from ontogeny.core.cursor import Cursor
from ontogeny.core.errors import Fault, RunError, TrainError
from ontogeny.core.plan import Plan, StagePlan
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.layout import NO_TARGET, row_digest
from ontogeny.corpus.tokens import line_end_tokens, token_bytes
from ontogeny.train.loop_terms import LoopMicro, LoopTerms, count_spans, count_terms
from ontogeny.train.losses import token_nats, weighted_loss
from ontogeny.train.optimizer import GroupClippedAdamW
from ontogeny.train.subject import Subject, roles_subject, trunk_digest, trunk_subject

TAG = "engine"
PATIENCE = timedelta(hours=6)  # ranks wait while the first one seals what the weights decide; a dead one is seen sooner


@dataclass
class StepMetrics:
    """What a step measured on this rank: sums by group name, and what was fed."""

    nats: dict[str, float] = field(default_factory=dict)
    weight: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    text_bytes: float = 0.0
    lr: dict[str, float] = field(default_factory=dict)
    grad_norm: dict[str, float] = field(default_factory=dict)
    loop_nats: dict[str, float] = field(default_factory=dict)  # of scenes: sums by term and by span
    loop_counts: dict[str, int] = field(default_factory=dict)  # scenes of each term, tokens of each span
    fed: list[tuple[int, bytes]] = field(default_factory=list)  # row, SHA-256 of the ids and weights fed
    read: list[tuple[int, np.ndarray]] = field(default_factory=list)  # row, nats_T; where a journal listens
    fault_row: int = -1  # a row whose loss is not finite
    stop: bool = False

    def add(self, other: StepMetrics) -> None:
        """Adds the sums of another step, or of another rank."""
        for sums in ("nats", "weight", "loop_nats", "loop_counts"):
            ours = getattr(self, sums)
            for name, value in getattr(other, sums).items():
                ours[name] = ours.get(name, 0) + value
        self.tokens += other.tokens
        self.text_bytes += other.text_bytes


@dataclass(frozen=True)
class Micro:
    """Rows of one forward pass on this rank; rows of weight 0 fill it up."""

    rows_B: np.ndarray
    ids_BT: np.ndarray
    codes_BT: np.ndarray
    weights_BT: np.ndarray
    group_B: np.ndarray
    denominators_B: np.ndarray


class Learner:
    """A model under training: which weights wake, at which rate, in which engine."""

    def __init__(self, plan: Plan, corpus: Any, rank: int, world: int, run: RunDirectory):
        self.plan, self.corpus, self.run = plan, corpus, run
        self.rank, self.world = rank, world
        assert tuple(corpus.role_names) == plan.roles, f"roles packed as {corpus.role_names}, planned as {plan.roles}"
        self.keeps_nats = False  # whether a step tells the surprise of each token
        self.engine: Any = None
        self.optimizer: GroupClippedAdamW | None = None
        self.subject: Subject | None = None
        self.entered: tuple[int, int, str] | None = None
        self._half = plan.genome.model.precision == "bf16"
        self._trunk_digest: str | None = None
        self._terms: LoopTerms | None = None
        self.device = torch.device(get_accelerator().device_name(int(os.environ.get("LOCAL_RANK", "0"))))
        self.token_bytes_V = token_bytes(corpus.folder / "tokenizer")
        self.line_end_V = line_end_tokens(corpus.folder / "tokenizer")

    def enter(self, cursor: Cursor, checkpoint: Path | None) -> None:
        """Builds the engine that the cursor's phase needs, unless it is awake, and loads what a checkpoint holds.

        Books and replay share the trunk's engine; roles have one of their own on the exported trunk."""
        stage, kind = self.plan.stages[cursor.stage], "roles" if cursor.phase_name == "roles" else "trunk"
        if self.entered == (cursor.stage, cursor.pass_, kind):
            return
        self.leave()
        make = roles_subject if kind == "roles" else trunk_subject
        self.subject = make(self.plan, stage, cursor, self.run, checkpoint)
        if self.subject.groups:
            self._build_engine(stage, kind)
            if self.subject.resume_from is not None:
                self._load(self.subject.resume_from / kind)
        self._terms = self._loop_terms(stage) if kind == "trunk" else None
        self.entered = (cursor.stage, cursor.pass_, kind)
        self._trunk_digest = trunk_digest(self.subject.stack) if self.subject.stack else None

    def assert_trunk_untouched(self) -> None:
        """The frozen trunk under the adapters is byte for byte what it was on entering the phase."""
        digest = trunk_digest(self.subject.stack)
        assert digest == self._trunk_digest, f"the frozen trunk moved: {self._trunk_digest} became {digest}"

    def leave(self) -> None:
        """Lets the engine go, with its memory."""
        if self.engine is not None:
            self.engine.destroy()
        self.engine = self.optimizer = self.subject = self.entered = self._terms = None
        gc.collect()
        get_accelerator().empty_cache()

    def _build_engine(self, stage: StagePlan, kind: str) -> None:
        optimizer = GroupClippedAdamW(self.subject.groups)
        model = self.subject.module
        if self.plan.genome.machine.activation_checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self.engine, *_ = deepspeed.initialize(
            model=model, optimizer=optimizer, config=self._config(stage, kind), dist_init_required=False
        )
        self.optimizer = optimizer
        optimizer.partitioned = self.world > 1 and self.engine.zero_optimization()
        optimizer.awake = True

    def _loop_terms(self, stage: StagePlan) -> LoopTerms | None:
        if not (stage.loop_loss.margin or stage.loop_loss.coherence):
            return None
        tokens_at_once = self.plan.micro_batch_packs * self.plan.context_tokens
        return LoopTerms(stage.loop_loss, self.corpus.shard(stage.index), self.line_end_V, tokens_at_once)

    def _config(self, stage: StagePlan, kind: str) -> dict[str, Any]:
        machine = self.plan.genome.machine
        packs = stage.batch_packs if kind == "trunk" else self._role_rows(stage)
        micro = self.micro_packs(kind)
        steps = max(1, -(-packs // (micro * self.world)))
        passed = dict(machine.deepspeed)
        zero = {"stage": machine.zero_stage, "sub_group_size": int(1e13), **passed.pop("zero_optimization", {})}
        return {
            "train_batch_size": micro * steps * self.world,
            "train_micro_batch_size_per_gpu": micro,
            "gradient_accumulation_steps": steps,
            "steps_per_print": 1 << 60,
            "gradient_clipping": 0.0,
            "zero_allow_untested_optimizer": True,
            "zero_optimization": zero,
            # adapters stay float32 on a bf16 trunk, so the roles' engine is not DeepSpeed's bf16 one
            "bf16": {"enabled": kind == "trunk" and self._half},
            **passed,
        }

    def _role_rows(self, stage: StagePlan) -> int:
        phase = stage.phases["roles"]
        return max(1, -(-phase.rows // max(1, phase.steps)))

    def micro_packs(self, kind: str) -> int:
        """Rows of a forward pass on one rank."""
        return self.plan.micro_batch_packs if kind == "trunk" else self.plan.role_micro_batch_packs

    def micros(self, batch: Any) -> Iterator[Micro]:
        """This rank's slice of a global batch, in forward passes; each rank makes equally many."""
        kind = self.entered[2]
        size = self.micro_packs(kind)
        share = -(-len(batch.rows_B) // self.world)
        first = self.rank * share
        denominators = self.denominators(batch)
        for start in range(first, first + share, size):
            stop = min(start + size, first + share, len(batch.rows_B))
            yield self._padded(batch, slice(start, max(start, stop)), denominators)

    @staticmethod
    def denominators(batch: Any) -> dict[int, float]:
        """Total weight of each group over the whole batch, so over all ranks and forward passes."""
        sums_B = batch.weights_BT.sum(axis=1, dtype=np.float64)
        return {int(group): float(sums_B[batch.group_B == group].sum()) for group in np.unique(batch.group_B)}

    @staticmethod
    def _padded(batch: Any, part: slice, denominators: dict[int, float]) -> Micro:
        rows_B, ids_BT, weights_BT = batch.rows_B[part], batch.ids_BT[part], batch.weights_BT[part]
        codes_BT, group_B = batch.codes_BT[part], batch.group_B[part]
        if len(rows_B) == 0:  # an empty rank feeds a pack of weight 0
            rows_B, ids_BT = np.full(1, -1, np.int32), batch.ids_BT[:1]
            codes_BT = np.full_like(batch.codes_BT[:1], NO_TARGET)
            weights_BT, group_B = np.zeros_like(batch.weights_BT[:1]), batch.group_B[:1]
        denominators_B = np.array([denominators[int(group)] or 1.0 for group in group_B], np.float32)
        return Micro(rows_B, ids_BT, codes_BT, weights_BT, group_B, denominators_B)

    def backward(self, batch: Any) -> StepMetrics:
        """Forward and backward over this rank's slice, then over the contrast rows of its scenes; gradients are reduced
        with the last forward pass."""
        metrics = StepMetrics()
        micros = list(self.micros(batch))
        contrasts = self._terms.micros(batch, self.rank, self.world) if self._terms else []
        for number, micro in enumerate(micros):
            self.engine.set_gradient_accumulation_boundary(number == len(micros) + len(contrasts) - 1)
            ids_BT = torch.from_numpy(np.ascontiguousarray(micro.ids_BT)).to(self.device, torch.long)
            weights_BT = torch.from_numpy(np.ascontiguousarray(micro.weights_BT)).to(self.device)
            denominators_B = torch.from_numpy(micro.denominators_B).to(self.device)
            self.subject.set_groups(micro.group_B, self.device)
            told_BT = weights_BT > 0 if self.entered[2] == "roles" else None  # of a trunk, a journal hears all
            nats_BT = self._nats(ids_BT, told_BT)
            loss = weighted_loss(nats_BT, weights_BT, denominators_B)
            self.engine.backward(loss * self.world, scale_wrt_gas=False)  # DeepSpeed averages over ranks
            self._count(metrics, micro, (nats_BT.detach() * weights_BT).sum(dim=1).double().cpu().numpy())
            if self.entered[2] == "trunk":
                self._look(metrics, micro, nats_BT.detach().cpu().numpy())
            metrics.fed += fed_rows(micro, ids_BT, weights_BT)
        for number, micro in enumerate(contrasts, 1):
            self.engine.set_gradient_accumulation_boundary(number == len(contrasts))
            self._contrast(metrics, micro)
        return metrics

    def _nats(self, ids_BT: torch.Tensor, told_BT: torch.Tensor | None = None) -> torch.Tensor:
        """nats_BT of the engine's model; where a stack tells them, those of `told_BT` (default: all), and 0 else."""
        stack = self.subject.stack
        if stack is None or not stack.tells_nats:
            return token_nats(self.engine(input_ids=ids_BT, use_cache=False).logits, ids_BT)
        told_BT = torch.ones_like(ids_BT, dtype=torch.bool) if told_BT is None else told_BT
        return self.engine(input_ids=ids_BT, told_BT=told_BT, use_cache=False)

    def _look(self, metrics: StepMetrics, micro: Micro, nats_BT: np.ndarray) -> None:
        """Takes in what the spans of scenes cost, and, where a journal listens, every token."""
        count_spans(metrics, nats_BT, micro.codes_BT)
        if self.keeps_nats:
            read = zip(micro.rows_B.tolist(), nats_BT, strict=True)
            metrics.read += [(row, nats_T) for row, nats_T in read if row >= 0]

    def _contrast(self, metrics: StepMetrics, micro: LoopMicro) -> None:
        """Forward and backward over contrast rows of one forward pass."""
        ids_BL = torch.from_numpy(micro.rows.ids_BL).to(self.device, torch.long)
        self.subject.set_groups(np.full(len(ids_BL), -1), self.device)
        nats_BL = self._nats(ids_BL)
        loss, nats = self._terms.loss(nats_BL, micro)
        self.engine.backward(loss * self.world, scale_wrt_gas=False)  # as in `backward`
        count_terms(metrics, micro, nats)

    @torch.no_grad()
    def surprise(self, batch: Any) -> list[tuple[int, float]]:
        """(row, mean nats of its loss-bearing tokens) for this rank's rows of a batch; nothing is learned."""
        found = []
        self.engine.eval()
        for micro in self.micros(batch):
            ids_BT = torch.from_numpy(np.ascontiguousarray(micro.ids_BT)).to(self.device, torch.long)
            self.subject.set_groups(micro.group_B, self.device)
            nats_BT = self._nats(ids_BT).double().cpu().numpy()
            for row, nats_T, weights_T in zip(micro.rows_B, nats_BT, micro.weights_BT, strict=True):
                if row >= 0:
                    found.append((int(row), float(nats_T[weights_T > 0].mean())))
        self.engine.train()
        return found

    @contextmanager
    def reading(self) -> Iterator[Callable[[torch.Tensor], torch.Tensor]]:
        """The trunk in training as a function ids_BT -> logits_BTV that learns nothing; afterwards it trains on.

        Every rank has to make the same calls."""

        def logits_of(ids_BT: torch.Tensor) -> torch.Tensor:
            self.subject.set_groups(np.full(len(ids_BT), -1), self.device)
            return self.engine(input_ids=ids_BT.to(self.device), use_cache=False).logits

        self.engine.eval()
        try:
            with torch.no_grad():
                yield logits_of
        finally:
            self.engine.train()

    def _count(self, metrics: StepMetrics, micro: Micro, nats_B: np.ndarray) -> None:
        weight_B = micro.weights_BT.sum(axis=1, dtype=np.float64)
        for group in np.unique(micro.group_B):
            name = self.subject.group_name(int(group))
            chosen = micro.group_B == group
            metrics.nats[name] = metrics.nats.get(name, 0.0) + float(nats_B[chosen].sum())
            metrics.weight[name] = metrics.weight.get(name, 0.0) + float(weight_B[chosen].sum())
        fed = micro.rows_B >= 0
        metrics.tokens += int((micro.weights_BT[fed] > 0).sum())
        metrics.text_bytes += float((self.token_bytes_V[micro.ids_BT[fed]] * micro.weights_BT[fed]).sum())
        if not np.isfinite(nats_B).all():
            metrics.fault_row = int(micro.rows_B[int(np.flatnonzero(~np.isfinite(nats_B))[0])])

    def agree(self, stop: bool, finite: bool = True) -> tuple[bool, bool]:
        """What all ranks hold: (any was asked to stop, every loss is finite)."""
        if self.world == 1:
            return stop, finite
        flags_2 = torch.tensor([int(stop), int(not finite)], device=self.device)
        dist.all_reduce(flags_2, op=dist.ReduceOp.MAX)
        return bool(flags_2[0]), not bool(flags_2[1])

    def first_fault(self, metrics: StepMetrics) -> tuple[int, int]:
        """(rank, row) of the first loss that is not finite, told by every rank."""
        rows = [metrics.fault_row]
        if self.world > 1:
            rows = [None] * self.world
            dist.all_gather_object(rows, metrics.fault_row)
        return next((rank, row) for rank, row in enumerate(rows) if row >= 0)

    def step(self, metrics: StepMetrics, cursor: Cursor) -> None:
        """Sets each group's rate for this step, clips, and moves the weights."""
        schedules = self.plan.stages[cursor.stage].phases[cursor.phase_name].schedules
        for group in self.engine.optimizer.param_groups:
            group["lr"] = metrics.lr[group["name"]] = schedules[group["name"]].rate(cursor.step)
        self.engine.step()
        metrics.grad_norm = dict(self.optimizer.grad_norms)
        if getattr(self.engine.optimizer, "overflow", False):  # DeepSpeed left the step out, in bf16
            metrics.grad_norm = dict.fromkeys(metrics.lr, math.inf)

    def save(self, folder: Path, state: dict[str, Any]) -> None:
        """The engine's part of a checkpoint, written by all ranks into one temporary folder."""
        if self.engine is not None:
            client = {"ontogeny": state, "universal_checkpoint_info": {"universal_checkpoint_version": 0.2}}
            self.engine.save_checkpoint(
                str(folder), tag=TAG, client_state=client, save_latest=False, exclude_frozen_parameters=True
            )

    def _load(self, folder: Path) -> None:
        try:
            path, _ = self.engine.load_checkpoint(
                str(folder), tag=TAG, load_module_strict=False, load_lr_scheduler_states=False
            )
        except Exception as problem:
            raise RunError(
                Fault(
                    "a checkpoint cannot be loaded.",
                    str(folder),
                    f"{type(problem).__name__}: {problem}",
                    "the state this ZeRO stage and these ranks wrote",
                    "delete the newest checkpoint, or run with the machine settings it was made with",
                )
            ) from problem
        if path is None:
            raise RunError(
                Fault(
                    "a checkpoint is not whole.",
                    str(folder),
                    "no engine state",
                    "a DeepSpeed folder",
                    "delete the newest checkpoint and resume from the one before",
                )
            )

    def whole(self, named: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Copies of weights, whole, on rank 0 (elsewhere empty). Under ZeRO-3 they are gathered one at a time."""
        state: dict[str, torch.Tensor] = {}
        for name, value in named.items():
            with deepspeed.zero.GatheredParameters([value], enabled=hasattr(value, "ds_id")):
                if self.rank == 0:
                    state[name] = value.detach().to("cpu", copy=True)
        return state


def fed_rows(micro: Micro, ids_BT: torch.Tensor, weights_BT: torch.Tensor) -> list[tuple[int, bytes]]:
    """(row, digest) of what went into the model."""
    rows = zip(micro.rows_B.tolist(), ids_BT.cpu().numpy(), weights_BT.cpu().numpy(), strict=True)
    return [(row, row_digest(ids_T, weights_T)) for row, ids_T, weights_T in rows if row >= 0]


def start_distributed(threads: int, seed: int) -> tuple[int, int]:
    """Joins the ranks, makes arithmetic deterministic; returns (rank, world).

    Raises: TrainError when the launcher's environment is missing or peers cannot be reached."""
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    # DeepSpeed would compile a shared-memory all-reduce at first use: a minute, and a compiler; gloo needs neither
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    try:
        deepspeed.init_distributed(
            dist_backend="gloo" if get_accelerator().device_name() == "cpu" else None, verbose=False, timeout=PATIENCE
        )
    except (RuntimeError, ValueError, KeyError) as problem:
        raise TrainError(
            Fault(
                "the ranks cannot meet.",
                "",
                str(problem).splitlines()[0],
                "the launcher's environment (RANK, WORLD_SIZE, MASTER_ADDR)",
                "start with `ontogeny run`, or with the deepspeed launcher",
            )
        ) from problem
    return dist.get_rank(), dist.get_world_size()
