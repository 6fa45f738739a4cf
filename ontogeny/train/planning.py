"""The numbers of a life before its books are prepared: the machine, the model's facts, the sizes of books. No torch
until the model's config is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ontogeny.core.errors import Fault
    from ontogeny.core.genome import LoadedGenome
    from ontogeny.core.plan import ModelFacts, Plan, World
    from ontogeny.core.schema import Genome


def this_world(genome: Genome, lives: int = 1) -> World:
    """The machine a life would run on: the genome's ranks, this machine's cores shared among them, and among as many
    lives as are grown at once."""
    from ontogeny.core.plan import World
    from ontogeny.train.launcher import cores, device_kind

    ranks = genome.machine.ranks
    return World(ranks, max(1, cores() // (ranks * lives)), device_kind())


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


def planned(loaded: LoadedGenome, audit: Mapping[str, Any] | None = None, world: World | None = None) -> Plan:
    """The plan before anything is prepared: token counts are estimates from the books' bytes."""
    from ontogeny.core.plan import make_plan

    genome = loaded.genome
    with located(loaded):
        sizes = _book_bytes(loaded)
        return make_plan(genome, loaded.library, world or this_world(genome), facts_of(genome), None, sizes, audit)


def _book_bytes(loaded: LoadedGenome) -> dict[str, int]:
    """UTF-8 bytes of the books whose size decides a number. Raises: LibraryError with the faults of all."""
    from ontogeny.core.address import is_remote
    from ontogeny.core.errors import LibraryError
    from ontogeny.core.estimates import MEAN_BOOK_BYTES
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
