"""The corpus of an arm, made of the genome's own: the same books, tokenizer and held-out material, other packs.

shuffle, sentence_shuffle, sham_scenes and bridges_apart pack the genome's units (see `arranged`) anew; subset_only and
initiation_only take one stage's packs for all. The manifest keeps the genome's declarations of what is read, held out,
moved and left unread; `arm` says what was done to it, and to which corpus. Packed anew, a stage has as many packs as
the genome's, so that a life of the arm takes as many steps; but for `shuffle` where passages end too far from where
each stage has to, and where stages choose their books (each of those begins a step)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.core.arms import REPEATING, held_out_digest
from ontogeny.core.errors import CorpusError, Fault
from ontogeny.core.hashes import file_sha256
from ontogeny.core.run import write_json
from ontogeny.corpus.arranged import (
    SceneKey,
    Unit,
    parted_bridges,
    shuffled_life,
    swapped_repairs,
    units_of,
    with_mixed_sentences,
)
from ontogeny.corpus.layout import PASSAGE, trunk_weights
from ontogeny.corpus.manifest import packed_facts, phases_of, replay_phase, roles_phase, write_manifest
from ontogeny.corpus.pack import Part, fills_of
from ontogeny.corpus.phases import steps_of
from ontogeny.corpus.reading import StageReading, StageWriter, loop_loss_of
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.sealed import sealed_rows_of
from ontogeny.corpus.shelf import BookRecord, Shelf
from ontogeny.corpus.store import link_or_copy
from ontogeny.corpus.vocabulary import Encoder, make_encoder
from ontogeny.corpus.workers import Workers
from ontogeny.scenes.shape import Scene, Turn, led

CHUNK_UNITS = 64
MEASURED = "measured"
STAGES = "stages.json"
MATERIAL = ("heldout.jsonl", "items.jsonl")
PACKS = ("ids.bin", "codes.bin", "digests.bin", "segments.npy", "scenes.jsonl")
ROLE_PACKS = ("role_ids.bin", "role_codes.bin", "role_segments.npy")


def arm_of_corpus(arm: Mapping[str, Any], genome: Corpus, units: Sequence[int] | None = None) -> dict[str, Any]:
    """What the manifest of an arm says of it: the arm, the genome's corpus, its held-out material by digest.

    `units`: of a shuffled life, how many each stage reads; beside it the tokens and packs of the genome's stages."""
    told = {**arm, "corpus": genome.manifest["corpus_hash"], "held_out": held_out_digest(genome.manifest)}
    told["stages"] = [entry["name"] for entry in genome.manifest["stages"]]
    told["measured"] = {name: file_sha256(genome.folder / name) for name in material_of(genome.folder)}
    if units is not None:
        told["units"] = list(units)
        told |= {key: [entry[key] for entry in genome.manifest["stages"]] for key in ("text_tokens", "packs")}
    return told


def material_of(folder: Path) -> list[str]:
    """The files of a corpus that probes are made of."""
    return sorted(path.relative_to(folder).as_posix() for name in MATERIAL for path in folder.rglob(name))


def write_measured(genome: Corpus, run: Path) -> None:
    """RUN/measured: what an arm is measured on, which is what the genome is measured on. It appears whole."""
    folder, partial = run / MEASURED, run / f".{MEASURED}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in material_of(genome.folder):
        (partial / name).parent.mkdir(exist_ok=True)
        link_or_copy(genome.folder / name, partial / name)
    write_json(partial / STAGES, [entry["name"] for entry in genome.manifest["stages"]])
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def write_repacked(folder: Path, plan: Any, declared: str, genome: Corpus, workers: Workers) -> None:
    """An arm's corpus into an empty folder; `plan` is the arm's, `declared` its corpus hash, `genome` the corpus it is
    made of. Raises: CorpusError for an arm that would change nothing."""
    records = [BookRecord(**book) for book in genome.manifest["books"]]
    for name in ("books", "tokenizer"):
        (folder / name).mkdir()
        for path in sorted((genome.folder / name).iterdir()):
            link_or_copy(path, folder / name / path.name)
    link_or_copy(genome.folder / "items.jsonl", folder / "items.jsonl")
    make = _repeated if plan.arm["kind"] in REPEATING else _arranged
    entries, units = make(folder, plan, genome, Shelf(genome.folder, records), workers)
    told = genome.manifest["tokenizer"]
    arm = arm_of_corpus(plan.arm, genome, units)
    encoder = make_encoder(folder / "tokenizer")
    write_manifest(folder, plan, declared, encoder, told["fingerprint"], told["sample"], records, entries, arm)


