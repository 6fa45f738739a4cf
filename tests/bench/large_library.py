"""A library of any size that reads like prose: real sentences, recombined, set as distributors of old books set them.

The sentences are those of the packages that carry the demo's books. Made for benches, never kept in the repository."""

from __future__ import annotations

import json
import multiprocessing
import random
import re
import shutil
from pathlib import Path

from ontogeny.core.library import load_library
from ontogeny.corpus.clean import clean
from ontogeny.corpus.sources import read_source
from ontogeny.scenes.gap import split_sentences

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("primer", "lexicon", "school", "university", "science", "initiation")
PAGE_BYTES = 2_500
CHAPTER_PAGES = 25
HEADER = """The Project Gutenberg EBook of {title}, by Nobody

Title: {title}
Language: English

*** START OF THIS PROJECT GUTENBERG EBOOK {title} ***



"""
FOOTER = "\n\n\nEnd of the Project Gutenberg EBook of {title}\n\n*** END OF THIS PROJECT GUTENBERG EBOOK {title} ***\n"


def real_sentences() -> list[str]:
    """Every sentence of the prose books of the shipped catalogue, in catalogue order."""
    library = load_library(ROOT)
    found: list[str] = []
    for entry in library.entries.values():
        source = read_source(entry, library.root)
        if source.markup == "play":
            continue
        for paragraph in clean(source.text, source.markup).text.split("\n\n"):
            found += [s.text for s in split_sentences(paragraph) if 30 <= len(s.text) <= 300 and "\n" not in s.text]
    return found


def write_large_library(root: Path, books: int, pages: int, seed: int = 7) -> int:
    """A library of `books` files under `root`, six levels of equal size; returns its bytes. Those there are kept."""
    folder = root / "stages"
    folder.mkdir(parents=True, exist_ok=True)
    for stage in STAGES:
        shutil.copytree(ROOT / "stages" / stage, folder / stage, dirs_exist_ok=True)
    (folder / "books").mkdir(exist_ok=True)
    paths = [folder / "books" / f"book-{number:04d}.txt" for number in range(books)]
    with multiprocessing.get_context("spawn").Pool(initializer=_remember, initargs=(real_sentences(),)) as pool:
        pool.starmap(_write_book, [(path, f"{seed}|{number}", pages) for number, path in enumerate(paths)])
    lines, total = ["books:"], 0
    for number, path in enumerate(paths):
        total += path.stat().st_size
        told = {
            "source": f"file:stages/books/{path.name}",
            "title": f"Book {number}",
            "author": "Nobody",
            "language": "en",
            "field": f"field {number % 10}",
            "level": STAGES[number * len(STAGES) // books],
            "form": "treatise",
            "licence": "Apache-2.0",
        }
        lines.append(f"  book-{number:04d}: {json.dumps(told)}")
    (folder / "library.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return total


_sentences: list[str] = []


def _remember(sentences: list[str]) -> None:
    _sentences[:] = sentences


def _write_book(path: Path, seed: str, pages: int) -> None:
    if not path.exists():
        temporary = path.with_suffix(".tmp")
        temporary.write_text(make_book(_sentences, seed, pages), encoding="utf-8")
        temporary.rename(path)


def make_book(sentences: list[str], seed: str, pages: int) -> str:
    """A book of chapters and hard-wrapped paragraphs, between the distributor's header and footer."""
    rng = random.Random(seed)
    title = f"THE BOOK {seed.partition('|')[2]}"
    pieces = [HEADER.format(title=title)]
    for chapter in range(-(-pages // CHAPTER_PAGES)):
        pieces.append(f"CHAPTER {chapter + 1}\n\n\n")
        size, wanted = 0, PAGE_BYTES * min(CHAPTER_PAGES, pages - chapter * CHAPTER_PAGES)
        while size < wanted:
            paragraph = " ".join(rng.choices(sentences, k=rng.randint(3, 8)))
            pieces.append(re.sub(r"(.{50,70}) ", r"\1\n", paragraph) + "\n\n")
            size += len(pieces[-1])
    return "".join(pieces) + FOOTER.format(title=title)


def genome_text(books: int, vocab_size: int, context_tokens: int, tokenizer: str | None = None) -> str:
    """A genome that reads every book of such a library, scenes and all."""
    spec = f"{{pretrained: {tokenizer}}}" if tokenizer else f"{{train: bpe, vocab_size: {vocab_size}}}"
    lines = [
        "name: large",
        "seed: 7",
        "model:",
        "  base: scratch",
        "  architecture: {type: llama, hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4}",
        f"  context_tokens: {context_tokens}",
        f"  tokenizer: {spec}",
        f"trunk: {{learning_rate: 1.0e-3, batch_tokens: {context_tokens * 8}}}",
        "roles:",
        *(
            f"  {role}: {{rank: 4, alpha: 8, learning_rate: 1.0e-3, batch_tokens: {context_tokens}}}"
            for role in ("student", "teacher", "critic", "reformulator")
        ),
        "stages:",
    ]
    for index, stage in enumerate(STAGES):
        mine = [n for n in range(books) if n * len(STAGES) // books == index]
        if not mine:
            continue
        lines += [
            f"  - use: stages/{stage}",
            "    span: {books: all}",
            "    scenes: {every_tokens: 20000, kinds: [conflict, gap]}",
            "    sections:",
            f"      - {{name: all, books: [{', '.join(f'book-{n:04d}' for n in mine)}]}}",
        ]
    return "\n".join(lines) + "\n"
