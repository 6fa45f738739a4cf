"""Where a book's bytes come from: a file of the library's folder, or one inside an installed package.

    file:PATH[#SELECTOR]             PATH from the folder that holds stages/library.yaml; it may not leave it
    package:DIST/PATH[#SELECTOR]     PATH inside an installed distribution, as its record lists it

A package is never imported: its record says where its files lie, and only their bytes are read.
What a SELECTOR may say depends on the kind of file: see `ontogeny.corpus.readers`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import parse_qsl

from ontogeny.core.errors import Fault, LibraryError, closest
from ontogeny.corpus.readers import RawFile, ReadProblem, Selector, reader_of

MAX_SOURCE_BYTES = 64 << 20
FOLDER_SUFFIXES = (".json", ".py")
NOT_READ = ("__pycache__", "tests", "testing", "benchmarks")


class Entry(Protocol):
    """What is asked of a catalogue's entry: see `ontogeny.core.library.LibraryEntry`."""

    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def form(self) -> str: ...
    @property
    def sha256(self) -> str | None: ...


@dataclass(frozen=True)
class SourceText:
    """A book as its source gives it, before it is cleaned.

    `raw_sha256` is of the raw bytes (of a folder: of its read files' bytes, in sorted path order), so
    books cut from one file by different selectors share it. `markup` is plain | markdown | play."""

    text: str
    raw_sha256: str
    raw_bytes: int
    markup: str


def read_source(entry: Entry, root: Path) -> SourceText:
    """The text of a book of the catalogue, its fingerprint checked.

    Raises: LibraryError if it is not there, leaves `root`, does not fit its fingerprint, or is empty."""
    raw, fingerprint = _raw_files(entry, root)
    path, query = _place(entry)
    text, markup = _render(entry, raw, path, query)
    return SourceText(text, fingerprint, sum(len(file.content) for file in raw), markup)


def source_digest(entry: Entry, root: Path) -> str:
    """SHA-256 of a book's raw bytes, without making text of them. Raises: LibraryError, as `read_source`."""
    return _raw_files(entry, root)[1]


def _place(entry: Entry) -> tuple[str, str]:
    """(path, selector) of a source."""
    path, _, query = entry.source.partition(":")[2].partition("#")
    return path, query


def _raw_files(entry: Entry, root: Path) -> tuple[list[RawFile], str]:
    """The files of a source, and the SHA-256 of their bytes, checked."""
    scheme, path = entry.source.partition(":")[0], _place(entry)[0]
    if scheme == "file":
        files = _files_under_root(entry, root, path)
    elif scheme == "package":
        files = _files_of_package(entry, path)
    else:
        raise _fault(
            entry,
            "has a source of a kind nobody reads.",
            entry.source,
            "file:PATH or package:DIST/PATH",
            "write one of the two",
        )
    raw = _read_raw(entry, files)
    digest = hashlib.sha256()
    for file in raw:
        digest.update(file.content)
    fingerprint = digest.hexdigest()
    if entry.sha256 is not None and entry.sha256 != fingerprint:
        raise _fault(
            entry,
            "does not fit its fingerprint.",
            f"sha256 {fingerprint}",
            f"sha256 {entry.sha256}",
            "install the version the lock names, or write the new fingerprint into the catalogue",
        )
    return raw, fingerprint


def _render(entry: Entry, raw: list[RawFile], path: str, query: str) -> tuple[str, str]:
    """The text and its markup, by the reader that fits the kind of file and the selector."""
    selector = Selector(parse_qsl(query, keep_blank_values=True))
    try:
        reader, markup = reader_of(
            path, folder=len(raw) != 1 or raw[0].name != PurePosixPath(path).name, selector=selector
        )
        text = reader(raw, selector)
        selector.check_all_used()
        text.encode("utf-8")
    except ReadProblem as problem:
        raise _fault(entry, problem.what, problem.got, problem.expected, problem.fix) from None
    except UnicodeEncodeError as error:
        raise _fault(
            entry,
            "holds half a character.",
            f"{text[error.start]!r} at {error.start}",
            "text UTF-8 can hold",
            "mend the file, or leave the record out with `without=`",
        ) from None
    if not text.strip():
        raise _fault(
            entry,
            "is empty: its selection finds no text.",
            f"selector '{query}'" if query else "no text",
            "a selection that finds text",
            "widen the selector of the source",
        )
    return text, "play" if markup == "markdown" and entry.form == "play" else markup


