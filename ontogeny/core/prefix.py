"""The prefix of a life: everything that decided the weights after stage k, as one hash. Pure.

A key of the genome is hashed unless it is named here as changing no weight, so that a new key cannot be forgotten.
What packs hold is hashed by their order roots (ids and weights of every row, in order)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ontogeny.core.arms import weights_seed
from ontogeny.core.hashes import sha256_hex

if TYPE_CHECKING:
    from ontogeny.core.plan import Plan
    from ontogeny.core.schema import Genome

VERSION = 1
# `trunk` and `roles` of the genome are defaults, which every stage carries resolved; of `arm` see `_arm`
GENOME_KEYS_WITHOUT_WEIGHT = ("name", "machine", "experiment", "trunk", "roles", "stages", "arm")
MODEL_KEYS_WITHOUT_WEIGHT = ("tokenizer",)  # it counts by its fingerprint: a child that inherits it names it otherwise
# `use` names a folder, whose scenes are in the packs; a gate decides passes, which are hashed as they were taken
STAGE_KEYS_WITHOUT_WEIGHT = ("use", "probes", "gate")
MACHINE_KEYS_WITHOUT_WEIGHT = ("log_every_steps", "save_every_steps", "micro_batch_packs")  # the last one: as resolved
# what these arms change stands in the stages lived, in order roots or in the seed of the weights; any other arm is
# hashed by its key
ARMS_SEEN_OTHERWISE = (
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
    "bridges_apart",
    "no_mismatch",
    "no_played",
    "rhythm",
)


def training_keys(genome: Genome, k: int) -> dict[str, Any]:
    """The genome's keys that can influence the weights after the first k stages; what stages inherit stands in them.

    `genome`: with the stages that its arm, if any, makes of its own, as a plan holds it."""
    whole = genome.model_dump(mode="json")
    keys = {name: value for name, value in whole.items() if name not in GENOME_KEYS_WITHOUT_WEIGHT}
    keys["model"] = {name: value for name, value in whole["model"].items() if name not in MODEL_KEYS_WITHOUT_WEIGHT}
    keys["arm"] = _arm(whole["arm"])
    keys["weights_seed"] = weights_seed(genome)
    keys["roles"] = list(whole["roles"])  # their order is the order of codes and rows
    keys["stages"] = [
        {name: value for name, value in stage.items() if name not in STAGE_KEYS_WITHOUT_WEIGHT}
        for stage in whole["stages"][:k]
    ]
    return keys


def _arm(arm: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return None if arm is None or arm["kind"] in ARMS_SEEN_OTHERWISE else arm


def prefix_parts(
    plan: Plan, manifest: Mapping[str, Any], k: int, passes: Sequence[int], base: str | None = None
) -> dict[str, Any]:
    """What `prefix_hash` hashes, by name: the genome's keys first, then what prepare made of them.

    `passes`: how often each of the first k stages was read, a gate's repeats included; `base`: the digest of a
    pretrained model's files (None for scratch)."""
    assert len(passes) == k <= len(plan.stages), f"{len(passes)} passes of {k} stages, {len(plan.stages)} planned"
    keys = training_keys(plan.genome, k)
    prints = {book["id"]: book["fingerprint"] for book in manifest["books"]}
    planned = plan.as_dict()["stages"]
    for index, (stage, entry) in enumerate(zip(keys["stages"], manifest["stages"], strict=False)):
        assert stage["name"] == plan.stages[index].name == entry["name"], f"stage {index} has several names"
        ids = [book for _, books in plan.stages[index].sections for book in books]
        stage["fingerprints"] = {book: prints[book] for book in ids}
        stage["seeds"] = {name: seed for name, seed in planned[index]["seeds"].items() if name != "probes"}
        stage["batch_packs"] = planned[index]["batch_packs"]
        stage["packs"] = entry["packs"]
        stage["book_packs"] = list((entry.get("book_packs") or {}).items())
        stage["replayed"] = entry["phases"]["replay"].get("list", [])
        stage["phases"] = planned[index]["phases"]  # rows, steps, tokens, order roots, schedules
        stage["passes"] = passes[index]
    return keys | {
        "base": base,
        "tokenizer": manifest["tokenizer"]["fingerprint"],
        "vocab_size": manifest["tokenizer"]["vocab_size"],
        "bos_id": manifest["tokenizer"].get("bos_id"),
    }


def prefix_hash(plan: Plan, manifest: Mapping[str, Any], k: int, passes: Sequence[int], base: str | None = None) -> str:
    """SHA-256 of everything that can influence the weights after the first k stages, the machine apart.

    Not in it: later stages (but the tokenizer, trained on the books of all, is, by its fingerprint), probes, gates as
    texts, names of genomes, `machine`."""
    return sha256_hex(["ontogeny prefix", VERSION, prefix_parts(plan, manifest, k, passes, base)])


def machine_hash(plan: Plan, versions: Mapping[str, str]) -> str:
    """SHA-256 of how a life is spread over a machine, as far as it moves the last bits of a sum.

    Micro-batches count as they were resolved: a later stage with a larger batch can change them."""
    machine = plan.genome.machine.model_dump(mode="json")
    return sha256_hex(
        {
            "machine": {name: value for name, value in machine.items() if name not in MACHINE_KEYS_WITHOUT_WEIGHT},
            "world": [plan.world.ranks, plan.world.threads_per_rank, plan.world.device],
            "micro_batch_packs": [plan.micro_batch_packs, plan.role_micro_batch_packs],
            "versions": dict(versions),
        }
    )


def differences(before: Any, after: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(key, before, after) for each leaf in which two values of JSON differ; a stage is told by its name."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from differences(before.get(key), after.get(key), f"{where}.{key}" if where else str(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{where}[{number}]")
    elif before != after:
        yield where, before, after
