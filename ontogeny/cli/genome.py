"""`ontogeny genome`: make, check, show, compare and breed genome files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ontogeny.cli.shared import GenomeFile, Json, Libraries, Overrides, Quiet, planned, print_json, teller

if TYPE_CHECKING:
    from ontogeny.core.breed import Child
    from ontogeny.core.errors import Fault
    from ontogeny.core.genome import LoadedGenome
    from ontogeny.core.library import Library
    from ontogeny.corpus.draft import Drafted

NewFile = Annotated[Path, typer.Option("--out", help="The file to write; it must not be there yet.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Another seed, another child; the same, the same.")]
Second = Annotated[Path, typer.Argument(metavar="GENOME_B", help="The genome it is compared or crossed with.")]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    group = typer.Typer(no_args_is_help=True, help="Make, check, show, compare and breed genome files.")
    for command in (new, draft, check, schema, show, diff, mutate, cross):
        group.command()(command)
    app.add_typer(group, name="genome")


def new(
    out: NewFile,
    template: str = typer.Option("seedling", help="seedling, sprout (seconds) or continued (a pretrained model)."),
    base: str = typer.Option("", help="For continued: a Hub id, a local folder, or package:DIST/PATH."),
    libraries: Libraries = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a commented genome that reads the library near it, from a template."""
    from ontogeny.core.genome import compose
    from ontogeny.core.positions import parse_yaml, shown
    from ontogeny.core.template import DEFAULT_BASE, make_genome, modeline
    from ontogeny.scenes.language import TABLES

    _refuse_existing(out)
    library = _library_near(out, libraries)
    text = make_genome(template, _name(out), library, base or DEFAULT_BASE, TABLES)
    compose(parse_yaml(text, shown(out), _genome_error()), out, library, ())
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
    from ontogeny.corpus.draft import draft_genome

    _refuse_existing(out)
    drafted = draft_genome(folder, out, _name(out), tuple(libraries or ()), teller(quiet))
    _write_both(drafted, out)
    facts = {"catalogue": str(drafted.catalogue or ""), "stages": drafted.stages, "left_out": drafted.left_out}
    told = [f"{len(books)} books in {stage}" for stage, books in drafted.stages.items()]
    told += [f"left out: {name}: {why}" for name, why in drafted.left_out.items()]
    told += [f"catalogue: {drafted.catalogue}"] if drafted.catalogue else []
    beside = [*(libraries or ()), *([drafted.catalogue] if drafted.catalogue and drafted.beside else [])]
    _tell_written(out, facts, told, beside, json, quiet)


def _write_both(drafted: Drafted, out: Path) -> None:
    """The catalogue, then the genome that needs it; or neither."""
    import contextlib

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


def check(
    genome: GenomeFile,
    overrides: Overrides = None,
    libraries: Libraries = None,
    strict: bool = typer.Option(False, "--strict", help="Warnings are faults."),
    json: Json = False,
) -> None:
    """Tell all faults of a genome, with line and column; and its warnings."""
    from ontogeny.core.errors import USER_FAULT, Fault, GenomeError, OntogenyError
    from ontogeny.core.genome import load_genome

    warnings: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    try:
        warnings = planned(load_genome(genome, overrides or (), libraries or ())).warnings
        if strict and warnings:
            expected, fix = "no warning, as --strict asks", "mend it, or check without --strict"
            raise GenomeError(Fault(f"{warning}.", str(genome), "a warning", expected, fix) for warning in warnings)
    except OntogenyError as problem:
        if not json:
            raise
        faults = problem.faults
    if json:
        print_json({"genome": str(genome), "faults": [_fault(one) for one in faults], "warnings": list(warnings)})
        raise typer.Exit(USER_FAULT if faults else 0)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{genome}: no fault, {len(warnings)} warning(s)")


