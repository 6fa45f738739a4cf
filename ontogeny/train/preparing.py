"""A run directory made ready for its life: whose it is, its corpus, its genome and its plan."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from ontogeny.train.planning import bring_books, facts_of, located, planned

STORE = ".store"  # what the runs of one folder share

if TYPE_CHECKING:
    from ontogeny.core.genome import LoadedGenome
    from ontogeny.core.plan import Plan, World
    from ontogeny.core.run import RunDirectory


@contextlib.contextmanager
def fresh_or_ours(
    run: RunDirectory, loaded: LoadedGenome, branching: bool = False, wait_s: float = 0.0
) -> Generator[None]:
    """Holds the run directory; refuses one that is another genome's; leaves nothing behind if we made it in vain.

    `branching`: a life that has begun may be another genome's, whose future this one changes; `wait_s`: how long to
    wait for a process that holds it."""
    from ontogeny.core.run import place_faults, remove_tree
    from ontogeny.train.branching import finish_branch

    with place_faults(run.path):
        _refuse_others(run, loaded, branching)
    made = next((folder for folder in reversed((run.path, *run.path.parents)) if not folder.exists()), None)
    before = set(run.path.glob("*")) if made is None else set()
    with run.lock(wait_s=wait_s):
        try:
            finish_branch(run)
            _refuse_others(run, loaded, branching)  # now that nobody else can write
            yield
        except BaseException:
            if not (run / "genome.yaml").exists():
                for path in set(run.path.glob("*")) - before:
                    remove_tree(path) if path.is_dir() else path.unlink()
                if made is not None:
                    _remove_empty(run.path, made)
            raise


def _remove_empty(folder: Path, top: Path) -> None:
    """Removes the folders from `folder` up to `top` that are empty; another run may stand in one by now."""
    with contextlib.suppress(OSError):
        folder.rmdir()
        while folder != top:
            folder = folder.parent
            folder.rmdir()


def _refuse_others(run: RunDirectory, loaded: LoadedGenome, branching: bool) -> None:
    from ontogeny.core.errors import Fault, RunError
    from ontogeny.core.genome import genome_hash, resolved_genome
    from ontogeny.train.branching import branches

    if branching and branches(run, loaded):
        return
    if (run / "genome.yaml").is_file():
        ours, theirs = loaded.genome, resolved_genome(run / "genome.yaml")
        if genome_hash(theirs) != genome_hash(ours):
            raise RunError(
                Fault(
                    "the run directory belongs to another genome.",
                    str(run.path),
                    f"genome {genome_hash(theirs)[:12]} ({theirs.name})",
                    f"genome {genome_hash(ours)[:12]} ({ours.name})",
                    "choose another --out, or bring back the genome it was made with",
                )
            )
        return
    cut_short = (run / "corpus" / "manifest.json").is_file()  # a prepare, of an arm perhaps
    ours = (run / "corpus", run / "measured") if cut_short else ()
    strangers = [path for path in run.path.glob("[!.]*") if path not in ours]
    if strangers or run.path.is_file():
        raise RunError(
            Fault(
                "this is not a run directory.",
                str(run.path),
                "a file, or files and no genome.yaml",
                "an empty or absent folder, or a run",
                "choose another --out",
            )
        )


def prepared(
    loaded: LoadedGenome,
    run: RunDirectory,
    tell: Callable[[str], None],
    store: Path | None = None,
    world: World | None = None,
) -> Plan:
    """Prepares the corpus where it is not there yet, then writes genome.yaml and a plan.json without estimates.

    `store`: what runs share, beside the run unless told; `world`: the machine, this one unless told."""
    from ontogeny.core.arms import without_arm
    from ontogeny.core.plan import make_plan
    from ontogeny.core.run import remove_tree, write_json
    from ontogeny.corpus.prepare import prepare_corpus
    from ontogeny.corpus.prepare_arm import prepare_arm
    from ontogeny.models.tokenizers import write_pretrained_tokenizer
    from ontogeny.train.branching import inherits

    loaded.require_books()
    bring_books(loaded, tell)
    estimate = planned(loaded, world=world)
    genome = planned(without_arm(loaded), world=world) if loaded.genome.arm else None
    known = run / "corpus" / "tokenizer"
    if "pretrained" in estimate.tokenizer and not (run / "corpus" / "manifest.json").is_file():
        known = run / ".tokenizer"
        with located(loaded):
            facts_of(loaded.genome, write_pretrained_tokenizer(estimate.tokenizer, known)["vocab_size"])
    tokenizer = known if inherits(run, estimate) else None
    with located(loaded):
        _refuse_another_corpus(estimate, loaded, run, tokenizer, genome)
        shared = store or run.path.parent / STORE

        def progress(what: str, done: int, of: int) -> None:
            tell(f"prepare: {what} ({done + 1}/{of})")

        if genome is not None:
            corpus = prepare_arm(estimate, genome, loaded.library, run.path, tokenizer, progress, shared)
        else:
            corpus = prepare_corpus(estimate, loaded.library, run / "corpus", tokenizer, progress, shared)
    remove_tree(run / ".tokenizer")
    plan = make_plan(loaded.genome, loaded.library, estimate.world, estimate.model, corpus.manifest)
    write_genome(run, loaded)
    write_json(run / "plan.json", plan.as_dict())
    return plan


def _refuse_another_corpus(
    plan: Plan, loaded: LoadedGenome, run: RunDirectory, tokenizer: Path | None, genome: Plan | None
) -> None:
    """A life that has begun goes on with the packs it began with, or not at all."""
    from ontogeny.core.errors import Fault, RunError
    from ontogeny.corpus.prepare import corpus_hash

    if not (run / "events.jsonl").exists():
        return
    begun = (run.read_json("plan.json") or {}).get("corpus_hash")
    if begun != (now := corpus_hash(plan, loaded.library, tokenizer, genome)):
        raise RunError(
            Fault(
                "the books or scenes changed since this life began.",
                str(run.path),
                f"corpus {now[:12]}",
                f"corpus {str(begun)[:12]}",
                "bring back the books and scenes, or choose another --out",
            )
        )


def write_genome(run: RunDirectory, loaded: LoadedGenome) -> None:
    """genome.yaml: the composed genome, as it was run."""
    from ontogeny.core.run import write_atomic

    head = "# The genome as it was run: stage defaults and overrides composed.\n"
    write_atomic(run / "genome.yaml", head + loaded.text)


def begin(run: RunDirectory, plan: Plan) -> None:
    """The first events of a life, or of one that goes on."""
    resumed = (run / "events.jsonl").exists()
    run.event("resumed" if resumed else "life_started", name=plan.name, genome_hash=plan.genome_hash)
    for warning in plan.warnings:
        run.event("warning", message=warning)
