"""The genome's shape: types, ranges, what each key means, an example of each.

genome/schema.json and docs/genome.md are made from here (`ontogeny genome schema [--markdown]`), so a rule between
keys that JSON Schema can say stands twice: in a validator, which tells the fault, and in `json_schema_extra`."""

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


def _one_of(*keys: str) -> dict[str, Any]:
    """The JSON Schema of exactly one key being there."""
    return {"oneOf": [{"required": [key]} for key in keys]}


class Span(Part):
    """A length that carries its unit: exactly one of the keys."""

    model_config = ConfigDict(json_schema_extra=_one_of("tokens", "books", "epochs"))

    tokens: Positive | None = Field(
        None,
        description="read until this many loss-bearing tokens; more than the books hold is an error",
        examples=[200000],
    )
    books: Literal["all"] | None = Field(None, description="read every book once", examples=["all"])
    epochs: Positive | None = Field(None, description="read every book this many times", examples=[2])

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

    train: Literal["bpe"] = Field(description="byte-level byte-pair encoding", examples=["bpe"])
    vocab_size: Annotated[int, Field(ge=300, le=262144, strict=True)] = Field(
        description="entries, specials included", examples=[4096]
    )


class PretrainedTokenizer(Part):
    """A tokenizer that exists; it is never grown."""

    pretrained: str = Field(
        min_length=1,
        description="a Hub id, a local folder, or package:DIST/PATH",
        examples=["HuggingFaceTB/SmolLM2-135M"],
    )


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

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"required": ["base"], "properties": {"base": {"not": {"const": "scratch"}}}},
            "then": {"properties": {"architecture": {"type": "null"}, "tokenizer": {"required": ["pretrained"]}}},
            "else": {"required": ["architecture"], "properties": {"architecture": {"type": "object"}}},
        }
    )

    base: str = Field(
        "scratch",
        min_length=1,
        description="scratch, or a causal language model that goes on reading: a Hub id, a local folder, or "
        "package:DIST/PATH",
        examples=["scratch", "HuggingFaceTB/SmolLM2-135M"],
    )
    architecture: dict[str, Any] | None = Field(
        None,
        description="for base: scratch, and only there: `type` and the keys of that type's transformers configuration",
        examples=[{"type": "llama", "hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4}],
    )
    context_tokens: Annotated[int, Field(ge=16, strict=True)] = Field(
        description="tokens of a training row, which a pack fills", examples=[512]
    )
    tokenizer: Tokenizer = Field(
        description="one trained on this genome's own passages, or one that exists (which a pretrained model needs)",
        examples=[{"train": "bpe", "vocab_size": 4096}],
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="of the weights; adapters are float32", examples=["bf16"]
    )

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

    learning_rate: Rate = Field(description="the rate at the top of the schedule", examples=[1.0e-3])
    schedule: Literal["constant", "warmup_stable_decay", "cosine"] = Field(
        "warmup_stable_decay", description="how the rate moves within a phase", examples=["cosine"]
    )
    warmup_frac: Frac = Field(
        0.05, description="share of a phase's steps that warms up (not for constant)", examples=[0.05]
    )
    decay_frac: Frac = Field(
        0.2, description="share of a phase's steps that decays (warmup_stable_decay)", examples=[0.2]
    )
    final_frac: Frac = Field(
        0.1, description="the rate at the end of a decay, as a share of learning_rate", examples=[0.1]
    )
    batch_tokens: Positive = Field(
        description="tokens of a global batch, a multiple of model.context_tokens", examples=[2048]
    )
    clip_norm: Annotated[float, Field(gt=0)] = Field(1.0, description="largest gradient norm", examples=[1.0])
    weight_decay: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="share of the rate by which weights shrink at each step", examples=[0.1]
    )


Layers = Literal["all", "top-half"] | Annotated[list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1)]
Targets = Literal["attention", "mlp", "all"]


