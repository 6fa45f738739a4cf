"""Control arms: lives that differ from their genome in one stated way.

A genome with an `arm:` key keeps its own stages; `lived` says what its life reads. Material moves (name, books, scenes,
loop_loss); what belongs to the place in the life stays there: rates, batches, the journal, probes, gates. The arms of
REPACKED are made of the genome's own packs (ontogeny/corpus/repack.py); the others are plans like any other."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ontogeny.core.errors import Fault, GenomeError, closest
from ontogeny.core.hashes import seed_of, sha256_hex
from ontogeny.core.schema import Genome, Stage
from ontogeny.core.schema_apparatus import ARMS, Arm

if TYPE_CHECKING:
    from ontogeny.core.genome import LoadedGenome

REPEATING = ("subset_only", "initiation_only")  # one stage's packs, over as many rows as the genome has
REPACKED = ("shuffle", "sentence_shuffle", "sham_scenes", "bridges_apart", *REPEATING)
PLAIN_LOSS = {"question": 1.0, "objection": 1.0, "repair": 1.0, "margin": 0.0, "coherence": 0.0}
ARGUMENT = {"without": "book", "subset_only": "on", "rhythm": "rhythm"}  # the key that `kind=...` fills
OTHER_WEIGHTS = 1000  # added to the seed of the weights by `again`
SAME_STEPS = ("plain_loss", "authored_attempts", "raw_replay", "uniform_replay", "no_played")
LIFE = "life"  # stands for the stage in seeds of what concerns all of them


def arm_of(words: str, genome: Genome | None = None) -> Arm:
    """The arm that words name: `shuffle`, `without=BOOK`, `subset_only=STAGE`, `rhythm=massed`.

    `subset_only` alone means the stage that the genome's pre-registration looks at. Raises: GenomeError."""
    kind, equals, argument = words.partition("=")
    if kind == "subset_only" and not argument and genome is not None and genome.experiment is not None:
        argument = genome.experiment.primary.on
    key = ARGUMENT.get(kind, "argument")
    try:
        return Arm.model_validate({"kind": kind, **({key: argument or None} if equals or argument else {})})
    except ValidationError:
        forms = {"without": "without=BOOK", "subset_only": "subset_only=STAGE"}
        forms["rhythm"] = "rhythm=interleaved, rhythm=spaced or rhythm=massed"
        expected = forms.get(kind) or (kind if kind in ARMS else f"one of {', '.join(ARMS)}{closest(kind, ARMS)}")
        raise GenomeError(Fault("an arm does not exist.", "--arms", words, expected, "correct the arm")) from None


def words_of(arm: Arm) -> str:
    """What `arm_of` reads back."""
    argument = arm.book or arm.on or arm.rhythm
    return f"{arm.kind}={argument}" if argument else arm.kind


def with_arm(loaded: LoadedGenome, arm: Arm) -> LoadedGenome:
    """The genome with an arm; the file that a run of it writes carries the key.

    Raises: GenomeError for an arm of an arm, and for one that changes nothing."""
    if loaded.genome.arm is not None:
        told = f"arm {words_of(loaded.genome.arm)}"
        raise GenomeError(Fault("an arm has no arms.", "arm", told, "a genome without `arm:`", "take the key out"))
    genome = loaded.genome.model_copy(update={"arm": arm})
    if faults := arm_faults(genome):
        raise GenomeError([loaded.document.located(fault) for fault in faults])
    return type(loaded)(genome, loaded.path, loaded.library, loaded.document)


def without_arm(loaded: LoadedGenome) -> LoadedGenome:
    """The genome that an arm belongs to."""
    genome = loaded.genome.model_copy(update={"arm": None})
    return type(loaded)(genome, loaded.path, loaded.library, loaded.document)


def arm_faults(genome: Genome) -> list[Fault]:
    """Why a genome's arm cannot be: it would change nothing, or names what is not there."""
    return [] if genome.arm is None else list(_faults(genome, genome.arm))


