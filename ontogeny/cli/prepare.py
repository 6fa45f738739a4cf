"""`ontogeny prepare`: books -> packs, in RUN/corpus."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ontogeny.cli.shared import GenomeFile, Json, Libraries, Out, Overrides, Quiet, planned, print_json, teller

if TYPE_CHECKING:
    from ontogeny.core.genome import LoadedGenome
    from ontogeny.core.plan import Plan
    from ontogeny.core.run import RunDirectory


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("prepare")(prepare)


def prepare(genome: GenomeFile, overrides: Overrides = None, out: Out = None, libraries: Libraries = None,
            json: Json = False, quiet: Quiet = False) -> None:
    """Read the books, clean them, place the scenes, train the tokenizer, write the ordered packs and their proof."""
    from ontogeny.core.genome import load_genome
    from ontogeny.core.run import RunDirectory

    loaded = load_genome(genome, overrides or (), libraries or ())
    run = RunDirectory(out or Path("runs") / loaded.genome.name)
    with fresh_or_ours(run, loaded):
        plan = prepared(loaded, run, teller(quiet))
    if json:
        print_json(plan.as_dict())
    elif not quiet:
        print(run.path)


def fresh_or_ours(run: RunDirectory, loaded: LoadedGenome):
    """Holds the run directory; refuses one that is another genome's; removes it again if we made it in vain."""
    import contextlib

    from ontogeny.core.errors import Fault, OntogenyError, RunError
    from ontogeny.core.genome import genome_hash, resolved_genome
    from ontogeny.core.run import remove_tree

    @contextlib.contextmanager
    def held():
        there = run.path.exists()
        if there and not (run / "genome.yaml").is_file() and any(run.path.glob("[!.]*")):
            raise RunError(Fault("a folder is not a run directory.", str(run.path), "other files, and no genome.yaml",
                                 "an empty or absent folder, or a run", "choose another --out"))
        if (run / "genome.yaml").is_file():
            theirs = resolved_genome(run / "genome.yaml")
            if genome_hash(theirs) != genome_hash(loaded.genome):
                raise RunError(Fault("the run directory belongs to another genome.", str(run.path),
                                     f"genome {genome_hash(theirs)[:12]} ({theirs.name})",
                                     f"genome {genome_hash(loaded.genome)[:12]} ({loaded.genome.name})",
                                     "choose another --out, or bring back the genome it was made with"))
        try:
            with run.lock():
                yield
        except OntogenyError:
            if not there and not (run / "genome.yaml").exists():
                remove_tree(run.path)
            raise

    return held()


def prepared(loaded: LoadedGenome, run: RunDirectory, tell: Callable[[str], None]) -> Plan:
    """Prepares the corpus where it is not there yet, then writes genome.yaml and a plan.json without estimates."""
    from ontogeny.core.plan import make_plan
    from ontogeny.core.run import write_json
    from ontogeny.corpus.prepare import prepare_corpus
    from ontogeny.models.tokenizers import write_pretrained_tokenizer

    genome = loaded.genome
    estimate = planned(loaded)
    tokenizer = None
    if "pretrained" in estimate.tokenizer and not (run / "corpus" / "manifest.json").is_file():
        tokenizer = run / ".tokenizer"
        write_pretrained_tokenizer(estimate.tokenizer, tokenizer)
    corpus = prepare_corpus(estimate, loaded.library, run / "corpus", tokenizer,
                            lambda what, done, of: tell(f"prepare: {what} ({done + 1}/{of})"))
    plan = make_plan(genome, loaded.library, estimate.world, estimate.model, corpus.manifest, root=loaded.library.root)
    write_genome(run, loaded)
    write_json(run / "plan.json", plan.as_dict())
    return plan


def write_genome(run: RunDirectory, loaded: LoadedGenome) -> None:
    """genome.yaml: the composed genome, as it was run."""
    from ruamel.yaml import YAML

    from ontogeny.core.run import write_atomic

    text = io.StringIO()
    text.write("# The genome as it was run: stage defaults and overrides composed.\n")
    YAML(typ="safe", pure=True).dump(loaded.resolved, text)
    write_atomic(run / "genome.yaml", text.getvalue())