class Trunk(Optimised):
    """How the model's own weights, or a trunk adapter, read the books."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"required": ["update"], "properties": {"update": {"const": "lora"}}},
            "then": {"required": ["rank", "alpha"]},
        }
    )

    update: Literal["full", "lora"] = Field(
        "full", description="full weights, or a LoRA merged at each stage's end", examples=["lora"]
    )
    replay_frac: Frac = Field(
        0.0, description="earlier training packs read again, as a share of the stage's packs", examples=[0.05]
    )
    transition: Literal["fresh_schedule", "fresh_optimizer"] = Field(
        "fresh_schedule",
        description="at a stage's beginning: a new schedule with the optimizer's state kept, or both new",
        examples=["fresh_optimizer"],
    )
    rank: Positive | None = Field(None, description="rank of the LoRA; for update: lora alone", examples=[8])
    alpha: Annotated[float, Field(gt=0)] | None = Field(
        None, description="the LoRA counts alpha / rank; for update: lora alone", examples=[16]
    )
    targets: Targets | None = Field(
        None, description="modules the LoRA sits on; for update: lora alone", examples=["attention"]
    )
    layers: Layers | None = Field(
        None, description="layers the LoRA sits on; for update: lora alone", examples=["top-half", [0, 1]]
    )

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

    rank: Positive = Field(description="rank of the adapter", examples=[8])
    alpha: Annotated[float, Field(gt=0)] = Field(description="the adapter counts alpha / rank", examples=[16])
    targets: Targets = Field("attention", description="modules the adapter sits on", examples=["all"])
    layers: Layers = Field(
        "all", description="layers the adapter sits on, by number from 0", examples=["top-half", [0, 1]]
    )
    span: Span = Field(
        Span(epochs=1), description="how much the role reads of its scenes in each stage", examples=[{"epochs": 2}]
    )
    inherit: Literal["continue", "fresh"] = Field(
        "continue", description="start from the stage before, or anew", examples=["fresh"]
    )


class Slot(Part):
    """Books by structure, not by title: resolved against the catalogue by `ontogeny library lock`."""

    field: str | None = Field(None, description="field of knowledge; any if left out", examples=["botany"])
    level: str | None = Field(None, description="level; any if left out", examples=["primer"])
    form: str | None = Field(None, description="form; any if left out", examples=["reader"])
    count: Positive = Field(description="how many books", examples=[2])


class Section(Part):
    """A field of knowledge: books in order, or a slot that a lock fills with books."""

    model_config = ConfigDict(json_schema_extra=_one_of("books", "slot"))

    name: str = Field(min_length=1, description="what the section is called", examples=["short stories"])
    books: list[str] | None = Field(
        None, min_length=1, description="ids from the catalogue, in reading order", examples=[["bbe-ruth", "bbe-jonah"]]
    )
    slot: Slot | None = Field(
        None,
        description="books by structure instead of by title; `ontogeny library lock` chooses them",
        examples=[{"field": "botany", "level": "primer", "count": 2}],
    )

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

    skip_rules: list[str] = Field(
        [], description="rules of cleaning that are switched off; docs/corpus.md names them", examples=[["hard_wrap"]]
    )


class Scenes(Part):
    """How many scenes are put into a stage's books, and of what kinds."""

    every_tokens: Positive = Field(description="one scene about every so many tokens of book text", examples=[2000])
    kinds: list[Literal["conflict", "gap"]] = Field(
        min_length=1,
        description="conflict: authored, from the stage folder's scenes.yaml; gap: made from the book's own paragraphs",
        examples=[["conflict", "gap"]],
    )


class LoopLoss(Part):
    """Weights of a scene's spans in the trunk's loss."""

    repair: Annotated[float, Field(ge=0, le=100)] = Field(1.0, description="weight of the repair", examples=[2.0])
    attempt: Annotated[float, Field(ge=0, le=100)] = Field(
        0.0, description="weight of the (wrong) attempt; 0: it is read, and not imitated", examples=[0.0]
    )


class Probes(Part):
    """What is measured after the stage."""

    battery: list[Literal["bits_per_byte", "conflict_resolution", "unprompted"]] = Field(
        list(PROBES), description="the probes, by name", examples=[["bits_per_byte"]]
    )


class Gate(Part):
    """A rule over the worse end of a probe's interval."""

    model_config = ConfigDict(json_schema_extra=_one_of("below", "above"))

    probe: Literal["bits_per_byte", "conflict_resolution"] = Field(
        description="what is looked at; the stage's battery must hold it", examples=["bits_per_byte"]
    )
    on: str = Field(description="the stage whose held-out material is scored", examples=["primer"])
    subject: str = Field(TRUNK, description="trunk, or a role", examples=["student"])
    below: float | None = Field(None, description="passed if the interval's upper end is below this", examples=[3.2])
    above: float | None = Field(None, description="passed if the interval's lower end is above this", examples=[0.6])
    otherwise: Literal["repeat", "end"] = Field(
        "end", description="what happens to a life that does not pass", examples=["repeat"]
    )
    max_repeats: Annotated[int, Field(ge=0, strict=True)] = Field(
        1, description="for otherwise: repeat, passes more before the life ends", examples=[1]
    )

    @model_validator(mode="after")
    def _one_bound(self) -> Gate:
        if (self.below is None) == (self.above is None):
            raise ValueError("exactly one of below, above")
        return self


