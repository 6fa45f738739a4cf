"""The genomes that ship, each with the catalogues that it needs beside stages/library.yaml."""

from __future__ import annotations

from pathlib import Path

from ontogeny.core.genome import LoadedGenome, load_genome

ROOT = Path(__file__).parents[1]
GENOMES = sorted(ROOT.glob("genome/*.yaml"))
CATALOGUES = {"scholar": "stages/scholar.library.yaml", "skazka": "stages/russian.library.yaml"}
BROUGHT = {"skazka"}  # its plan needs the sizes of books that the user brings: planned and run in tests/launch


def catalogues_of(name: str) -> list[Path]:
    """What a genome is given with `--library`."""
    return [ROOT / CATALOGUES[name]] if name in CATALOGUES else []


def load_shipped(path: Path) -> LoadedGenome:
    """A shipped genome with its catalogues."""
    return load_genome(path, (), catalogues_of(path.stem))
