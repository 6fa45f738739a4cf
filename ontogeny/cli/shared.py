"""Options and steps that several verbs have in common."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ontogeny.core.genome import LoadedGenome
    from ontogeny.core.plan import ModelFacts, Plan, World
    from ontogeny.core.run import RunDirectory
    from ontogeny.core.schema import Genome

GenomeFile = Annotated[Path, typer.Argument(metavar="GENOME", help="A genome YAML.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Overrides, such as stages.0.span.tokens=5000.")
]
Libraries = Annotated[list[Path] | None, typer.Option("--library", help="A further catalogue of books.")]
Out = Annotated[Path | None, typer.Option("--out", help="The run directory; runs/<name> if not given.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but faults.")]


def print_json(value: Any) -> None:
    """JSON on standard output."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def teller(quiet: bool) -> Callable[[str], None]:
    """A function that prints progress lines, or does nothing."""
    return (lambda *_: None) if quiet else (lambda line: print(line, file=sys.stderr, flush=True))


def this_world(genome: Genome) -> World:
    """The machine a life would run on: the genome's ranks, this machine's cores shared among them."""
    from ontogeny.core.plan import World
    from ontogeny.train.launcher import cores, device_kind

    ranks = genome.machine.ranks
    return World(ranks, max(1, cores() // ranks), device_kind())


def facts_of(genome: Genome) -> ModelFacts:
    """What a plan needs of the model; reads its config, builds no weight."""
    from ontogeny.core.plan import ModelFacts
    from ontogeny.models.causal import model_facts

    size = getattr(genome.model.tokenizer, "vocab_size", None)
    return ModelFacts(**model_facts(genome.model, size))


def planned(loaded: LoadedGenome) -> Plan:
    """The plan before anything is prepared: token counts are estimates from the books' bytes."""
    from ontogeny.core.plan import make_plan
    from ontogeny.corpus.shelf import Sources

    genome, sources = loaded.genome, Sources(loaded.library)
    with located(loaded):
        books = dict.fromkeys(
            book
            for stage in genome.stages
            if stage.span.unit != "tokens"
            for section in stage.sections
            for book in section.books
        )
        sources.raw_digests(list(books))
        sizes = {book: len(sources.read(book).text.encode("utf-8")) for book in books}
        return make_plan(
            genome, loaded.library, this_world(genome), facts_of(genome), book_bytes=sizes, root=loaded.library.root
        )


@contextlib.contextmanager
def located(loaded: LoadedGenome) -> Generator[None]:
    """Gives faults that name a key or a book alone the file, line and column of it."""
    from ontogeny.core.errors import OntogenyError
    from ontogeny.core.genome import once_a_place

    try:
        yield
    except OntogenyError as problem:
        faults = (loaded.library.located(loaded.document.located(fault)) for fault in problem.faults)
        raise type(problem)(once_a_place(faults)) from problem


def existing_run(path: Path) -> RunDirectory:
    """The run directory at a path.

    Raises: RunError where there is none."""
    from ontogeny.core.errors import Fault, RunError
    from ontogeny.core.run import RunDirectory

    run = RunDirectory(path)
    if not (run / "genome.yaml").is_file():
        raise RunError(
            Fault(
                "this is not a run directory.",
                str(path),
                "no genome.yaml in it",
                "a folder that `ontogeny run` or `prepare` made",
                "check the path",
            )
        )
    return run