class Stage(Part):
    """A phase of growth with its own books, budget, scenes, probes and gate."""

    use: str | None = Field(
        None,
        description="a stage folder whose stage.yaml gives defaults: keys here go over them, and `span`, `sections`, "
        "`scenes` and `gate` replace whole",
        examples=["stages/primer"],
    )
    name: str = Field(
        pattern=STAGE_NAME,
        max_length=80,
        description="a name of its own for every stage; with `use`, the stage file or its folder gives one",
        examples=["primer"],
    )
    span: Span = Field(description="how much of the books is read", examples=[{"tokens": 200000}, {"books": "all"}])
    reading: Literal["sequential", "interleaved", "self_chosen"] = Field(
        "sequential",
        description="book by book, sections in turns, or the next book as the model chooses",
        examples=["interleaved"],
    )
    sections: list[Section] = Field(
        min_length=1,
        description="what is read, in order",
        examples=[[{"name": "short stories", "books": ["bbe-ruth", "bbe-jonah"]}]],
    )
    scenes: Scenes | None = Field(
        None,
        description="scenes put into the books; null for none",
        examples=[{"every_tokens": 2000, "kinds": ["conflict", "gap"]}],
    )
    loop_loss: LoopLoss = Field(
        LoopLoss(), description="weights of a scene's spans in the trunk's loss", examples=[{"repair": 2.0}]
    )
    probes: Probes = Field(
        Probes(), description="what is measured after the stage", examples=[{"battery": ["bits_per_byte"]}]
    )
    gate: Gate | None = Field(
        None,
        description="a rule that lets the life pass on, repeat the stage, or end; null for none",
        examples=[{"probe": "bits_per_byte", "on": "primer", "below": 3.2, "otherwise": "repeat"}],
    )
    trunk: Trunk = Field(
        description="keys of the genome's `trunk` that are other in this stage", examples=[{"learning_rate": 5.0e-4}]
    )
    roles: dict[str, Role] = Field(
        {},
        description="keys of the genome's `roles` that are other in this stage, by role",
        examples=[{"student": {"learning_rate": 1.0e-3}}],
    )


class Machine(Part):
    """What changes no weight: how the same life is spread over a machine. Not hashed."""

    ranks: Positive = Field(1, description="processes that share the work: a GPU each", examples=[8])
    zero_stage: Literal[0, 1, 2, 3] = Field(
        0, description="what ranks share out: nothing, optimizer, gradients too, weights too", examples=[3]
    )
    micro_batch_packs: Positive | Literal["auto"] = Field(
        "auto", description="packs that a rank feeds at once; more memory, fewer passes", examples=["auto", 4]
    )
    activation_checkpointing: bool = Field(
        False, description="compute activations twice rather than keep them: less memory, slower", examples=[True]
    )
    log_every_steps: Positive = Field(10, description="steps from one line of metrics to the next", examples=[10])
    save_every_steps: Positive = Field(200, description="steps from one checkpoint to the next", examples=[200])
    deepspeed: dict[str, Any] = Field(
        {},
        description="passed to DeepSpeed; keys that the plan owns are refused",
        examples=[{"zero_optimization": {"overlap_comm": True}}],
    )

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

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=80,
        description="what the life is called; its run directory is runs/NAME",
        examples=["seedling"],
    )
    seed: Annotated[int, Field(ge=0, strict=True)] = Field(
        description="the root of all randomness: weights, scenes, replay", examples=[7]
    )
    language: str = Field(
        "en", min_length=2, max_length=3, description="ISO 639 code of the books and the scenes", examples=["ru"]
    )
    model: ModelSpec = Field(
        description="the model that lives the life",
        examples=[{"base": "HuggingFaceTB/SmolLM2-135M", "context_tokens": 512}],
    )
    trunk: Trunk = Field(
        description="how the model's own weights read the books",
        examples=[{"learning_rate": 1.0e-3, "batch_tokens": 2048, "replay_frac": 0.05}],
    )
    roles: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Role] = Field(
        {},
        description="role -> its adapter; who speaks in the scenes",
        examples=[{"student": {"rank": 8, "alpha": 16, "learning_rate": 2.0e-4, "batch_tokens": 2048}}],
    )
    stages: list[Stage] = Field(
        min_length=1,
        description="the stages, in the order they are walked",
        examples=[[{"use": "stages/primer", "span": {"tokens": 200000}}]],
    )
    cleaning: Cleaning = Field(
        Cleaning(), description="rules of cleaning switched off", examples=[{"skip_rules": ["hard_wrap"]}]
    )
    machine: Machine = Field(
        Machine(),
        description="how the life is spread over a machine: changes no weight, is not hashed",
        examples=[{"ranks": 8, "zero_stage": 3}],
    )
