"""A library of 1,000 books of 1,000 pages, prepared: time, memory, a kill in the middle, and what a change costs.

    python -m tests.bench.bench_library FOLDER [--books 1000] [--pages 1000]

Told as JSON: bytes, seconds of each preparation, the largest resident memory of the whole process tree, books and token
files made after the kill that had been made before (must be 0), and how long `batches` takes to begin anywhere."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.bench.large_library import genome_text, write_large_library


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def resident_bytes(pid: int) -> int:
    """Memory of a process tree: the sum of proportional set sizes, so that shared pages count once."""
    total = 0
    for one in tree(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


class Preparation:
    """One `ontogeny prepare` in a process of its own, watched."""

    def __init__(self, root: Path, log: Path):
        words = [sys.executable, "-c", "from ontogeny.cli.app import main; main()", "prepare", "genome/large.yaml"]
        self.started = time.time()
        with open(log, "w") as file:
            self.process = subprocess.Popen(
                [*words, "--out", "runs/large"], cwd=root, stderr=file, stdout=file, start_new_session=True
            )
        self.peak_bytes = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while self.process.poll() is None:
            self.peak_bytes = max(self.peak_bytes, resident_bytes(self.process.pid))
            time.sleep(0.5)

    def wait(self) -> float:
        """Seconds it took. Raises: CalledProcessError if it failed."""
        if code := self.process.wait():
            raise subprocess.CalledProcessError(code, "ontogeny prepare")
        return time.time() - self.started


def made(root: Path) -> dict[str, int]:
    """Every entry of the store, and when its file appeared."""
    store = root / "runs/.store"
    found = [*store.glob("books/*/*/book.txt"), *store.glob("tokens/*/*/*/ids.npy")]
    return {str(path.relative_to(store)): path.stat().st_mtime_ns for path in found if path.parent.name[0] != "."}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--books", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--vocab-size", type=int, default=32768)
    options = parser.parse_args()
    root = options.folder.absolute()
    told: dict[str, float] = {"bytes": write_large_library(root, options.books, options.pages)}
    (root / "genome").mkdir(exist_ok=True)
    (root / "genome/large.yaml").write_text(genome_text(options.books, options.vocab_size, 2048))
    shutil.rmtree(root / "runs", ignore_errors=True)

    first = Preparation(root, root / "first.log")
    while len(made(root)) < options.books // 3 and first.process.poll() is None:
        time.sleep(0.5)
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    until_kill_s = time.time() - first.started
    time.sleep(2)
    before = made(root)
    second = Preparation(root, root / "second.log")
    rest_s = second.wait()
    after = made(root)
    told |= {
        "seconds_until_kill": round(until_kill_s, 1),
        "seconds_after_kill": round(rest_s, 1),
        "seconds": round(until_kill_s + rest_s, 1),
        "peak_gib": round(max(first.peak_bytes, second.peak_bytes) / 2**30, 3),
        "made_before_kill": len(before),
        "made_twice": sum(after[name] != when for name, when in before.items()),
    }
    again = Preparation(root, root / "again.log")
    told["seconds_unchanged"] = round(again.wait(), 1)
    from ontogeny.corpus.vocabulary import sample_of

    manifest = json.loads((root / "runs/large/corpus/manifest.json").read_text())
    sampled = {book.id for book in sample_of([argparse.Namespace(**book) for book in manifest["books"]])}
    outside = [book["id"] for book in manifest["books"] if book["id"] not in sampled] or [manifest["books"][-1]["id"]]
    with open(root / f"stages/books/{outside[0]}.txt", "r+", encoding="utf-8") as file:
        text = file.read().replace("CHAPTER 2", "The page that was put in.\n\nCHAPTER 2", 1)
        file.seek(0)
        file.write(text)
    shutil.rmtree(root / "runs/large")  # another book is another corpus, and so another run
    changed = Preparation(root, root / "changed.log")
    told["seconds_one_book_changed"] = round(changed.wait(), 1)
    told["made_after_change"] = len(set(made(root)) - set(after))
    told["begin_ms"] = begin_ms(root / "runs/large/corpus")
    print(json.dumps(told, indent=1))


def begin_ms(corpus_folder: Path) -> float:
    """The longest of 200 first batches at random steps, in milliseconds; the corpus is open."""
    from ontogeny.corpus.rows import Corpus

    corpus, rng, longest = Corpus(corpus_folder), random.Random(7), 0.0
    for _ in range(200):
        stage = rng.randrange(len(corpus.manifest["stages"]))
        phase = rng.choice(["books", "roles"])
        step = rng.randrange(corpus.phase_steps(stage, phase))
        started = time.perf_counter()
        next(corpus.batches(stage, phase, first_step=step))
        longest = max(longest, time.perf_counter() - started)
    return round(1000 * longest, 2)


if __name__ == "__main__":
    main()
