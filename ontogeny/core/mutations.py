"""The kinds of mutation, in terms of the science: order, books, sections, rates, budgets, density of scenes.

Each takes a Bench and returns a sentence on what it did, or None where the genome gives it nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from ontogeny.core.edit import Piece, YamlText
from ontogeny.core.errors import GenomeError
from ontogeny.core.genome import LoadedGenome
from ontogeny.core.library import Library
from ontogeny.core.nodes import flow
from ontogeny.core.positions import Where, read_text, shown
from ontogeny.core.units import usual_bytes_per_token

FACTORS = (0.5, 0.7, 1.4, 2.0)
MIN_EVERY_TOKENS = 50
SizeOf = Callable[[str], int | None]  # bytes of a book's text, where they are known
HELD_SHARE = 0.95 * 0.95  # what is not held out, and a margin for an estimate from bytes


class Bench:
    """A genome's text under the knife: what it says, what its stage files add, what its books hold."""

    def __init__(self, text: YamlText, loaded: LoadedGenome, rng: Random, label: str, size_of: SizeOf):
        self.text = text
        self.loaded = loaded
        self.rng = rng
        self.label = label
        self.size_of = size_of
        self.files: dict[str, YamlText] = {}

    def copy(self) -> Bench:
        """The same, to be tried on."""
        other = Bench(self.text.copy(), self.loaded, self.rng, self.label, self.size_of)
        other.files = self.files
        return other

    @property
    def library(self) -> Library:
        """The catalogue a book may come from."""
        return self.loaded.library

    @property
    def count(self) -> int:
        """How many stages there are."""
        return len(self.text.value["stages"])

    def note(self, path: Where, told: str) -> None:
        """Says at its place what was done."""
        self.text.note(path, f"{self.label}: {told}")

    def given(self, stage: int, key: str) -> Any:
        """A stage's key as written, or as its stage file gives it."""
        own = self.text.value["stages"][stage]
        return own[key] if key in own else self._stage_file(stage).get((key,))

    def _stage_file(self, stage: int) -> YamlText:
        use = self.text.value["stages"][stage].get("use")
        if use not in self.files:
            path = self.library.root / str(use) / "stage.yaml"
            text = read_text(path, GenomeError) if isinstance(use, str) else "{}"
            self.files[use] = YamlText(text, shown(path))
        return self.files[use]

    def name(self, stage: int) -> str:
        """What a stage is called."""
        use = self.text.value["stages"][stage].get("use")
        return self.given(stage, "name") or str(use).rstrip("/").rpartition("/")[2]

    def own(self, stage: int, key: str) -> None:
        """Writes a key of the stage file into the genome, with its comments, so that it can be changed here."""
        if key not in self.text.value["stages"][stage]:
            file = self._stage_file(stage)
            self.text.add(("stages", stage, key), file.piece((key,)))
            self.note(("stages", stage, key), f"from {self.text.value['stages'][stage]['use']}, to be changed here")

    def sections(self, stage: int) -> list[dict[str, Any]]:
        """The sections of a stage, as written."""
        return self.given(stage, "sections") or []

    def shelves(self) -> Iterator[tuple[int, int, list[str]]]:
        """(stage, section, books) of every section that names its books."""
        for stage in range(self.count):
            for number, section in enumerate(self.sections(stage)):
                if section.get("books"):
                    yield stage, number, section["books"]

    def read(self) -> set[str]:
        """Every book that is read."""
        return {book for _, _, books in self.shelves() for book in books}

    def reads(self) -> dict[str, tuple[Any, Any]]:
        """By stage, what its length hangs on: its sections and its span."""
        return {self.name(stage): (self.sections(stage), self.given(stage, "span")) for stage in range(self.count)}

    def missing_tokens(self, stage: int) -> float:
        """How many tokens a stage's span asks for beyond what its books hold; 0 where that is not known."""
        asked = (self.given(stage, "span") or {}).get("tokens", 0)
        held = self.held_tokens(stage) if asked else None
        return 0.0 if held is None else max(0.0, asked - held)

    def falls_short(self, before: Bench) -> bool:
        """Whether a stage that was changed asks for more tokens than it has, and for more than it did."""
        old = before.reads()
        changed = [stage for stage in range(self.count) if old.get(self.name(stage)) != self.reads()[self.name(stage)]]
        return any(missing > before.missing_of(self.name(n)) for n in changed if (missing := self.missing_tokens(n)))

    def missing_of(self, name: str) -> float:
        """As `missing_tokens`, by name; 0 for a stage that is not here."""
        return sum(self.missing_tokens(stage) for stage in range(self.count) if self.name(stage) == name)

    def held_tokens(self, stage: int) -> float | None:
        """About how many tokens the books of a stage hold; None if the size of one is not known."""
        sections = self.sections(stage)
        books = [book for section in sections for book in section.get("books") or []]
        sizes = [self.size_of(book) for book in books]
        if any(section.get("slot") for section in sections) or None in sizes:
            return None
        genome = self.loaded.genome
        vocab_size = getattr(genome.model.tokenizer, "vocab_size", 32768)
        return HELD_SHARE * sum(size or 0 for size in sizes) / usual_bytes_per_token(vocab_size, genome.language)


