"""Books to packs: `prepare_corpus` writes a corpus beside its place and moves it in when it is whole."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ontogeny.core.errors import CorpusError, DiskError, Fault, OntogenyError
from ontogeny.core.hashes import file_sha256, sha256_hex
from ontogeny.core.library import Library
from ontogeny.core.positions import shown
from ontogeny.corpus.heldout import HeldOut, held_out_of, mark_contaminated, unread_of
from ontogeny.corpus.items import make_items
from ontogeny.corpus.layout import MAX_ROLES, VERSION, write_json_lines
from ontogeny.corpus.manifest import stage_entry, write_manifest
from ontogeny.corpus.place import split_authored
from ontogeny.corpus.reading import StageReading, StageWriter, check_speakers, loop_loss_of
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.shelf import Shelf, Sources, write_book
from ontogeny.corpus.vocabulary import Encoder, make_encoder, tokenizer_fingerprint, train_tokenizer
from ontogeny.scenes.conflict import load_scenes
from ontogeny.scenes.gap import CAST, has_gaps
from ontogeny.scenes.language import TABLES
from ontogeny.scenes.shape import Scene

Progress = Callable[[str, int, int], None]
COUNTED_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM)


def prepare_corpus(
    plan: Any, library: Library, out: Path, tokenizer: Path | None = None, progress: Progress | None = None
) -> Corpus:
    """The corpus of a plan at `out`: read and returned if it is there already, else made.

    Everything is written into a temporary folder beside `out` that a later call removes if this one dies;
    `out` appears whole or not at all. `tokenizer` is a folder already exported; without it one is trained
    (a pretrained one need not be handed in again where `out` holds it).
    `progress(what, done, of)` is told of each book and stage.
    Raises: CorpusError, LibraryError for what the user can mend; DiskError if the machine refuses a write."""
    sources = Sources(library)
    out = Path(out)
    known = out / "tokenizer" if tokenizer is None and "pretrained" in plan.tokenizer else tokenizer
    declared = _declared_hash(plan, sources, known)
    if (out / "manifest.json").is_file():
        existing = Corpus(out)
        if existing.manifest.get("corpus_hash") == declared:
            return existing
    partial = out.parent / f".{out.name}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _write_corpus(plan, sources, partial, tokenizer, declared, progress or (lambda what, done, of: None))
        _move_in(partial, out)
    except OSError as problem:
        shutil.rmtree(partial, ignore_errors=True)
        if problem.errno in COUNTED_ERRNOS:
            raise DiskError(
                Fault(
                    "the machine refused a write.",
                    shown(partial),
                    problem.strerror or str(problem),
                    "room and permission to write",
                    "free some space, or write elsewhere",
                )
            ) from None
        raise
    except OntogenyError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Corpus(out)


def corpus_hash(plan: Any, library: Library, tokenizer: Path | None = None) -> str:
    """SHA-256 of all that decides packs; it reads every book's raw bytes, and packs nothing."""
    return _declared_hash(plan, Sources(library), tokenizer)


def _declared_hash(plan: Any, sources: Sources, tokenizer: Path | None) -> str:
    books = sources.raw_digests(book_ids_of(plan))
    stages = []
    for stage in plan.stages:
        scenes = None
        if stage.scenes is not None:
            path = scenes_path(stage, sources.library)
            scenes = {
                "every_tokens": stage.scenes.every_tokens,
                "kinds": sorted(stage.scenes.kinds),
                "file": file_sha256(path) if path.is_file() else None,
            }
        roles = {name: [role.span.unit, role.span.amount, role.batch_tokens] for name, role in stage.roles.items()}
        stages.append(
            {
                "name": stage.name,
                "sections": [[name, list(ids)] for name, ids in stage.sections],
                "span": [stage.span.unit, stage.span.amount],
                "scenes": scenes,
                "roles": roles,
                "loop_loss": loop_loss_of(stage),
                "replay_frac": stage.replay_frac,
                "batch_packs": stage.batch_packs,
            }
        )
    return sha256_hex(
        {
            "version": VERSION,
            "seed": plan.seed,
            "language": plan.language,
            "context_tokens": plan.context_tokens,
            "roles": list(plan.roles),
            "tokenizer": dict(plan.tokenizer),
            "tokenizer_fingerprint": tokenizer_fingerprint(tokenizer)
            if tokenizer and (tokenizer / "tokenizer.json").is_file()
            else None,
            "books": {book_id: [digest, sources.entry(book_id).source] for book_id, digest in books.items()},
            "stages": stages,
        }
    )


def book_ids_of(plan: Any) -> list[str]:
    """The books of a plan, each once, in the order of their first use."""
    return list(dict.fromkeys(book_id for stage in plan.stages for _, books in stage.sections for book_id in books))


def scenes_path(stage: Any, library: Library) -> Path:
    """Where a stage's authored scenes stand."""
    return library.root / Path(stage.scenes.folder) / "scenes.yaml"


