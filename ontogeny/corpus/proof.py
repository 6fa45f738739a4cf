"""The proof that a corpus holds what its manifest declares: files, books, digests, roots; from its files alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ontogeny.core.errors import Fault, OntogenyError
from ontogeny.core.positions import shown
from ontogeny.corpus.consumed import declared_records, verify_consumed
from ontogeny.corpus.proof_arms import ArmProof, kind_of
from ontogeny.corpus.proof_books import BooksProof
from ontogeny.corpus.proof_packs import PacksProof
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.shelf import BookRecord, Shelf
from ontogeny.corpus.sums import MEND, changed_files
from ontogeny.corpus.vocabulary import Encoder, make_encoder, tokenizer_fingerprint

__all__ = ["declared_records", "verify_consumed", "verify_corpus"]

FAULTS_A_STAGE = 8
UNREADABLE = Exception  # whatever a damaged file leads to is a fault of that file, never a traceback


def verify_corpus(folder: Path) -> list[Fault]:
    """Every fault of a prepared corpus, each with its stage, pack, book and passage; nothing if all holds.

    A file that changed (by SHA256SUMS) and is named by no other fault is told last."""
    folder = Path(folder)
    try:
        corpus = Corpus(folder)
    except OntogenyError as problem:
        return list(problem.faults)
    except UNREADABLE as problem:
        return [_unreadable(folder / "manifest.json", problem)]
    changed = changed_files(folder)
    faults = _explained(corpus, changed)
    told = "\n".join(fault.where for fault in faults)
    return faults + [fault for name, fault in changed.items() if name not in told]


def _explained(corpus: Corpus, changed: dict[str, Fault]) -> list[Fault]:
    """What the books, the tokenizer, then each stage's ranges and packs tell."""
    try:
        shelf = Shelf(corpus.folder, [BookRecord(**book) for book in corpus.manifest["books"]])
        faults = [*_check_books(shelf, changed), *_check_tokenizer(corpus)]
        if faults:
            return faults  # what follows is judged by these books and this tokenizer
        encoder = make_encoder(corpus.folder / "tokenizer")
        stages = range(len(corpus.manifest["stages"]))
    except OntogenyError as problem:
        return list(problem.faults)
    except UNREADABLE as problem:
        return [_unreadable(corpus.folder / "manifest.json", problem)]
    found = [fault for index in stages for fault in _of_stage(corpus, shelf, encoder, index, changed)]
    return found or _of_arm(corpus, shelf, encoder)


def _check_books(shelf: Shelf, changed: dict[str, Fault]) -> Iterator[Fault]:
    for record in shelf.records:
        fault = changed.get(f"books/{record.id}.txt")
        if fault is not None and fault.got != record.fingerprint:
            yield Fault(f"book '{record.id}' is not what was packed.", fault.where, fault.got, record.fingerprint, MEND)


def _check_tokenizer(corpus: Corpus) -> Iterator[Fault]:
    path = corpus.folder / "tokenizer" / "tokenizer.json"
    got, declared = tokenizer_fingerprint(path.parent), corpus.manifest["tokenizer"]["fingerprint"]
    if got != declared:
        yield Fault("the tokenizer is not the one the packs were made with.", shown(path), got, declared, MEND)


def _of_stage(corpus: Corpus, shelf: Shelf, encoder: Encoder, index: int, changed: dict[str, Fault]) -> Iterator[Fault]:
    """The first faults of a stage."""
    found: list[Fault] = []
    mine: list[str] = []
    name = f"number {index + 1}"
    try:
        name = corpus.manifest["stages"][index]["name"]
        mine = [file for file in changed if file.startswith(f"{name}/")]
        books = BooksProof(corpus, shelf, index)
        found += islice(books.faults(), FAULTS_A_STAGE)
        found += islice(PacksProof(corpus, shelf, encoder, index, mine).faults(), FAULTS_A_STAGE - len(found))
    except OntogenyError as problem:
        found += problem.faults
    except UNREADABLE as problem:
        suspect = mine[0] if mine else "manifest.json"
        found.append(_unreadable(corpus.folder / suspect, problem))
    yield from found
    if len(found) >= FAULTS_A_STAGE:
        yield Fault("there may be more faults in this stage.", f"stage '{name}'")


def _of_arm(corpus: Corpus, shelf: Shelf, encoder: Encoder) -> list[Fault]:
    """The first faults of what an arm made of its genome's packs; judged by stages that hold."""
    try:
        return list(islice(ArmProof(corpus, shelf, encoder).faults(), FAULTS_A_STAGE)) if kind_of(corpus) else []
    except OntogenyError as problem:
        return list(problem.faults)
    except UNREADABLE as problem:
        return [_unreadable(corpus.folder / "manifest.json", problem)]


def _unreadable(path: Path, problem: BaseException) -> Fault:
    told = f"{type(problem).__name__}: {problem}"
    return Fault("a file of the corpus cannot be read.", shown(path), told, "a file as prepare writes it", MEND)
