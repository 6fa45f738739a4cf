"""What a stage's weights decided, as its folder keeps it in sealed/: written on entering the phase that reads it.

    attempts.jsonl     {scene, pack, first_token, ids, text}: tokens of own attempts, put over as many authored ones
    replay_ids.bin     R x T token ids (the corpus' dtype): rows of the replay phase, after its declared packs
    replay_codes.bin   R x T span codes; their weights are the stage's
    replay.json        [{row, parts: [{kind, ...}]}]: what each sealed row holds
    played.jsonl       what the orchestra played at hard places, accepted or not (ontogeny/train/playing.py)

Shapes: R sealed rows, T tokens of a pack."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ontogeny.core.errors import Fault, RunError
from ontogeny.core.hashes import file_sha256
from ontogeny.core.positions import shown
from ontogeny.corpus.layout import NO_TARGET, SCENE, read_json_lines
from ontogeny.scenes.shape import SPANS

if TYPE_CHECKING:
    from ontogeny.corpus.rows import Corpus

ATTEMPTS = "sealed/attempts.jsonl"
REPLAY, REPLAY_IDS, REPLAY_CODES = "sealed/replay.json", "sealed/replay_ids.bin", "sealed/replay_codes.bin"
PLAYED = "sealed/played.jsonl"
FILES_OF = {"books": (ATTEMPTS,), "replay": (REPLAY_IDS, REPLAY_CODES, REPLAY, PLAYED), "roles": (ATTEMPTS,)}
PLAYED_KEYS = {"id", "language", "stage", "book", "start", "text", "turns", "accepted"}
ATTEMPT_KEYS = {"scene", "pack", "first_token", "ids", "text"}
MEND = "bring the file back from a copy; without it what was fed cannot be fed again, nor proven"
DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError)


class Sealed:
    """The sealed material of one pass of a stage, read when it is asked for.

    Everything raises RunError for a file that is not as it was sealed, or is not there."""

    def __init__(self, folder: Path, corpus: Corpus, stage_index: int):
        self.folder, self.corpus, self.stage_index = Path(folder), corpus, stage_index

    @cached_property
    def attempts(self) -> dict[int, list[tuple[int, np.ndarray]]]:
        """pack -> [(first token, ids)] of what is put over it; nothing where no attempts are sealed."""
        found: dict[int, list[tuple[int, np.ndarray]]] = {}
        for attempt in self.attempt_records:
            ids = np.asarray(attempt["ids"], dtype=np.int32)
            found.setdefault(attempt["pack"], []).append((attempt["first_token"], ids))
        return found

    @cached_property
    def role_attempts(self) -> dict[int, list[tuple[int, np.ndarray]]]:
        """The same, over the packs that the roles read: an attempt stands there where its scene does."""
        shard = self.corpus.shard(self.stage_index)
        packs, role_packs = shard.segments(), shard.segments("role_")
        scenes = role_packs[role_packs["kind"] == SCENE]
        found: dict[int, list[tuple[int, np.ndarray]]] = {}
        for pack, places in self.attempts.items():
            here = packs[(packs["pack"] == pack) & (packs["kind"] == SCENE)]
            for first, ids in places:
                segment = here[here["first_token"] <= first][-1]
                offset = int(segment["skip"]) + first - int(segment["first_token"])  # in the tokens of the scene
                for other in scenes[scenes["source"] == segment["source"]]:
                    skip, tokens = int(other["skip"]), int(other["tokens"])
                    start, end = max(offset, skip), min(offset + len(ids), skip + tokens)
                    if start < end:
                        place = int(other["first_token"]) + start - skip, ids[start - offset : end - offset]
                        found.setdefault(int(other["pack"]), []).append(place)
        return found

    def over(self, phase: str, pack: int) -> list[tuple[int, np.ndarray]]:
        """[(first token, ids)] of what is put over a pack as a phase reads it; replay reads packs as they are."""
        found = {"books": self.attempts, "roles": self.role_attempts} if self.attempts else {}
        return found.get(phase, {}).get(pack, [])

    @cached_property
    def attempt_records(self) -> list[dict[str, Any]]:
        """The lines of attempts.jsonl."""
        path = self.folder / ATTEMPTS
        if not path.exists():
            return []
        try:
            records = list(read_json_lines(path))
            problems = ((number, self._attempt_problem(record)) for number, record in enumerate(records, 1))
            number, problem = next(((n, told) for n, told in problems if told is not None), (0, None))
        except DAMAGE as unreadable:
            number, problem = 0, (f"{type(unreadable).__name__}: {unreadable}", "attempts as they were sealed")
        if problem is not None:
            raise self._fault(ATTEMPTS + (f":{number}" if number else ""), *problem)
        return records

    def _attempt_problem(self, record: dict[str, Any]) -> tuple[str, str] | None:
        """(got, expected) of the first thing that no sealed attempt can be."""
        if set(record) != ATTEMPT_KEYS:
            return ", ".join(record), ", ".join(sorted(ATTEMPT_KEYS))
        pack, first, ids = record["pack"], record["first_token"], record["ids"]
        codes_RT = self.corpus.shard(self.stage_index).codes_RT
        if not (type(pack) is int and 0 <= pack < len(codes_RT)):
            return f"pack {pack}", f"a pack of the stage: 0 to {len(codes_RT) - 1}"
        last = first + len(ids)
        codes = codes_RT[pack, first:last]
        there = codes[(codes != NO_TARGET) & (codes % 8 == SPANS.index("attempt"))]
        if not ids or first < 1 or len(there) != len(ids):
            return f"tokens {first} to {last - 1} of pack {pack}", "tokens of an attempt"
        vocabulary = self.corpus.manifest["tokenizer"]["vocab_size"]
        if not all(type(token) is int and 0 <= token < vocabulary for token in ids):
            return "ids that are no tokens", f"whole numbers below {vocabulary}"
        return None

    @property
    def replay_rows(self) -> int:
        """How many rows of the replay phase are sealed ones."""
        return sealed_rows_of(self.corpus.manifest["stages"][self.stage_index])

    @cached_property
    def replay_ids_RT(self) -> np.ndarray | None:
        """Ids of the replay phase's sealed rows; None where it has none."""
        dtype = np.dtype(self.corpus.manifest["ids_dtype"])
        ids_RT = self._rows(REPLAY_IDS, dtype)
        vocabulary = self.corpus.manifest["tokenizer"]["vocab_size"]
        if ids_RT is not None and int(ids_RT.max()) >= vocabulary:
            raise self._fault(REPLAY_IDS, f"token {int(ids_RT.max())}", f"tokens below {vocabulary}")
        return ids_RT

    @cached_property
    def replay_codes_RT(self) -> np.ndarray | None:
        """Span codes of the replay phase's sealed rows; None where it has none."""
        return self._rows(REPLAY_CODES, np.dtype(np.uint8))

    @cached_property
    def replay_parts(self) -> list[dict[str, Any]]:
        """What each sealed row of the replay phase holds: [{row, parts: [{kind, ...}]}]."""
        if not self.replay_rows:
            return []
        try:
            told = json.loads((self.folder / REPLAY).read_bytes())
            rows = [one["row"] for one in told if isinstance(one["parts"], list)]
        except DAMAGE as unreadable:
            got = f"{type(unreadable).__name__}: {unreadable}"
            raise self._fault(REPLAY, got, "the rows as they were sealed") from None
        if rows != list(range(self.replay_rows)):
            raise self._fault(REPLAY, f"{len(rows)} rows", f"{self.replay_rows} rows in order")
        return told

    def digests(self, phase: str) -> list[bytes]:
        """SHA-256 of the files that are sealed for a phase, in their order; what is not there is left out."""
        names = FILES_OF.get(phase, ())
        return [bytes.fromhex(file_sha256(path)) for name in names if (path := self.folder / name).is_file()]

    def _rows(self, name: str, dtype: np.dtype) -> np.ndarray | None:
        """A file as rows of a pack's tokens, mapped."""
        if not self.replay_rows:
            return None
        path, shape = self.folder / name, (self.replay_rows, self.corpus.context_tokens)
        size = path.stat().st_size if path.is_file() else -1
        wanted = shape[0] * shape[1] * dtype.itemsize
        if size != wanted:
            raise self._fault(name, "no file" if size < 0 else f"{size} bytes", f"{wanted} bytes")
        return np.memmap(path, dtype=dtype, mode="r", shape=shape)

    def _fault(self, name: str, got: str, expected: str) -> RunError:
        what = "the sealed material of a stage is not as it was sealed."
        return RunError(Fault(what, shown(self.folder) + f"/{name}", got, expected, MEND))


def read_played(folder: Path) -> list[dict[str, Any]]:
    """The lines of played.jsonl of a stage folder. Raises: RunError where they are gone, or no such lines."""
    path = Path(folder) / PLAYED
    try:
        lines = list(read_json_lines(path))
        lacking = next((sorted(PLAYED_KEYS - line.keys()) for line in lines if PLAYED_KEYS - line.keys()), [])
        told = f"a line without {', '.join(lacking)}" if lacking else ""
    except DAMAGE as unreadable:
        lines, told = [], f"{type(unreadable).__name__}: {unreadable}"
    if told:
        what = "the sealed material of a stage is not as it was sealed."
        raise RunError(Fault(what, shown(path), told, "the scenes as they were played", MEND))
    return lines


def sealed_rows_of(entry: dict[str, Any]) -> int:
    """How many rows of a stage's replay phase are sealed on entering it; `entry`: the stage's of the manifest."""
    return entry["phases"]["replay"].get("sealed_rows", 0)
