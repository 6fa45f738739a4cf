"""The plan: every number of a life, resolved before anything starts. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ontogeny.core.arms import lived, repeats, weights_seed
from ontogeny.core.ascent import audit_warnings
from ontogeny.core.cursor import TRAINED
from ontogeny.core.errors import Fault, GenomeError
from ontogeny.core.estimates import MEAN_BOOK_BYTES, estimated_counts
from ontogeny.core.genome import genome_hash
from ontogeny.core.hashes import seed_of
from ontogeny.core.library import Library, restricts
from ontogeny.core.lock import provisional_counts
from ontogeny.core.memory import MemoryEstimate, estimate_memory, micro_packs
from ontogeny.core.schedule import Schedule, make_schedule
from ontogeny.core.schema import TRUNK, Gate, Genome, Journal, LoopLoss, Role, Span, Stage, Trunk
from ontogeny.core.slots import described

CPU_FLOPS_PER_THREAD = 5.5e10  # measured: training of 2.6 M to 17 M parameters, float32, 2 cores


@dataclass(frozen=True)
class World:
    """The machine as far as the plan cares: ranks, threads of a rank, device kind."""

    ranks: int = 1
    threads_per_rank: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class ModelFacts:
    """What is known of the model before it is built."""

    type: str
    parameters: int
    vocab_size: int
    max_position_embeddings: int | None
    num_hidden_layers: int
    hidden_size: int
    bytes_per_parameter: int


@dataclass(frozen=True)
class ScenePlan:
    """Where scenes come from (a folder under the library's), how dense they are, and in which rhythm.

    Once prepared, `counts`: scenes of each kind; `places`: (kind, book, chapter, scenes)."""

    every_tokens: int
    kinds: tuple[str, ...]
    folder: str
    rhythm: str = "interleaved"
    counts: dict[str, int] = field(default_factory=dict)
    places: tuple[tuple[str, str, str, int], ...] = ()


@dataclass(frozen=True)
class PhasePlan:
    """One trained phase: rows fed, steps, loss-bearing tokens, and the schedule of each parameter group."""

    phase: str
    rows: int
    steps: int
    tokens: int
    root: str | None
    schedules: dict[str, Schedule]
    rows_by_role: dict[str, int] = field(default_factory=dict)
    tokens_by_role: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StagePlan:
    """One stage, resolved. `slots`: what the sections that have no books yet will be filled with, by name."""

    index: int
    name: str
    seeds: dict[str, int]
    sections: tuple[tuple[str, tuple[str, ...]], ...]
    span: Span
    reading: str
    scenes: ScenePlan | None
    loop_loss: LoopLoss
    trunk: Trunk
    roles: dict[str, Role]
    batch_packs: int
    text_bytes: int
    phases: dict[str, PhasePlan]
    battery: tuple[str, ...]
    gate: Gate | None
    licences: dict[str, str]
    slots: dict[str, str] = field(default_factory=dict)
    light_every_tokens: int | None = None
    journal: Journal | None = None

    @property
    def replay_frac(self) -> float:
        """Earlier packs read again, as a share of the stage's own."""
        return self.trunk.replay_frac

    @property
    def journal_replay_frac(self) -> float:
        """Rows of the journals of earlier stages read again, as a share of the stage's packs."""
        return self.journal.replay_frac if self.journal else 0.0

    @property
    def number(self) -> int:
        """The number in the stage's folder name: 1 for the first."""
        return self.index + 1


@dataclass(frozen=True)
class Plan:
    """A whole life in numbers. `genome` has the stages that its arm, if any, makes of its own. `estimate` is True until
    the corpus has been prepared; `provisional` counts what a lock would settle before that: slots, slot_books,
    remote_books."""

    name: str
    genome: Genome
    genome_hash: str
    seed: int
    language: str
    context_tokens: int
    tokenizer: dict[str, Any]
    skip_rules: tuple[str, ...]
    roles: tuple[str, ...]
    model: ModelFacts
    world: World
    micro_batch_packs: int
    role_micro_batch_packs: int
    stages: tuple[StagePlan, ...]
    warnings: tuple[str, ...]
    memory: MemoryEstimate
    estimate: bool
    corpus_hash: str | None = None
    provisional: dict[str, int] = field(default_factory=dict)

    @property
    def arm(self) -> dict[str, Any] | None:
        """The one change that makes this a control life; None for a genome's own."""
        return self.genome.arm.model_dump(exclude_none=True) if self.genome.arm else None

    @property
    def weights_seed(self) -> int:
        """The seed that weights are drawn from."""
        return weights_seed(self.genome)

    @property
    def trained_tokens(self) -> int:
        """Loss-bearing tokens of all phases of all stages, one pass each."""
        return sum(phase.tokens for stage in self.stages for phase in stage.phases.values())

    def time_s(self) -> float | None:
        """Seconds of training on CPU threads at the measured rate; None on other devices (measure there)."""
        if self.world.device != "cpu":
            return None
        rows = sum(phase.rows for stage in self.stages for phase in stage.phases.values())
        attention = 12 * self.model.num_hidden_layers * self.model.hidden_size * self.context_tokens
        flops = rows * self.context_tokens * (6 * self.model.parameters + attention)
        return flops / (CPU_FLOPS_PER_THREAD * self.world.threads_per_rank * self.world.ranks)

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON. A run's plan.json holds no estimate: memory and time stay out of it then."""
        value = _jsonable(self)
        value.pop("genome")
        machine = self.genome.machine.model_dump(mode="json")
        value["machine"] = machine
        value["precision"] = self.genome.model.precision
        value["base"] = self.genome.model.base
        value["trained_tokens"] = self.trained_tokens
        if self.arm is not None:
            value |= {"arm": self.arm, "weights_seed": self.weights_seed}
        if not self.estimate:
            value.pop("memory")
        else:
            value["time_s"] = self.time_s()
        return value


def make_plan(
    genome: Genome,
    library: Library | None,
    world: World,
    model: ModelFacts,
    counts: Mapping[str, Any] | None = None,
    book_bytes: Mapping[str, int] | None = None,
    audit: Mapping[str, Any] | None = None,
) -> Plan:
    """Resolves every number of a life.

    `counts` is the corpus manifest, once prepared: then no number is an estimate. Before that, tokens come from
    `book_bytes` (UTF-8 bytes a book) and the tokenizer's usual rate. `audit` is what `library audit` has found of the
    books; it adds warnings. The stages are those that the genome's arm, if any, makes of its own. Starts nothing, reads
    nothing.
    Raises: GenomeError for adapters on layers that the model does not have."""
    if faults := list(_layer_faults(genome, model)):
        raise GenomeError(faults)
    life = lived(genome)
    sized = genome if repeats(genome) else life  # a stage that is repeated reads as much as those in whose place it is
    stages = tuple(
        _stage_plan(index, stage, sized.stages[index], life, library, counts, book_bytes or {})
        for index, stage in enumerate(life.stages)
    )
    micro, role_micro = _micro_batches(genome, world, model, stages)
    provisional = {} if counts else provisional_counts(genome, library)
    return Plan(
        name=genome.name,
        genome=life,
        genome_hash=genome_hash(genome),
        seed=genome.seed,
        language=genome.language,
        context_tokens=genome.model.context_tokens,
        tokenizer=genome.model.tokenizer.model_dump(),
        skip_rules=tuple(sorted(genome.cleaning.skip_rules)),
        roles=tuple(genome.roles),
        model=model,
        world=world,
        micro_batch_packs=micro,
        role_micro_batch_packs=role_micro,
        stages=stages,
        warnings=(*_provisional_warning(provisional), *_warnings(genome, library, stages, counts, audit)),
        memory=estimate_memory(genome, world, model, micro),
        estimate=counts is None,
        corpus_hash=counts["corpus_hash"] if counts else None,
        provisional=provisional,
    )


def _provisional_warning(provisional: Mapping[str, int]) -> Iterator[str]:
    if provisional:
        yield (
            f"provisional: {provisional['slot_books']} books of {provisional['slots']} slots are not chosen, "
            f"{provisional['remote_books']} remote books have no fingerprint; a book of unknown size counts as "
            f"{MEAN_BOOK_BYTES} bytes; `ontogeny library lock` settles all of it"
        )


def _layer_faults(genome: Genome, model: ModelFacts) -> Iterator[Fault]:
    for index, stage in enumerate(genome.stages):
        adapters: dict[str, Trunk | Role] = {"trunk": stage.trunk}
        adapters |= {f"roles.{name}": role for name, role in stage.roles.items()}
        for name, adapter in adapters.items():
            for position, layer in enumerate(adapter.layers if isinstance(adapter.layers, list) else ()):
                if layer >= model.num_hidden_layers:
                    yield Fault(
                        "an adapter is to sit on a layer that the model does not have.",
                        f"stages[{index}].{name}.layers[{position}]",
                        str(layer),
                        f"0 to {model.num_hidden_layers - 1}",
                        "correct `layers`",
                    )


def _micro_batches(genome: Genome, world: World, model: ModelFacts, stages: tuple[StagePlan, ...]) -> tuple[int, int]:
    """Packs of a micro-batch, in books and replay and in roles."""
    asked = genome.machine.micro_batch_packs
    if asked != "auto":
        return asked, asked
    roomy = micro_packs(genome, model)
    context = genome.model.context_tokens
    rows = max(stage.batch_packs for stage in stages)
    role_rows = max(sum(role.batch_tokens // context for role in stage.roles.values()) for stage in stages)
    return min(roomy, math.ceil(rows / world.ranks)), max(1, min(roomy, math.ceil(role_rows / world.ranks)))


def _phases(stage: Stage, numbers: Mapping[str, Any]) -> dict[str, PhasePlan]:
    """The trained phases of a stage, with their schedules; `numbers`: rows, steps and tokens by phase."""
    phases = {}
    books_steps, replay_steps = (numbers[phase]["steps"] for phase in ("books", "replay"))
    trunk = make_schedule(stage.trunk, books_steps + replay_steps)  # one rise and one fall for both
    for phase in TRAINED:
        told = numbers[phase]
        if phase == "roles":
            schedules = {name: make_schedule(stage.roles[name], told["steps"]) for name in told["rows_by_role"]}
        else:
            schedules = {TRUNK: replace(trunk, first_step=books_steps if phase == "replay" else 0)}
        phases[phase] = PhasePlan(
            phase,
            told["rows"],
            told["steps"],
            told["tokens"],
            told.get("root"),
            schedules,
            dict(told.get("rows_by_role", {})),
            dict(told.get("tokens_by_role", {})),
        )
    return phases


def _stage_plan(
    index: int,
    stage: Stage,
    sized: Stage,
    genome: Genome,
    library: Library | None,
    counts: Mapping[str, Any] | None,
    book_bytes: Mapping[str, int],
) -> StagePlan:
    context = genome.model.context_tokens
    batch_packs = stage.trunk.batch_tokens // context
    numbers = counts["stages"][index] if counts else estimated_counts(sized, genome, book_bytes, index)
    phases = _phases(stage, numbers["phases"])
    scenes = None
    if stage.scenes:
        scenes = ScenePlan(
            stage.scenes.every_tokens,
            tuple(stage.scenes.kinds),
            stage.use or "",
            stage.scenes.rhythm,
            dict(numbers.get("scenes", {})),
            tuple(tuple(place) for place in numbers.get("scene_places", ())),
        )
    books = [book for section in stage.sections for book in section.book_ids]
    return StagePlan(
        index=index,
        name=stage.name,
        seeds={purpose: seed_of(genome.seed, stage.name, purpose) for purpose in ("scenes", "replay", "probes")},
        sections=tuple((section.name, tuple(section.book_ids)) for section in stage.sections),
        span=stage.span,
        reading=stage.reading,
        scenes=scenes,
        loop_loss=stage.loop_loss,
        trunk=stage.trunk,
        roles=dict(stage.roles),
        batch_packs=batch_packs,
        text_bytes=numbers["bytes"],
        phases=phases,
        battery=tuple(stage.probes.battery),
        gate=stage.gate,
        licences={book: library.entries[book].licence for book in books} if library else _licences(counts, books),
        slots={
            section.name: f"{section.slot.count} books: {described(section.slot.model_dump())}"
            for section in stage.sections
            if section.slot
        },
        light_every_tokens=stage.probes.every_tokens,
        journal=stage.journal,
    )


def _licences(counts: Mapping[str, Any] | None, books: list[str]) -> dict[str, str]:
    known = {book["id"]: book["licence"] for book in counts["books"]} if counts else {}
    return {book: known.get(book, "unknown") for book in books}


def _warnings(
    genome: Genome,
    library: Library | None,
    stages: tuple[StagePlan, ...],
    counts: Mapping[str, Any] | None,
    audit: Mapping[str, Any] | None,
) -> list[str]:
    told = []
    last = stages[-max(1, len(stages) // 3) :]
    falling = [stage for stage in last if stage.trunk.schedule != "constant" and stage.trunk.final_frac < 0.01]
    if len(stages) > 1 and falling:
        told.append(
            f"an ascending curriculum meets a decay to zero in {', '.join(one.name for one in falling)}: the "
            "best text is read at the lowest rate (raise trunk.final_frac, or use schedule: constant there)"
        )
    first: dict[str, str] = {}
    for stage in stages:
        for _, books in stage.sections:
            for book in books:
                if book in first and not repeats(genome):
                    told.append(f"book '{book}' is used twice: in {first[book]} and in {stage.name}")
                first.setdefault(book, stage.name)
    for index, stage in enumerate(stages):
        if index and stage.journal_replay_frac and not any(earlier.journal for earlier in stages[:index]):
            told.append(f"{stage.name} replays journals, and no stage before it keeps one: earlier packs stand in")
    bound = sorted({licence for stage in stages for licence in stage.licences.values() if restricts(licence)})
    if bound:
        told.append(f"licences that restrict what may be done with the model's text: {', '.join(bound)}")
    if library:
        others = sorted(book for book in first if library.entries[book].language != genome.language)
        if others:
            told.append(f"books in another language than '{genome.language}': {', '.join(others)}")
        if audit:
            orders = [(stage.name, stage.sections) for stage in stages]
            told += audit_warnings(genome.language, orders, library.entries, audit)
    for stage in counts["stages"] if counts else ():
        told += [f"{stage['name']}: {warning}" for warning in stage.get("warnings", ())]
    return told


def _jsonable(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    if hasattr(value, "__dataclass_fields__"):
        return {name: _jsonable(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    return value
