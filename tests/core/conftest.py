"""A small project on disk: a catalogue, one stage folder, a genome of two stages. No book is ever read here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ontogeny.core.errors import Fault, OntogenyError
from ontogeny.core.genome import LoadedGenome, load_genome
from ontogeny.core.plan import ModelFacts

BOOK = """\
  {id}:
    source: "file:books/{id}.md"
    title: A Book
    author: Nobody
    language: {language}
    field: stories
    level: primer
    form: reader
    licence: {licence}
"""

STAGE = """\
name: first
sections:
  - {name: fables, books: [fox, crow]}
scenes: {every_tokens: 500, kinds: [conflict, gap]}
loop_loss: {repair: 2.0}
"""

GENOME = """\
name: tiny
seed: 3
language: en
model:
  base: scratch
  architecture: {type: llama, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4}
  context_tokens: 64
  tokenizer: {train: bpe, vocab_size: 300}
trunk: {update: full, learning_rate: 1.0e-3, batch_tokens: 256, replay_frac: 0.1}
roles:
  student: {rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128, span: {epochs: 1}}
  critic: {rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128}
stages:
  - use: stages/first
    span: {tokens: 4000}
  - name: second
    span: {books: all}
    sections:
      - {name: birds, books: [owl]}
machine: {ranks: 1}
"""

FACTS = ModelFacts("llama", 30_000, 300, 64, 2, 32, 4)


class Project:
    """Where it stands, and how its genome is changed, loaded and found at fault."""

    def __init__(self, root: Path):
        self.root = root
        self.genome = root / "genome.yaml"
        self.write(
            "stages/library.yaml",
            "books:\n"
            + "".join(
                BOOK.format(id=book, language="fr" if book == "chat" else "en", licence=licence)
                for book, licence in (("fox", "CC0-1.0"), ("crow", "CC-BY-SA-4.0"), ("owl", "MIT"), ("chat", "MIT"))
            ),
        )
        self.write("stages/first/stage.yaml", STAGE)
        self.write("stages/first/scenes.yaml", "[]\n")
        self.write("genome.yaml", GENOME)

    def write(self, name: str, text: str) -> Path:
        """A file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def change(self, *pairs: tuple[str, str], file: str = "genome.yaml") -> None:
        """Replaces pieces of a file that stand there exactly once."""
        text = (self.root / file).read_text("utf-8")
        for old, new in pairs:
            assert text.count(old) == 1, (old, text.count(old))
            text = text.replace(old, new)
        self.write(file, text)

    def load(self, *overrides: str) -> LoadedGenome:
        """The genome, which must be without fault."""
        return load_genome(self.genome, overrides)

    def faults(self, *overrides: str, catalogues: Sequence[Path] = ()) -> list[Fault]:
        """The faults of a genome, which must have some."""
        with pytest.raises(OntogenyError) as caught:
            load_genome(self.genome, overrides, catalogues)
        return list(caught.value.faults)

    def place(self, piece: str, file: str = "genome.yaml", of: str = "") -> str:
        """file:line:column of a piece of a file, after the first `of`."""
        text = (self.root / file).read_text("utf-8")
        at = text.index(piece, text.index(of))
        return f"{file}:{text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A fresh small project; the working folder is its root, so that places are short."""
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def facts() -> ModelFacts:
    """What a plan is told of the small model."""
    return FACTS


@pytest.fixture
def one_fault(project: Project) -> Callable[..., Fault]:
    """The only fault of the genome after some changes and overrides."""

    def found(*pairs: tuple[str, str], overrides: Sequence[str] = ()) -> Fault:
        project.change(*pairs)
        faults = project.faults(*overrides)
        assert len(faults) == 1, "\n".join(fault.render() for fault in faults)
        return faults[0]

    return found
