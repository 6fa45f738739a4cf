"""Books to packs against the usual recipe, interleaved on the same text and the same tokenizer; told as ratios.

    python -m tests.bench.bench_prepare [--megabytes 50] [--rounds 3]

Three rivals read the same files: ours (`ontogeny prepare`, the tokenizer given: cleaning, scenes, held-out passages,
the order proof), the usual recipe (`datasets`: load the cleaned text, map a fast tokenizer, group into blocks,
num_proc=2; no cleaning, no scenes, no proof), and the floor: the tokenizer alone on the same cores. Each in a process
of its own, each with nothing cached, after imports; each told by the clock and in processor seconds, its workers' too.

The rivals do not do the same: the recipe cleans nothing, drops each group's rest, and holds out, places and proves
nothing; ours keeps the words of a book that it has coded once."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONTEXT_TOKENS = 2048
BOOK_PAGES = 1000
Spent = tuple[float, float]  # seconds by the clock, processor seconds


def clocks() -> Spent:
    """The clock, and the processor seconds of this process and of its children that have ended."""
    times = os.times()
    return time.perf_counter(), times.user + times.system + times.children_user + times.children_system


def since(started: Spent) -> Spent:
    """What was spent since."""
    wall, processor = clocks()
    return wall - started[0], processor - started[1]


def ours(root: Path) -> Spent:
    """Seconds of a whole preparation."""
    from ontogeny.cli.shared import planned
    from ontogeny.core.genome import load_genome
    from ontogeny.corpus.prepare import prepare_corpus

    loaded = load_genome(root / "genome/given.yaml")
    plan = planned(loaded)
    shutil.rmtree(root / "runs", ignore_errors=True)
    started = clocks()
    prepare_corpus(plan, loaded.library, root / "runs/x/corpus", root / "tokenizer", store=root / "runs/.store")
    return since(started)


def recipe(root: Path) -> Spent:
    """Seconds of the recipe that most training scripts carry."""
    from datasets import disable_caching, load_dataset
    from transformers import AutoTokenizer

    disable_caching()
    tokenizer = AutoTokenizer.from_pretrained(str(root / "tokenizer"))
    files = sorted(str(path) for path in (root / "cleaned").glob("*.txt"))

    def group(batch: dict) -> dict:
        ids = [token for one in batch["input_ids"] for token in one]
        whole = len(ids) // CONTEXT_TOKENS * CONTEXT_TOKENS
        blocks = [ids[at : at + CONTEXT_TOKENS] for at in range(0, whole, CONTEXT_TOKENS)]
        return {"input_ids": blocks, "labels": [list(block) for block in blocks]}

    with tempfile.TemporaryDirectory(dir=root) as cache:
        started = clocks()
        text = load_dataset("text", data_files=files, sample_by="paragraph", cache_dir=cache, split="train")
        coded = text.map(
            lambda batch: {"input_ids": tokenizer(batch["text"])["input_ids"]},
            batched=True,
            num_proc=2,
            remove_columns=["text"],
        )
        packs = coded.map(group, batched=True, num_proc=2)
        packs.save_to_disk(f"{cache}/packs")
        return since(started)


def floor(root: Path) -> Spent:
    """Seconds of the tokenizer alone, every core, in batches of paragraphs."""
    from ontogeny.corpus.vocabulary import load_encoder

    tokenizer = load_encoder(root / "tokenizer")
    texts = [path.read_text(encoding="utf-8").split("\n\n") for path in sorted((root / "cleaned").glob("*.txt"))]
    started = clocks()
    for paragraphs in texts:
        tokenizer.encode_batch(paragraphs, add_special_tokens=False)
    return since(started)


RIVALS = {"ours": ours, "recipe": recipe, "floor": floor}


def in_a_process(rival: str, root: Path) -> Spent:
    """What a rival told of itself."""
    words = [sys.executable, "-m", "tests.bench.bench_prepare", "--alone", rival, "--root", str(root)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # as installed
    told = subprocess.run(words, check=True, capture_output=True, text=True, env=env).stdout
    wall, processor = map(float, told.strip().splitlines()[-1].split())
    return wall, processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", choices=RIVALS)
    parser.add_argument("--root", type=Path)
    options = parser.parse_args()
    if options.alone:
        print(*RIVALS[options.alone](options.root))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(Path(folder), options.megabytes, options.rounds), indent=1))


def measured(root: Path, megabytes: int, rounds: int) -> dict[str, float]:
    """Medians of the rounds, and ratios of the medians."""
    from ontogeny.cli.shared import planned
    from ontogeny.core.genome import load_genome
    from ontogeny.corpus.prepare import prepare_corpus
    from tests.bench.large_library import genome_text, write_large_library

    books = max(2, round(megabytes * 1e6 / (BOOK_PAGES * 2500)))
    total = write_large_library(root, books, BOOK_PAGES)
    (root / "genome").mkdir()
    (root / "genome/trained.yaml").write_text(genome_text(books, 32768, CONTEXT_TOKENS))
    loaded = load_genome(root / "genome/trained.yaml")
    corpus = prepare_corpus(planned(loaded), loaded.library, root / "once/corpus")
    shutil.copytree(corpus.folder / "tokenizer", root / "tokenizer")
    shutil.copytree(corpus.folder / "books", root / "cleaned")
    shutil.rmtree(root / "once")
    (root / "genome/given.yaml").write_text(
        genome_text(books, 32768, CONTEXT_TOKENS, tokenizer=json.dumps(str(root / "tokenizer")))
    )
    spent: dict[str, list[Spent]] = {name: [] for name in RIVALS}
    for _ in range(rounds):
        for name in RIVALS:
            spent[name].append(in_a_process(name, root))
    told: dict[str, float] = {"megabytes": round(total / 1e6, 1)}
    for at, kind in enumerate(("s", "processor_s")):
        medians = {name: statistics.median(one[at] for one in found) for name, found in spent.items()}
        told |= {f"{name}_{kind}": round(value, 2) for name, value in medians.items()}
        told[f"recipe_over_ours_{kind}"] = round(medians["recipe"] / medians["ours"], 3)
        told[f"ours_over_floor_{kind}"] = round(medians["ours"] / medians["floor"], 3)
    return told


if __name__ == "__main__":
    main()
