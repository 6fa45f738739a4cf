"""The journal's entries: hard transitions of books, from the tokens of packs back to characters, and what they become.

A line of journal.jsonl:
    {stage, pass, book, start, end, before_start, text, pack, before, first, last,
     surprise_nats, reference_nats, now_nats, reducible_nats, usual_nats, surprise_by_stage, fate}
[start, end) are the characters of the second sentence in the cleaned book, `before_start` where the one before it
begins; `before`, `first`, `last` are their tokens in the pack. All nats are means over the second sentence's tokens:
`surprise_nats` when it was read, `reference_nats` under the trunk that entered the stage, `now_nats` under the one that
ended it, `reducible_nats` their difference; `usual_nats` is what a token of the scored packs costs the trunk that ended
the stage; `surprise_by_stage` follows the entry: [[stage, nats under the trunk at that stage's end], ...]."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.core.errors import Fault, RunError
from ontogeny.core.hashes import seed_of
from ontogeny.core.positions import shown
from ontogeny.corpus.layout import PASSAGE
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.shelf import book_path
from ontogeny.corpus.transitions import BookRuns
from ontogeny.corpus.vocabulary import Encoder

JOURNAL = "journal.jsonl"
REDUCIBLE, RAW, UNIFORM = SELECTIONS = ("reducible", "raw", "uniform")
SELECTION_OF_ARM = {"raw_replay": RAW, "uniform_replay": UNIFORM}
LEARNED, STILL_HARD, NOISE = FATES = ("learned", "still hard", "noise")
NOISE_FRAC = 0.1  # of its surprise: what falls by less was never learned
KEYS = {
    *("stage", "pass", "book", "start", "end", "before_start", "text", "pack", "before", "first", "last"),
    *("surprise_nats", "reference_nats", "now_nats", "reducible_nats", "usual_nats", "surprise_by_stage", "fate"),
}
KEPT_BOOKS, KEPT_RANGES = 8, 64
MASK_64 = (1 << 64) - 1


class Texts:
    """The books of a corpus as a journal reads them; the last few stay open."""

    def __init__(self, corpus: Corpus, encoder: Encoder):
        self.corpus, self.encoder = corpus, encoder
        self.ids = [book["id"] for book in corpus.manifest["books"]]
        self.of = lru_cache(KEPT_BOOKS)(self._read)
        self._offsets = lru_cache(KEPT_RANGES)(self._encoded)

    def _read(self, book: str) -> str:
        return book_path(self.corpus.folder, book).read_bytes().decode("utf-8")

    def place(self, runs: BookRuns, transition: np.void) -> dict[str, Any]:
        """Where a transition stands in its book, and the second sentence's text."""
        pack, before, first, last = (int(transition[name]) for name in ("pack", "before", "first", "last"))
        segments = runs.segments_of(pack)
        book, before_start, _ = self._characters(segments, before)
        _, start, _ = self._characters(segments, first)
        _, _, end = self._characters(segments, last - 1)
        both, text = self.of(book)[before_start:end], self.of(book)[start:end]
        before_start += len(both) - len(both.lstrip())
        start, end = start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())
        tokens = {"pack": pack, "before": before, "first": first, "last": last}
        return {"book": book, "start": start, "end": end, "before_start": before_start, "text": text.strip()} | tokens

    def _characters(self, segments: np.ndarray, token: int) -> tuple[str, int, int]:
        """(book, start, end) of the characters that a token of a pack stands for."""
        at = int(np.searchsorted(segments["first_token"], token, "right")) - 1
        _, first, _, kind, source, start, end, skip = segments[at].tolist()
        assert kind == PASSAGE, f"token {token} is that of a scene"
        book = self.ids[source]
        begin, stop = self._offsets(book, start, end)[skip + token - first]
        return book, start + begin, start + stop

    def _encoded(self, book: str, start: int, end: int) -> list[tuple[int, int]]:
        """The characters of each token of a range of a book, counted from its start."""
        return self.encoder.tokenizer.encode(self.of(book)[start:end], add_special_tokens=False).offsets

    def paragraph(self, entry: Mapping[str, Any]) -> list[tuple[int, int]]:
        """The ranges of an entry's paragraph that its stage read, after the sentence before where that one stands in
        the paragraph before."""
        text = self.of(entry["book"])
        first, last = text.rfind("\n\n", 0, entry["start"]), text.find("\n\n", entry["end"])
        start = min(entry["before_start"], 0 if first < 0 else first + 2)
        return self.read_of(entry, start, len(text) if last < 0 else last + 2)

    def read_of(self, entry: Mapping[str, Any], start: int, end: int) -> list[tuple[int, int]]:
        """The ranges of an entry's book within [start, end) that its stage trains on (in an arm that mixes stages, the
        stage whose declared text it is)."""
        own_first = sorted(self.corpus.manifest["stages"], key=lambda stage: stage["name"] != entry["stage"])
        books = [book for stage in own_first for book in stage["books"] if book["id"] == entry["book"]]
        ranges = next(book["training"] for book in books if any(s <= entry["start"] < e for s, e in book["training"]))
        return [(max(s, start), min(e, end)) for s, e in ranges if s < end and e > start]

    def context_ids(self, entry: Mapping[str, Any], most_tokens: int) -> np.ndarray:
        """An entry as it is replayed: its paragraph; one that is longer than a row begins with the entry itself."""
        ranges = self.paragraph(entry)
        ids = self._coded(entry["book"], ranges)
        if len(ids) > most_tokens:
            ids = self._coded(entry["book"], self.read_of(entry, entry["before_start"], ranges[-1][1]))
        return ids[:most_tokens]

    def _coded(self, book: str, ranges: Sequence[tuple[int, int]]) -> np.ndarray:
        return np.concatenate(self.encoder.encode([self.of(book)[start:end] for start, end in ranges], f"books.{book}"))


