"""The genome's shape, first part: lengths, the model, and how weights learn. `ontogeny.core.schema` has the rest."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

MAX_COUNT = 1 << 53  # the largest whole number that JSON carries everywhere

Positive = Annotated[int, Field(gt=0, le=MAX_COUNT, strict=True)]
Frac = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0, le=1.0)]


class Part(BaseModel):
    """A part of a genome: frozen; an unknown key is an error; text is no number, and true is none either."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def one_of(*keys: str) -> dict[str, Any]:
    """The JSON Schema of exactly one key being there."""
    return {"oneOf": [{"required": [key]} for key in keys]}


class Span(Part):
    """A length that carries its unit: exactly one of the keys."""

    model_config = ConfigDict(json_schema_extra=one_of("tokens", "books", "epochs"))

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
