"""The corpus of an arm beside that of its genome, which the runs of a store share; and what the arm is measured on."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ontogeny.core.errors import OntogenyError
from ontogeny.core.hashes import sha256_hex
from ontogeny.core.library import Library
from ontogeny.corpus.books import Progress
from ontogeny.corpus.prepare import corpus_hash, prepare_corpus
from ontogeny.corpus.repack import MEASURED, STAGES, write_measured
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.store import Store, code_version, is_worth_keeping

CORPORA = "corpora"  # in the store: those of genomes whose arms were prepared


def prepare_arm(
    plan: Any,
    genome: Any,
    library: Library,
    run: Path,
    tokenizer: Path | None,
    progress: Progress | None,
    store: Path,
) -> Corpus:
    """RUN/corpus of an arm, and RUN/measured. `plan` is the arm's, `genome` the plan of the genome it belongs to.

    The genome's own corpus is prepared first, in the store, once for all its arms. Raises: as `prepare_corpus`."""
    out, fresh = run / "corpus", not store.exists()
    known = out / "tokenizer" if tokenizer is None and "pretrained" in plan.tokenizer else tokenizer
    if (out / "manifest.json").is_file() and (run / MEASURED / STAGES).is_file():
        existing = Corpus(out)
        if existing.manifest.get("corpus_hash") == corpus_hash(plan, library, known, genome):
            return existing
    try:
        with _corpus_of(genome, library, known, progress, store) as shared:
            corpus = prepare_corpus(plan, library, out, known, progress, store, shared)
            write_measured(shared, run)
    except OntogenyError:
        if fresh and not is_worth_keeping(store):
            with Store(store).used() as alone:
                if alone():
                    shutil.rmtree(store, ignore_errors=True)
        raise
    return corpus


@contextlib.contextmanager
def _corpus_of(
    genome: Any, library: Library, tokenizer: Path | None, progress: Progress | None, store: Path
) -> Generator[Corpus]:
    """The genome's corpus in the store, made if it is not there; one process at a time."""
    key = sha256_hex([code_version(), corpus_hash(genome, library, tokenizer)])[:32]
    folder = store / CORPORA / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{key}.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield prepare_corpus(genome, library, folder, tokenizer, progress, store)
