"""A batch anywhere costs the same in a small corpus and in one of 350,000 packs: counted in bytes read, not in time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ontogeny.corpus.rows import Corpus

PACKS = 350_000
FEW_BYTES = 64 << 10  # headers of arrays; the packs themselves are mapped


def bytes_read() -> int:
    """Bytes that this process has asked to read, whether from a disk or not; mapped pages do not count."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    raise AssertionError("no rchar in /proc/self/io")


def grown(path: Path, size: int) -> None:
    """A file made longer without a byte written: it has holes."""
    with open(path, "r+b") as file:
        file.truncate(size)


@pytest.fixture(scope="module")
def large(prepared, tmp_path_factory) -> Path:
    """A copy of the prepared corpus whose manifest and files say that its first stage has 350,000 packs."""
    folder = Path(shutil.copytree(prepared[2].folder, tmp_path_factory.mktemp("large") / "corpus"))
    manifest = json.loads((folder / "manifest.json").read_text())
    first, second = manifest["stages"]
    context = manifest["context_tokens"]
    for prefix, packs in (("", PACKS), ("role_", PACKS)):
        grown(folder / f"first/{prefix}ids.bin", packs * context * np.dtype(manifest["ids_dtype"]).itemsize)
        grown(folder / f"first/{prefix}codes.bin", packs * context)
    grown(folder / "first/digests.bin", 32 * PACKS)
    first |= {"packs": PACKS, "role_packs": PACKS}
    steps = -(-PACKS // first["batch_packs"])
    first["phases"]["books"] |= {"rows": PACKS, "steps": steps}
    second["phases"]["replay"]["list"] = [[0, PACKS - 1 - at] for at in range(second["phases"]["replay"]["rows"])]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.skipif(not Path("/proc/self/io").is_file(), reason="no /proc/self/io to count by")
@pytest.mark.parametrize("first_step", [0, 1, 58_000, -1])
@pytest.mark.parametrize("mode", ["sequential", "self_chosen"])
def test_a_batch_anywhere_reads_a_few_bytes(large, mode, first_step):
    corpus = Corpus(large)
    steps, order = corpus.phase_steps(0, "books"), None
    if mode == "self_chosen":
        batch_packs = corpus.manifest["stages"][0]["batch_packs"]
        runs = {f"book{number}": [1000 * batch_packs * number, 1000 * batch_packs] for number in range(116)}
        corpus.manifest["stages"][0]["book_packs"], order = runs, [*reversed(runs)]
    before = bytes_read()
    batch = next(corpus.batches(0, "books", first_step % (116_000 if order else steps), order))
    assert bytes_read() - before < FEW_BYTES
    assert len(batch.rows_B) in (3, PACKS % 3)
    assert np.array_equal(batch.ids_BT, corpus.shard(0).ids_RT[batch.rows_B])


@pytest.mark.skipif(not Path("/proc/self/io").is_file(), reason="no /proc/self/io to count by")
@pytest.mark.parametrize("phase", ["replay", "roles"])
def test_replay_and_roles_read_a_few_bytes_too(large, phase):
    corpus = Corpus(large)
    index = 1 if phase == "replay" else 0
    before = bytes_read()
    next(corpus.batches(index, phase, corpus.phase_steps(index, phase) - 1))
    assert bytes_read() - before < FEW_BYTES
