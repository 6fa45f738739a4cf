"""What several runs share: cleaned books and their tokens, each made once. A folder `.store` beside the runs.

    books/<key>/book.txt book.json passages.npy    key: the raw bytes, how they are read, what the cleaner leaves alone
    tokens/<key>/<tokenizer>/ids.npy ends.npy      the ids of every passage, one after another, and where each ends
    tokenizers/<key>/                              key: what it was trained on

Every key holds the digest of this room's own code and of the libraries that read books, so that a store never gives
what an older version made. An entry appears whole or not at all; whoever comes second to make one keeps the first's."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.core import cleaning
from ontogeny.core.hashes import sha256_hex

WORTH_KEEPING_BYTES = 50 << 20
READERS = ("kreuzberg", "charset-normalizer", "ftfy", "tokenizers")


@lru_cache
def code_version() -> str:
    """SHA-256 of the code that turns sources into tokens, and of the versions of the libraries it stands on."""
    folder = Path(__file__).parent
    files = [*sorted(folder.glob("*.py")), Path(cleaning.__file__)]
    return sha256_hex([[path.name, sha256_hex(path.read_bytes())] for path in files] + [_versions()])


def _versions() -> list[str]:
    found = []
    for name in READERS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} absent")
    return found


@dataclass(frozen=True)
class BookKey:
    """Everything that decides what a cleaned book is."""

    raw_sha256: str
    source: str
    form: str
    language: str
    skip_rules: tuple[str, ...]

    @property
    def digest(self) -> str:
        return sha256_hex(
            [code_version(), self.raw_sha256, self.source, self.form, self.language, sorted(self.skip_rules)]
        )


HALF_MADE = ("books/*/.*.*", "tokens/*/*/.*.*", "tokenizers/.*.*", "snapshots/.*.*")  # never deep: it is done each time


class Store:
    """The folder and its entries."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def book(self, key: str) -> Path:
        """The folder of a cleaned book."""
        return self.folder / "books" / key[:2] / key

    def tokens(self, key: str, fingerprint: str) -> Path:
        """The folder of a book's tokens by one tokenizer."""
        return self.folder / "tokens" / key[:2] / key / sha256_hex([code_version(), fingerprint])[:32]

    def tokenizer(self, key: str) -> Path:
        """The folder of a trained tokenizer."""
        return self.folder / "tokenizers" / key

    def put(self, entry: Path, write: Callable[[Path], None]) -> Path:
        """Makes an entry: `write` fills a folder beside it, which then takes the entry's name."""
        partial = entry.with_name(f".{entry.name}.{os.getpid()}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            write(partial)
            _sync_files(partial)
            partial.rename(entry)
        except OSError:
            if not entry.is_dir():  # where it is, another process was first
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return entry

    @contextlib.contextmanager
    def used(self) -> Generator[Callable[[], bool]]:
        """Holds the folder, made if it is not there, beside others who use it. What it yields says whether nobody
        else does, and keeps it so until the end."""
        handle = -1
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                handle = os.open(self.folder, os.O_RDONLY)
                fcntl.flock(handle, fcntl.LOCK_SH)
                if os.path.samestat(os.fstat(handle), self.folder.stat()):
                    break
            if handle >= 0:  # somebody took the folder away meanwhile
                os.close(handle)
                handle = -1

        def alone() -> bool:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        try:
            yield alone
        finally:
            os.close(handle)

    def sweep(self) -> None:
        """Removes what processes that are gone left half made."""
        for pattern in HALF_MADE:
            with contextlib.suppress(FileNotFoundError):  # another process takes its own away meanwhile
                for partial in self.folder.glob(pattern):
                    pid = partial.name.rpartition(".")[2]
                    if pid.isdigit() and not Path(f"/proc/{pid}").exists():
                        shutil.rmtree(partial, ignore_errors=True)


def _sync_files(folder: Path) -> None:
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a stored book."""
    return json.loads((folder / "book.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class StoredTokens:
    """A book's ids by passage, mapped into memory."""

    ids: np.ndarray
    ends: np.ndarray

    def of(self, passage: int) -> np.ndarray:
        """The ids of one passage, int32."""
        start = int(self.ends[passage - 1]) if passage else 0
        return self.ids[start : int(self.ends[passage])].astype(np.int32)

    def count(self, passage: int) -> int:
        """How many ids a passage has."""
        return int(self.ends[passage]) - (int(self.ends[passage - 1]) if passage else 0)


def read_tokens(folder: Path) -> StoredTokens:
    """The tokens of a stored book."""
    return StoredTokens(np.load(folder / "ids.npy", mmap_mode="r"), np.load(folder / "ends.npy"))


def is_worth_keeping(folder: Path) -> bool:
    """Whether a store holds so much that making it again would cost somebody minutes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) > WORTH_KEEPING_BYTES


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link, or a copy where the file system allows none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
