"""`ontogeny genome new | draft | mutate | cross`: genome files written, none written over."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ontogeny.cli.shared import GenomeFile, Json, Libraries, Quiet, print_json, teller

if TYPE_CHECKING:
    from ontogeny.core.breed import Child
    from ontogeny.core.genome import LoadedGenome
    from ontogeny.core.library import Library
    from ontogeny.corpus.draft import Drafted

NewFile = Annotated[Path, typer.Option("--out", help="The file to write; it must not be there yet.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Another seed, another child; the same, the same.")]
Second = Annotated[Path, typer.Argument(metavar="GENOME_B", help="The genome it is compared or crossed with.")]


def register(group: typer.Typer) -> None:
    """Adds the commands to `genome`."""
    for command in (new, draft, mutate, cross):
        group.command()(command)


def new(
    out: NewFile,
    template: str = typer.Option("seedling", help="seedling, sprout (seconds) or continued (a pretrained model)."),
    base: str = typer.Option("", help="For continued: a Hub id, a local folder, or package:DIST/PATH."),
    libraries: Libraries = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a commented genome that reads the library near it, from a template."""
    from ontogeny.core.breed import name_of
    from ontogeny.core.errors import GenomeError
    from ontogeny.core.genome import compose
    from ontogeny.core.positions import parse_yaml, shown
    from ontogeny.core.template import DEFAULT_BASE, make_genome, modeline
    from ontogeny.scenes.language import TABLES

    _refuse_existing(out)
    library = _library_near(out, libraries)
    text = make_genome(template, name_of(out), library, base or DEFAULT_BASE, TABLES)
    compose(parse_yaml(text, shown(out), GenomeError), out, library, ())
    _write(out, modeline(out, library.root) + text)
    _tell_written(out, {"template": template}, [], libraries, json, quiet)


