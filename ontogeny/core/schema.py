"""The genome's shape: types, ranges, and what each key means. The JSON Schema comes from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

PROBES = ("bits_per_byte", "conflict_resolution", "unprompted")
SCENE_KINDS = ("conflict", "gap")
TRUNK = "trunk"
STAGE_NAME = r"^[a-z0-9][a-z0-9_-]*$"
RESERVED_SPEAKERS = ("narrator", TRUNK)
OWNED_DEEPSPEED_KEYS = (
    "train_batch_size",
    "train_micro_batch_size_per_gpu",
    "gradient_accumulation_steps",
    "gradient_clipping",
    "optimizer",
    "scheduler",
    "bf16",
    "fp16",
    "steps_per_print",
    "zero_allow_untested_optimizer",
)

MAX_COUNT = 1 << 53  # the largest whole number that JSON carries everywhere

Positive = Annotated[int, Field(gt=0, le=MAX_COUNT, strict=True)]
Frac = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0, le=1.0)]


class Part(BaseModel):
    """A part of a genome: frozen; an unknown key is an error; text is no number, and true is none either."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Span(Part):
    """A length that carries its unit: exactly one of the keys."""

    tokens: Positive | None = Field(None, description="read until this many loss-bearing tokens")
    books: Literal["all"] | None = Field(None, description="read every book once")
    epochs: Positive | None = Field(None, description="read every book this many times")

    @model_validator(mode="after")
    def _one_unit(self) -> Span:
        given = [unit for unit in ("tokens", "books", "epochs") if getattr(self, unit) is not None]
        if len(given) != 1:
            raise ValueError("exactly one of {tokens: N}, {books: all}, {epochs: N}")
        return self

    @property
    def unit(self) -> str:
        """The key that was given: tokens, books or epochs."""
        return next(unit for unit in ("tokens", "books", "epochs") if getattr(self, unit) is not None)

    @property
    def amount(self) -> int:
        """The number that goes with the unit; 1 for `books: all`."""
        return 1 if self.unit == "books" else getattr(self, self.unit)


class TrainedTokenizer(Part):
    """A tokenizer of this genome's own, trained on its training passages."""

    train: Literal["bpe"] = Field(description="byte-level byte-pair encoding")
    vocab_size: Annotated[int, Field(ge=300, le=262144, strict=True)] = Field(description="entries, specials included")


class PretrainedTokenizer(Part):
    """A tokenizer that exists; it is never grown."""

    pretrained: str = Field(min_length=1, description="Hub id, local folder, or package:DIST/PATH")


def _tokenizer_kind(value: Any) -> str:
    """Which of the two a value means to be, so that only that one's faults are told."""
    named = "pretrained" in value if isinstance(value, dict) else isinstance(value, PretrainedTokenizer)
    return "PretrainedTokenizer" if named else "TrainedTokenizer"


Tokenizer = Annotated[
    Annotated[TrainedTokenizer, Tag("TrainedTokenizer")] | Annotated[PretrainedTokenizer, Tag("PretrainedTokenizer")],
    Discriminator(_tokenizer_kind),
]


class ModelSpec(Part):
    """The causal language model that lives the life."""

    base: str = Field("scratch", min_length=1, description="scratch, a Hub id, a local folder, or package:DIST/PATH")
    architecture: dict[str, Any] | None = Field(None, description="for scratch: {type: llama, hidden_size: ...}")
    context_tokens: Annotated[int, Field(ge=16, strict=True)] = Field(description="tokens of a training row")
    tokenizer: Tokenizer
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the weights; adapters are float32")

    @model_validator(mode="after")
    def _base_and_architecture(self) -> ModelSpec:
        if self.base == "scratch":
            if not self.architecture or not isinstance(self.architecture.get("type"), str):
                raise ValueError("base: scratch needs architecture: {type: ..., ...}")
        elif self.architecture is not None:
            raise ValueError("architecture is for base: scratch alone; a pretrained model has its own")
        elif isinstance(self.tokenizer, TrainedTokenizer):
            raise ValueError("a pretrained model keeps its tokenizer: {pretrained: ...}")
        return self


class Optimised(Part):
    """What trunk and roles share: rate, schedule, batch, clip."""

    learning_rate: Rate
    schedule: Literal["constant", "warmup_stable_decay", "cosine"] = "warmup_stable_decay"
    warmup_frac: Frac = Field(0.05, description="share of a phase's steps that warms up (not for constant)")
    decay_frac: Frac = Field(0.2, description="share of a phase's steps that decays (warmup_stable_decay)")
    final_frac: Frac = Field(0.1, description="the rate at the end of a decay, as a share of learning_rate")
    batch_tokens: Positive = Field(description="tokens of a global batch, a multiple of model.context_tokens")
    clip_norm: Annotated[float, Field(gt=0)] = Field(1.0, description="largest gradient norm")
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0


Layers = Literal["all", "top-half"] | Annotated[list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1)]
Targets = Literal["attention", "mlp", "all"]


