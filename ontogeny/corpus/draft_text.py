"""A drafted genome and its catalogue as text: every choice with its reason beside it, as a comment."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ontogeny.core.library import LibraryEntry
from ontogeny.core.nodes import flow
from ontogeny.scenes.language import TABLES

MEASURES = {"grade": "grade", "mtld": "MTLD", "compression_ratio": "compression", "sentence_words": "words"}
BYTES_A_TOKEN = 4
# tokens of text up to which a model suits, and the model: hidden size, layers, heads, context, vocabulary, batch, rate
SIZES = (
    (2_000, (32, 2, 2, 64, 300, 256, 5.0e-3)),
    (50_000, (64, 2, 4, 128, 512, 512, 5.0e-3)),
    (500_000, (128, 4, 4, 256, 2048, 1024, 3.0e-3)),
    (5_000_000, (192, 4, 4, 512, 4096, 2048, 3.0e-3)),
    (50_000_000, (384, 8, 6, 512, 8192, 8192, 1.0e-3)),
    (500_000_000, (512, 12, 8, 1024, 16384, 32768, 1.0e-3)),
    (float("inf"), (768, 12, 12, 1024, 32768, 131072, 6.0e-4)),
)
HEAD = """\
# {name}: a first genome for {folder}, by `ontogeny genome draft`. Yours to change.
# {count}, {size:,} bytes. Sections, and the books in one, stand from easy to hard. Beside a book: how hard it is
# among these (0 easy, 1 hard, by the mean of its measures in standard deviations), the school grade it reads like, its
# MTLD (words until it repeats itself), its compression ratio, the words of its sentences, its size."""


@dataclass
class Book:
    """A book under consideration."""

    entry: LibraryEntry
    file: str
    known: bool  # whether a catalogue has it already
    level: tuple[int, str, str] | None  # (order, name, why)
    field_why: str
    bytes: int
    measures: dict[str, float] = field(default_factory=dict)
    hardness: float = 0.5  # 0 the easiest of the folder, 1 the hardest

    @property
    def told(self) -> str:
        """Its measures, for a comment."""
        shown = ((name, self.measures[key]) for key, name in MEASURES.items() if key in self.measures)
        said = [f"{name} {value:.0f}" if value >= 10 else f"{name} {value:.2g}" for name, value in shown]
        size = f"{self.bytes / 1000:.0f} kB" if self.bytes >= 10_000 else f"{self.bytes} bytes"
        return ", ".join([f"{self.hardness:.2f}", *said, size])


@dataclass
class DraftStage:
    """A stage to be: sections by field, books from easy to hard."""

    name: str
    why: str
    books: list[Book]

    @property
    def sections(self) -> dict[str, list[Book]]:
        """Field -> books, both from easy to hard."""
        found: dict[str, list[Book]] = {}
        for book in sorted(self.books, key=lambda book: (book.hardness, book.entry.id)):
            found.setdefault(book.entry.field, []).append(book)
        mean = {name: statistics.fmean(book.hardness for book in books) for name, books in found.items()}
        return dict(sorted(found.items(), key=lambda pair: (mean[pair[0]], pair[0])))


def genome_text(name: str, language: str, folder: Path, stages: list[DraftStage], left_out: Mapping[str, str]) -> str:
    """The genome; its model is of a size that suits the amount of text."""
    books = [book for stage in stages for book in stage.books]
    size = sum(book.bytes for book in books)
    tokens = size // BYTES_A_TOKEN
    hidden, layers, heads, context, vocab_size, batch, rate = next(model for most, model in SIZES if tokens <= most)
    count = "1 book" if len(books) == 1 else f"{len(books)} books"
    lines = [
        HEAD.format(name=name, folder=one_line(folder.resolve().name), count=count, size=size),
        *(f"# left out: {one_line(file)}: {one_line(why)}" for file, why in left_out.items()),
        f"name: {name}",
        "seed: 7",
        f"language: {flow(language)}          # of most of the text",
        f"model:                # of a size that suits about {tokens:,} tokens",
        "  base: scratch",
        f"  architecture: {{type: llama, hidden_size: {hidden}, num_hidden_layers: {layers},"
        f" num_attention_heads: {heads}, tie_word_embeddings: true}}",
        f"  context_tokens: {context}",
        f"  tokenizer: {{train: bpe, vocab_size: {vocab_size}}}",
        f"trunk: {{update: full, learning_rate: {flow(rate)}, batch_tokens: {batch}, replay_frac: 0.05}}",
    ]
    gaps = language in TABLES
    if gaps:
        adapter = "rank: 8, alpha: 16, targets: attention, learning_rate: 2.0e-3"
        lines += ["roles:", f"  student: &role {{{adapter}, batch_tokens: {max(context, batch // 2)}}}"]
        lines += [f"  {one}: *role" for one in ("teacher", "critic", "reformulator")]
    else:
        lines.append(f"# no roles and no scenes: there are none in '{language}' yet")
    lines.append("stages:")
    for stage in stages:
        lines += _stage_lines(stage, max(500, min(2000, tokens // 20)) if gaps else None)
    return "\n".join(lines) + "\n"


def _stage_lines(stage: DraftStage, every_tokens: int | None) -> list[str]:
    lines = [f"  - name: {flow(stage.name)}", f"    # {one_line(stage.why)}", "    span: {books: all}", "    sections:"]
    for name, books in stage.sections.items():
        why = Counter(book.field_why for book in books).most_common(1)[0][0]
        mean = statistics.fmean(book.hardness for book in books)
        lines += [f"      - name: {flow(name)}      # field: {why}; mean {mean:.2f}", "        books:"]
        lines += [f"          - {flow(book.entry.id)}      # {book.told}" for book in books]
    return [*lines, f"    scenes: {{every_tokens: {every_tokens}, kinds: [gap]}}"] if every_tokens else lines


def catalogue_text(entries: Iterable[LibraryEntry], folder: Path) -> str:
    """The catalogue; a book's level is its stage in the draft."""
    name = one_line(folder.resolve().name)
    lines = [f"# The books of {name}, guessed by `ontogeny genome draft`; correct what is wrong.", "books:"]
    for entry in entries:
        told: dict[str, Any] = entry.model_dump(exclude_none=True, exclude={"id"}, exclude_defaults=True)
        lines += [f"  {flow(entry.id)}:", *(f"    {key}: {flow(value)}" for key, value in told.items())]
    return "\n".join(lines) + "\n"


def one_line(text: str) -> str:
    """One line without control characters, so that a comment stays a comment."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:160]
