"""Where an order is declared as ascending, and whether the measures of difficulty agree.

Levels ascend as LEVELS has them. A stage's level is its name where that is one of them, else the one that most of its
books carry; a book's is its catalogue's. Two neighbours, stages or books of a section, are declared an ascent where the
later has the higher level. Neighbours of one level, or of a level not in LEVELS, or of which the later has the lower,
declare nothing, and nothing is said of them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ontogeny.core.hashes import seed_of

LEVELS = ("primer", "lexicon", "school", "university", "science", "initiation")
MARGINS = {"compression_ratio": 0.01, "mtld": 5.0, "grade": 1.0, "sentence_words": 2.0}  # less says nothing to a reader
MIN_WINDOWS = 3  # of a book that stands alone for its side
DRAWS = 2000

Difficulty = Mapping[str, Mapping[str, Any] | None]
Sections = Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True)
class Ascent:
    """Two neighbours declared an ascent. `measures`: {before, after, difference, ci95, verdict} by name."""

    before: str
    after: str
    where: str
    levels: tuple[str, str]
    measures: dict[str, dict[str, Any]]

    def names(self, verdict: str) -> list[str]:
        """The measures that say rises, falls or unclear."""
        return [name for name, told in self.measures.items() if told["verdict"] == verdict]

    @property
    def fails(self) -> bool:
        """Whether more measures fall than rise."""
        return len(self.names("falls")) > len(self.names("rises"))

    def told(self) -> str:
        """The warning, for a person."""
        falls = ", ".join(
            f"{name} falls from {self.measures[name]['before']:.4g} to {self.measures[name]['after']:.4g}"
            for name in self.names("falls")
        )
        others = [f"{name} rises" for name in self.names("rises")] + [
            f"{name} is unclear" for name in self.names("unclear")
        ]
        return (
            f"an order declared as ascending is not: {self.where} '{self.after}' ({self.levels[1]}) comes after "
            f"'{self.before}' ({self.levels[0]}), but {falls}" + (f" ({', '.join(others)})" if others else "")
        )


def audit_warnings(
    language: str, stages: Sequence[tuple[str, Sections]], entries: Mapping[str, Any], audit: Mapping[str, Any]
) -> list[str]:
    """What an audit gives a plan to say: orders that do not ascend, near-duplicates, languages that differ.

    `audit`: {books: {id: record}, duplicates: [pairs]}, as far as books were audited; `entries`: the catalogue's."""
    records = audit["books"]
    levels = {book: entries[book].level for _, sections in stages for _, ids in sections for book in ids}
    ours = [book for book in records if entries[book].language == language and not records[book]["language_differs"]]
    known = {book: records[book]["difficulty"] for book in ours}
    told = [ascent.told() for ascent in find_ascents(stages, levels, known) if ascent.fails]
    for pair in audit["duplicates"]:
        share = max(pair["a_in_b"], pair["b_in_a"])
        told.append(f"near-duplicates ({pair['kind']}, {share:.0%} shared): book '{pair['a']}' and book '{pair['b']}'")
    for book, record in records.items():
        if record["language_differs"]:
            declared, detected = record["declared"], record["reads_as"]["detected"]
            told.append(f"book '{book}' is declared '{declared}' and reads as '{detected}'")
    return told


def level_of(stage: str, levels: Iterable[str]) -> str | None:
    """The level of a stage by its name and its books' levels; None where two are as frequent, or it is another."""
    if stage in LEVELS:
        return stage
    ranked = Counter(levels).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0] if ranked[0][0] in LEVELS else None


def find_ascents(
    stages: Sequence[tuple[str, Sections]], levels: Mapping[str, str], known: Mapping[str, Difficulty]
) -> Iterator[Ascent]:
    """Every declared ascent that some measure can speak of.

    `stages`: (name, [(section, book ids)]); `levels`: of every book; `known`: the difficulty of books of a language."""
    profiles = []
    for name, sections in stages:
        books = [book for _, ids in sections for book in ids]
        profiles.append(
            (name, level_of(name, (levels[book] for book in books)), [known[b] for b in books if b in known])
        )
    for (before, lower, easier), (after, higher, harder) in pairwise(profiles):
        yield from _ascent(before, after, "stage", (lower, higher), easier, harder)
    for name, sections in stages:
        for section, ids in sections:
            for before, after in pairwise(ids):
                pair = ([known[book]] if book in known else [] for book in (before, after))
                where = f"in section '{section}' of stage '{name}', book"
                yield from _ascent(before, after, where, (levels[before], levels[after]), *pair)


def _ascent(
    before: str,
    after: str,
    where: str,
    levels: tuple[str | None, str | None],
    easier: Sequence[Difficulty],
    harder: Sequence[Difficulty],
) -> Iterator[Ascent]:
    lower, higher = levels
    if lower in LEVELS and higher in LEVELS and LEVELS.index(lower) < LEVELS.index(higher):
        measures = {name: told for name in MARGINS if (told := compare(easier, harder, name))}
        if measures:
            yield Ascent(before, after, where, (lower, higher), measures)


def compare(easier: Sequence[Difficulty], harder: Sequence[Difficulty], measure: str) -> dict[str, Any] | None:
    """The medians of a measure over two lots of books, their difference and what it says; None where one is unknown.

    rises, falls: the 95 % interval of the difference lies beyond the measure's margin."""
    first, second = _known(easier, measure), _known(harder, measure)
    if not first or not second:
        return None
    drawn = _drawn_medians(second, f"after {measure}") - _drawn_medians(first, f"before {measure}")
    low, high = _interval(drawn)
    before, after = (statistics.median(one["value"] for one in side) for side in (first, second))
    margin = MARGINS[measure]
    verdict = "falls" if high < -margin else "rises" if low > margin else "unclear"
    return {
        "before": round(before, 4),
        "after": round(after, 4),
        "difference": round(after - before, 4),
        "ci95": [round(low, 4), round(high, 4)],
        "verdict": verdict,
    }


def median_of(books: Sequence[Difficulty], measure: str) -> dict[str, Any] | None:
    """The median of a measure over books: {median, ci95, n}; ci95 is None for one book measured in one window."""
    values = [told for book in books if (told := book.get(measure))]
    if not values:
        return None
    low, high = _interval(_drawn_medians(values, measure))
    sure = len(values) > 1 or values[0]["se"] is not None
    median = round(statistics.median(one["value"] for one in values), 4)
    return {"median": median, "ci95": [round(low, 4), round(high, 4)] if sure else None, "n": len(values)}


def _known(books: Sequence[Difficulty], measure: str) -> list[Mapping[str, Any]]:
    values = [told for book in books if (told := book.get(measure))]
    return values if len(values) > 1 or all(one["n"] >= MIN_WINDOWS for one in values) else []


def _drawn_medians(values: Sequence[Mapping[str, Any]], purpose: str) -> Any:
    """Medians of books drawn again and again, each value by its standard error: a bootstrap of two levels."""
    import numpy as np

    rng = np.random.default_rng(seed_of(len(values), "ascent", purpose))
    means = np.array([one["value"] for one in values])
    errors = np.array([one["se"] or 0.0 for one in values])
    chosen = rng.integers(0, len(values), (DRAWS, len(values)))
    return np.median(rng.normal(means[chosen], errors[chosen]), axis=1)


def _interval(draws: Any) -> tuple[float, float]:
    import numpy as np

    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)