def _faults(genome: Genome, arm: Arm) -> Iterator[Fault]:
    names = [stage.name for stage in genome.stages]
    if arm.kind in ("reverse", "stage_permute", *REPEATING) and len(names) == 1:
        yield _nothing(arm, f"the one stage '{names[0]}'", "a genome of several stages")
    if arm.kind == "subset_only" and arm.on not in names:
        yield Fault(
            "an arm repeats a stage that does not exist.",
            "arm.on",
            f"'{arm.on}'",
            f"one of {', '.join(names)}{closest(str(arm.on), names)}",
            "correct `on`",
        )
    if arm.kind in ("no_scenes", "sham_scenes") and not any(stage.scenes for stage in genome.stages):
        yield _nothing(arm, "no stage has scenes", "a genome with scenes")
    if arm.kind == "no_roles" and not genome.roles:
        yield _nothing(arm, "the genome has no roles", "a genome with roles")
    yield from _learning_faults(genome, arm)
    if arm.kind == "again" and not _draws_weights(genome):
        yield _nothing(arm, f"every weight is that of {genome.model.base}", "weights that a seed draws")
    if arm.kind == "without":
        yield from _without_faults(genome, arm)
    chosen = [stage.name for stage in genome.stages if stage.reading == "self_chosen"]
    if arm.kind == "subset_only":
        chosen = [name for name in chosen if name == arm.on]
    elif arm.kind == "initiation_only":
        chosen = [name for name in chosen if name == names[-1]]
    if arm.kind in REPACKED and arm.kind != "shuffle" and chosen:
        yield Fault(
            f"the arm {arm.kind} needs an order that is declared.",
            "arm",
            f"stage '{chosen[0]}' chooses its order itself",
            "reading: sequential or interleaved",
            "use the arm shuffle, or another reading",
        )


def _learning_faults(genome: Genome, arm: Arm) -> Iterator[Fault]:
    """Of the arms that change how scenes are learned from, which of them change nothing."""
    scenes = [stage.scenes for stage in genome.stages if stage.scenes]
    if arm.kind == "plain_loss" and all(_plainly(stage) == stage for stage in genome.stages):
        yield _nothing(arm, "every span weighs alike already", "a stage with loop_loss")
    if arm.kind == "authored_attempts" and not any(stage.loop_loss.own_attempts_frac for stage in genome.stages):
        yield _nothing(arm, "every attempt is its author's already", "a stage with loop_loss.own_attempts_frac")
    replaying = [stage.journal for stage in _replaying(genome)]
    if arm.kind in ("raw_replay", "uniform_replay") and not replaying:
        yield _nothing(
            arm, "no stage replays a journal", "a stage with journal: {replay_frac: ...} after one that keeps it"
        )
    if arm.kind == "no_played" and not any(journal and journal.rewrite for journal in replaying):
        yield _nothing(arm, "no stage has played scenes", "a stage with journal: {rewrite: true}")
    needed = {"bridges_apart": "bridge", "no_mismatch": "mismatch"}.get(arm.kind)
    if needed and not any(needed in one.kinds for one in scenes):
        yield _nothing(arm, f"no stage has scenes of kind {needed}", f"a stage with scenes.kinds: [{needed}]")
    if arm.kind == "rhythm" and all(one.rhythm == arm.rhythm for one in scenes):
        got = f"every stage's is {arm.rhythm}" if scenes else "no stage has scenes"
        yield _nothing(arm, got, "scenes of another rhythm")


def _replaying(genome: Genome) -> list[Stage]:
    """The stages that replay journals of stages before them."""
    kept = [index for index, stage in enumerate(genome.stages) if stage.journal]
    later = genome.stages[kept[0] + 1 :] if kept else []
    return [stage for stage in later if stage.journal and stage.journal.replay_frac]


def _without_faults(genome: Genome, arm: Arm) -> Iterator[Fault]:
    books = {book for stage in genome.stages for section in stage.sections for book in section.book_ids}
    if arm.book not in books:
        yield Fault(
            "an arm leaves out a book that nobody reads.",
            "arm.book",
            f"'{arm.book}'",
            f"a book of the genome{closest(str(arm.book), books)}",
            "correct `book`",
        )
    for stage in genome.stages:
        if all(section.books == [arm.book] for section in stage.sections):
            yield Fault(
                f"without '{arm.book}' stage '{stage.name}' has nothing to read.",
                "arm.book",
                f"'{arm.book}'",
                "a book beside others in its stage",
                "leave out another, or give the stage a second book",
            )


def _nothing(arm: Arm, got: str, expected: str) -> Fault:
    return Fault("an arm changes nothing.", "arm", f"{arm.kind}: {got}", expected, "leave the arm out")


def _draws_weights(genome: Genome) -> bool:
    """Whether any weight of a life comes from its seed: a model from scratch, a trunk adapter, roles."""
    adapted = any(stage.trunk.update == "lora" for stage in genome.stages)
    return genome.model.base == "scratch" or adapted or bool(genome.roles)


def weights_seed(genome: Genome) -> int:
    """The seed that weights are drawn from: the genome's, and another for the arm `again`."""
    again = genome.arm is not None and genome.arm.kind == "again"
    return genome.seed + (OTHER_WEIGHTS if again else 0)


