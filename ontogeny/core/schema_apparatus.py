"""The genome's keys of the apparatus: probes, control arms, the pre-registration of an experiment."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from ontogeny.core.schema_learning import Part, Positive

DEFAULT_BATTERY = ("bits_per_byte", "conflict_resolution", "unprompted")
ProbeName = Literal[
    "bits_per_byte",
    "conflict_resolution",
    "unprompted",
    "minimal_pairs",
    "definition",
    "cloze_fact",
    "trail_recall",
    "in_context",
    "induction",
    "self_repair",
    "coherence",
    "dialogue",
    "bridge",
    "mismatch_recovery",
    "free_resolution",
    "health",
]
PROBES: tuple[str, ...] = get_args(ProbeName)
ArmKind = Literal[
    "shuffle",
    "stage_permute",
    "reverse",
    "sentence_shuffle",
    "no_scenes",
    "sham_scenes",
    "no_roles",
    "subset_only",
    "initiation_only",
    "without",
    "again",
    "plain_loss",
    "authored_attempts",
    "raw_replay",
    "uniform_replay",
    "bridges_apart",
    "no_mismatch",
    "no_played",
    "rhythm",
]
ARMS: tuple[str, ...] = get_args(ArmKind)


class Probes(Part):
    """What is measured after the stage, and inside it."""

    battery: list[ProbeName] = Field(
        list(DEFAULT_BATTERY), description="the probes, by name", examples=[["bits_per_byte", "minimal_pairs"]]
    )
    every_tokens: Positive | None = Field(
        None,
        description="inside the stage, a light probe about every so many trained tokens; null for none",
        examples=[100000],
    )


class Arm(Part):
    """The one change that makes a control life. `again`: other initial weights (the seed of the weights + 1000)."""

    kind: ArmKind = Field(description="what is changed", examples=["shuffle"])
    book: str | None = Field(None, description="for without: the book left out", examples=["bbe-ruth"])
    on: str | None = Field(
        None, description="for subset_only: the stage that is read again and again", examples=["initiation"]
    )
    rhythm: Literal["interleaved", "spaced", "massed"] | None = Field(
        None, description="for rhythm: that of every stage's scenes", examples=["massed"]
    )

    @model_validator(mode="after")
    def _belongs(self) -> Arm:
        if (self.book is not None) != (self.kind == "without"):
            raise ValueError("`book` belongs to kind: without, which needs it")
        if (self.on is not None) != (self.kind == "subset_only"):
            raise ValueError("`on` belongs to kind: subset_only, which needs it")
        if (self.rhythm is not None) != (self.kind == "rhythm"):
            raise ValueError("`rhythm` belongs to kind: rhythm, which needs it")
        return self


class Primary(Part):
    """The one contrast that an experiment is about."""

    probe: ProbeName = Field(description="the probe", examples=["bits_per_byte"])
    on: str = Field(description="the stage or item set scored", examples=["initiation"])
    contrast: str = Field(description="the arm that the genome is set against", examples=["shuffle"])
    form: str | None = Field(None, description="the form of the probe; its first one if left out", examples=["margin"])
    subject: str = Field("trunk", description="trunk, or a role", examples=["student"])


class Experiment(Part):
    """What is asked, said before it is measured; the page marks everything else as exploratory."""

    primary: Primary = Field(
        description="the contrast that decides",
        examples=[{"probe": "bits_per_byte", "on": "initiation", "contrast": "shuffle"}],
    )
    seeds: Annotated[int, Field(ge=2, strict=True)] = Field(6, description="paired lives of each arm", examples=[6])
