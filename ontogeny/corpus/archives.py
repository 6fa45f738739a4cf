"""What a zip holds, within bounds that are checked before anything is unpacked.

Refused by name: a member whose name is absolute or climbs out, a link, a locked member, too many members, too much when
unpacked, and a member that unpacks to more than its archive says or that no text could be packed so small."""

from __future__ import annotations

import io
import lzma
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass

from ontogeny.corpus.selectors import ReadProblem

MAX_MEMBERS = 10_000
MAX_UNPACKED_BYTES = 256 << 20
MAX_RATIO = 200
RATIO_FROM_BYTES = 1 << 20

_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")


@dataclass(frozen=True)
class Member:
    """One file of an archive, unpacked when it is read."""

    name: str
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    def read(self) -> bytes:
        """Its bytes, never more than it was said to hold. Raises: ReadProblem if they are damaged."""
        try:
            with self.archive.open(self.info) as unpacked:
                return unpacked.read(self.info.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError) as error:
            raise _problem("holds a damaged file.", f"{self.name}: {error}", "whole files") from None


def members(content: bytes, name: str) -> list[Member]:
    """The files of a zip in the order of their names (chapter2 before chapter10), checked.

    Raises: ReadProblem, naming the member that may not be."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        infos = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
        raise _problem("is not a whole zip archive.", f"{name}: {error}", "a zip archive") from None
    if len(infos) > MAX_MEMBERS:
        raise _problem("is an archive of too many files.", f"{len(infos)} files", f"at most {MAX_MEMBERS}")
    total = sum(info.file_size for info in infos)
    if total > MAX_UNPACKED_BYTES:
        most = f"at most {MAX_UNPACKED_BYTES} bytes"
        raise _problem("unpacks to too much: a zip bomb, or several books.", f"{total} bytes", most)
    for info in infos:
        _check(info)
    return [Member(info.filename, archive, info) for info in sorted(infos, key=lambda info: natural(info.filename))]


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts names as people number them."""
    parts = re.findall(r"(\d+)|(\D+)", name.casefold())
    return [(0, int(digits[:18]), digits) if digits else (1, 0, text) for digits, text in parts]


def _check(info: zipfile.ZipInfo) -> None:
    for name in (info.filename, info.orig_filename):
        if _OUTSIDE.search(name) or "\0" in name:
            raise _problem("holds a file whose path leaves the archive.", repr(name), "paths inside the archive")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _problem("holds a link.", info.filename, "files")
    if info.flag_bits & 0x1:
        raise _problem("is locked by a password.", info.filename, "files without a password")
    if info.file_size > RATIO_FROM_BYTES and info.file_size > MAX_RATIO * max(1, info.compress_size):
        told = f"{info.filename}: {info.compress_size} bytes for {info.file_size}"
        raise _problem("holds a file packed too small for any text: a zip bomb.", told, f"at most {MAX_RATIO} to 1")


def _problem(what: str, got: str, expected: str) -> ReadProblem:
    return ReadProblem(what, got, expected, "unpack the archive yourself, or bring another copy")
