"""Books to packs: `prepare_corpus` writes a corpus beside its place and moves it in when it is whole."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ontogeny.core.arms import REPACKED
from ontogeny.core.errors import CorpusError, DiskError, Fault, OntogenyError
from ontogeny.core.hashes import file_sha256, sha256_hex
from ontogeny.core.library import Library
from ontogeny.core.positions import shown
from ontogeny.corpus.authored import authored_scenes, scenes_path
from ontogeny.corpus.books import (
    Progress,
    books_to_make,
    bytes_of,
    encoder_of,
    make_books,
    raw_digests,
    records_of,
    stored_tokens,
)
from ontogeny.corpus.general import GENERAL, general_passages
from ontogeny.corpus.heldout import HeldOut, held_out_of, mark_contaminated, unread_of
from ontogeny.corpus.items.all import general_items, stage_items
from ontogeny.corpus.items.definitions import FILE as DEFINITIONS
from ontogeny.corpus.items.definitions import load_definitions
from ontogeny.corpus.items.seen import mark_seen
from ontogeny.corpus.items.shape import Item, Material
from ontogeny.corpus.layout import VERSION, write_json_lines
from ontogeny.corpus.manifest import stage_entry, write_manifest
from ontogeny.corpus.reading import StageReading, StageWriter, loop_loss_of
from ontogeny.corpus.repack import arm_of_corpus, replays_of, write_repacked
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.shelf import Shelf, book_path
from ontogeny.corpus.store import Store, code_version, is_worth_keeping, link_or_copy, read_tokens
from ontogeny.corpus.vocabulary import make_encoder, sample_of, tokenizer_fingerprint, train_tokenizer
from ontogeny.corpus.workers import Workers
from ontogeny.scenes.shape import Scene

DIALOGUE_FORM = "dialogue"
MAKING = 4  # raised when the same books make other packs than before
SPELT_BYTES_PER_TOKEN = 1.25  # 1 where each byte is a token of its own
COUNTED_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM)


def prepare_corpus(
    plan: Any,
    library: Library,
    out: Path,
    tokenizer: Path | None = None,
    progress: Progress | None = None,
    store: Path | None = None,
    genome: Corpus | None = None,
) -> Corpus:
    """The corpus of a plan at `out`: read and returned if it is there already, else made.

    Everything is written into a temporary folder beside `out` that a later call removes if this one dies;
    `out` appears whole or not at all. `tokenizer` is a folder already exported; without it one is trained
    (a pretrained one need not be handed in again where `out` holds it). `store` keeps cleaned books and their
    tokens for later calls, this one after a kill among them; without it nothing is kept. What a refused call made is
    kept where it was much. `genome`: for the plan of an arm, the corpus of the genome it belongs to, which gives it
    its tokenizer, and how much it replays.
    `progress(what, done, of)` is told of each book and stage.
    Raises: CorpusError, LibraryError for what the user can mend; DiskError if the machine refuses a write."""
    out = Path(out)
    known = out / "tokenizer" if tokenizer is None and "pretrained" in plan.tokenizer else tokenizer
    digests = raw_digests(library, book_ids_of(plan))
    declared = _declared_hash(plan, library, digests, known)
    if genome is not None:
        declared = arm_hash(plan, genome.manifest["corpus_hash"], declared)
        tokenizer = genome.folder / "tokenizer"
    if (out / "manifest.json").is_file():
        existing = Corpus(out)
        if existing.manifest.get("corpus_hash") == declared:
            return existing
    partial, fresh = out.parent / f".{out.name}.partial", store is not None and not store.exists()
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        shared = Store(store or partial / ".store")
        with shared.used() as alone:
            try:
                with Workers() as workers:
                    making = _Making(plan, library, digests, shared, workers, progress or (lambda *_: None), genome)
                    making.write(partial, tokenizer, declared)
            except OntogenyError:
                if fresh and not is_worth_keeping(shared.folder) and alone():
                    shutil.rmtree(shared.folder, ignore_errors=True)
                raise
        if store is None:
            shutil.rmtree(partial / ".store")
        _move_in(partial, out)
    except OSError as problem:
        shutil.rmtree(partial, ignore_errors=True)
        if problem.errno in COUNTED_ERRNOS:
            raise _refused(partial, problem) from None
        raise
    except OntogenyError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Corpus(out)


def _refused(partial: Path, problem: OSError) -> DiskError:
    return DiskError(
        Fault(
            "the machine refused a write.",
            shown(partial),
            problem.strerror or str(problem),
            "room and permission to write",
            "free some space, or write elsewhere",
        )
    )


def corpus_hash(plan: Any, library: Library, tokenizer: Path | None = None, genome: Any = None) -> str:
    """SHA-256 of all that decides packs; it reads every book's raw bytes, and packs nothing.

    `genome`: for the plan of an arm, that of the genome it belongs to."""
    own = _declared_hash(plan, library, raw_digests(library, book_ids_of(plan)), tokenizer)
    return own if genome is None else arm_hash(plan, corpus_hash(genome, library, tokenizer), own)


def arm_hash(plan: Any, genome_hash: str, own_hash: str) -> str:
    """The corpus hash of an arm: of what it is, of the genome's corpus, of what its own plan reads."""
    return sha256_hex({"arm": plan.arm, "genome": genome_hash, "life": own_hash})