def draft(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of books.")],
    out: NewFile,
    libraries: Libraries = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a first genome for a folder of books: stages and sections by level, field and difficulty, with reasons.

    The catalogue is written too: stages/library.yaml where the genome has no library near, else one beside the genome,
    to be named with --library."""
    from ontogeny.core.breed import name_of
    from ontogeny.corpus.draft import draft_genome

    _refuse_existing(out)
    drafted = draft_genome(folder, out, name_of(out), tuple(libraries or ()), teller(quiet))
    _write_both(drafted, out)
    facts = {"catalogue": str(drafted.catalogue or ""), "stages": drafted.stages, "left_out": drafted.left_out}
    told = [f"stage {name}: {', '.join(books)}" for name, books in drafted.stages.items()]
    told += [f"left out: {name}: {why}" for name, why in drafted.left_out.items()]
    told += [f"catalogue: {drafted.catalogue}"] if drafted.catalogue else []
    beside = [*(libraries or ()), *([drafted.catalogue] if drafted.catalogue and drafted.beside else [])]
    _tell_written(out, facts, told, beside, json, quiet)


def _write_both(drafted: Drafted, out: Path) -> None:
    """The catalogue, then the genome that needs it; or neither."""
    catalogue = drafted.catalogue
    if catalogue is None:
        return _write(out, drafted.text)
    made = not catalogue.parent.exists()
    catalogue.parent.mkdir(exist_ok=True)
    try:
        _refuse_existing(catalogue)
        _write(catalogue, drafted.catalogue_text)
        try:
            _write(out, drafted.text)
        except BaseException:
            catalogue.unlink()
            raise
    except BaseException:
        with contextlib.suppress(OSError):
            if made:
                catalogue.parent.rmdir()
        raise
    return None


def mutate(
    genome: GenomeFile, seed: Seed, out: NewFile, libraries: Libraries = None, json: Json = False, quiet: Quiet = False
) -> None:
    """Write a child of a genome with one to three mutations, told in comments; the rest of the file stays as it is."""
    from ontogeny.core import breed

    parents, library = _parents([genome], out, libraries)
    child = breed.mutate(parents[0], seed, out, library, _text_sizes(library))
    _write_child(child, out, libraries, json, quiet)


def cross(
    genome: GenomeFile,
    other: Second,
    seed: Seed,
    out: NewFile,
    libraries: Libraries = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a child of two genomes: stages of both, all else of the first; comments stay, the lineage is told."""
    from ontogeny.core import breed

    parents, library = _parents([genome, other], out, libraries)
    child = breed.cross(parents[0], parents[1], seed, out, library, _text_sizes(library))
    _write_child(child, out, libraries, json, quiet)


def _parents(paths: list[Path], out: Path, libraries: Libraries) -> tuple[list[LoadedGenome], Library]:
    """The genomes without what a lock fills in, and the library that the child will stand near."""
    from ontogeny.core.genome import load_genome

    _refuse_existing(out)
    return [load_genome(path, (), libraries or (), locked=False) for path in paths], _library_near(out, libraries)


def _write_child(child: Child, out: Path, libraries: Libraries, json: bool, quiet: bool) -> None:
    from ontogeny.core.lineage import read_lineage

    _write(out, child.text)
    _tell_written(out, {"lineage": read_lineage(child.text)}, list(child.changes), libraries, json, quiet)


def _tell_written(
    out: Path, facts: dict[str, Any], told: list[str], libraries: Libraries, json: bool, quiet: bool
) -> None:
    options = "".join(f" --library {path}" for path in libraries or ())
    if json:
        print_json({"genome": str(out), **facts, "run": f"ontogeny run {out}{options}"})
    elif not quiet:
        print("\n".join([*told, f"{out}: written; next: ontogeny plan {out}{options}"]))


def _refuse_existing(out: Path) -> None:
    """Raises: GenomeError where a file would be written over, or has no folder to stand in."""
    from ontogeny.core.errors import Fault, GenomeError
    from ontogeny.core.positions import shown

    fault = None
    try:
        if out.exists() or out.is_symlink():
            fault = Fault("a file stands there already.", shown(out), "a file", "a new name", "choose another --out")
        elif not out.absolute().parent.is_dir():
            fault = Fault(
                "there is no folder for the file.",
                shown(out),
                f"no folder {shown(out.absolute().parent)}",
                "a folder that is there",
                "make it, or choose another --out",
            )
    except (OSError, ValueError) as problem:  # a name no file can have
        fault = Fault(
            "no file can be there.", str(out)[:120], str(problem)[:120], "a name for a file", "choose another"
        )
    if fault:
        raise GenomeError(fault)


def _library_near(out: Path, libraries: Libraries) -> Library:
    """The library that a genome at `out` would have."""
    from ontogeny.core.errors import Fault, GenomeError
    from ontogeny.core.library import CATALOGUE, find_root, load_library
    from ontogeny.core.positions import shown

    root = find_root(out.absolute().parent)
    if root is None:
        raise GenomeError(
            Fault(
                "no library stands near this genome.",
                shown(out),
                f"no {CATALOGUE} above it",
                f"an --out in or under a folder that holds {CATALOGUE}",
                "choose such a place, or begin with `ontogeny genome draft FOLDER`",
            )
        )
    return load_library(root, tuple(libraries or ()))


def _write(out: Path, text: str) -> None:
    from ontogeny.core.run import write_atomic

    write_atomic(out, text)


def _text_sizes(library: Library) -> Callable[[str], int | None]:
    """Bytes of a book's text where it is on this machine; None where it is not, or cannot be read."""

    from ontogeny.core.address import is_remote
    from ontogeny.core.errors import LibraryError
    from ontogeny.corpus.sources import read_source

    @functools.cache
    def size_of(book: str) -> int | None:
        entry = library.entries.get(book)
        if entry is None or is_remote(entry.source):
            return entry.bytes if entry else None
        try:
            return len(read_source(entry, library.root).text.encode("utf-8"))
        except LibraryError:
            return None

    return size_of