def lived(genome: Genome) -> Genome:
    """The genome as its life walks it: with the stages that its arm, if any, makes of its own."""
    if genome.arm is None:
        return genome
    return genome.model_copy(update={"stages": _stages_of(genome, genome.arm)})


def repeats(genome: Genome) -> bool:
    """Whether the arm repeats one stage over the tokens of all."""
    return genome.arm is not None and genome.arm.kind in REPEATING


def _stages_of(genome: Genome, arm: Arm) -> list[Stage]:
    stages = list(genome.stages)
    if arm.kind in ("reverse", "stage_permute"):
        order = list(reversed(range(len(stages)))) if arm.kind == "reverse" else _permutation(genome.seed, len(stages))
        return [_put(stages[index], place) for index, place in zip(order, stages, strict=True)]
    if arm.kind in REPEATING:
        one = next((stage for stage in stages if stage.name == arm.on), stages[-1])
        names = [one.name, *(f"{one.name}-{number}" for number in range(2, len(stages) + 1))]
        return [
            _put(one, place).model_copy(update={"name": name, "span": place.span})
            for name, place in zip(names, stages, strict=True)
        ]
    if arm.kind == "no_scenes":
        return [stage.model_copy(update={"scenes": None}) for stage in stages]
    if arm.kind == "no_roles":  # the scenes keep their speakers: the genome's roles stay, no stage trains one
        return [stage.model_copy(update={"roles": {}}) for stage in stages]
    if arm.kind == "without":
        return [_without(stage, arm.book) for stage in stages]
    if arm.kind in CHANGES:
        return [CHANGES[arm.kind](stage, arm) for stage in stages]
    if arm.kind == "shuffle":  # an order that is declared, where the genome lets its trunk choose
        declared = {"reading": "sequential"}
        return [stage.model_copy(update=declared) if stage.reading == "self_chosen" else stage for stage in stages]
    return stages


def _plainly(stage: Stage, _: Arm | None = None) -> Stage:
    """Cross-entropy alone; an attempt that weighed nothing weighs nothing still, so that the tokens are the same."""
    return stage.model_copy(update={"loop_loss": stage.loop_loss.model_copy(update=PLAIN_LOSS)})


def _authored(stage: Stage, _: Arm) -> Stage:
    return stage.model_copy(update={"loop_loss": stage.loop_loss.model_copy(update={"own_attempts_frac": 0.0})})


def _unplayed(stage: Stage, _: Arm) -> Stage:
    return stage.model_copy(update={"journal": stage.journal and stage.journal.model_copy(update={"rewrite": False})})


def _unbroken(stage: Stage, _: Arm) -> Stage:
    if stage.scenes is None:
        return stage
    kinds = [kind for kind in stage.scenes.kinds if kind != "mismatch"]
    return stage.model_copy(update={"scenes": stage.scenes.model_copy(update={"kinds": kinds}) if kinds else None})


def _paced(stage: Stage, arm: Arm) -> Stage:
    scenes = stage.scenes and stage.scenes.model_copy(update={"rhythm": arm.rhythm})
    return stage.model_copy(update={"scenes": scenes})


CHANGES = {
    "plain_loss": _plainly,
    "authored_attempts": _authored,
    "no_played": _unplayed,
    "no_mismatch": _unbroken,
    "rhythm": _paced,
}


def _put(material: Stage, place: Stage) -> Stage:
    """What one stage reads, in the place of another: at its rates, measured and gated as it was."""
    kept = {name: getattr(place, name) for name in ("trunk", "roles", "journal", "probes", "gate")}
    return material.model_copy(update=kept)


def _permutation(seed: int, count: int) -> list[int]:
    """A seeded order of `count` stages that is neither theirs nor, where there is a third, the reverse of it."""
    rng, order = random.Random(seed_of(seed, LIFE, "stage_permute")), list(range(count))
    refused = [list(range(count))] + ([list(reversed(range(count)))] if count > 2 else [])
    while order in refused:
        rng.shuffle(order)
    return order


def _without(stage: Stage, book: str | None) -> Stage:
    sections = []
    for section in stage.sections:
        if section.books is None:
            sections.append(section)
        elif books := [one for one in section.books if one != book]:
            sections.append(section.model_copy(update={"books": books}))
    return stage.model_copy(update={"sections": sections})


# What must be equal ---------------------------------------------------------------------------------------------------