def _fault(entry: Entry, what: str, got: str, expected: str, fix: str) -> LibraryError:
    where = f"books.{entry.id}.source  {entry.source}"
    return LibraryError(Fault(f"book '{entry.id}' {what}", where, got, expected, fix))


def _files_under_root(entry: Entry, root: Path, path: str) -> list[tuple[str, Path]]:
    """The file, or the readable files of the folder, that `path` names inside `root`."""
    base = root.resolve()
    inside = "\0" not in path and ".." not in PurePosixPath(path).parts and not PurePosixPath(path).is_absolute()
    target = (base / path).resolve() if inside else base
    if not path or not inside or not target.is_relative_to(base):
        raise _fault(
            entry,
            "has a path that leaves the library's folder.",
            path or "an empty path",
            "a path inside the folder that holds stages/library.yaml",
            "copy the file into that folder",
        )
    if target.is_dir():
        found = [
            (file.relative_to(target).as_posix(), file)
            for file in target.rglob("*")
            if _is_read(file.relative_to(target))
        ]
        if stray := next((name for name, file in found if not file.resolve().is_relative_to(base)), None):
            raise _fault(
                entry,
                "holds a link that leaves the library's folder.",
                stray,
                "files of that folder",
                "copy the file into the folder",
            )
        return sorted(found)
    if not target.is_file():
        raise _fault(
            entry,
            "has a file that is not there.",
            path,
            "a file of the library's folder",
            "correct the path, or bring the file",
        )
    return [(target.name, target)]


def _files_of_package(entry: Entry, path: str) -> list[tuple[str, Path]]:
    """The file, or the readable files of the folder, that an installed distribution records."""
    dist_name, _, inner = path.partition("/")
    try:
        dist = metadata.distribution(dist_name)
    except (metadata.PackageNotFoundError, ValueError):
        raise _fault(
            entry,
            "comes from a package that is not installed.",
            f"no package '{dist_name}'",
            f"package '{dist_name}'",
            "pip install ontogeny[seedling]",
        ) from None
    recorded = {file.as_posix(): file for file in dist.files or () if ".." not in file.parts}
    if inner in recorded:
        found = [(PurePosixPath(inner).name, Path(str(recorded[inner].locate())))]
    else:
        within = PurePosixPath(inner)
        found = sorted(
            (file.relative_to(within).as_posix(), Path(str(file.locate())))
            for file in recorded.values()
            if inner and file.is_relative_to(within) and _is_read(file.relative_to(within))
        )
    if not found or not all(file.is_file() for _, file in found):
        raise _fault(
            entry,
            "has a file that its package does not hold.",
            inner or "an empty path",
            f"a file or folder of '{dist_name}' {dist.version}{closest(inner, recorded)}",
            "correct the path, or install the version the lock names",
        )
    return found


def _is_read(relative: Path | PurePosixPath) -> bool:
    """Whether a file of a folder is read: data or code, no tests, no caches."""
    return (
        relative.suffix in FOLDER_SUFFIXES
        and not any(part in NOT_READ for part in relative.parts)
        and not relative.name.startswith(("test_", "conftest"))
    )


def _read_raw(entry: Entry, files: list[tuple[str, Path]]) -> list[RawFile]:
    """The bytes of every file, refused before they are read if they are too many."""
    try:
        total = sum(path.stat().st_size for _, path in files)
        if total > MAX_SOURCE_BYTES:
            raise _fault(
                entry,
                "is too large for one book.",
                f"{total} bytes",
                f"at most {MAX_SOURCE_BYTES} bytes",
                "divide the book into several files",
            )
        return [RawFile(name, path, path.read_bytes()) for name, path in files]
    except OSError as error:
        raise _fault(
            entry,
            "cannot be read.",
            f"{error.strerror}: {error.filename}",
            "a file this user may read",
            "change the file's permissions",
        ) from None