def _write_corpus(
    plan: Any, sources: Sources, folder: Path, tokenizer: Path | None, declared: str, progress: Progress
) -> None:
    """All of the corpus, in order; the manifest last."""
    authored = _authored_scenes(plan, sources.library)
    book_ids = book_ids_of(plan)
    records = []
    for done, book_id in enumerate(book_ids):
        progress(f"book {book_id}", done, len(book_ids))
        records.append(write_book(sources.entry(book_id), sources.read(book_id), folder))
    shelf = Shelf(folder, records)
    progress("tokenizer", 0, 1)
    encoder = _encoder(plan, shelf, folder / "tokenizer", tokenizer)
    readings: list[StageReading] = []
    for done, stage in enumerate(plan.stages):
        progress(f"stage {stage.name}", done, len(plan.stages))
        training, _ = authored[stage.name]
        readings.append(StageWriter(stage, plan, shelf, encoder, training, folder / stage.name).write())
    progress("held-out passages", 0, 1)
    held_out = mark_contaminated(
        [held_out_of(reading.books, shelf) for reading in readings],
        [reading.books for reading in readings],
        (turn.text for scenes, _ in authored.values() for scene in scenes for turn in scene.turns),
        shelf,
    )
    entries = []
    for stage, reading, passages in zip(plan.stages, readings, held_out, strict=True):
        items = make_items(stage.name, plan.seed, plan.language, authored[stage.name][1], passages)
        _write_probe_material(folder / stage.name, passages, items)
        unread = [unread_of(book, shelf) for book in reading.books]
        entries.append(stage_entry(stage, plan, reading, passages, items, unread, encoder, folder, entries))
    write_manifest(folder, plan, declared, encoder, tokenizer_fingerprint(folder / "tokenizer"), records, entries)


def _authored_scenes(plan: Any, library: Library) -> dict[str, tuple[list[Scene], list[Scene]]]:
    """(training, held out) of each stage's authored scenes; all faults in one go."""
    faults: list[Fault] = []
    found: dict[str, tuple[list[Scene], list[Scene]]] = {}
    if len(plan.roles) > MAX_ROLES:
        faults.append(
            Fault("a genome has too many roles.", "roles", str(len(plan.roles)), f"at most {MAX_ROLES}", "remove some")
        )
    for stage in plan.stages:
        found[stage.name] = ([], [])
        if stage.scenes is None:
            continue
        if "gap" in stage.scenes.kinds:
            faults.extend(_gap_faults(stage, plan))
        kinds = [kind for kind in stage.scenes.kinds if kind != "gap"]
        if kinds:
            try:
                scenes = [s for s in load_scenes(scenes_path(stage, library), plan.language) if s.kind in kinds]
            except OntogenyError as problem:
                faults.extend(problem.faults)
                continue
            faults.extend(check_speakers(scenes, plan.roles, stage.name))
            found[stage.name] = split_authored(scenes)
    if faults:
        raise CorpusError(faults)
    return found


def _gap_faults(stage: Any, plan: Any) -> Iterator[Fault]:
    if not has_gaps(plan.language):
        yield Fault(
            f"gap scenes do not exist in language '{plan.language}'.",
            f"stages[{stage.index}].scenes.kinds",
            "gap",
            f"one of the languages {', '.join(TABLES)}",
            "leave out `gap`, or add a language table",
        )
    if missing := [role for role in CAST if role not in plan.roles]:
        yield Fault(
            f"gap scenes of stage '{stage.name}' need roles the genome does not have.",
            f"stages[{stage.index}].scenes.kinds",
            f"no {', '.join(missing)}",
            f"roles {', '.join(CAST)}",
            "define them under `roles:`, or leave out `gap`",
        )


def _encoder(plan: Any, shelf: Shelf, folder: Path, given: Path | None) -> Encoder:
    """The tokenizer of the corpus: a copy of the one given, or trained on the books in id order."""
    if given is not None:
        shutil.copytree(given, folder)
    elif "vocab_size" not in plan.tokenizer:
        raise CorpusError(
            Fault(
                "a pretrained tokenizer was not handed in.",
                "model.tokenizer.pretrained",
                str(plan.tokenizer.get("pretrained")),
                "its exported folder",
                "export it first",
            )
        )
    else:
        train_tokenizer(_training_texts(shelf), plan.tokenizer["vocab_size"], folder, plan.context_tokens)
    return make_encoder(folder)


def _training_texts(shelf: Shelf) -> Iterator[str]:
    for record in sorted(shelf.records, key=lambda record: record.id):
        book = shelf.open(record.id)
        for _, passage in book.training():
            yield book.text[passage.start : passage.end]


def _write_probe_material(folder: Path, passages: list[HeldOut], items: list[dict]) -> None:
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
    write_json_lines(folder / "items.jsonl", items)


def _move_in(partial: Path, out: Path) -> None:
    """The finished folder takes its place; one of another hash that stood there goes."""
    stale = out.parent / f".{out.name}.stale"
    shutil.rmtree(stale, ignore_errors=True)
    if out.exists():
        out.rename(stale)
    partial.rename(out)
    shutil.rmtree(stale, ignore_errors=True)
