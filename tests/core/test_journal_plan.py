"""A journal in genome and plan: a key of a stage, rows that are planned, a warning where there is nothing to replay."""

from __future__ import annotations

import pytest

from ontogeny.core.errors import GenomeError
from ontogeny.core.genome import genome_hash
from ontogeny.core.plan import World, make_plan
from ontogeny.core.prefix import training_keys
from tests.core.conftest import FACTS


def planned(project, *overrides):
    loaded = project.load(*overrides)
    return make_plan(loaded.genome, loaded.library, World(), FACTS, None, dict.fromkeys(loaded.library.entries, 60_000))


def test_a_genome_without_the_key_keeps_no_journal(project):
    stage = planned(project).stages[1]
    assert stage.journal is None and stage.journal_replay_frac == 0.0


def test_replayed_rows_are_planned_from_the_second_stage_on(project):
    keys = ("stages.0.journal.replay_frac=0.5", "stages.1.journal.replay_frac=0.5")
    before, after = planned(project), planned(project, *keys)
    rows = [[stage.phases["replay"].rows for stage in plan.stages] for plan in (before, after)]
    assert rows[0][0] == rows[1][0] == 0
    assert rows[1][1] - rows[0][1] == round(0.5 * after.stages[1].phases["books"].rows)
    assert after.trained_tokens > before.trained_tokens


def test_a_replay_without_any_journal_before_it_is_a_warning(project):
    told = "second replays journals, and no stage before it keeps one"
    assert any(told in warning for warning in planned(project, "stages.1.journal.replay_frac=0.5").warnings)
    both = planned(project, "stages.0.journal.replay_frac=0.0", "stages.1.journal.replay_frac=0.5")
    assert not any(told in warning for warning in both.warnings)


def test_the_key_is_hashed_and_its_value_a_share(project):
    genomes = [project.load(*keys).genome for keys in ((), ("stages.1.journal.replay_frac=0.5",))]
    assert len({genome_hash(genome) for genome in genomes}) == 2
    assert training_keys(genomes[0], 1) == training_keys(genomes[1], 1), "the first stage is the same"
    assert training_keys(genomes[0], 2) != training_keys(genomes[1], 2)
    for bad in ("1.5", "-0.1", "much"):
        with pytest.raises(GenomeError):
            project.load(f"stages.1.journal.replay_frac={bad}")
    with pytest.raises(GenomeError, match="rewriting"):
        project.load("stages.1.journal.rewriting=true")