# The same units, in other packs ---------------------------------------------------------------------------------------


def _arranged(
    folder: Path, plan: Any, genome: Corpus, shelf: Shelf, workers: Workers
) -> tuple[list[dict], list[int] | None]:
    """Each stage's packs, and its entry; of a shuffled life also how many units each stage reads."""
    kind, entries = plan.arm["kind"], genome.manifest["stages"]
    scenes = [genome.shard(index).scenes for index in range(len(entries))]
    units = [units_of(index, entry, scenes[index], shelf) for index, entry in enumerate(entries)]
    counts, packs = None, [entry["packs"] for entry in entries]
    if kind == "shuffle":
        life = [unit for stage in units for unit in stage]
        _require(len(life) > 1, "shuffle", f"{len(life)} passages", "at least two")
        sizes = [RangeSizes(genome, index) for index in range(len(entries))]
        tokens = [unit_tokens(unit, sizes, scenes) for unit in life]
        room = plan.context_tokens - 1
        order, ends = shuffled_life(
            tokens, [entry["text_tokens"] for entry in entries], [room * count for count in packs], plan.seed
        )
        numbers = [order[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
        units, counts = [[life[number] for number in mine] for mine in numbers], [len(mine) for mine in numbers]
        packs = packs_of(packs, [sum(tokens[number] for number in mine) for mine in numbers], room)
    elif kind == "sentence_shuffle":
        mixed = [
            with_mixed_sentences(entry["name"], stage, sections_of(entry, shelf), shelf, plan.seed)
            for entry, stage in zip(entries, units, strict=True)
        ]
        _require(mixed != units, kind, "no two sentences that could change places", "sections of several sentences")
        units = mixed
    else:
        swap, what = (parted_bridges, "bridges") if kind == "bridges_apart" else (swapped_repairs, "scenes")
        swapped = [swap(stage, token_counter(make_encoder(folder / "tokenizer"))) for stage in scenes]
        _require(swapped != scenes, kind, f"no stage has two {what}", f"a stage with several {what}")
        scenes = swapped
    return _packed(folder, plan, genome, shelf, workers, units, scenes, packs), counts


def packs_of(wanted: Sequence[int], tokens: Sequence[int], room: int) -> list[int]:
    """How many packs each stage gets: as many as the genome's, or those that its tokens fill; what one has too many,
    those after it have less."""
    packs: list[int] = []
    for goal, count in zip(accumulate(wanted), tokens, strict=True):
        packs.append(max(goal - sum(packs), -(-count // room)))
    return packs


def _packed(
    folder: Path,
    plan: Any,
    genome: Corpus,
    shelf: Shelf,
    workers: Workers,
    units: list[list[Unit]],
    scenes: list[list[dict]],
    packs: Sequence[int],
) -> list[dict]:
    tasks = []
    for stage, mine, wanted in zip(plan.stages, units, packs, strict=True):
        keys = [step.scene for unit in mine for step in unit if step.scene is not None]
        records = {key: scenes[key[0]][key[1]] for key in keys}
        tasks.append((stage, plan, shelf.closed(), mine, records, wanted, folder))
    size = sum(entry["bytes"] for entry in genome.manifest["stages"])
    readings = dict(workers.each(_write_stage, tasks, size))
    entries: list[dict] = []
    for index, (stage, base) in enumerate(zip(plan.stages, genome.manifest["stages"], strict=True)):
        reading: StageReading = readings[index]
        for name in MATERIAL:
            link_or_copy(genome.folder / base["name"] / name, folder / stage.name / name)
        replays = replays_of(base)
        warnings = list(reading.warnings)
        phases = phases_of(stage, plan, reading, folder, entries, warnings, replays)
        packed = {**packed_facts(stage, plan, reading), "book_packs": {}, "warnings": warnings, "phases": phases}
        entries.append({**base, **packed})
    return entries


def _write_stage(task: tuple[Any, Any, Shelf, list[Unit], dict[SceneKey, dict], int, Path]) -> StageReading:
    """In a worker: one stage of an arm into its folder."""
    stage, plan, shelf, units, scenes, packs, folder = task
    return _UnitWriter(stage, plan, shelf, make_encoder(folder / "tokenizer"), [], folder / stage.name).write_units(
        units, scenes, packs
    )


class _UnitWriter(StageWriter):
    """Packs units that are known, where a `StageWriter` finds them in its books."""

    def write_units(self, units: list[Unit], scenes: Mapping[SceneKey, dict], packs: int) -> StageReading:
        """The stage's packs, `packs` if they can be so many; `scenes` are the records of the genome's corpus, with what
        an arm changed in them."""
        self.limit_tokens = None
        sizes = [
            size
            for mine, key in self._steps_read(units)
            for size in self._sizes(mine, None if key is None else scene_of(scenes[key]))
        ]
        self.loss_tokens = self.bytes = 0  # what was counted so far was not packed
        self.open_packs()
        self.packer.fills = fills_of(sizes, self.plan.context_tokens - 1, packs)
        for mine, key in self._steps_read(units):
            if key is not None:
                self._add_scene(mine, key, scenes[key])
                continue
            for part in mine:
                self.packer.add(part)
        parted = self.packer.parted_units
        told = f"{parted} scenes with their paragraphs stand in two packs, so that packs are as many as the genome's"
        return self.close_packs([told] if parted else [])

    def _steps_read(self, units: list[Unit]) -> Iterator[tuple[list[Part], SceneKey | None]]:
        """The tokens of each step's ranges, and its scene."""
        for first in range(0, len(units), CHUNK_UNITS):
            chunk = units[first : first + CHUNK_UNITS]
            parts = self._parts(chunk)
            yield from (([next(parts) for _ in step.ranges], step.scene) for unit in chunk for step in unit)

    def _sizes(self, mine: list[Part], scene: Scene | None) -> list[tuple[int, ...]]:
        """What `fills_of` is to know of a step."""
        if scene is None:
            return [(len(part.ids),) for part in mine]
        turns = [sum(len(part.ids) for part in turn) for turn in self.scene_parts(scene, 0)]
        return [(sum(len(part.ids) for part in mine), *turns)]

    def _parts(self, units: list[Unit]) -> Iterator[Part]:
        """The tokens of every range, in order."""
        ranges = [one for unit in units for step in unit for one in step.ranges]
        texts = [self.shelf.open(self.shelf.records[source].id).text[start:end] for source, start, end in ranges]
        for (source, start, end), text, ids in zip(ranges, texts, self.encoder.encode(texts), strict=True):
            self.loss_tokens += len(ids)
            self.bytes += len(text.encode("utf-8"))
            yield Part(ids, np.zeros(len(ids), dtype=np.uint8), PASSAGE, source, start, end)

    def _add_scene(self, paragraph: list[Part], key: SceneKey, record: dict) -> None:
        turns = self.scene_parts(scene_of(record), len(self.scene_records))
        pack, first = self.packer.add_unit([paragraph, *turns])
        self.role_packer.add_unit([paragraph, *turns])
        tokens = sum(len(part.ids) for turn in turns for part in turn)
        self.scene_records.append({**record, "pack": pack, "first_token": first, "tokens": tokens, "of": list(key)})


def replays_of(entry: Mapping[str, Any]) -> tuple[int, int]:
    """(declared packs, sealed rows) of a stage's replay."""
    return len(entry["phases"]["replay"]["list"]), sealed_rows_of(entry)


def scene_of(record: Mapping[str, Any]) -> Scene:
    """A scene as far as its packs need it, of a line of scenes.jsonl."""
    turns = tuple(Turn(*turn) for turn in record["turns"])
    return Scene(record["id"], record["kind"], "", "", {}, turns, "", "", (), record["language"])


def sections_of(entry: Mapping[str, Any], shelf: Shelf) -> list[tuple[str, list[int]]]:
    """(name, books of the manifest) of each section of a stage."""
    books = iter([shelf.index[book["id"]] for book in entry["books"]])
    return [(name, [next(books) for _ in range(count)]) for name, count in entry["sections"]]


def token_counter(encoder: Encoder) -> Any:
    """A function from the texts of turns to their tokens."""
    return lambda texts: [len(ids) for ids in encoder.encode([led(text) for text in texts])]


class RangeSizes(dict):
    """Tokens of each range of a stage's packs."""

    def __init__(self, corpus: Corpus, index: int):
        segments = corpus.shard(index).segments()
        of_text = segments[segments["kind"] == PASSAGE]
        for source, start, end, skip, tokens in of_text[["source", "start", "end", "skip", "tokens"]].tolist():
            self[source, start, end] = max(self.get((source, start, end), 0), skip + tokens)


def unit_tokens(unit: Unit, sizes: Sequence[RangeSizes], scenes: Sequence[Sequence[Mapping[str, Any]]]) -> int:
    """The text tokens of a unit, its scenes among them."""
    ranges = [one for step in unit for one in step.ranges]
    told = [next(size[one] for size in sizes if one in size) for one in ranges]
    return sum(told) + sum(scenes[step.scene[0]][step.scene[1]]["tokens"] for step in unit if step.scene)


def _require(holds: bool, kind: str, got: str, expected: str) -> None:
    if not holds:
        raise CorpusError(Fault("an arm changes nothing.", "arm", f"{kind}: {got}", expected, "leave the arm out"))


# One stage, again and again -------------------------------------------------------------------------------------------


def _repeated(folder: Path, plan: Any, genome: Corpus, shelf: Shelf, workers: Workers) -> tuple[list[dict], None]:
    """The packs of the stage that is repeated, in every stage's folder; rows are as many as the genome's stages have,
    and go on in the packs where the stage before ended."""
    bases = genome.manifest["stages"]
    one = next(entry for entry in bases if entry["name"] == plan.stages[0].name)
    codes = np.fromfile(genome.folder / one["name"] / "codes.bin", dtype=np.uint8).reshape(one["packs"], -1)
    loss_tokens = (trunk_weights(one["loop_loss"])[codes] > 0).sum(axis=1)
    entries: list[dict] = []
    first = 0
    for stage, base in zip(plan.stages, bases, strict=True):
        (folder / stage.name).mkdir()
        for name in (*PACKS, *ROLE_PACKS, *MATERIAL):
            link_or_copy(genome.folder / one["name"] / name, folder / stage.name / name)
        rows = base["phases"]["books"]["rows"]
        tokens = int(np.resize(np.roll(loss_tokens, -first), rows).sum())
        warnings: list[str] = []
        phases = {
            "books": {"rows": rows, "steps": steps_of(rows, stage.batch_packs), "tokens": tokens, "first": first},
            "replay": replay_phase(stage, plan, folder, 0, entries, warnings, replays_of(base)),
            "roles": roles_phase(stage, plan, folder, warnings, base["phases"]["roles"]["rows_by_role"]),
        }
        own = {"name": stage.name, "loop_loss": loop_loss_of(stage), "batch_packs": stage.batch_packs}
        own |= {"span": [stage.span.unit, stage.span.amount], "warnings": warnings, "phases": phases}
        entries.append({**one, **own})
        first = (first + rows) % one["packs"]
    return entries, None
