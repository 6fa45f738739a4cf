"""The genome's shape: types, ranges, what each key means, an example of each.

genome/schema.json and docs/genome.md are made from here (`ontogeny genome schema [--markdown]`), so a rule between
keys that JSON Schema can say stands twice: in a validator, which tells the fault, and in `json_schema_extra`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from ontogeny.core.schema_apparatus import Arm, Experiment, Probes
from ontogeny.core.schema_learning import Frac, ModelSpec, Part, Positive, Role, Span, Trunk, one_of

TRUNK = "trunk"
STAGE_NAME = r"^[a-z0-9][a-z0-9_-]*$"
RESERVED_SPEAKERS = ("narrator", TRUNK)
CAST = ("teacher", "student", "critic", "reformulator")  # who speak in scenes that a rule makes
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


class Slot(Part):
    """Books by structure, not by title: resolved against the catalogue by `ontogeny library lock`."""

    field: str | None = Field(None, description="field of knowledge; any if left out", examples=["botany"])
    level: str | None = Field(None, description="level; any if left out", examples=["primer"])
    form: str | None = Field(None, description="form; any if left out", examples=["reader"])
    count: Positive = Field(description="how many books", examples=[2])


class Section(Part):
    """A field of knowledge: books in order, or a slot that a lock fills with books."""

    model_config = ConfigDict(json_schema_extra=one_of("books", "slot"))

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
    kinds: list[Literal["conflict", "gap", "contradiction", "bridge", "mismatch", "dialogue"]] = Field(
        min_length=1,
        description="conflict and mismatch: authored, from the stage folder's scenes.yaml; gap, contradiction, bridge, "
        "mismatch and dialogue: made of the stage's own books, in turn as they are listed",
        examples=[["conflict", "gap"], ["conflict", "gap", "contradiction", "bridge", "mismatch", "dialogue"]],
    )
    rhythm: Literal["interleaved", "spaced", "massed"] = Field(
        "interleaved",
        description="interleaved: evenly, kinds in turn; spaced: evenly, kind after kind; massed: four at neighbouring "
        "paragraphs, then a longer pause",
        examples=["massed"],
    )

    @model_validator(mode="after")
    def _each_once(self) -> Scenes:
        if len(set(self.kinds)) < len(self.kinds):
            raise ValueError("each kind once")
        return self


Weight = Annotated[float, Field(ge=0, le=100)]


class LoopLoss(Part):
    """How the trunk learns from scenes: weights of the spans, two terms beside cross-entropy, attempts of its own."""

    question: Weight = Field(1.0, description="weight of the question's cross-entropy", examples=[1.0])
    attempt: Weight = Field(
        0.0, description="weight of the (wrong) attempt; 0: it is read, and not imitated", examples=[0.0]
    )
    objection: Weight = Field(1.0, description="weight of the objection's cross-entropy", examples=[1.0])
    repair: Weight = Field(1.0, description="weight of the repair's cross-entropy", examples=[2.0])
    margin: Weight = Field(
        0.0,
        description="weight of the margin: in its scene the repair is to be likelier, a token, than the attempt",
        examples=[0.5],
    )
    coherence: Weight = Field(
        0.0,
        description="weight of coherence: a repair is to be told by its scene from the repair of another scene",
        examples=[0.1],
    )
    own_attempts_frac: Frac = Field(
        0.0,
        description="share of the stage's attempts that the model writes itself, on entering the stage",
        examples=[0.25],
    )


class Journal(Part):
    """The stage's hard transitions from sentence to sentence are kept; those of earlier stages are replayed."""

    replay_frac: Frac = Field(
        0.0,
        description="rows of the journals of earlier stages read again, as a share of the stage's packs",
        examples=[0.02],
    )
    rewrite: bool = Field(
        False,
        description="what is read again comes as scenes: those that the roles play at hard places and that are "
        "accepted, then the hard transitions themselves as questions; false: as the paragraphs they are",
        examples=[True],
    )

    @model_validator(mode="after")
    def _rows_to_rewrite(self) -> Journal:
        if self.rewrite and not self.replay_frac:
            raise ValueError("rewrite: true needs a replay_frac above 0, the room that scenes are read in")
        return self


class Gate(Part):
    """A rule over the worse end of a probe's interval."""

    model_config = ConfigDict(json_schema_extra=one_of("below", "above"))

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
        LoopLoss(),
        description="how the trunk learns from scenes: weights of spans, margin, coherence, attempts of its own",
        examples=[{"repair": 2.0, "margin": 0.5}],
    )
    journal: Journal | None = Field(
        None,
        description="a journal of the stage's hard transitions, and how much of earlier ones is replayed; or null",
        examples=[{"replay_frac": 0.02}],
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
    arm: Arm | None = Field(
        None,
        description="the one change that makes a control life of this genome; `ontogeny experiment` alone writes it",
        examples=[{"kind": "shuffle"}],
    )
    experiment: Experiment | None = Field(
        None,
        description="the pre-registration of an experiment on this genome; changes no weight, is not hashed",
        examples=[{"primary": {"probe": "bits_per_byte", "on": "initiation", "contrast": "shuffle"}, "seeds": 6}],
    )
    machine: Machine = Field(
        Machine(),
        description="how the life is spread over a machine: changes no weight, is not hashed",
        examples=[{"ranks": 8, "zero_stage": 3}],
    )
