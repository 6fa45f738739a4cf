"""A project of two tiny books, and `ontogeny` as a person types it: code, standard output, standard error."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from ontogeny.cli.app import main
from ontogeny.core.errors import OntogenyError

LIBRARY = """\
books:
  hill:
    source: "file:books/hill.md"
    title: The Hill
    author: The tests
    language: en
    field: stories
    level: primer
    form: reader
    licence: CC0-1.0
  pond:
    source: "file:books/pond.md"
    title: The Pond
    author: The tests
    language: en
    field: nature
    level: primer
    form: reader
    licence: CC0-1.0
"""

STAGE = """\
name: first
sections:
  - {name: walks, books: [hill]}
"""

GENOME = """\
name: tiny
seed: 3
model:
  base: scratch
  architecture: {type: llama, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2}
  context_tokens: 64
  tokenizer: {train: bpe, vocab_size: 300}
trunk: {update: full, learning_rate: 1.0e-3, batch_tokens: 128}
roles:
  student: {rank: 2, alpha: 4, learning_rate: 1.0e-3, batch_tokens: 64}
stages:
  - use: stages/first
    span: {tokens: 2000}
  - name: second
    span: {tokens: 1500}
    sections:
      - {name: waters, books: [pond]}
"""

NOUNS = [
    "walker",
    "path",
    "stone",
    "gate",
    "field",
    "bird",
    "cloud",
    "shepherd",
    "well",
    "wall",
    "reed",
    "frog",
    "heron",
    "ripple",
    "boat",
    "lantern",
    "bridge",
]
VERBS = ["watched", "followed", "crossed", "remembered", "named", "measured", "left", "found", "carried", "questioned"]
PLACES = [
    "on the hill",
    "by the water",
    "after the rain",
    "before noon",
    "under the oak",
    "near the mill",
    "at the ford",
]


def written(seed: int, size: int = 30_000) -> str:
    """A book of made-up sentences, in paragraphs and chapters."""
    rng, parts, length = random.Random(seed), [], 0
    while length < size:
        if len(parts) % 12 == 0:
            parts.append(f"# Chapter {len(parts) // 12 + 1}")
        sentences = (
            f"The {rng.choice(NOUNS)} {rng.choice(VERBS)} the {rng.choice(NOUNS)} {rng.choice(PLACES)}, and "
            f"the {rng.choice(NOUNS)} number {rng.randrange(1000)} {rng.choice(VERBS)} it."
            for _ in range(5)
        )
        parts.append(" ".join(sentences))
        length += len(parts[-1])
    return "\n\n".join(parts) + "\n"


@dataclass(frozen=True)
class Told:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def blocks(self) -> list[str]:
        """The fault blocks on standard error."""
        names = tuple(f"{kind.__name__}: " for kind in OntogenyError.__subclasses__())
        found: list[str] = []
        for line in self.err.splitlines():
            if line.startswith(names):
                found.append(line)
            elif line.startswith("  ") and found:
                found[-1] += "\n" + line
        return found


@dataclass(frozen=True)
class Project:
    """A project's folder."""

    root: Path

    def write(self, name: str, text: str | bytes) -> Path:
        """A file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
        return path

    def change(self, *pairs: tuple[str, str], file: str = "genome.yaml") -> None:
        """Replaces pieces of a file that stand there exactly once."""
        text = (self.root / file).read_text("utf-8")
        for old, new in pairs:
            assert text.count(old) == 1, (old, text.count(old))
            text = text.replace(old, new)
        self.write(file, text)

    def listing(self) -> dict[str, str]:
        """Every file and folder under it, with a hash of its bytes."""
        return {
            str(path.relative_to(self.root)): sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
            for path in sorted(self.root.rglob("*"))
        }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A fresh project; the working folder is its root."""
    monkeypatch.chdir(tmp_path)
    made = Project(tmp_path)
    made.write("stages/library.yaml", LIBRARY)
    made.write("stages/first/stage.yaml", STAGE)
    made.write("genome.yaml", GENOME)
    made.write("books/hill.md", written(1))
    made.write("books/pond.md", written(2))
    return made


@pytest.fixture
def ontogeny(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Runs `ontogeny ARGUMENTS` in this process. An exception that would be a traceback is one here, too."""

    def run(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["ontogeny", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Told(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def refused(project: Project, ontogeny: Callable[..., Told]) -> Callable[..., list[str]]:
    """The fault blocks of a command that must be refused: exit 2, nothing written, nothing changed."""

    def run(*arguments: str, code: int = 2) -> list[str]:
        before = project.listing()
        told = ontogeny(*arguments)
        assert told.code == code, (told.code, told.out, told.err)
        assert project.listing() == before
        assert "Traceback" not in told.err and told.out == ""
        assert told.blocks
        for block in told.blocks:
            fields = [line[2:12].strip() for line in block.splitlines()[1:]]
            assert fields == ["where", "got", "expected", "fix"], block
        return told.blocks

    return run
