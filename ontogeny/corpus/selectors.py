"""What every reader is handed: the files of a source, and what its selector asks of them.

A selector is the part of a source after `#`, a query string: `key=value&key=value`; a key may come several times."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

NO_END = sys.maxsize

Note = tuple[str, str]


@dataclass(frozen=True)
class RawFile:
    """One file of a source: its name within the source, where it lies, and its bytes."""

    name: str
    path: Path
    content: bytes


@dataclass(frozen=True)
class Reading:
    """What a reader makes of its files. Notes are (name, told): what was repaired or left out on the way."""

    text: str
    markup: str
    notes: tuple[Note, ...] = ()


class ReadProblem(Exception):
    """Why a source gives no text; the room above says which book it was."""

    def __init__(self, what: str, got: str, expected: str, fix: str = "correct the selector of the source"):
        super().__init__(what)
        self.what, self.got, self.expected, self.fix = what, got, expected, fix


@dataclass
class Selector:
    """The part of a source after `#`, which remembers what was asked of it."""

    pairs: list[tuple[str, str]]
    used: set[str] = field(default_factory=set)

    def all(self, key: str) -> list[str]:
        self.used.add(key)
        return [value for name, value in self.pairs if name == key]

    def paths(self, key: str) -> list[str]:
        return [path.strip() for value in self.all(key) for path in value.split(",") if path.strip()]

    def count(self, key: str, default: int = 0) -> int:
        values = self.all(key)
        if values and not (values[-1].isascii() and values[-1].isdigit()):
            raise ReadProblem(f"has a selector whose '{key}' is no count.", values[-1], "a whole number, 0 or more")
        return int(values[-1]) if values else default

    def has(self, key: str) -> bool:
        return bool(self.all(key))

    def rest(self) -> dict[str, set[str]]:
        """The keys no reader knows: fields to filter by, each with the values it may have."""
        return {key: set(self.all(key)) for key in dict(self.pairs) if key not in self.used}

    def check_all_used(self) -> None:
        if left := [key for key, _ in self.pairs if key not in self.used]:
            raise ReadProblem(
                "has a selector that its kind of file does not know.",
                left[0],
                f"one of: {', '.join(sorted(self.used)) or 'no selector at all'}",
            )


def chapters_text(chapters: Iterable[tuple[str, list[str]]]) -> str:
    """(title, paragraphs) as `# Title` lines and paragraphs; a paragraph that begins like a heading is escaped."""
    lines = []
    for title, paragraphs in chapters:
        lines += [f"# {' '.join(title.split())}"] if title.strip() else []
        lines += [f"\\{text}" if text.startswith("#") else text for text in paragraphs]
    return "\n\n".join(lines) + "\n" if lines else ""
