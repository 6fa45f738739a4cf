"""A JSON-lines file that another process appends to, read as it grows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Follower:
    """Hands out the lines that are new since the last call. A resume may cut the file back and write on: then the
    lines from the first one that differs are new."""

    def __init__(self, path: Path):
        self.path = path
        self.offset = 0
        self.seen: list[int] = []  # a hash a line, to find where a rewound file parts from what was read
        self.last = b""

    def new_records(self) -> list[dict[str, Any]]:
        """The new whole lines, in order; a half-written one waits for the next call."""
        if not self.path.is_file():
            return []
        with open(self.path, "rb") as file:
            start = self.offset - len(self.last)
            file.seek(start)
            raw = file.read()
            if not raw.startswith(self.last):
                file.seek(0)
                return self._after_rewind(file.read())
        return self._take(raw[len(self.last) :])

    def _after_rewind(self, raw: bytes) -> list[dict[str, Any]]:
        lines = _whole_lines(raw)
        same = next(
            (place for place, (line, known) in enumerate(zip(lines, self.seen, strict=False)) if hash(line) != known),
            min(len(lines), len(self.seen)),
        )
        kept = b"".join(lines[:same])
        self.seen, self.offset, self.last = self.seen[:same], len(kept), lines[same - 1] if same else b""
        return self._take(raw[len(kept) :])

    def _take(self, raw: bytes) -> list[dict[str, Any]]:
        lines = _whole_lines(raw)
        for line in lines:
            self.seen.append(hash(line))
            self.offset += len(line)
            self.last = line
        return [record for line in lines if line.strip() and isinstance(record := json.loads(line), dict)]


def _whole_lines(raw: bytes) -> list[bytes]:
    return raw[: raw.rfind(b"\n") + 1].splitlines(keepends=True)
