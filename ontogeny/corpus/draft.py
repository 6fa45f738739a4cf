"""A first genome for a folder of books: what each book is, how hard it reads, which stage it suits, and why."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ontogeny.core.ascent import LEVELS
from ontogeny.core.errors import Fault, GenomeError, OntogenyError
from ontogeny.core.genome import compose
from ontogeny.core.library import CATALOGUE, Library, LibraryEntry, find_root, load_library
from ontogeny.core.positions import parse_yaml, shown
from ontogeny.core.template import modeline
from ontogeny.corpus.blocks import Cuts
from ontogeny.corpus.difficulty import measure_difficulty, windows_of
from ontogeny.corpus.draft_text import MEASURES, Book, DraftStage, catalogue_text, genome_text
from ontogeny.corpus.guess import book_files, guess_book
from ontogeny.corpus.gutenberg import cut_gutenberg
from ontogeny.corpus.sources import read_source

MAX_WINDOWS = 24  # looked at of a book: about 100,000 characters, spread over it
MAX_SCORE = 2.5  # standard deviations that one measure may say
NUMBERED = re.compile(r"(\d{1,3})[\s._-]+(\S.*)")
LEVEL_WORD = re.compile(r"(?:level|grade|stage|year|class|уровень|класс|ступень)[\s._-]*(\d{1,3})", re.IGNORECASE)
QUANTILES = {
    1: ("reading",),
    2: ("easy", "hard"),
    3: ("easy", "middle", "hard"),
    4: ("easy", "middle", "hard", "hardest"),
}


@dataclass(frozen=True)
class Drafted:
    """A genome that is not written yet, and the catalogue that goes with it (None: all its books have one already)."""

    text: str
    catalogue: Path | None
    catalogue_text: str
    beside: bool  # whether the catalogue has to be named with --library
    stages: dict[str, list[str]]
    left_out: dict[str, str]


def draft_genome(
    folder: Path, out: Path, name: str, libraries: tuple[Path, ...], tell: Callable[[str], None]
) -> Drafted:
    """Reads a sample of every book of a folder and writes nothing.

    Raises: GenomeError if there is no book, or the books and `out` cannot share a library's folder."""
    root, catalogue = _place(folder, out)
    library = load_library(root, libraries) if (root / CATALOGUE).is_file() else Library({}, root)
    books, left_out = _looked_at(folder, root, library, tell)
    if not books:
        reasons = "; ".join(f"{file}: {why}" for file, why in list(left_out.items())[:3])
        raise _fault(
            "there is no book in this folder.",
            shown(folder),
            reasons or "no file that is a book",
            "books: .txt, .md, ...",
        )
    size = Counter[str]()
    for book in books:
        size[book.entry.language] += book.bytes
    language = size.most_common(1)[0][0]
    foreign = [book for book in books if book.entry.language != language]
    read = [book for book in books if book.entry.language == language]
    for book in foreign:
        left_out[book.file] = f"in another language ({book.entry.language}); it is in the catalogue"
    _rank(read)
    stages = _stages(read)
    levels = {id(book): stage.name for stage in stages for book in stage.books}
    new = [book for book in books if not book.known]
    entries = {book.entry.id: book.entry.model_copy(update={"level": levels.get(id(book), "unsorted")}) for book in new}
    text = modeline(out, root) + genome_text(name, language, folder, stages, left_out)
    whole = Library({**library.entries, **entries}, root)
    compose(parse_yaml(text, shown(out), GenomeError), out, whole, ())
    return Drafted(
        text,
        catalogue if new else None,
        catalogue_text(entries.values(), folder),
        catalogue != root / CATALOGUE,
        {stage.name: [book.entry.id for books in stage.sections.values() for book in books] for stage in stages},
        left_out,
    )


def _fault(what: str, where: str, got: str, expected: str, fix: str = "choose another folder") -> GenomeError:
    return GenomeError(Fault(what, where, got, expected, fix))


def _place(folder: Path, out: Path) -> tuple[Path, Path]:
    """The library's folder, which must hold both the books and the genome; and the catalogue for new books."""
    if not folder.is_dir():
        raise _fault(
            "this is no folder.", shown(folder), "a file" if folder.exists() else "nothing", "a folder of books"
        )
    books, here = folder.resolve(), out.absolute().parent.resolve()
    root = find_root(here)
    if root is not None:
        if not books.is_relative_to(root):
            raise _fault(
                "the books lie outside the library's folder.",
                shown(folder),
                str(books),
                f"a folder in {shown(root)}, which holds {CATALOGUE}",
                f"copy the books into it, or choose an --out beside them, away from {CATALOGUE}",
            )
        return root, out.absolute().with_name(f"{out.name.removesuffix('.yaml').removesuffix('.yml')}.library.yaml")
    if books.is_relative_to(here):
        root = here
    elif here.is_relative_to(books):
        root = books
    else:
        raise _fault(
            "the genome and the books share no folder.",
            shown(out),
            f"books in {books}",
            f"an --out in {books}, or in {books.parent}",
            f"--out {books.parent / out.name}",
        )
    return root, root / CATALOGUE


