"""Where a book's bytes come from: the library's folder, an installed package, or somewhere outside.

    file:PATH[#SELECTOR]             PATH from the folder that holds stages/library.yaml; it may not leave it
    package:DIST/PATH[#SELECTOR]     PATH inside an installed distribution, as its record lists it
    https://... gutenberg:ID hf:...  fetched once and kept: see `ontogeny.corpus.remote`

A package is never imported: its record says where its files lie, and only their bytes are read.
What a SELECTOR may say depends on the kind of file: see `ontogeny.corpus.readers`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import parse_qsl

from ontogeny.core.address import is_remote, source_fault
from ontogeny.core.errors import Fault, LibraryError, closest
from ontogeny.corpus.fetch import FetchProblem, Unreachable
from ontogeny.corpus.readers import RawFile, Reading, ReadProblem, Selector, Told, read_files
from ontogeny.corpus.remote import ROWS, dataset_rows, is_here, remote_file, told_place

MAX_SOURCE_BYTES = 64 << 20
FOLDER_SUFFIXES = (".json", ".py")
NOT_READ = ("__pycache__", "tests", "testing", "benchmarks")


class Entry(Protocol):
    """What is asked of a catalogue's entry: see `ontogeny.core.library.LibraryEntry`."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def author(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def form(self) -> str: ...
    @property
    def sha256(self) -> str | None: ...


@dataclass(frozen=True)
class SourceText:
    """A book as its source gives it, before it is cleaned.

    `raw_sha256` is of the raw bytes (of a folder: of its read files' bytes, in sorted path order), so
    books cut from one file by different selectors share it. `markup` is plain | markdown | play. `notes` are (name,
    told), such as ("encoding", "cp1251"): what was found out or repaired on the way from the bytes to the text."""

    text: str
    raw_sha256: str
    raw_bytes: int
    markup: str
    notes: tuple[tuple[str, str], ...] = ()


def read_source(entry: Entry, root: Path) -> SourceText:
    """The text of a book of the catalogue, its fingerprint checked.

    Raises: LibraryError if it is not there, leaves `root`, does not fit its fingerprint, or is empty."""
    raw, fingerprint = raw_files(entry, root)
    path, query = _place(entry)
    if is_remote(entry.source) or entry.source.startswith("hf:"):
        path = raw[0].name  # the file's own name says its kind, an address need not
    reading = _render(entry, raw, path, query)
    raw_bytes = sum(len(file.content) for file in raw)
    return SourceText(reading.text, fingerprint, raw_bytes, reading.markup, reading.notes)


def source_digest(entry: Entry, root: Path) -> str:
    """SHA-256 of a book's raw bytes, without making text of them. Raises: LibraryError, as `read_source`."""
    return raw_files(entry, root)[1]


def fetch_books(entries: Iterable[Entry], tell: Callable[[Entry, int, int], None]) -> None:
    """Brings what of some books is not on this machine yet, one after another; `tell(book, done, of)` before each.

    Raises: LibraryError with the faults of all; without a connection, at once, with one for all that is missing."""
    missing = [entry for entry in entries if not is_here(entry.source)]
    faults: list[Fault] = []
    for done, entry in enumerate(missing):
        tell(entry, done, len(missing))
        _check_source(entry)
        try:
            remote_file(entry.source, entry.sha256)
        except FetchProblem as problem:
            fault, left = _fetch_fault(entry, problem), len(missing) - done - 1
            if isinstance(problem, Unreachable) and left:
                fault = replace(fault, what=f"{fault.what.rstrip('.')}; {left} more book(s) are not here either.")
            faults.append(fault)
            if isinstance(problem, Unreachable):
                break
    if faults:
        raise LibraryError(faults)


def _place(entry: Entry) -> tuple[str, str]:
    """(path, selector) of a source. Of a data set the split stands before the selector."""
    path, _, query = entry.source.partition(":")[2].partition("#")
    if entry.source.startswith("hf:"):
        query = query.partition("&")[2]
    return path, query


def raw_files(entry: Entry, root: Path) -> tuple[list[RawFile], str]:
    """The files of a source, and the SHA-256 of their bytes, checked. Raises: LibraryError."""
    raw = _read_all(entry, root)
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
            f"remove {raw[0].path} to fetch it again, or run `ontogeny library lock` to take it as it is"
            if is_remote(entry.source)
            else "install the version the lock names, or write the new fingerprint into the catalogue or the lock",
        )
    return raw, fingerprint