def arm_equalities(
    base: Mapping[str, Any],
    arm: Mapping[str, Any],
    manifests: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """What two lives have in common, as checked: [{what, base, arm, equal, must}].

    `base`, `arm`: the plans as plan.json holds them, of the genome and of its arm; `manifests`: their corpora's.
    `must` is False where the arm is about it, or the genome cannot have it so: stages in another order take other steps
    where their batches differ. Tokens are equal within one batch (times the epochs of a shuffled stage, which reads to
    the nearest passage); a repeated stage reads as many rows, which hold more padding, or less. Steps are equal, but of
    `shuffle` and of plans with another text within one a stage."""
    kind = arm["arm"]["kind"]
    stages = list(zip(base["stages"], arm["stages"], strict=True))
    batch_tokens = max(stage["batch_packs"] for stage in base["stages"]) * base["context_tokens"]
    spans_in_tokens = all("tokens" in stage["span"] for stage in base["stages"])
    chosen = any(stage["reading"] == "self_chosen" for stage in base["stages"])
    fewer = kind in ("without", "no_scenes", "no_mismatch", "rhythm") and not spans_in_tokens
    moved = kind in ("reverse", "stage_permute")
    batches = {stage["batch_packs"] for stage in base["stages"]}
    exact = moved or (kind in ("no_roles", "again", *SAME_STEPS, *REPACKED) and kind != "shuffle")
    epochs = max(stage["span"].get("epochs", 1) for stage in base["stages"]) if kind == "shuffle" else 1
    steps = [sum(_sum(plan, phase, "steps") for phase in ("books", "replay")) for plan in (base, arm)]
    tokens = [_sum(plan, "books", "tokens") for plan in (base, arm)]
    found = [
        _told(
            "trained tokens of the books",
            *tokens,
            abs(tokens[0] - tokens[1]) <= batch_tokens * epochs,
            not fewer and kind not in REPEATING,
        ),
        _of("rows of the books", base, arm, lambda p: _sum(p, "books", "rows"), kind in REPEATING),
        _of("packs read again", base, arm, lambda p: _sum(p, "replay", "rows"), True),
        _told(
            "steps of the trunk",
            *steps,
            abs(steps[0] - steps[1]) <= (0 if exact else len(stages)),
            not (fewer or chosen or kind in ("no_scenes", "no_mismatch", "rhythm") or (moved and len(batches) > 1)),
        ),
        _of("trained tokens of roles", base, arm, lambda p: _sum(p, "roles", "tokens"), kind in ("reverse", "again")),
        _of("seed of the weights", base, arm, lambda p: p.get("weights_seed", p["seed"]), kind != "again"),
        _of("seed of everything else", base, arm, lambda p: p["seed"], True),
        _of("rates by place", base, arm, lambda p: [_rates(stage["trunk"]) for stage in p["stages"]], True),
        _of("tokenizer", base, arm, lambda p: p["tokenizer"], True),
        _of("context", base, arm, lambda p: p["context_tokens"], True),
    ]
    return found + (_corpora_equalities(*manifests) if manifests is not None else [])


def _corpora_equalities(of_base: Mapping[str, Any], of_arm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the manifests of a genome and of its arm have in common."""
    prints = [one["tokenizer"]["fingerprint"] for one in (of_base, of_arm)]
    return [
        _told("tokenizer's fingerprint", *prints, prints[0] == prints[1], True),
        _told(
            "held-out sets",
            held_out_digest(of_base),
            of_arm["arm"]["held_out"],
            held_out_digest(of_base) == of_arm["arm"]["held_out"],
            True,
        ),
        _told(
            "corpus of the genome",
            of_base["corpus_hash"],
            of_arm["arm"]["corpus"],
            of_base["corpus_hash"] == of_arm["arm"]["corpus"],
            True,
        ),
    ]


def held_out_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of what a corpus holds out: the passages of each book and stage, and how many items they gave."""
    stages = manifest["stages"]
    return sha256_hex(
        [[one["name"], [[book["id"], book["held_out"]] for book in one["books"]], one["items"]] for one in stages]
    )


def _told(what: str, base: Any, arm: Any, equal: bool, must: bool) -> dict[str, Any]:
    return {"what": what, "base": base, "arm": arm, "equal": equal, "must": must}


def _of(what: str, base: Mapping, arm: Mapping, read: Any, must: bool) -> dict[str, Any]:
    return _told(what, read(base), read(arm), read(base) == read(arm), must)


def _sum(plan: Mapping[str, Any], phase: str, number: str) -> int:
    return sum(stage["phases"][phase][number] for stage in plan["stages"])


def _rates(trunk: Mapping[str, Any]) -> list:
    return [trunk[key] for key in ("schedule", "learning_rate", "warmup_frac", "decay_frac", "final_frac")]
