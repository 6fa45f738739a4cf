"""Children of genome files: mutated, or crossed from two; deterministic by seed, and each says where it comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from ontogeny.core.edit import YamlText
from ontogeny.core.errors import Fault, GenomeError, OntogenyError
from ontogeny.core.genome import LoadedGenome, compose, genome_hash
from ontogeny.core.hashes import seed_of
from ontogeny.core.library import Library
from ontogeny.core.lineage import joined, read_lineage, with_lineage
from ontogeny.core.mutations import MUTATIONS, Bench, SizeOf
from ontogeny.core.positions import parse_yaml, read_text, shown
from ontogeny.core.rules import books_of

MAX_MUTATIONS = 3
TRIES = 40
ADAPTER_KEYS = ("update", "rank", "alpha", "targets", "layers")


@dataclass(frozen=True)
class Child:
    """A genome file that is not written yet: its text, what was done, and what it composes to."""

    text: str
    changes: tuple[str, ...]
    loaded: LoadedGenome


def mutate(parent: LoadedGenome, seed: int, out: Path, library: Library, size_of: SizeOf) -> Child:
    """One to three mutations of a genome (loaded with `locked=False`), chosen by the seed.

    `library` is the one that stands near `out`; `size_of` keeps spans within what books hold.
    Raises: GenomeError where nothing can be changed, or the child would not stand at `out`."""
    for careful in (False, True):  # the second time, every step is composed before the next is tried
        bench, changes = _mutated(parent, seed, size_of, out if careful else None, library)
        if not changes:
            raise _fruitless(parent, "no mutation fits it")
        try:
            bench.loaded = _composed(bench.text.finished(), out, library)
        except GenomeError:
            if careful:
                raise
            continue
        if genome_hash(bench.loaded.genome) != genome_hash(parent.genome):
            break
    return _born(bench, "mutate", seed, [parent], changes, out, library)


def _mutated(
    parent: LoadedGenome, seed: int, size_of: SizeOf, out: Path | None, library: Library
) -> tuple[Bench, list[str]]:
    """The genome after its mutations, and what these say; each leads to a sound, new genome if `out` is given."""
    hashes = {genome_hash(parent.genome)}
    rng = Random(seed_of(seed, min(hashes), "mutate"))
    text = YamlText(read_text(parent.path, GenomeError), shown(parent.path))
    bench = Bench(text, parent, rng, f"mutate seed {seed}", size_of)
    wanted, changes = rng.randint(1, MAX_MUTATIONS), []
    kinds = list(MUTATIONS)
    rng.shuffle(kinds)
    for kind in kinds:
        if len(changes) == wanted:
            break
        for _ in range(3):
            trial = bench.copy()
            told = kind(trial)
            if told is None or trial.falls_short(bench):
                continue
            if out is not None and not _is_new(trial, out, library, hashes):
                continue
            bench = trial
            changes.append(told)
            break
    return bench, changes


def _is_new(trial: Bench, out: Path, library: Library, hashes: set[str]) -> bool:
    """Whether a text composes to a genome that has not been there yet."""
    try:
        digest = genome_hash(_composed(trial.text.finished(), out, library).genome)
    except GenomeError:
        return False
    new = digest not in hashes
    hashes.add(digest)
    return new


def cross(one: LoadedGenome, other: LoadedGenome, seed: int, out: Path, library: Library, size_of: SizeOf) -> Child:
    """Stages of two genomes, recombined at one or two points: by name where they share names, else by position.

    All else (model, tokenizer, trunk, roles, machine) is the first one's. No book is read twice: the first reading
    stays. Raises: GenomeError where the two have no child that stands at `out`."""
    if one.genome.language != other.genome.language:
        languages = f"'{one.genome.language}' and '{other.genome.language}'"
        raise _fruitless(one, f"the parents speak {languages}", other)
    hashes = [genome_hash(parent.genome) for parent in (one, other)]
    rng = Random(seed_of(seed, "+".join(hashes), "cross"))
    problem: OntogenyError | None = None
    tried: list[dict[int, int]] = []
    for _ in range(TRIES):
        taken = _points(rng, [[stage.name for stage in parent.genome.stages] for parent in (one, other)])
        if taken in tried:
            continue
        tried.append(taken)
        bench = Bench(
            YamlText(read_text(one.path, GenomeError), shown(one.path)), one, rng, f"cross seed {seed}", size_of
        )
        names = [other.genome.stages[number].name for number in taken.values()]
        changes = [f"stages of {other.genome.name}: {', '.join(names)}"]
        _transplant(bench, other, taken)
        changes += _mended(bench, one, names)
        try:
            bench.loaded = _composed(bench.text.finished(), out, library)
        except GenomeError as fault:
            problem = fault
            continue
        if genome_hash(bench.loaded.genome) not in hashes:
            return _born(bench, "cross", seed, [one, other], changes, out, library)
    raise problem or _fruitless(one, "their children are the parents again", other)


def _points(rng: Random, names: list[list[str]]) -> dict[int, int]:
    """Which stages of the first are replaced by which of the second; a number past the first's last is an addition."""
    first, second = names
    if common := [number for number, name in enumerate(first) if name in second]:
        pairs = {number: second.index(first[number]) for number in common}
    else:
        pairs = {number: number for number in range(len(second)) if number <= len(first)}
    numbers = sorted(pairs)
    if len(numbers) == 1:
        return pairs
    start = rng.randrange(len(numbers))
    two_points = bool(rng.randrange(2))
    end = rng.randint(start + 1, len(numbers)) if two_points else len(numbers)
    if (start, end) == (0, len(numbers)) and len(numbers) == len(first):
        start, end = (1, end) if rng.randrange(2) else (0, end - 1)  # a stage of each parent at least
    return {number: pairs[number] for number in numbers[start:end]}


