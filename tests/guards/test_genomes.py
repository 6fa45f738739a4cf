"""Every shipped genome loads and plans; every stage file stands alone."""

from __future__ import annotations

import pytest

from ontogeny.core.errors import GenomeError
from ontogeny.core.genome import compose
from ontogeny.core.library import load_library
from ontogeny.core.plan import ModelFacts, World, make_plan
from ontogeny.core.positions import Document, load_yaml
from tests.shipped import CATALOGUES, GENOMES, ROOT, catalogues_of, load_shipped

STAGES = sorted(ROOT.glob("stages/*/stage.yaml"))
FACTS = ModelFacts("llama", 1_000_000, 4096, None, 30, 192, 4)


@pytest.mark.parametrize("path", GENOMES, ids=lambda path: path.stem)
def test_a_shipped_genome_loads_and_plans(path):
    loaded = load_shipped(path)
    plan = make_plan(
        loaded.genome, loaded.library, World(), FACTS, book_bytes=dict.fromkeys(loaded.library.entries, 50_000)
    )
    assert [stage.name for stage in plan.stages] == [stage.name for stage in loaded.genome.stages]
    assert all(stage.phases["books"].steps > 0 for stage in plan.stages)
    assert not any("decay to zero" in warning or "used twice" in warning for warning in plan.warnings)
    assert loaded.genome.name == path.stem


def test_there_are_genomes_and_stages():
    names = [path.stem for path in GENOMES]
    assert "sprout" in names and set(CATALOGUES) <= set(names) and len(STAGES) == 8


def genome_around(stage: str) -> Document:
    document = load_yaml(ROOT / "genome" / "sprout.yaml", GenomeError)
    document.value["stages"] = [{"use": stage, "span": {"books": "all"}}]
    document.value["language"] = "ru" if stage.startswith("stages/ru-") else "en"
    return document


@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.parent.name)
def test_a_stage_file_stands_alone(path):
    document = genome_around(f"stages/{path.parent.name}")
    library = load_library(ROOT, tuple(catalogues_of("skazka")))
    loaded = compose(document, ROOT / "genome" / "sprout.yaml", library, ())
    (stage,) = loaded.genome.stages
    assert stage.name == path.parent.name
    assert stage.scenes is None or {"conflict", "gap"} & set(stage.scenes.kinds)
    given = load_yaml(path, GenomeError).value
    assert given.keys() <= type(stage).model_fields.keys() - {"use"}
