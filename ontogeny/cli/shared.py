"""Options and steps that several verbs have in common."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ontogeny.train.planning import bring_books as bring_books
from ontogeny.train.planning import located as located
from ontogeny.train.planning import planned as planned

if TYPE_CHECKING:
    from ontogeny.core.genome import LoadedGenome
    from ontogeny.core.run import RunDirectory

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


def known_books(loaded: LoadedGenome) -> dict[str, Any]:
    """What earlier audits and runs in this folder have found of a genome's books; nothing is computed."""
    from ontogeny.corpus.audited import known_of

    books = [book for stage in loaded.genome.stages for section in stage.sections for book in section.book_ids]
    return known_of(loaded.library, books, loaded.genome.cleaning.skip_rules, STORE.absolute())


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
