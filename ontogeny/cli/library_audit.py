"""`ontogeny library audit`: what the books of a catalogue, or of a genome, are like, alone and together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ontogeny.cli.shared import STORE, Json, Libraries, Quiet, nearest_root, print_json, teller

SHOWN = 10  # pairs of sections at each end
MAX_BOOKS = 200  # told one by one
AuditedGenome = Annotated[
    Path | None, typer.Argument(metavar="[GENOME]", help="A genome YAML; the whole catalogue if not given.")
]
OutFile = Annotated[Path | None, typer.Option("--out", help="A file for the audit as JSON.")]


def register(group: typer.Typer) -> None:
    """Adds the command to `library`."""
    group.command("audit")(audit)


def audit(
    genome: AuditedGenome = None,
    libraries: Libraries = None,
    out: OutFile = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure books: language, difficulty, near-duplicates, what ties sections together, licences. Fetches nothing."""
    from ontogeny.core.run import write_json
    from ontogeny.corpus.audit import audit_library, stages_by_level

    if out is not None:
        _refuse_place(out)
    skip_rules: list[str] = []
    if genome is not None:
        from ontogeny.core.genome import load_genome

        loaded = load_genome(genome, (), libraries or ())
        library, skip_rules = loaded.library, loaded.genome.cleaning.skip_rules
        stages = [(s.name, [(part.name, part.book_ids) for part in s.sections]) for s in loaded.genome.stages]
    else:
        from ontogeny.core.library import load_library

        library = load_library(nearest_root(), tuple(libraries or ()))
        stages = stages_by_level(library)
    tell = teller(quiet)
    told = audit_library(
        library,
        stages,
        STORE.absolute(),
        skip_rules=skip_rules,
        progress=lambda what, done, of: tell(f"audit: {what} ({done + 1}/{of})"),
    )
    if out is not None:
        write_json(out, told)
    if json:
        print_json(told)
    elif not quiet:
        print("\n".join(lines_of(told)))


def _refuse_place(out: Path) -> None:
    from ontogeny.core.errors import Fault, RunError

    if out.is_dir() or not out.absolute().parent.is_dir():
        got = "a folder" if out.is_dir() else f"no folder {out.parent}"
        raise RunError(
            Fault("the audit cannot be written there.", str(out), got, "a file in a folder that exists", "change --out")
        )


def lines_of(told: dict[str, Any]) -> Iterator[str]:
    """An audit for a person."""
    books = told["books"]
    characters = sum(book["characters"] for book in books.values())
    yield (
        f"{len(books)} books, {characters:,} characters; at most {told['looked_at']['max_characters']:,} of a book are "
        f"measured, duplicates look at all. Compared within language '{told['language']}'. Means with 95 % intervals."
    )
    yield from _book_lines(books)
    yield from _stage_lines(told["stages"])
    for ascent in told["ascents"]:
        if ascent["fails"]:
            yield f"warning: {ascent['told']}"
    yield from _duplicate_lines(told["duplicates"])
    for book_id, book in books.items():
        if book["language_differs"]:
            reads = book["reads_as"]
            yield (
                f"warning: book '{book_id}' is declared '{book['language']}' and reads as '{reads['detected']}' "
                f"({reads['share']:.0%} of {reads['n']} samples)"
            )
    yield from _connection_lines(told["connections"])
    restricting = told["licences"]["restricting"]
    counted = ", ".join(f"{licence} {count}" for licence, count in told["licences"]["books"].items())
    yield f"\nlicences: {counted}"
    yield from (f"   restricts: {book_id} ({licence})" for book_id, licence in restricting.items())
    if told["skipped"]:
        yield f"\n{len(told['skipped'])} book(s) left out"
        yield from (f"   {book_id}: {reason}" for book_id, reason in told["skipped"].items())


def _figure(measure: dict[str, Any] | None, name: str, digits: int) -> str:
    if measure is None:
        return f"{'-':>6} {'':<15}"
    interval = measure["ci95"]
    told = f"[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else ""
    return f"{measure[name]:>6.{digits}f} {told:<15}"


HEADS = f"{'compression':<22} {'MTLD':<22} {'grade':<22} {'words a sentence':<22}"
DIGITS = {"compression_ratio": 3, "mtld": 1, "grade": 1, "sentence_words": 1}


def _figures(difficulty: dict[str, Any], name: str) -> str:
    return " ".join(_figure(difficulty[measure], name, digits) for measure, digits in DIGITS.items())


def _new_types(told: dict[str, Any] | None) -> str:
    return f"{told['frac']:.2f} of {told['types']:,}" if told else "-"


def _book_lines(books: dict[str, Any]) -> Iterator[str]:
    if len(books) > MAX_BOOKS:
        yield f"\n{len(books)} books are too many to be told one by one: see --json"
        return
    width = min(48, max(map(len, books), default=0))
    yield f"\n{'book':<{width}} {'reads as':<8} {'level':<11} {HEADS} new word types"
    for book_id, book in books.items():
        reads = book["reads_as"]["detected"] or "?"
        yield (
            f"{book_id:<{width}} {reads:<8} {book['level']:<11} {_figures(book['difficulty'], 'value')} "
            f"{_new_types(book.get('new_types'))}"
        )


def _stage_lines(stages: list[dict[str, Any]]) -> Iterator[str]:
    yield f"\n{'stage: medians of books':<36} {'books':<8} {'level':<11} {HEADS} new word types"
    for stage in stages:
        yield (
            f"{stage['name']:<36} {stage['books']:<8} {stage['level'] or '-':<11} "
            f"{_figures(stage['difficulty'], 'median')} {_new_types(stage['new_types'])}"
        )


def _duplicate_lines(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"\nnear-duplicates (a share of {found['threshold']:.0%} or more of a book's {found['shingle_words']}-word "
        f"shingles stands in the other): {len(found['pairs']) or 'none'}"
    )
    for pair in found["pairs"]:
        yield (
            f"   {pair['kind']:<10} {pair['a']} ~ {pair['b']}: {pair['a_in_b']:.2f} of the first in the second, "
            f"{pair['b_in_a']:.2f} back, resemblance {pair['resemblance']:.2f}"
        )


def _connection_lines(found: dict[str, Any]) -> Iterator[str]:
    bounds = found["bounds"]
    yield (
        f"\nconnections: {found['rare_terms']:,} rare terms (in {bounds['min_books']} to {bounds['max_books']} of "
        f"{found['books']} books), {found['pairs_total']} pairs of sections, {found['voids']} void; ratio 1 is what "
        f"{found['shuffles']} shuffled libraries have"
    )
    pairs = [pair for pair in found["pairs"] if pair["ratio"] is not None]
    least = pairs[:SHOWN]
    most = pairs[SHOWN:][-SHOWN:]
    for name, some in (("touch least", least), ("touch most", most[::-1])):
        if some:
            yield f"   {name}:"
        for pair in some:
            void = "void" if pair["void"] else "    "
            yield (
                f"   {pair['ratio']:5.2f} {void} {pair['a']} ~ {pair['b']}: {', '.join(pair['terms']) or 'nothing'}; "
                f"{pair['links']} linked passages ({pair['links_expected']:.1f} expected)"
            )