def swap_books(bench: Bench) -> str | None:
    """Two books of a section change places."""
    found = [(stage, section, books) for stage, section, books in bench.shelves() if len(set(books)) > 1]
    if not found:
        return None
    stage, section, books = bench.rng.choice(found)
    one, other = sorted(bench.rng.sample(range(len(books)), 2))
    if books[one] == books[other]:
        return None
    bench.own(stage, "sections")
    path = ("stages", stage, "sections", section, "books")
    told = f"swapped {books[one]} and {books[other]}"
    bench.text.swap((*path, one), (*path, other))
    bench.note((*path, one), told)
    return f"{told} in {_section(bench, stage, section)}"


def move_book(bench: Bench) -> str | None:
    """A book goes to a neighbouring stage."""
    shelves = list(bench.shelves())
    found = [
        (stage, section, number, there, other)
        for stage, section, books in shelves
        if len(books) > 1
        for number, book in enumerate(books)
        for there, other, others in shelves
        if abs(there - stage) == 1 and book not in _books(bench, there)
    ]
    if not found:
        return None
    stage, section, number, there, other = bench.rng.choice(found)
    bench.own(stage, "sections")
    bench.own(there, "sections")
    path = ("stages", there, "sections", other, "books")
    index = bench.rng.randint(0, len(bench.text.get(path)))
    names = _section(bench, stage, section), _section(bench, there, other)
    book = bench.text.get(("stages", stage, "sections", section, "books", number))
    went = f"{bench.label}: moved {book} to {names[1]}"
    piece = bench.text.take(("stages", stage, "sections", section, "books", number), [went])
    came = f"{bench.label}: moved {book} here from {names[0]}"
    bench.text.add((*path, index), Piece(piece.value, [*piece.comments, came], []))
    return f"moved {book} from {names[0]} to {names[1]}"


def reorder_sections(bench: Bench) -> str | None:
    """Two sections of a stage change places."""
    found = [stage for stage in range(bench.count) if len(bench.sections(stage)) > 1]
    if not found:
        return None
    stage = bench.rng.choice(found)
    bench.own(stage, "sections")
    one, other = sorted(bench.rng.sample(range(len(bench.sections(stage))), 2))
    names = [bench.sections(stage)[number]["name"] for number in (one, other)]
    told = f"swapped sections {names[0]} and {names[1]}"
    bench.text.swap(("stages", stage, "sections", one), ("stages", stage, "sections", other))
    bench.note(("stages", stage, "sections", one), told)
    return f"{told} in {bench.name(stage)}"


def swap_stages(bench: Bench) -> str | None:
    """Two neighbouring stages change places."""
    if bench.count < 2:
        return None
    one = bench.rng.randrange(bench.count - 1)
    told = f"swapped stages {bench.name(one)} and {bench.name(one + 1)}"
    bench.text.swap(("stages", one), ("stages", one + 1))
    bench.note(("stages", one), told)
    return told


def change_rate(bench: Bench) -> str | None:
    """A learning rate, of the trunk, of a role, or of the trunk in one stage, by a factor."""
    genome = bench.loaded.genome
    found: list[tuple[Where, str, float]] = [(("trunk", "learning_rate"), "the trunk", genome.trunk.learning_rate)]
    found += [(("roles", name, "learning_rate"), name, role.learning_rate) for name, role in genome.roles.items()]
    for stage in range(bench.count):
        own = (bench.text.value["stages"][stage].get("trunk") or {}).get("learning_rate", genome.trunk.learning_rate)
        found.append((("stages", stage, "trunk", "learning_rate"), f"the trunk in {bench.name(stage)}", own))
    path, whose, rate = bench.rng.choice(found)
    new = min(1.0, _rounded(rate * bench.rng.choice(FACTORS)))
    if new == rate:
        return None
    if len(path) == 4 and not isinstance(bench.text.get(path[:3]), dict):
        bench.text.set(path[:3], {"learning_rate": new})
    else:
        bench.text.set(path, new)
    told = f"rate of {whose} {flow(rate)} -> {flow(new)}"
    bench.note(path, told)
    return told


def change_span(bench: Bench) -> str | None:
    """The budget of a stage, by a factor."""
    stage = bench.rng.randrange(bench.count)
    span = bench.given(stage, "span")
    if not isinstance(span, dict):
        return None
    if "tokens" in span:
        factors = FACTORS if bench.held_tokens(stage) is not None else [one for one in FACTORS if one < 1]
        new = {"tokens": max(1, round(_rounded(span["tokens"] * bench.rng.choice(factors))))}
    else:
        epochs = span.get("epochs", 1)
        new = {"epochs": bench.rng.choice([one for one in (epochs - 1, epochs + 1) if one > 0])}
    bench.own(stage, "span")
    bench.text.set(("stages", stage, "span"), new)
    told = f"span {flow(span)} -> {flow(new)}"
    bench.note(("stages", stage, "span"), told)
    return f"{told} in {bench.name(stage)}"