def fate_of(entry: Mapping[str, Any]) -> str:
    """What became of a transition, by its surprise now (the last of surprise_by_stage), S.

    learned: S <= usual_nats, what a token of its stage cost on the mean at the stage's end.
    noise: else, and the least of surprise_by_stage > (1 - NOISE_FRAC) x the less of reference_nats and surprise_nats:
    nothing that was read ever lowered it by a tenth. still hard: else, what was forgotten again among it."""
    followed = [nats for _, nats in entry["surprise_by_stage"]]
    if followed[-1] <= entry["usual_nats"]:
        return LEARNED
    known = min(entry["reference_nats"], entry["surprise_nats"])
    return NOISE if min(followed) > (1 - NOISE_FRAC) * known else STILL_HARD


def lots(seed: int, stage: str, packs: Any, firsts: Any) -> np.ndarray:
    """A number in [0, 1) for each place of a stage, by which a uniform selection ranks.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        mixed = (np.asarray(packs, np.uint64) << np.uint64(32)) + np.asarray(firsts, np.uint64)
        mixed += np.uint64(seed_of(seed, stage, "journal") & MASK_64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) / (1 << 53)


def ranked(entries: Iterable[Mapping[str, Any]], selection: str, seed: int) -> list[Mapping[str, Any]]:
    """Entries by what a selection prefers, the best first: the greatest reducible surprise, the greatest surprise when
    read, or by lot; of equals, the earlier in the journal."""
    scores = {
        REDUCIBLE: lambda entry: entry["reducible_nats"],
        RAW: lambda entry: entry["surprise_nats"],
        UNIFORM: lambda entry: float(lots(seed, entry["stage"], entry["pack"], entry["first"])),
    }
    return sorted(entries, key=scores[selection], reverse=True)


def selection_of(arm: Any) -> str:
    """How a life selects: by reducible surprise, unless its arm is about that."""
    return SELECTION_OF_ARM.get(arm.kind, REDUCIBLE) if arm else REDUCIBLE


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """The entries of a stage folder; none where it kept no journal. Raises: RunError for a file that is none."""
    path = Path(folder) / JOURNAL
    if not path.exists():
        return []
    try:
        entries = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
        lacking = next((sorted(KEYS - entry.keys()) for entry in entries if KEYS - entry.keys()), [])
        told = f"an entry without {', '.join(lacking)}" if lacking else ""
    except (OSError, ValueError, TypeError, AttributeError) as problem:
        entries, told = [], f"{type(problem).__name__}: {problem}"
    if told:
        expected, fix = "entries as they were written", "bring the file back from a copy, or grow the stage again"
        raise RunError(Fault("a journal cannot be read.", shown(path), told, expected, fix))
    return entries
