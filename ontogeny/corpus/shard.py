"""One stage's files of a corpus, mapped into memory; and the manifest that says what they should hold.

Shapes: R packs of the stage, T tokens of a pack."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ontogeny.core.errors import CorpusError, Fault
from ontogeny.core.positions import shown
from ontogeny.corpus.layout import VERSION, read_json_lines, trunk_weights


class Shard:
    """The packs of one stage, and the scene packs that its roles read."""

    def __init__(self, folder: Path, manifest: dict[str, Any], stage_index: int):
        self.entry = manifest["stages"][stage_index]
        self.folder = folder / self.entry["name"]
        self.context_tokens = manifest["context_tokens"]
        self.ids_dtype = np.dtype(manifest["ids_dtype"])
        self.trunk_weights = trunk_weights(self.entry["loop_loss"])

    @cached_property
    def ids_RT(self) -> np.ndarray:
        return self._map("ids.bin", self.ids_dtype, self.entry["packs"])

    @cached_property
    def codes_RT(self) -> np.ndarray:
        return self._map("codes.bin", np.dtype(np.uint8), self.entry["packs"])

    @cached_property
    def role_ids_RT(self) -> np.ndarray:
        return self._map("role_ids.bin", self.ids_dtype, self.entry["role_packs"])

    @cached_property
    def role_codes_RT(self) -> np.ndarray:
        return self._map("role_codes.bin", np.dtype(np.uint8), self.entry["role_packs"])

    @cached_property
    def digests(self) -> np.ndarray:
        """The digest of each pack, uint8 [packs, 32], mapped."""
        return self._map("digests.bin", np.dtype(np.uint8), self.entry["packs"], 32)

    def segments(self, prefix: str = "") -> np.ndarray:
        """Where each run of tokens came from, mapped; `prefix` is "" or "role_"."""
        return self._array(f"{prefix}segments.npy")

    @cached_property
    def scenes(self) -> list[dict[str, Any]]:
        """The scenes of the stage, as scenes.jsonl tells them."""
        return list(read_json_lines(self.folder / "scenes.jsonl"))

    def packs_of_role(self, role: int) -> np.ndarray:
        """The packs of role_ids in which a role has something to learn."""
        if role not in self._role_packs:
            self._role_packs[role] = np.flatnonzero(self._array("role_rows.npy")[role])
        return self._role_packs[role]

    @cached_property
    def _role_packs(self) -> dict[int, np.ndarray]:
        return {}

    def _array(self, name: str) -> np.ndarray:
        """A .npy file, mapped. Raises: CorpusError if it is none."""
        path = self.folder / name
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as problem:  # numpy reads the header as Python: a damaged one raises what it likes
            told = f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}"
            raise CorpusError(
                Fault(
                    "a file of the corpus cannot be read.",
                    shown(path),
                    told,
                    "an array as prepare writes it",
                    "prepare the corpus again",
                )
            ) from None

    def _map(self, name: str, dtype: np.dtype, rows: int, columns: int | None = None) -> np.ndarray:
        """A file as rows (of a pack's tokens). Raises: CorpusError if it does not have the manifest's size."""
        columns = self.context_tokens if columns is None else columns
        path = self.folder / name
        size = path.stat().st_size if path.is_file() else -1
        wanted = rows * columns * dtype.itemsize
        if size != wanted:
            raise CorpusError(
                Fault(
                    "a file of the corpus is not as the manifest says.",
                    shown(path),
                    "no file" if size < 0 else f"{size} bytes",
                    f"{wanted} bytes",
                    "prepare the corpus again",
                )
            )
        if rows == 0:
            return np.empty((0, columns), dtype=dtype)
        return np.memmap(path, dtype=dtype, mode="r", shape=(rows, columns))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a corpus. Raises: CorpusError if there is none of this version."""
    path = Path(folder) / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["version"]
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise CorpusError(
            Fault(
                "a folder holds no corpus.",
                shown(path),
                str(problem) or type(problem).__name__,
                "manifest.json as prepare writes it",
                "prepare the corpus",
            )
        ) from None
    if version != VERSION:
        raise CorpusError(
            Fault(
                "a corpus is of another version.", shown(path), str(version), str(VERSION), "prepare the corpus again"
            )
        )
    return manifest
