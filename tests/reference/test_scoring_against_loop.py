"""Batched scores against a slow plain loop: one text at a time, token by token, in float64."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from ontogeny.models.adapters import load_adapter, write_adapter
from ontogeny.models.casting import stack_adapters
from ontogeny.models.stacked import build_stack
from ontogeny.probes.scoring import FORKING, Row, make_batches, score_batch, score_roles, score_rows, tokens_fed
from ontogeny.probes.sets import shared_row

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny_models import FAMILIES, role, some_ids, stir, tiny


def rows_of(count=14):
    ids = some_ids(count, 60, seed=5).tolist()
    return [
        Row(tuple(ids[k][: 1 + 3 * k]), tuple(tuple(ids[k][45 + 2 * e : 49 + k % 3 + 4 * e]) for e in range(1 + k % 2)))
        for k in range(count)
    ]


@torch.no_grad()
def slow_nats(model, stem, end):
    total = 0.0
    for k, token in enumerate(end):
        logits_V = model(input_ids=torch.tensor([[*stem, *end[:k]]])).logits[0, -1].double()
        total -= float(logits_V[token] - logits_V.exp().sum().log())
    return total


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_equal_a_slow_loop(family):
    model, rows = tiny(family).eval(), rows_of()
    told = dict(score_rows(model, rows, make_batches(rows)))
    double = model.double()
    for i, row in enumerate(rows):
        assert told[i] == pytest.approx([slow_nats(double, row.stem, end) for end in row.ends], rel=2e-6)


@pytest.mark.parametrize("family", FORKING)
def test_a_fork_scores_as_separate_rows(family):
    model, rows = tiny(family).eval(), rows_of()
    forks = [row for row in rows if len(row.ends) == 2]
    for told, row in zip(score_batch(model, forks), forks, strict=True):
        apart = [score_batch(model, [Row(row.stem, (end,))])[0][0] for end in row.ends]
        assert told == pytest.approx(apart, rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_ends_have_in_common_counts_in_each(family):
    model = tiny(family).eval()
    ids = some_ids(6, 40, seed=9).tolist()
    apart = [Row((0, *ids[k][:k]), (tuple(ids[k][10:20]), tuple(ids[k][10:17] + ids[k][25:31]))) for k in range(6)]
    shared = [shared_row(row.stem, row.ends) for row in apart]
    assert all(row.common >= 7 for row in shared)
    mixed = [*shared, *apart, *(Row(row.stem, row.ends[:1], row.common) for row in shared)]
    told = dict(score_rows(model, mixed, make_batches(mixed)))
    for k in range(6):
        assert told[k] == pytest.approx(told[k + 6], rel=2e-6) and told[k + 12] == pytest.approx(told[k][:1], rel=2e-6)
    fed = [tokens_fed(model, some) for some in (shared, apart)]
    assert fed[0] < fed[1] if family in FORKING else fed[0] == fed[1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layers", ["all", "top-half"])
def test_roles_scored_together_score_as_each_alone_by_peft(family, layers, tmp_path):
    specs = {"student": role(4, 8, "attention", layers), "critic": role(2, 8, "all", layers)}
    trained = build_stack(tiny(family), specs, 3)
    stir(trained)
    transposed = any(module.transposed for module in trained.wrapped().values())
    folders = {name: tmp_path / name for name in specs}
    for name, spec in specs.items():
        write_adapter(trained.role_parameters(name), spec, "0" * 64, folders[name], transposed)
    rows, told = rows_of(), {}
    stack = stack_adapters(tiny(family), folders)
    for name, i, nats in score_roles(stack, rows, make_batches(rows, 200)):
        told[name, i] = nats
    assert len(told) == 2 * len(rows)
    bare = dict(score_rows(tiny(family).eval(), rows, make_batches(rows)))
    for name, folder in folders.items():
        alone = dict(score_rows(load_adapter(tiny(family), folder), rows, make_batches(rows)))
        for i in range(len(rows)):
            assert told[name, i] == pytest.approx(alone[i], rel=2e-6)
            assert told[name, i] != pytest.approx(bare[i], rel=1e-4)


def test_equal_ends_tie_exactly():
    model = tiny().eval()
    ((first, second),) = score_batch(model, [Row((0, 5, 6), ((7, 8, 9), (7, 8, 9)))])
    assert first == second
