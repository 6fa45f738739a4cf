"""A life that branches: its future stages are edited and lived, its past stays as it was. No torch.

What a branch changes is made whole in RUN/.branch, then moved in piece by piece: corpus, genome.yaml, plan.json, the
answers that are to be asked for again, the outcome. Whoever opens the run after a kill finishes the move first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ontogeny.core.errors import Fault, RunError
from ontogeny.core.genome import genome_hash, resolved_genome
from ontogeny.core.plan import ModelFacts, Plan, World, make_plan
from ontogeny.core.prefix import differences, prefix_parts, training_keys
from ontogeny.core.run import RunDirectory, publish_folder, remove_tree, write_json
from ontogeny.train.fingerprints import FINGERPRINTS
from ontogeny.train.planning import bring_books, located, planned
from ontogeny.train.snapshots import asked_hash, lived_passes

if TYPE_CHECKING:
    from ontogeny.core.genome import LoadedGenome
    from ontogeny.core.schema import Genome

BRANCH, MAKING = ".branch", ".branch.tmp"
TURN = "branch.json"  # {from, genome_hash, lived, again}


def lived_stages(run: RunDirectory) -> int | None:
    """How many stages a life has begun to read (0: it was conceived); None where nothing is lived."""
    folders = run.stage_folders()
    return int(folders[-1].name.partition("-")[0]) if folders else None


def branches(run: RunDirectory, loaded: LoadedGenome) -> bool:
    """Whether a life has begun here whose genome was another one; an arm differs in one stated way alone."""
    if not (run / "genome.yaml").is_file() or lived_stages(run) is None:
        return False
    theirs = resolved_genome(run / "genome.yaml")
    return theirs.arm is None and loaded.genome.arm is None and genome_hash(theirs) != genome_hash(loaded.genome)


def branch(loaded: LoadedGenome, run: RunDirectory, tell: Callable[[str], None], store: Path) -> None:
    """Gives a life that has begun another future; the run is held by the caller.

    Its tokenizer stays, books of new stages are packed with it. Stages are asked again where they were asked otherwise,
    except those whose gate has decided already.
    Raises: RunError that names the stage and the key where something lived would have been otherwise."""
    run.require_machine(loaded.genome.machine.ranks, loaded.genome.machine.zero_stage)
    k = lived_stages(run)
    assert k is not None, "branches() said that something is lived"
    ours, theirs = loaded.genome, resolved_genome(run / "genome.yaml")
    _refuse(run, _early(theirs, ours, k))
    try:
        _refuse(run, _gates(run, theirs, ours, k))
        _make(loaded, run, k, tell, store)
    except BaseException:
        remove_tree(run / MAKING)
        raise
    finish_branch(run)
    tell(f"{run.path.name}: branched after {run.stage_folders()[-1].name}")


def _early(theirs: Genome, ours: Genome, k: int) -> Iterator[tuple[str, Any, Any]]:
    """What differs in the keys of stages lived, told before any book is read."""
    if len(ours.stages) < k:
        yield f"stages[{len(ours.stages)}]", theirs.stages[len(ours.stages)].name, "no stage"
    else:
        yield from differences(training_keys(theirs, k), training_keys(ours, k))
        tokenizers = [genome.model.tokenizer.model_dump() for genome in (theirs, ours)]
        yield from differences(tokenizers[0], tokenizers[1], "model.tokenizer")


def _gates(run: RunDirectory, theirs: Genome, ours: Genome, k: int) -> Iterator[tuple[str, Any, Any]]:
    """Gates that have decided: all but that of the last stage, if it was read once."""
    folders = run.stage_folders()
    twice = "." in folders[-1].name
    for index in range(k if twice else k - 1):
        one, other = (genome.stages[index].gate for genome in (theirs, ours))
        if one != other:
            before, after = (gate and gate.model_dump(exclude_none=True) for gate in (one, other))
            yield from differences(before, after, f"stages[{index}].gate")


def _refuse(run: RunDirectory, found: Iterator[tuple[str, Any, Any]]) -> None:
    for key, before, after in found:
        name, _, rest = key.removeprefix("stages[").partition("]")
        stages = resolved_genome(run / "genome.yaml").stages
        stage = f"stage '{stages[int(name)].name}'" if key.startswith("stages[") else "every stage"
        what = rest.lstrip(".") if rest else key
        raise RunError(
            Fault(
                "a stage already lived would have been another.",
                f"{run.path}: {stage}, {what}",
                str(after)[:80],
                str(before)[:80],
                f"bring `{what}` back, or choose another --out; only stages that are not begun may change",
            )
        )


def _make(loaded: LoadedGenome, run: RunDirectory, k: int, tell: Callable[[str], None], store: Path) -> None:
    """RUN/.branch: the corpus, if it is another, genome.yaml, plan.json, and what is to be done with the rest."""
    from ontogeny.corpus.prepare import corpus_hash, prepare_corpus
    from ontogeny.train.preparing import write_genome

    loaded.require_books()
    bring_books(loaded, tell)
    estimate = planned(loaded)
    written, manifest = run.read_json("plan.json"), run.read_json("corpus/manifest.json")
    aside = RunDirectory(run / MAKING)
    remove_tree(aside.path)
    aside.path.mkdir()
    kept = run / "corpus" / "tokenizer"

    def progress(what: str, done: int, of: int) -> None:
        tell(f"prepare: {what} ({done + 1}/{of})")

    with located(loaded):
        declared = corpus_hash(estimate, loaded.library, kept if inherits(run, estimate) else None)
        now = manifest
        if declared != manifest["corpus_hash"]:
            now = prepare_corpus(estimate, loaded.library, aside / "corpus", kept, progress, store).manifest
    plan = make_plan(loaded.genome, loaded.library, estimate.world, estimate.model, now)
    passes = lived_passes(run, plan, k)
    before = _plan_as_lived(run, written, manifest)
    parts = [prefix_parts(one, of, k, passes) for one, of in ((before, manifest), (plan, now))]
    _refuse(run, differences(parts[0], parts[1]))
    write_genome(aside, loaded)
    write_json(aside / "plan.json", plan.as_dict())
    write_json(
        aside / TURN,
        {
            "from": written["genome_hash"],
            "genome_hash": plan.genome_hash,
            "lived": [stage.name for stage in plan.stages[:k]],
            "again": _asked_again(run, written, plan, k, passes),
        },
    )
    publish_folder(aside.path, run / BRANCH)


def _plan_as_lived(run: RunDirectory, written: dict[str, Any], manifest: dict[str, Any]) -> Plan:
    genome = resolved_genome(run / "genome.yaml")
    return make_plan(genome, None, World(**written["world"]), ModelFacts(**written["model"]), manifest)


def inherits(run: RunDirectory, plan: Plan) -> bool:
    """Whether a corpus was packed with a tokenizer that was handed in: one that exists, or that a branch kept."""
    if "pretrained" in plan.tokenizer or plan.arm is not None:  # an arm's is its genome's, which is prepared with it
        return "pretrained" in plan.tokenizer
    manifest = run.read_json("corpus/manifest.json")
    return manifest is not None and manifest["tokenizer"].get("sample") is None


def _asked_again(run: RunDirectory, written: dict[str, Any], plan: Plan, k: int, passes: list[int]) -> list[str]:
    """The stage folders whose answers are to other questions than the new plan asks."""
    asked = plan.as_dict()
    again = []
    for index, count in [(-1, 1), *enumerate(passes)]:
        stage = plan.stages[index] if index >= 0 else None
        if stage is not None and stage.gate is not None and (index < k - 1 or count > 1):
            continue
        at = index if index >= 0 else None
        if asked_hash(written, run, at) != asked_hash(asked, run, at):
            folders = [run.stage_folder(index + 1, stage.name if stage else "conception", n + 1) for n in range(count)]
            again += [folder.name for folder in folders]
    return again


def finish_branch(run: RunDirectory) -> None:
    """Moves a branch in, from wherever an earlier call was ended; does nothing where there is none."""
    made = run / BRANCH
    if not made.is_dir():
        return
    turn = RunDirectory(made).read_json(TURN)
    if turn is None:  # all was moved, and an empty folder left
        remove_tree(made)
        return
    if (made / "corpus").is_dir():
        old = run / ".corpus.old"
        remove_tree(old)
        if (run / "corpus").is_dir():
            (run / "corpus").rename(old)
        (made / "corpus").rename(run / "corpus")
    remove_tree(run / ".corpus.old")
    for name in ("genome.yaml", "plan.json"):
        if (made / name).is_file():
            (made / name).replace(run / name)
    for folder in turn["again"]:
        (run / "stages" / folder / FINGERPRINTS).unlink(missing_ok=True)
    (run / "outcome.json").unlink(missing_ok=True)
    run.event("branched", **turn)
    (made / TURN).unlink()
    remove_tree(made)
