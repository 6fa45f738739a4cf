"""`ontogeny prepare`: books -> packs, in RUN/corpus."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ontogeny.cli.shared import (
    GenomeFile,
    Json,
    Libraries,
    Out,
    Overrides,
    Quiet,
    bring_books,
    facts_of,
    located,
    planned,
    print_json,
    teller,
)

STORE = ".store"  # what the runs of one folder share

if TYPE_CHECKING:
    from ontogeny.core.genome import LoadedGenome
    from ontogeny.core.plan import Plan
    from ontogeny.core.run import RunDirectory


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("prepare")(prepare)


def prepare(
    genome: GenomeFile,
    overrides: Overrides = None,
    out: Out = None,
    libraries: Libraries = None,
    show: str = typer.Option("", "--show", metavar="BOOK", help="Print what becomes of one book; prepare nothing."),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read the books, clean them, place the scenes, train the tokenizer, write the ordered packs and their proof."""
    from ontogeny.core.genome import load_genome
    from ontogeny.core.run import RunDirectory

    loaded = load_genome(genome, overrides or (), libraries or ())
    if show:
        _show(loaded, show, json)
        return
    run = RunDirectory(out or Path("runs") / loaded.genome.name)
    with fresh_or_ours(run, loaded):
        plan = prepared(loaded, run, teller(quiet))
    if json:
        print_json(plan.as_dict())
    elif not quiet:
        print(run.path)


def _show(loaded: LoadedGenome, book: str, json: bool) -> None:
    """Prints what becomes of one book of the library under this genome's rules of cleaning."""
    from ontogeny.corpus.show import describe, show_book

    with located(loaded):
        shown = show_book(loaded.library, book, loaded.genome.cleaning.skip_rules)
    print_json(shown) if json else print(describe(shown))


@contextlib.contextmanager
def fresh_or_ours(run: RunDirectory, loaded: LoadedGenome) -> Generator[None]:
    """Holds the run directory; refuses one that is another genome's; leaves nothing behind if we made it in vain."""
    from ontogeny.core.run import place_faults, remove_tree

    with place_faults(run.path):
        _refuse_others(run, loaded)
    made = next((folder for folder in reversed((run.path, *run.path.parents)) if not folder.exists()), None)
    before = set(run.path.glob("*")) if made is None else set()
    with run.lock():
        try:
            _refuse_others(run, loaded)  # now that nobody else can write
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


def _refuse_others(run: RunDirectory, loaded: LoadedGenome) -> None:
    from ontogeny.core.errors import Fault, RunError
    from ontogeny.core.genome import genome_hash, resolved_genome

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
    ours = run / "corpus" if (run / "corpus" / "manifest.json").is_file() else None  # a prepare that was cut short
    strangers = [path for path in run.path.glob("[!.]*") if path != ours]
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


def prepared(loaded: LoadedGenome, run: RunDirectory, tell: Callable[[str], None]) -> Plan:
    """Prepares the corpus where it is not there yet, then writes genome.yaml and a plan.json without estimates."""
    from ontogeny.core.plan import make_plan
    from ontogeny.core.run import remove_tree, write_json
    from ontogeny.corpus.prepare import prepare_corpus
    from ontogeny.models.tokenizers import write_pretrained_tokenizer

    loaded.require_books()
    bring_books(loaded, tell)
    estimate = planned(loaded)
    known = run / "corpus" / "tokenizer"
    if "pretrained" in estimate.tokenizer and not (run / "corpus" / "manifest.json").is_file():
        known = run / ".tokenizer"
        with located(loaded):
            facts_of(loaded.genome, write_pretrained_tokenizer(estimate.tokenizer, known)["vocab_size"])
    tokenizer = known if "pretrained" in estimate.tokenizer else None
    with located(loaded):
        _refuse_another_corpus(estimate, loaded, run, tokenizer)
        corpus = prepare_corpus(
            estimate,
            loaded.library,
            run / "corpus",
            tokenizer,
            lambda what, done, of: tell(f"prepare: {what} ({done + 1}/{of})"),
            run.path.parent / STORE,
        )
    remove_tree(run / ".tokenizer")
    plan = make_plan(loaded.genome, loaded.library, estimate.world, estimate.model, corpus.manifest)
    write_genome(run, loaded)
    write_json(run / "plan.json", plan.as_dict())
    return plan


def _refuse_another_corpus(plan: Plan, loaded: LoadedGenome, run: RunDirectory, tokenizer: Path | None) -> None:
    """A life that has begun goes on with the packs it began with, or not at all."""
    from ontogeny.core.errors import Fault, RunError
    from ontogeny.corpus.prepare import corpus_hash

    if not (run / "events.jsonl").exists():
        return
    begun = (run.read_json("plan.json") or {}).get("corpus_hash")
    if begun != (now := corpus_hash(plan, loaded.library, tokenizer)):
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