def _looked_at(
    folder: Path, root: Path, library: Library, tell: Callable[[str], None]
) -> tuple[list[Book], dict[str, str]]:
    """Every book of the folder; and what is no book, with the reason."""
    known = {entry.source: entry for entry in library.entries.values()}
    taken = set(library.entries)
    books, left_out = [], {}
    files = book_files(folder)
    for number, path in enumerate(files, 1):
        file = path.relative_to(folder).as_posix()
        if not file.isprintable():  # half a character, a line feed: no catalogue could name it
            left_out[ascii(file)] = "its name is not plain text"
            continue
        tell(f"draft: {file} ({number}/{len(files)})")
        entry = known.get(f"file:{path.resolve().relative_to(root).as_posix()}") if _within(path, root) else None
        try:
            if entry:
                found, why, text = entry, "by its catalogue", cut_gutenberg(read_source(entry, root).text, Cuts())[0]
            else:
                found, why, text = _new_entry(path, root, folder, taken)
        except OntogenyError as problem:
            left_out[file] = f"{problem.faults[0].what.rstrip('.')} ({problem.faults[0].got})"
            continue
        taken.add(found.id)
        level = (LEVELS.index(entry.level), entry.level, "its catalogue") if entry and entry.level in LEVELS else None
        book = Book(
            found, file, entry is not None, level or _folder_level(path, folder), why, len(text.encode("utf-8"))
        )
        book.measures = _measures(text, found.language)
        books.append(book)
    return books, left_out


def _within(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def _new_entry(path: Path, root: Path, folder: Path, taken: set[str]) -> tuple[LibraryEntry, str, str]:
    """What the book is, as far as can be guessed, why of that field, and its text. The folder it lies in tells its
    field, where that is no level."""
    guess = guess_book(path, root)
    name, number = guess.id, 1
    while name in taken:
        number += 1
        name = f"{guess.id}-{number}"
    why = "by its words" if "field" in guess.reasons else "nothing tells it"
    for part in reversed(path.relative_to(folder).parts[:-1]):
        if _level_of(part) is None and (named := re.sub(r"[\s_-]+", " ", part).strip().lower()):
            guess.fields["field"], why = named, "by its folder"
            break
    return LibraryEntry.model_validate({**guess.fields, "id": name}), why, guess.text


def _folder_level(path: Path, folder: Path) -> tuple[int, str, str] | None:
    for part in path.relative_to(folder).parts[:-1]:
        if level := _level_of(part):
            return (*level, f"the folder's name, {part}")
    return None


def _level_of(part: str) -> tuple[int, str] | None:
    """The place and name of a level that a folder's name tells: 1-primer, grade 2, school."""
    slug = _slug(part)
    if word := LEVEL_WORD.fullmatch(part):
        return int(word[1]), slug
    if numbered := NUMBERED.fullmatch(part):
        return int(numbered[1]), _slug(numbered[2]) or slug
    return (LEVELS.index(slug), slug) if slug in LEVELS else None


def _slug(text: str) -> str:
    """A stage's name: a to z, digits and hyphens; other alphabets are left to a number."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]


def _measures(text: str, language: str) -> dict[str, float]:
    """The measures of a bounded sample."""
    windows = windows_of(text)
    step = max(1.0, len(windows) / MAX_WINDOWS)
    some = [windows[int(index * step)] for index in range(min(len(windows), MAX_WINDOWS))]
    return {name: told["value"] for name, told in measure_difficulty(some, language).items() if told}


def _rank(books: Sequence[Book]) -> None:
    """Hardness: the mean of a book's measures in standard deviations from the folder's mean, as a normal share."""
    scores: dict[int, list[float]] = {}
    for name in MEASURES:
        values = {number: book.measures[name] for number, book in enumerate(books) if name in book.measures}
        if len(values) < 2 or not (deviation := statistics.pstdev(values.values())):
            continue
        mean = statistics.fmean(values.values())
        for number, value in values.items():
            scores.setdefault(number, []).append(max(-MAX_SCORE, min(MAX_SCORE, (value - mean) / deviation)))
    for number, book in enumerate(books):
        book.hardness = round(statistics.NormalDist().cdf(statistics.fmean(scores.get(number, [0.0]))), 3)


def _stages(books: list[Book]) -> list[DraftStage]:
    """By the levels that folders or the catalogue tell, or else by difficulty."""
    levels = sorted({book.level[:2] for book in books if book.level})
    if not levels:
        return _by_difficulty(books)
    stages: dict[str, DraftStage] = {}
    for order, name in levels:
        ours = [book for book in books if book.level and book.level[:2] == (order, name)]
        whys = Counter(book.level[2] for book in ours if book.level)
        called = name or f"stage-{order}"
        if called in stages:
            called = f"{called}-{order}"
        stages[called] = DraftStage(called, f"by {whys.most_common(1)[0][0]}", ours)
    medians = {name: statistics.median(book.hardness for book in stage.books) for name, stage in stages.items()}
    for book in books:
        if not book.level:
            nearest = min(medians, key=lambda name: abs(medians[name] - book.hardness))
            stages[nearest].books.append(book)
    return list(stages.values())


def _by_difficulty(books: list[Book]) -> list[DraftStage]:
    count = 4 if len(books) >= 12 else min(3, len(books))
    ordered = sorted(books, key=lambda book: (book.hardness, book.entry.id))
    bounds = [round(number * len(ordered) / count) for number in range(count + 1)]
    stages = []
    for number, name in enumerate(QUANTILES[count]):
        ours = ordered[bounds[number] : bounds[number + 1]]
        share = {1: "all of them", 2: "a half each", 3: "a third each", 4: "a quarter each"}[count]
        why = f"by difficulty ({share}): hardness {ours[0].hardness:.2f} to {ours[-1].hardness:.2f}"
        stages.append(DraftStage(name, why, ours))
    return stages