def _fault(fault: Fault) -> dict[str, Any]:
    """A fault with its file, line and column apart, where it has them."""
    import re

    place = re.match(r"(.+?):(\d+):(\d+)(?:  |$)", fault.where)
    told: dict[str, Any] = dict(fault.__dict__)
    return {**told, "file": place[1], "line": int(place[2]), "column": int(place[3])} if place else told


def schema(markdown: bool = typer.Option(False, "--markdown", help="The page for people: docs/genome.md.")) -> None:
    """Print the JSON Schema of genome files, for editors, or the page that tells every key."""
    from ontogeny.core.description import genome_markdown, genome_schema

    sys.stdout.write(genome_markdown() if markdown else genome_schema())


def show(
    genome: GenomeFile,
    overrides: Overrides = None,
    libraries: Libraries = None,
    tree: bool = typer.Option(False, "--tree", help="Stages, sections and books, with titles and sizes."),
    json: Json = False,
) -> None:
    """Print a genome with stage defaults and overrides composed, or the tree of what it reads."""
    from ontogeny.core.genome import load_genome
    from ontogeny.core.tree import genome_tree, told_tree

    loaded = load_genome(genome, overrides or (), libraries or ())
    if tree:
        value = genome_tree(loaded, _file_sizes(loaded.library))
        print_json(value) if json else print(told_tree(value))
    elif json:
        print_json(loaded.resolved)
    else:
        sys.stdout.write(loaded.text)


def diff(genome: GenomeFile, other: Second, libraries: Libraries = None, json: Json = False) -> None:
    """Tell what differs between two genomes: by stage, section, book, order, rate; not by line."""
    from ontogeny.core.diff import diff_genomes, told_changes
    from ontogeny.core.genome import load_genome

    one, two = (load_genome(path, (), libraries or ()).genome for path in (genome, other))
    changes = diff_genomes(one, two)
    if json:
        print_json({"equal": not changes, "changes": [change.as_dict() for change in changes]})
    else:
        print(told_changes(changes))


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


def _genome_error() -> Any:
    from ontogeny.core.errors import GenomeError

    return GenomeError


def _refuse_existing(out: Path) -> None:
    """Raises: GenomeError where a file would be written over, or has no folder to stand in."""
    from ontogeny.core.errors import Fault
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
        raise _genome_error()(fault)


def _library_near(out: Path, libraries: Libraries) -> Library:
    """The library that a genome at `out` would have."""
    from ontogeny.core.errors import Fault
    from ontogeny.core.library import CATALOGUE, find_root, load_library
    from ontogeny.core.positions import shown

    root = find_root(out.absolute().parent)
    if root is None:
        raise _genome_error()(
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


def _name(out: Path) -> str:
    """What a genome in this file is called. Raises: GenomeError if the file's name is none for a genome."""
    from ontogeny.core.breed import name_of

    return name_of(out)


def _file_sizes(library: Library) -> Callable[[str], int | None]:
    """Bytes of a book where they are known without reading it."""

    def size_of(book: str) -> int | None:
        entry = library.entries[book]
        path = library.root / entry.source.partition(":")[2].partition("#")[0]
        if entry.bytes is not None or not entry.source.startswith("file:") or "#" in entry.source:
            return entry.bytes
        return path.stat().st_size if path.is_file() else None

    return size_of


def _text_sizes(library: Library) -> Callable[[str], int | None]:
    """Bytes of a book's text where it is on this machine; None where it is not, or cannot be read."""
    from functools import lru_cache

    from ontogeny.core.address import is_remote
    from ontogeny.core.errors import LibraryError
    from ontogeny.corpus.sources import read_source

    @lru_cache(maxsize=None)
    def size_of(book: str) -> int | None:
        entry = library.entries.get(book)
        if entry is None or is_remote(entry.source):
            return entry.bytes if entry else None
        try:
            return len(read_source(entry, library.root).text.encode("utf-8"))
        except LibraryError:
            return None

    return size_of