def _declared_hash(plan: Any, library: Library, digests: Mapping[str, str], tokenizer: Path | None) -> str:
    books = {}
    for book_id, digest in digests.items():
        entry = library.entries[book_id]
        books[book_id] = [digest, entry.source, entry.form, entry.language, sorted(entry.skip_rules)]
    stages = []
    for stage in plan.stages:
        scenes = None
        if stage.scenes is not None:
            path = scenes_path(stage, library)
            scenes = {
                "every_tokens": stage.scenes.every_tokens,
                "kinds": list(stage.scenes.kinds),
                "rhythm": stage.scenes.rhythm,
                "file": file_sha256(path) if path.is_file() else None,
            }
        asked = definitions_path(stage, plan, library)
        roles = {name: [role.span.unit, role.span.amount, role.batch_tokens] for name, role in stage.roles.items()}
        stages.append(
            {
                "name": stage.name,
                "sections": [[name, list(ids)] for name, ids in stage.sections],
                "span": [stage.span.unit, stage.span.amount],
                "reading": stage.reading,
                "scenes": scenes,
                "roles": roles,
                "loop_loss": loop_loss_of(stage),
                "replay_frac": stage.replay_frac,
                **({"journal_replay_frac": stage.journal_replay_frac} if stage.journal_replay_frac else {}),
                "batch_packs": stage.batch_packs,
                **({"definitions": file_sha256(asked)} if asked else {}),  # no pack's, but items stand in the corpus
            }
        )
    return sha256_hex(
        {
            "version": [VERSION, MAKING],
            "seed": plan.seed,
            "language": plan.language,
            "context_tokens": plan.context_tokens,
            "roles": list(plan.roles),
            "skip_rules": sorted(plan.skip_rules),
            "tokenizer": dict(plan.tokenizer),
            "tokenizer_fingerprint": tokenizer_fingerprint(tokenizer)
            if tokenizer and (tokenizer / "tokenizer.json").is_file()
            else None,
            "books": books,
            "stages": stages,
        }
    )


def book_ids_of(plan: Any) -> list[str]:
    """The books of a plan, each once, in the order of their first use."""
    return list(dict.fromkeys(book_id for stage in plan.stages for _, books in stage.sections for book_id in books))


def definitions_path(stage: Any, plan: Any, library: Library) -> Path | None:
    """Where a stage's definitions stand; None where it has none: they are for stages that stand in a folder."""
    genome = getattr(plan, "genome", None)
    folder = genome.stages[stage.index].use if genome else getattr(stage.scenes, "folder", None)
    path = library.root / folder / DEFINITIONS if folder else None
    return path if path and path.is_file() else None


