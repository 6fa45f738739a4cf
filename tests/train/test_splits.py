"""However a global batch is split over ranks and forward passes, it is the same batch and the same loss."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, models

from ontogeny.corpus.rows import Batch, slice_of_rank
from ontogeny.corpus.tokens import token_bytes
from ontogeny.train.learner import Learner, fed_rows
from ontogeny.train.losses import token_nats, weighted_loss

LENGTH, VOCABULARY = 7, 11


@pytest.fixture
def corpus(tmp_path):
    tokenizer = Tokenizer(models.BPE(vocab={"<s>": 0, "a": 1, "b": 2, "ab": 3, "Ġab": 4}, merges=[]))
    tokenizer.add_special_tokens([AddedToken("<s>", special=True)])
    (tmp_path / "tokenizer").mkdir()
    tokenizer.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    return SimpleNamespace(folder=tmp_path, role_names=[])


def learner(corpus, rank: int, world: int, micro: int) -> Learner:
    """A learner that has entered a phase, as far as splitting goes."""
    plan = SimpleNamespace(
        roles=(),
        genome=SimpleNamespace(model=SimpleNamespace(precision="fp32")),
        micro_batch_packs=micro,
        role_micro_batch_packs=micro,
    )
    made = Learner(plan, corpus, rank, world, run=None)
    made.entered = (0, 1, "trunk")
    return made


def batch(rows: int, roles: int, empty: bool = False) -> Batch:
    """A global batch of consecutive rows; `roles` 0: the trunk's."""
    chance = np.random.default_rng(rows + 10 * roles)
    weights_BT = chance.integers(0, 3, (rows, LENGTH)).astype(np.float32) * (not empty)
    weights_BT[:, 0] = 0
    group_B = np.sort(chance.integers(0, roles, rows)) if roles else np.full(rows, -1)
    return Batch(
        0,
        np.arange(40, 40 + rows, dtype=np.int32),
        chance.integers(0, VOCABULARY, (rows, LENGTH), np.int32),
        weights_BT,
        group_B.astype(np.int8),
        np.zeros((rows, LENGTH), np.uint8),
    )


def gradient(table_VV: torch.Tensor, micros) -> tuple[float, torch.Tensor]:
    """(loss, gradient), added up over forward passes of a bigram model."""
    table_VV = table_VV.clone().requires_grad_(True)
    total = 0.0
    for micro in micros:
        ids_BT = torch.from_numpy(micro.ids_BT).long()
        nats_BT = token_nats(table_VV[ids_BT], ids_BT)
        loss = weighted_loss(nats_BT, torch.from_numpy(micro.weights_BT), torch.from_numpy(micro.denominators_B))
        loss.backward()
        total += loss.item()
    return total, table_VV.grad


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("roles", [0, 3])
def test_any_split_adds_up_to_the_same_loss_and_gradient(corpus, rows, roles):
    whole = batch(rows, roles)
    table_VV = torch.randn(VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(3))
    loss, grad_VV = gradient(table_VV, learner(corpus, 0, 1, rows).micros(whole))
    for world in (1, 2, 3):
        for micro in (1, 2, 4):
            parts = [list(learner(corpus, rank, world, micro).micros(whole)) for rank in range(world)]
            assert len({len(part) for part in parts}) == 1, "every rank makes equally many forward passes"
            fed = [int(row) for part in parts for one in part for row in one.rows_B if row >= 0]
            assert fed == whole.rows_B.tolist(), "each row once, ranks hold consecutive runs"
            told, split_VV = gradient(table_VV, [one for part in parts for one in part])
            assert told == pytest.approx(loss, rel=1e-6)
            assert float((split_VV - grad_VV).norm() / grad_VV.norm()) < 1e-6


@pytest.mark.parametrize("rows, world", [(5, 2), (3, 4), (1, 2), (4, 4)])
def test_a_rank_holds_the_slice_that_the_corpus_gives_it(corpus, rows, world):
    whole = batch(rows, 0)
    for rank in range(world):
        mine = slice_of_rank(whole, rank, world)
        micros = list(learner(corpus, rank, world, 1).micros(whole))
        assert [int(row) for micro in micros for row in micro.rows_B if row >= 0] == mine.rows_B.tolist()


def test_an_empty_rank_feeds_a_pack_of_weight_0(corpus):
    [micro] = learner(corpus, 1, 2, 4).micros(batch(1, 0))
    assert micro.rows_B.tolist() == [-1]
    assert micro.ids_BT.shape == (1, LENGTH)
    assert not micro.weights_BT.any()
    assert fed_rows(micro, torch.from_numpy(micro.ids_BT), torch.from_numpy(micro.weights_BT)) == []


def test_a_batch_of_zero_weight_has_loss_0_and_gradient_0(corpus):
    table_VV = torch.randn(VOCABULARY, VOCABULARY)
    loss, grad_VV = gradient(table_VV, learner(corpus, 0, 1, 2).micros(batch(3, 0, empty=True)))
    assert loss == 0.0
    assert not grad_VV.any()


def test_denominators_are_the_whole_batchs_by_group():
    whole = batch(8, 3)
    denominators = Learner.denominators(whole)
    assert set(denominators) == set(whole.group_B.tolist())
    for group, told in denominators.items():
        assert told == sum(
            float(w) for row, w_T in enumerate(whole.weights_BT) for w in w_T if whole.group_B[row] == group
        )


def test_token_bytes_count_what_is_written_and_no_specials(corpus):
    assert token_bytes(corpus.folder / "tokenizer").tolist() == [0, 1, 1, 2, 3]