def _transplant(bench: Bench, other: LoadedGenome, taken: dict[int, int]) -> None:
    """Puts stages of the other genome, with their comments, in the place of stages of the first."""
    donor = YamlText(read_text(other.path, GenomeError), shown(other.path))
    first_roles, roles = bench.loaded.genome.roles, other.genome.roles
    for number, there in sorted(taken.items()):
        _fitted(donor, there, bench.loaded, other)
        donor.free(("stages", there))
        replaced = number < bench.count
        bench.text.add(("stages", number), donor.piece(("stages", there)))
        bench.note(("stages", number), f"stage {other.genome.stages[there].name} of {other.genome.name}")
        if replaced:
            bench.text.take(("stages", number + 1))
        if roles.keys() - first_roles.keys() and bench.given(number, "scenes"):
            bench.text.set(("stages", number, "scenes"), None)
            bench.note(("stages", number, "scenes"), "no scenes: nobody plays " + ", ".join(roles.keys() - first_roles))


def _fitted(donor: YamlText, stage: int, one: LoadedGenome, other: LoadedGenome) -> None:
    """Takes out of a stage what holds under its own genome's trunk and roles alone."""
    own = donor.value["stages"][stage]
    context = one.genome.model.context_tokens
    gone = []
    if one.genome.trunk.update != other.genome.trunk.update:
        gone += [("trunk", key) for key in ADAPTER_KEYS]
    gone += [("roles", name) for name in own.get("roles") or {} if name not in one.genome.roles]
    parts = [("trunk",), *(("roles", name) for name in own.get("roles") or {})]
    for part in parts:
        batch = (donor.get(("stages", stage, *part)) or {}).get("batch_tokens")
        if isinstance(batch, int) and batch % context:
            gone.append((*part, "batch_tokens"))
    for where in gone:
        holder = donor.get(("stages", stage, *where[:-1]))
        if not isinstance(holder, dict) or where[-1] not in holder:
            continue
        path = ("stages", stage, *where)
        while len(path) > 3 and len(donor.get(path[:-1])) == 1:  # the last key goes with its mapping
            path = path[:-1]
        donor.take(path)