def _read_all(entry: Entry, root: Path) -> list[RawFile]:
    """The files of a source, by its scheme."""
    scheme, path = entry.source.partition(":")[0], _place(entry)[0]
    if scheme == "file":
        return _read_raw(entry, _files_under_root(entry, root, path))
    if scheme == "package":
        return _read_raw(entry, _files_of_package(entry, path))
    if not is_remote(entry.source) and scheme != "hf":
        raise _fault(
            entry,
            "has a source of a kind nobody reads.",
            entry.source,
            "file:PATH, package:DIST/PATH, https://..., gutenberg:ID or hf:DATASET#SPLIT",
            "write one of them",
        )
    _check_source(entry)
    try:
        if is_remote(entry.source):
            file = remote_file(entry.source, entry.sha256)
            return _read_raw(entry, [(file.name, file)])
        _check_links(entry, root.resolve(), _inside(entry, root, path.partition(":")[0]).rglob("*"))
        return [RawFile(ROWS, root / path, dataset_rows(entry.source, root))]
    except FetchProblem as problem:
        raise LibraryError(_fetch_fault(entry, problem)) from None


def _check_source(entry: Entry) -> None:
    if fault := source_fault(entry.source, pinned=entry.sha256 is not None):
        raise _fault(entry, f"has a source that cannot be read: {fault.what}", fault.got, fault.expected, fault.fix)


def _fetch_fault(entry: Entry, problem: FetchProblem) -> Fault:
    """Why a book was not fetched; without a connection, where to bring it."""
    expected, fix = problem.expected, problem.fix
    if isinstance(problem, Unreachable):
        expected = f"{expected}, or the file at {told_place(entry.source)}"
        fix = "go online; or put the file there, with the suffix of its kind; or name it with a `file:` source"
    return _fault(entry, problem.what, problem.got, expected, fix).faults[0]


def _render(entry: Entry, raw: list[RawFile], path: str, query: str) -> Reading:
    """The text and its markup, by the reader that fits the kind of file and the selector."""
    selector = Selector(parse_qsl(query, keep_blank_values=True))
    folder = len(raw) != 1 or raw[0].name != PurePosixPath(path).name
    try:
        reading = read_files(raw, folder, selector, Told(entry.language, entry.form))
        selector.check_all_used()
        reading.text.encode("utf-8")
    except ReadProblem as problem:
        raise _fault(entry, problem.what, problem.got, problem.expected, problem.fix) from None
    except UnicodeEncodeError as error:
        raise _fault(
            entry,
            "holds half a character.",
            f"{reading.text[error.start]!r} at {error.start}",
            "text UTF-8 can hold",
            "mend the file, or leave the record out with `without=`",
        ) from None
    if not reading.text.strip():
        raise _fault(
            entry,
            "is empty: its selection finds no text.",
            f"selector '{query}'" if query else "no text",
            "a selection that finds text",
            "widen the selector of the source" if query else "bring the file again",
        )
    if not any(map(str.isalpha, reading.text)):
        raise _fault(
            entry,
            "holds no words.",
            f"{len(reading.text)} characters, no letter: {reading.text.strip()[:40]!r}",
            "a book of words",
            "leave the book out of the catalogue",
        )
    return reading


def _fault(entry: Entry, what: str, got: str, expected: str, fix: str) -> LibraryError:
    where = f"books.{entry.id}.source  {entry.source}"
    return LibraryError(Fault(f"book '{entry.id}' {what}", where, got, expected, fix))


def _inside(entry: Entry, root: Path, path: str) -> Path:
    """A path under `root`, links followed. Raises: LibraryError where it leaves it."""
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
    return target


def _files_under_root(entry: Entry, root: Path, path: str) -> list[tuple[str, Path]]:
    """The file, or the readable files of the folder, that `path` names inside `root`."""
    base, target = root.resolve(), _inside(entry, root, path)
    if target.is_dir():
        found = [
            (file.relative_to(target).as_posix(), file)
            for file in target.rglob("*")
            if _is_read(file.relative_to(target))
        ]
        _check_links(entry, base, (file for _, file in found))
        return sorted(found)
    if not target.is_file():
        raise _fault(
            entry,
            "has a file that is not there.",
            f"no file {target}",
            f"'{entry.title}' by {entry.author}, in that place",
            "bring the book there, or correct the path in the catalogue",
        )
    return [(target.name, target)]


def _check_links(entry: Entry, base: Path, files: Iterable[Path]) -> None:
    if stray := next((file for file in files if not file.resolve().is_relative_to(base)), None):
        raise _fault(
            entry,
            "holds a link that leaves the library's folder.",
            stray.name,
            "files of that folder",
            "copy the file into the folder",
        )


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
