"""Every shipped genome loads and plans; every stage file stands alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ontogeny.core.errors import GenomeError
from ontogeny.core.genome import compose, load_genome
from ontogeny.core.library import load_library
from ontogeny.core.plan import ModelFacts, World, make_plan
from ontogeny.core.positions import Document, load_yaml

ROOT = Path(__file__).parents[2]
GENOMES = sorted(ROOT.glob("genome/*.yaml"))
STAGES = sorted(ROOT.glob("stages/*/stage.yaml"))
FACTS = ModelFacts("llama", 1_000_000, 4096, None, 30, 192, 4)


@pytest.mark.parametrize("path", GENOMES, ids=lambda path: path.stem)
def test_a_shipped_genome_loads_and_plans(path):
    further = [file for file in [ROOT / f"stages/{path.stem}.library.yaml"] if file.is_file()]
    loaded = load_genome(path, (), further)
    plan = make_plan(
        loaded.genome, loaded.library, World(), FACTS, book_bytes=dict.fromkeys(loaded.library.entries, 50_000)
    )
    assert [stage.name for stage in plan.stages] == [stage.name for stage in loaded.genome.stages]
    assert all(stage.phases["books"].steps > 0 for stage in plan.stages)
    assert not any("decay to zero" in warning or "used twice" in warning for warning in plan.warnings)
    assert loaded.genome.name == path.stem


def test_there_are_genomes_and_stages():
    assert "sprout" in [path.stem for path in GENOMES] and len(STAGES) == 6


def genome_around(stage: str) -> Document:
    document = load_yaml(ROOT / "genome" / "sprout.yaml", GenomeError)
    document.value["stages"] = [{"use": stage, "span": {"books": "all"}}]
    return document


@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.parent.name)
def test_a_stage_file_stands_alone(path):
    document = genome_around(f"stages/{path.parent.name}")
    loaded = compose(document, ROOT / "genome" / "sprout.yaml", load_library(ROOT), ())
    (stage,) = loaded.genome.stages
    assert stage.name == path.parent.name
    assert stage.scenes is None or {"conflict", "gap"} & set(stage.scenes.kinds)
    given = load_yaml(path, GenomeError).value
    assert given.keys() <= type(stage).model_fields.keys() - {"use"}
