"""SHA256SUMS: the hash of every file of a corpus, in the form that `sha256sum --check` reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ontogeny.core.errors import Fault
from ontogeny.core.hashes import file_sha256
from ontogeny.core.positions import shown
from ontogeny.core.run import write_atomic

SUMS = "SHA256SUMS"
MEND = "prepare the corpus again, or bring the file back from a copy"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def write_sums(folder: Path, known: Mapping[str, str]) -> None:
    """Lists every file of a corpus; `known`: hashes by name that need not be computed again."""
    lines = [f"{known.get(name) or file_sha256(folder / name)}  {name}\n" for name in _names(folder)]
    write_atomic(folder / SUMS, "".join(lines))


def changed_files(folder: Path) -> dict[str, Fault]:
    """A fault for each file that is not as SHA256SUMS says, or not in it, by its name in the corpus."""
    try:
        text = (folder / SUMS).read_bytes().decode("utf-8")
    except (OSError, ValueError) as problem:
        return {SUMS: _fault("the hashes of a corpus cannot be read.", folder, SUMS, str(problem), "a hash a file")}
    *lines, rest = text.split("\n")
    found: dict[str, Fault] = {}
    listed = set()
    for number, line in enumerate([*lines, rest] if rest else lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            found[SUMS] = _fault("a hash is not one.", folder, SUMS, f"line {number}: {line[:80]!r}", "HASH  NAME")
            continue
        expected, name = match.groups()
        listed.add(name)
        try:
            got = file_sha256(folder / name)
        except (OSError, ValueError) as problem:
            got = str(problem)
        if got != expected:
            found[name] = _fault("a file of the corpus changed since it was prepared.", folder, name, got, expected)
    for name in sorted(set(_names(folder)) - listed):
        found[name] = _fault("a file of the corpus has no hash.", folder, name, "nothing", "a line of its own")
    return found


def _names(folder: Path) -> list[str]:
    """The files of a corpus, hidden ones and the list itself apart."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in names if name != SUMS and not any(part[0] == "." for part in name.split("/"))]


def _fault(what: str, folder: Path, name: str, got: str, expected: str) -> Fault:
    where = shown(folder / name) + (f" (its hash: {SUMS})" if name != SUMS else "")
    return Fault(what, where, got, expected, MEND)
