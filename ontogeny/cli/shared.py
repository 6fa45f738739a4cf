"""Options and steps that several verbs have in common."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ontogeny.core.errors import Fault
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
STORE = Path("runs") / ".store"  # what the runs of the working folder share
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


def facts_of(genome: Genome, vocab_size: int | None = None) -> ModelFacts:
    """What a plan needs of the model; reads its config, builds no weight.

    `vocab_size`: of a pretrained tokenizer, where it is known; it must fit the model."""
    from ontogeny.core.plan import ModelFacts
    from ontogeny.models.causal import model_facts

    vocab_size = vocab_size or getattr(genome.model.tokenizer, "vocab_size", None)
    if vocab_size is None and genome.model.base == "scratch":
        vocab_size = _pretrained_size(genome)
    return ModelFacts(**model_facts(genome.model, vocab_size))


def _pretrained_size(genome: Genome) -> int:
    """The entries of a pretrained tokenizer, which decide the size of a model from scratch."""
    from tempfile import TemporaryDirectory

    from ontogeny.models.tokenizers import write_pretrained_tokenizer

    with TemporaryDirectory() as folder:
        return write_pretrained_tokenizer(genome.model.tokenizer.model_dump(), Path(folder))["vocab_size"]


def planned(loaded: LoadedGenome, audit: Mapping[str, Any] | None = None) -> Plan:
    """The plan before anything is prepared: token counts are estimates from the books' bytes."""
    from ontogeny.core.plan import make_plan

    genome = loaded.genome
    with located(loaded):
        sizes = _book_bytes(loaded)
        return make_plan(genome, loaded.library, this_world(genome), facts_of(genome), None, sizes, audit)


def known_books(loaded: LoadedGenome) -> dict[str, Any]:
    """What earlier audits and runs in this folder have found of a genome's books; nothing is computed."""
    from ontogeny.corpus.audited import known_of

    books = [book for stage in loaded.genome.stages for section in stage.sections for book in section.book_ids]
    return known_of(loaded.library, books, loaded.genome.cleaning.skip_rules, STORE.absolute())


def _book_bytes(loaded: LoadedGenome) -> dict[str, int]:
    """UTF-8 bytes of the books whose size decides a number. Raises: LibraryError with the faults of all."""
    from ontogeny.core.address import is_remote
    from ontogeny.core.errors import LibraryError
    from ontogeny.core.plan import MEAN_BOOK_BYTES
    from ontogeny.corpus.books import text_bytes

    sizes: dict[str, int] = {}
    faults: list[Fault] = []
    stages = [stage for stage in loaded.genome.stages if stage.span.unit != "tokens"]
    for book in dict.fromkeys(book for stage in stages for section in stage.sections for book in section.book_ids):
        entry = loaded.library.entries[book]
        if is_remote(entry.source):  # a plan fetches nothing
            sizes[book] = entry.bytes or MEAN_BOOK_BYTES
            continue
        try:
            sizes[book] = text_bytes(entry, loaded.library.root)
        except LibraryError as problem:
            faults += problem.faults
    if faults:
        raise LibraryError([*faults, *_absent(loaded, sizes)])
    return sizes


def _absent(loaded: LoadedGenome, known: Mapping[str, int]) -> list[Fault]:
    """The faults of the local books that a plan need not read: told with those of the others, so that what has to be
    brought is told at once."""
    from ontogeny.core.address import is_remote
    from ontogeny.core.errors import LibraryError
    from ontogeny.corpus.sources import source_digest

    faults: list[Fault] = []
    stages = [stage for stage in loaded.genome.stages if stage.span.unit == "tokens"]
    for book in dict.fromkeys(book for stage in stages for section in stage.sections for book in section.book_ids):
        entry = loaded.library.entries[book]
        if book not in known and not is_remote(entry.source):
            try:
                source_digest(entry, loaded.library.root)
            except LibraryError as problem:
                faults += problem.faults
    return faults


def bring_books(loaded: LoadedGenome, tell: Callable[[str], None]) -> None:
    """Fetches what of a genome's books is not on this machine. Raises: LibraryError."""
    from ontogeny.corpus.sources import fetch_books

    ids = dict.fromkeys(book for stage in loaded.genome.stages for part in stage.sections for book in part.book_ids)
    with located(loaded):
        fetch_books(
            [loaded.library.entries[book] for book in ids],
            lambda entry, done, of: tell(f"fetch: {entry.id} from {entry.source.partition('#')[0]} ({done + 1}/{of})"),
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


def nearest_root() -> Path:
    """The folder at or above the working one that holds the catalogue.

    Raises: LibraryError where there is none."""
    from ontogeny.core.errors import Fault, LibraryError
    from ontogeny.core.library import CATALOGUE, find_root

    root = find_root(Path.cwd())
    if root is None:
        raise LibraryError(
            Fault(
                "no library stands near.",
                str(Path.cwd()),
                f"no {CATALOGUE} at or above it",
                f"a folder that holds {CATALOGUE}",
                "change into the project's folder",
            )
        )
    return root