def change_scenes(bench: Bench) -> str | None:
    """The density of a stage's scenes, by a factor."""
    found = [stage for stage in range(bench.count) if isinstance(bench.given(stage, "scenes"), dict)]
    if not found:
        return None
    stage = bench.rng.choice(found)
    every = bench.given(stage, "scenes")["every_tokens"]
    new = max(MIN_EVERY_TOKENS, round(_rounded(every * bench.rng.choice(FACTORS))))
    if new == every:
        return None
    bench.own(stage, "scenes")
    bench.text.set(("stages", stage, "scenes", "every_tokens"), new)
    told = f"a scene every {every} -> {new} tokens"
    bench.note(("stages", stage, "scenes"), told)
    return f"{told} in {bench.name(stage)}"


def change_reading(bench: Bench) -> str | None:
    """Sections one after another, or in turns."""
    found = [stage for stage in range(bench.count) if len(bench.sections(stage)) > 1]
    if not found:
        return None
    stage = bench.rng.choice(found)
    reading = bench.given(stage, "reading") or "sequential"
    new = "sequential" if reading == "interleaved" else "interleaved"
    bench.text.set(("stages", stage, "reading"), new)
    told = f"reading {reading} -> {new}"
    bench.note(("stages", stage, "reading"), told)
    return f"{told} in {bench.name(stage)}"


def change_slot(bench: Bench) -> str | None:
    """A slot takes a book more or less."""
    found = [
        (stage, number)
        for stage in range(bench.count)
        for number, section in enumerate(bench.sections(stage))
        if section.get("slot")
    ]
    if not found:
        return None
    stage, number = bench.rng.choice(found)
    slot = bench.sections(stage)[number]["slot"]
    keys = [key for key in ("field", "level", "form") if slot.get(key)]
    fitting = [book for book in bench.library.entries.values() if all(getattr(book, key) == slot[key] for key in keys)]
    counts = [count for count in (slot["count"] - 1, slot["count"] + 1) if 0 < count <= len(fitting)]
    if not counts:
        return None
    new = bench.rng.choice(counts)
    bench.own(stage, "sections")
    path = ("stages", stage, "sections", number, "slot")
    bench.text.set((*path, "count"), new)
    told = f"slot of {slot['count']} -> {new} books"
    bench.note(path, told)
    return f"{told} in {_section(bench, stage, number)}"


def drop_book(bench: Bench) -> str | None:
    """A book is read no more."""
    found = [(stage, section, books) for stage, section, books in bench.shelves() if len(books) > 1]
    if not found:
        return None
    stage, section, books = bench.rng.choice(found)
    number = bench.rng.randrange(len(books))
    bench.own(stage, "sections")
    path = ("stages", stage, "sections", section, "books", number)
    told = f"dropped {books[number]}"
    bench.text.take(path, [*bench.text.piece(path).comments, f"{bench.label}: {told}"])
    return f"{told} from {_section(bench, stage, section)}"


def add_book(bench: Bench) -> str | None:
    """A book of the catalogue that nobody read; of the stage's own levels where there is one."""
    shelves, read = list(bench.shelves()), bench.read()
    language = bench.loaded.genome.language
    new = [entry for entry in bench.library.entries.values() if entry.id not in read and entry.language == language]
    if not shelves or not new:
        return None
    stage, section, _ = bench.rng.choice(shelves)
    entries = bench.library.entries
    levels = {entries[book].level for book in _books(bench, stage) if book in entries} | {bench.name(stage)}
    entry = bench.rng.choice([entry for entry in new if entry.level in levels] or new)
    bench.own(stage, "sections")
    path = ("stages", stage, "sections", section, "books")
    index = bench.rng.randint(0, len(bench.text.get(path)))
    bench.text.add((*path, index), Piece(entry.id, [f"{bench.label}: added {entry.id}"], []))
    return f"added {entry.id} to {_section(bench, stage, section)}"


MUTATIONS: tuple[Callable[[Bench], str | None], ...] = (
    swap_books,
    move_book,
    reorder_sections,
    swap_stages,
    change_rate,
    change_span,
    change_scenes,
    change_reading,
    change_slot,
    drop_book,
    add_book,
)


def _books(bench: Bench, stage: int) -> list[str]:
    return [book for section in bench.sections(stage) for book in section.get("books") or []]


def _section(bench: Bench, stage: int, section: int) -> str:
    return f"{bench.name(stage)}, {bench.sections(stage)[section]['name']}"


def _rounded(value: float) -> float:
    """To two digits: a number that a person would have written."""
    return float(f"{value:.2g}")