def _mended(bench: Bench, one: LoadedGenome, taken: list[str]) -> list[str]:
    """Each book once, gates that have something to look at, spans within what the books hold."""
    read = bench.reads()
    changes = _each_book_once(bench)
    names = [bench.name(stage) for stage in range(bench.count)]
    for stage in range(bench.count):
        gate = bench.given(stage, "gate")
        roles = ("trunk", *one.genome.roles)
        if isinstance(gate, dict) and (gate.get("on") not in names or gate.get("subject", "trunk") not in roles):
            bench.text.set(("stages", stage, "gate"), None)
            told = f"no gate: it looked at {gate.get('on')}, {gate.get('subject', 'trunk')}"
            bench.note(("stages", stage, "gate"), told)
            changes.append(f"{told} (in {names[stage]})")
    for stage, name in enumerate(names):
        if name not in taken and bench.reads()[name] == read[name]:
            continue  # as it was in its own genome
        span, missing = bench.given(stage, "span"), bench.missing_tokens(stage)
        held = bench.held_tokens(stage) if missing else None
        if held and held >= 1:
            new = max(1, int(float(f"{held * 0.97:.1e}")))
            bench.own(stage, "span")
            bench.text.set(("stages", stage, "span"), {"tokens": new})
            told = f"span {span['tokens']} -> {new} tokens, which its books hold"
            bench.note(("stages", stage, "span"), told)
            changes.append(f"{told} (in {names[stage]})")
    return changes


def _each_book_once(bench: Bench) -> list[str]:
    """Takes out books that were read before; sections and stages that have none left go too."""
    changes, seen, stage = [], set(), 0
    while stage < bench.count:
        twice = [(section, at) for section, at, book in books_of({"sections": bench.sections(stage)}) if book in seen]
        within: set[str] = set()
        for section, at, book in books_of({"sections": bench.sections(stage)}):
            if book in within and (section, at) not in twice:
                twice.append((section, at))
            within.add(book)
        if twice:
            bench.own(stage, "sections")
            changes += _taken_out(bench, stage, sorted(twice, reverse=True))
        if not bench.sections(stage):
            changes.append(f"no stage {bench.name(stage)}: its books were read before")
            bench.text.take(("stages", stage), [f"{bench.label}: {changes[-1]}"])
            continue
        seen |= within
        stage += 1
    return changes


def _taken_out(bench: Bench, stage: int, twice: list[tuple[int, int]]) -> list[str]:
    changes = []
    for section, at in twice:
        path = ("stages", stage, "sections", section)
        books, name = bench.text.get((*path, "books")), bench.text.get((*path, "name"))
        changes.append(f"{books[at]} is read before {bench.name(stage)}, {name}")
        told = [f"{bench.label}: {books[at]} is read before"]
        if len(books) > 1:
            bench.text.take((*path, "books", at), told)
        elif len(bench.sections(stage)) > 1:
            bench.text.take(path, told)
        else:
            bench.text.value["stages"][stage]["sections"] = []  # the whole stage goes next
    return changes


def _composed(text: str, out: Path, library: Library) -> LoadedGenome:
    return compose(parse_yaml(text, shown(out), GenomeError), out, library, ())


def _born(
    bench: Bench,
    operation: str,
    seed: int,
    parents: list[LoadedGenome],
    changes: list[str],
    out: Path,
    library: Library,
) -> Child:
    """The child with its name (its file's) and its lineage."""
    bench.text.set(("name",), name_of(out))
    told: list[dict[str, Any]] = [{"name": one.genome.name, "genome": genome_hash(one.genome)} for one in parents]
    record = {"child": genome_hash(bench.loaded.genome), "operation": operation, "seed": seed, "parents": told}
    before = joined(*(read_lineage(read_text(parent.path, GenomeError)) for parent in parents))
    text = with_lineage(bench.text.finished(), [*before, {**record, "changes": changes}])
    loaded = _composed(text, out, library)
    assert genome_hash(loaded.genome) == record["child"], "a name or a comment changed the genome"
    return Child(text, tuple(changes), loaded)


def name_of(out: Path) -> str:
    """What a genome in this file is called: its own name, so that its runs do not meet its parents'.

    Raises: GenomeError if a genome cannot be called so."""
    name = out.name.removesuffix(".yaml").removesuffix(".yml")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}", name):
        raise GenomeError(
            Fault(
                "a genome cannot be called as this file is.",
                shown(out),
                repr(name)[:120],
                "letters, digits, . _ -, at most 80, a letter or digit first",
                "choose another --out",
            )
        )
    return name


def _fruitless(parent: LoadedGenome, why: str, other: LoadedGenome | None = None) -> GenomeError:
    return GenomeError(
        Fault(
            "there is no child." if other is None else "the two have no child.",
            ", ".join(shown(one.path) for one in (parent, other) if one),
            why,
            "a genome with books, sections or rates to change" if other is None else "two genomes with stages to mix",
            "take another parent",
        )
    )