@dataclass
class _Making:
    """One corpus being made; `write` is all of it, the manifest last."""

    plan: Any
    library: Library
    digests: Mapping[str, str]
    store: Store
    workers: Workers
    progress: Progress
    genome: Corpus | None = None

    def write(self, folder: Path, tokenizer: Path | None, declared: str) -> None:
        plan, genome = self.plan, self.genome
        if genome is not None and plan.arm["kind"] in REPACKED:
            self.progress(f"packs of the arm {plan.arm['kind']}", 0, 1)
            write_repacked(folder, plan, declared, genome, self.workers)
            return
        self.store.sweep()
        keys, unmade = books_to_make(self.library, self.digests, plan.skip_rules, self.store)
        self.workers.start(bytes_of(unmade), "ontogeny.corpus.books")
        authored = authored_scenes(plan, self.library)
        definitions = [_definitions(stage, plan, self.library) for stage in plan.stages]
        make_books(unmade, self.workers, self.progress)
        records = records_of(self.library, keys, self.store)
        stored = {book_id: self.store.book(key) for book_id, key in keys.items()}
        (folder / "books").mkdir()
        for book_id, kept in stored.items():
            link_or_copy(kept / "book.txt", book_path(folder, book_id))
        self.progress("tokenizer", 0, 1)
        sample = self._tokenizer(folder / "tokenizer", tokenizer, Shelf(folder, records, stored))
        fingerprint = tokenizer_fingerprint(folder / "tokenizer")
        tokens = stored_tokens(keys, folder / "tokenizer", fingerprint, self.store, self.workers, self.progress)
        shelf = Shelf(folder, records, stored, tokens)
        readings = self._stages(folder, shelf, {name: training for name, (training, _) in authored.items()})
        self.progress("held-out passages", 0, 1)
        trained = (
            [reading.books for reading in readings],
            [turn.text for scenes, _ in authored.values() for scene in scenes for turn in scene.turns],
            shelf,
            self.workers,
        )
        *held_out, general_text = mark_contaminated(
            [
                *(held_out_of(reading.books, shelf) for reading in readings),
                general_passages(plan, self.library) if genome is None else [],
            ],
            *trained,
        )
        encoder = make_encoder(folder / "tokenizer")
        entries: list[dict] = []
        materials = [
            Material(stage.name, plan.seed, plan.language, passages, authored[stage.name][1], words)
            for stage, passages, words in zip(plan.stages, held_out, definitions, strict=True)
        ]
        made, general = [[] for _ in materials], []
        if genome is None:  # an arm is measured on the genome's
            made = [stage_items(material, materials[:index]) for index, material in enumerate(materials)]
            self.progress("items", 0, 1)
            made, general = mark_seen(made, general_items(plan.seed, plan.language), *trained)
        write_json_lines(folder / "items.jsonl", (item.as_line() for item in general))
        if general_text:
            (folder / GENERAL).mkdir()
            _write_probe_material(folder / GENERAL, general_text, [])
        for stage, reading, passages, items in zip(plan.stages, readings, held_out, made, strict=True):
            _write_probe_material(folder / stage.name, passages, items)
            unread = [unread_of(book, shelf) for book in reading.books]
            replays = replays_of(genome.manifest["stages"][len(entries)]) if genome else None
            entries.append(stage_entry(stage, plan, reading, passages, items, unread, folder, entries, replays))
        arm = arm_of_corpus(plan.arm, genome) if genome else None
        sample = genome.manifest["tokenizer"]["sample"] if genome else sample
        write_manifest(folder, plan, declared, encoder, fingerprint, sample, records, entries, arm)

    def _stages(self, folder: Path, shelf: Shelf, authored: dict[str, list[Scene]]) -> list[StageReading]:
        """Every stage read into its folder, each in a worker of its own."""
        entries = self.library.entries
        spoken = frozenset(record.id for record in shelf.records if entries[record.id].form == DIALOGUE_FORM)
        tasks = [(stage, self.plan, shelf.closed(), authored[stage.name], folder, spoken) for stage in self.plan.stages]
        sizes = sum(record.bytes for record in shelf.records)
        found: dict[int, StageReading] = {}
        for done, (index, reading) in enumerate(self.workers.each(_write_stage, tasks, sizes)):
            self.progress(f"stage {self.plan.stages[index].name}", done, len(tasks))
            found[index] = reading
        for stage, reading in zip(self.plan.stages, (found[index] for index in range(len(tasks))), strict=True):
            reading.warnings += _strange_scripts(stage, shelf)
        return [found[index] for index in range(len(tasks))]

    def _tokenizer(self, folder: Path, given: Path | None, shelf: Shelf) -> dict | None:
        """The tokenizer of the corpus: a copy of the one given, or trained; returns on what it was trained."""
        if given is not None:
            shutil.copytree(given, folder)
            return None
        if "vocab_size" not in self.plan.tokenizer:
            raise CorpusError(
                Fault(
                    "a pretrained tokenizer was not handed in.",
                    "model.tokenizer.pretrained",
                    str(self.plan.tokenizer.get("pretrained")),
                    "its exported folder",
                    "export it first",
                )
            )
        size, context_tokens = self.plan.tokenizer["vocab_size"], self.plan.context_tokens
        sample = sample_of(shelf.records)
        key = sha256_hex([code_version(), size, context_tokens, [record.fingerprint for record in sample]])
        kept = self.store.tokenizer(key)
        if not kept.is_dir():
            texts = (text for record in sample for text in shelf.training_texts(record.id))
            self.store.put(kept, lambda out: train_tokenizer(texts, size, out, context_tokens))
        shutil.copytree(kept, folder)
        return {"books": [record.id for record in sample], "bytes": sum(record.bytes for record in sample)}