class Trunk(Optimised):
    """How the model's own weights, or a trunk adapter, read the books."""

    update: Literal["full", "lora"] = Field("full", description="full weights, or a LoRA merged at each stage's end")
    replay_frac: Frac = Field(0.0, description="earlier training packs read again, as a share of the stage's packs")
    transition: Literal["fresh_schedule", "fresh_optimizer"] = "fresh_schedule"
    rank: Positive | None = Field(None, description="for update: lora")
    alpha: Annotated[float, Field(gt=0)] | None = Field(None, description="for update: lora")
    targets: Targets | None = Field(None, description="for update: lora")
    layers: Layers | None = Field(None, description="for update: lora")

    @model_validator(mode="after")
    def _adapter_keys(self) -> Trunk:
        given = [key for key in ("rank", "alpha", "targets", "layers") if getattr(self, key) is not None]
        if self.update == "full" and given:
            raise ValueError(f"{', '.join(given)} belong to update: lora")
        if self.update == "lora" and (self.rank is None or self.alpha is None):
            raise ValueError("update: lora needs rank and alpha")
        return self


class Role(Optimised):
    """A LoRA adapter on the frozen trunk that learns one speaker's turns."""

    rank: Positive
    alpha: Annotated[float, Field(gt=0)]
    targets: Targets = "attention"
    layers: Layers = "all"
    span: Span = Span(epochs=1)
    inherit: Literal["continue", "fresh"] = Field("continue", description="start from the stage before, or anew")


class Slot(Part):
    """Books by structure, not by title: resolved against the catalogue by `ontogeny library lock`."""

    field: str | None = Field(None, description="field of knowledge, or any")
    level: str | None = Field(None, description="level, or any")
    form: str | None = Field(None, description="form, or any")
    count: Positive = Field(description="how many books")


class Section(Part):
    """A field of knowledge: books in order, or a slot that a lock fills with books."""

    name: str = Field(min_length=1)
    books: list[str] | None = Field(None, min_length=1, description="ids from the catalogue, in reading order")
    slot: Slot | None = Field(None, description="books by structure instead of by title")

    @model_validator(mode="after")
    def _books_or_slot(self) -> Section:
        if (self.books is None) == (self.slot is None):
            raise ValueError("exactly one of books, slot")
        return self

    @property
    def book_ids(self) -> list[str]:
        """The books; none of a slot that is not locked."""
        return self.books or []


class Cleaning(Part):
    """What the cleaner leaves alone."""

    skip_rules: list[str] = Field([], description="rules of cleaning that are switched off; docs/corpus.md names them")


class Scenes(Part):
    """How many scenes are put into a stage's books, and of what kinds."""

    every_tokens: Positive = Field(description="one scene about every so many tokens of book text")
    kinds: list[Literal["conflict", "gap"]] = Field(min_length=1)


class LoopLoss(Part):
    """Weights of a scene's spans in the trunk's loss."""

    repair: Annotated[float, Field(ge=0, le=100)] = Field(1.0, description="weight of the repair")
    attempt: Annotated[float, Field(ge=0, le=100)] = Field(0.0, description="weight of the (wrong) attempt")


class Probes(Part):
    """What is measured after the stage."""

    battery: list[Literal["bits_per_byte", "conflict_resolution", "unprompted"]] = list(PROBES)


class Gate(Part):
    """A rule over the worse end of a probe's interval."""

    probe: Literal["bits_per_byte", "conflict_resolution"]
    on: str = Field(description="the stage whose held-out material is scored")
    subject: str = Field(TRUNK, description="trunk, or a role")
    below: float | None = None
    above: float | None = None
    otherwise: Literal["repeat", "end"] = "end"
    max_repeats: Annotated[int, Field(ge=0, strict=True)] = Field(1, description="passes more, before the life ends")

    @model_validator(mode="after")
    def _one_bound(self) -> Gate:
        if (self.below is None) == (self.above is None):
            raise ValueError("exactly one of below, above")
        return self


class Stage(Part):
    """A phase of growth with its own books, budget, scenes, probes and gate."""

    use: str | None = Field(None, description="a stage folder whose stage.yaml gives defaults")
    name: str = Field(pattern=STAGE_NAME, max_length=80)
    span: Span
    reading: Literal["sequential", "interleaved", "self_chosen"] = Field(
        "sequential", description="book by book, sections in turns, or the next book as the model chooses"
    )
    sections: list[Section] = Field(min_length=1)
    scenes: Scenes | None = None
    loop_loss: LoopLoss = LoopLoss()
    probes: Probes = Probes()
    gate: Gate | None = None
    trunk: Trunk
    roles: dict[str, Role] = {}


class Machine(Part):
    """What changes no weight: how the same life is spread over a machine. Not hashed."""

    ranks: Positive = 1
    zero_stage: Literal[0, 1, 2, 3] = 0
    micro_batch_packs: Positive | Literal["auto"] = "auto"
    activation_checkpointing: bool = False
    log_every_steps: Positive = 10
    save_every_steps: Positive = 200
    deepspeed: dict[str, Any] = Field({}, description="passed to DeepSpeed; keys that the plan owns are refused")

    @model_validator(mode="after")
    def _owned_keys(self) -> Machine:
        owned = [key for key in self.deepspeed if key in OWNED_DEEPSPEED_KEYS]
        if isinstance(self.deepspeed.get("zero_optimization"), dict) and "stage" in self.deepspeed["zero_optimization"]:
            owned.append("zero_optimization.stage")
        if owned:
            raise ValueError(f"machine.deepspeed may not set {', '.join(owned)}: the plan decides them")
        return self


class Genome(Part):
    """One life: a model, how its trunk and roles learn, and the stages it walks."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)
    seed: Annotated[int, Field(ge=0, strict=True)]
    language: str = Field("en", min_length=2, max_length=3)
    model: ModelSpec
    trunk: Trunk
    roles: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Role] = {}
    stages: list[Stage] = Field(min_length=1)
    cleaning: Cleaning = Cleaning()
    machine: Machine = Machine()