def _strange_scripts(stage: Any, shelf: Shelf) -> Iterator[str]:
    """A warning for each book of a stage that the tokenizer can hardly do more than spell."""
    for book_id in dict.fromkeys(book_id for _, books in stage.sections for book_id in books):
        tokens = len(read_tokens(shelf.tokens[book_id]).ids)
        if (rate := shelf.records[shelf.index[book_id]].bytes / max(1, tokens)) < SPELT_BYTES_PER_TOKEN:
            yield f"the tokenizer hardly knows the script of book '{book_id}': {rate:.2f} bytes a token"


def _write_stage(task: tuple[Any, Any, Shelf, list[Scene], Path, frozenset[str]]) -> StageReading:
    """In a worker: one stage into its folder; the last of the task: the books whose form is dialogue."""
    stage, plan, shelf, authored, folder, spoken = task
    encoder = encoder_of(folder / "tokenizer", tokenizer_fingerprint(folder / "tokenizer"))
    return StageWriter(stage, plan, shelf, encoder, authored, folder / stage.name, spoken).write()


def _definitions(stage: Any, plan: Any, library: Library) -> list[dict[str, str]]:
    path = definitions_path(stage, plan, library)
    return load_definitions(path, plan.language) if path else []


def _write_probe_material(folder: Path, passages: list[HeldOut], items: list[Item]) -> None:
    write_json_lines(
        folder / "heldout.jsonl",
        (
            {
                "book": p.book,
                "start": p.start,
                "end": p.end,
                "split": p.split,
                "contaminated": p.contaminated,
                "text": p.text,
            }
            for p in passages
        ),
    )
    write_json_lines(folder / "items.jsonl", (item.as_line() for item in items))


def _move_in(partial: Path, out: Path) -> None:
    """The finished folder takes its place; one of another hash that stood there goes."""
    stale = out.parent / f".{out.name}.stale"
    shutil.rmtree(stale, ignore_errors=True)
    if out.exists():
        out.rename(stale)
    partial.rename(out)
    shutil.rmtree(stale, ignore_errors=True)
