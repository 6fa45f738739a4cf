"""The loop-loss against a slow plain loop: one row at a time, one token at a time, in float64."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ontogeny.corpus.contrast import Contrast
from ontogeny.corpus.layout import NO_TARGET
from ontogeny.corpus.rows import Batch
from ontogeny.models.causal import build_model
from ontogeny.scenes.shape import SPANS
from ontogeny.train.learner import Learner, StepMetrics
from ontogeny.train.loop_terms import LoopTerms, count_terms, loop_line
from ontogeny.train.losses import coherence_nats, ending_log_probs, margin_nats, token_nats

BOS, LINE, VOCABULARY, LENGTH, PACKS = 0, 1, 60, 48, 6
LINE_END_V = np.arange(VOCABULARY) == LINE
QUESTION, ATTEMPT, OBJECTION, REPAIR = (
    8 + SPANS.index(name) for name in ("question", "attempt", "objection", "repair")
)
WEIGHTS = [(0.5, 0.0), (0.0, 0.25), (0.5, 0.25)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def packs(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """(ids_RT, codes_RT): a scene or none in each pack, some without an attempt."""
    chance = np.random.default_rng(seed)
    ids_RT, codes_RT = np.zeros((PACKS, LENGTH), np.int32), np.full((PACKS, LENGTH), NO_TARGET, np.uint8)
    for pack in range(PACKS):
        tokens = [(int(id_), 0) for id_ in chance.integers(10, VOCABULARY, chance.integers(1, 6))] + [(LINE, 0)]
        spans = (
            [] if pack == 2 else [QUESTION, OBJECTION, REPAIR] if pack == 4 else [QUESTION, ATTEMPT, OBJECTION, REPAIR]
        )
        for code in spans:
            tokens += [(2, 0), *((int(id_), code) for id_ in chance.integers(10, VOCABULARY, chance.integers(1, 6)))]
            tokens += [(LINE, code)]
        ids_RT[pack, 1 : 1 + len(tokens)] = [id_ for id_, _ in tokens]
        codes_RT[pack, 1 : 1 + len(tokens)] = [code for _, code in tokens]
    return ids_RT, codes_RT


def whole_batch() -> Batch:
    """Every pack in one batch."""
    ids_RT, codes_RT = packs()
    weights_RT = np.where(codes_RT == NO_TARGET, 0, np.where(codes_RT == REPAIR, 2, 1)).astype(np.float32)
    return Batch(0, np.arange(PACKS, dtype=np.int32), ids_RT, weights_RT, np.full(PACKS, -1, np.int8), codes_RT)


def terms(margin: float, coherence: float, tokens_at_once: int = 1) -> LoopTerms:
    ids_RT, codes_RT = packs()
    shard = SimpleNamespace(ids_RT=ids_RT, codes_RT=codes_RT, context_tokens=LENGTH)
    return LoopTerms(SimpleNamespace(margin=margin, coherence=coherence), shard, LINE_END_V, tokens_at_once)


def tiny_model() -> torch.nn.Module:
    """A llama of two layers, stirred so that it is sure of some things."""
    architecture = {"type": "llama", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    spec = SimpleNamespace(base="scratch", architecture=architecture, context_tokens=LENGTH, precision="fp32")
    model = build_model(spec, VOCABULARY, BOS, 7)
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.2 * torch.randn(value.shape, generator=chance))
    return model


def slow_l(model: torch.nn.Module, context: np.ndarray, ending: np.ndarray) -> torch.Tensor:
    """Mean log-probability of an ending's tokens, each read off a row of its own."""
    total = torch.zeros((), dtype=torch.float64)
    for at, target in enumerate(ending.tolist()):
        before = torch.tensor([[*context.tolist(), *ending[:at].tolist()]])
        logits_V = model(input_ids=before).logits[0, -1].double()
        total = total + logits_V[target] - logits_V.exp().sum().log()
    return total / len(ending)


def slow_terms(model: torch.nn.Module, scenes: list[Contrast]) -> dict[str, torch.Tensor]:
    """Each term's mean over the scenes that have it."""
    margins, coherences = [], []
    for scene in scenes:
        in_scene = slow_l(model, scene.context, scene.repair)
        if scene.attempt is not None:
            gap = in_scene - slow_l(model, scene.context, scene.attempt)
            margins.append((1 + (-gap).exp()).log())
        if scene.foil is not None:
            own = in_scene - slow_l(model, scene.label, scene.repair)
            other = slow_l(model, scene.context, scene.foil) - slow_l(model, scene.label, scene.foil)
            coherences.append(-(own.exp() / (own.exp() + other.exp())).log())
    return {name: sum(v) / len(v) for name, v in (("margin", margins), ("coherence", coherences)) if v}


def scenes_of(made: LoopTerms) -> list[Contrast]:
    batch = whole_batch()
    rows = zip(batch.ids_BT, batch.codes_BT, range(PACKS), strict=True)
    return [scene for ids_T, codes_T, row in rows for scene in made.contrasts.of_row(ids_T, codes_T, row)]


def gradients(model: torch.nn.Module, loss: torch.Tensor) -> torch.Tensor:
    model.zero_grad()
    loss.backward()
    return torch.cat([value.grad.reshape(-1).double() for value in model.parameters()])


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Relative L2 distance."""
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("margin, coherence", WEIGHTS)
@pytest.mark.parametrize("tokens_at_once", [1, 100_000])
def test_terms_and_gradients_are_those_of_a_plain_loop(margin, coherence, tokens_at_once):
    model, made = tiny_model(), terms(margin, coherence, tokens_at_once)
    slow = slow_terms(model, scenes_of(made))
    total = sum({"margin": margin, "coherence": coherence}[name] * value for name, value in slow.items())
    expected = gradients(model, total)
    model.zero_grad()
    told: dict[str, float] = {}
    for micro in made.micros(whole_batch(), 0, 1):
        ids_BL = torch.from_numpy(micro.rows.ids_BL).long()
        loss, nats = made.loss(token_nats(model(input_ids=ids_BL).logits, ids_BL), micro)
        loss.backward()
        for name, nats_S in nats.items():
            told[name] = told.get(name, 0.0) + float(nats_S.detach().double().sum()) / micro.scenes[name]
    assert told == pytest.approx({name: float(value.detach()) for name, value in slow.items()}, rel=1e-6)
    got = torch.cat([value.grad.reshape(-1).double() for value in model.parameters()])
    assert distance(got, expected) < 1e-6


def test_the_losses_themselves():
    nats_BT = torch.tensor([[0.0, 1.0, 2.0, 4.0], [0.0, 3.0, 0.5, 9.0]])
    ending_BT = torch.tensor([[False, False, True, True], [False, True, True, False]])
    assert ending_log_probs(nats_BT, ending_BT).tolist() == [-3.0, -1.75]
    assert float(margin_nats(torch.tensor([-1.0]), torch.tensor([-3.0]))) == pytest.approx(math.log(1 + math.exp(-2)))
    given_scene, given_label = torch.tensor([[-1.0, -2.0, -2.5]]), torch.tensor([[-3.0, -2.5, -2.5]])
    expected = -math.log(math.exp(2) / (math.exp(2) + math.exp(0.5) + math.exp(0)))
    assert float(coherence_nats(given_scene, given_label)) == pytest.approx(expected, rel=1e-6)
    assert float(margin_nats(torch.zeros(1), torch.zeros(1))) == pytest.approx(math.log(2))


def bag(table_VV: torch.Tensor, ids_BT: torch.Tensor) -> torch.Tensor:
    """Logits of a model whose next token hangs on all before it, whatever their order."""
    return table_VV[ids_BT].cumsum(dim=1) / 3


def table() -> torch.Tensor:
    chance = torch.Generator().manual_seed(3)
    return torch.randn(VOCABULARY, VOCABULARY, generator=chance, dtype=torch.float64).requires_grad_(True)


class HandEngine:
    """A DeepSpeed engine as far as a learner's backward asks: it remembers boundaries, and averages over no ranks."""

    def __init__(self, table_VV: torch.Tensor):
        self.table_VV, self.boundaries = table_VV, []

    def __call__(self, input_ids: torch.Tensor, use_cache: bool) -> SimpleNamespace:
        return SimpleNamespace(logits=bag(self.table_VV, input_ids))

    def set_gradient_accumulation_boundary(self, last: bool) -> None:
        self.boundaries.append(last)

    def backward(self, loss: torch.Tensor, scale_wrt_gas: bool) -> None:
        loss.backward()


def step(
    rank: int, world: int, weights: tuple[float, float] | None, micro: int = 2
) -> tuple[torch.Tensor, StepMetrics, list]:
    """(gradient, metrics, boundaries) of one rank's share of a step on a small model."""
    table_VV = table()
    learner = Learner.__new__(Learner)
    learner.rank, learner.world, learner.device = rank, world, torch.device("cpu")
    learner.plan = SimpleNamespace(micro_batch_packs=micro)
    learner.entered, learner.engine = (0, 1, "trunk"), HandEngine(table_VV)
    learner.subject = SimpleNamespace(
        stack=None, set_groups=lambda groups, device: None, group_name=lambda group: "trunk"
    )
    learner.token_bytes_V, learner.keeps_nats = np.ones(VOCABULARY), False
    learner._terms = terms(*weights, tokens_at_once=micro * LENGTH) if weights else None
    metrics = learner.backward(whole_batch())
    return table_VV.grad, metrics, learner.engine.boundaries


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("world", [2, 3, 7])
def test_any_number_of_ranks_makes_the_same_gradient(weights, world):
    whole, metrics, _ = step(0, 1, weights)
    parts = [step(rank, world, weights) for rank in range(world)]
    assert distance(sum(part[0] for part in parts) / world, whole) < 1e-6
    assert len({len(part[2]) for part in parts}) == 1, "every rank makes equally many forward passes"
    sums = StepMetrics()
    for part in parts:
        sums.add(part[1])
    assert loop_line(sums)["loop"] == pytest.approx(loop_line(metrics)["loop"])
    assert loop_line(sums)["span_nats"] == pytest.approx(loop_line(metrics)["span_nats"])


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_steps_gradient_is_that_of_the_whole_loss(weights):
    plain, _, _ = step(0, 1, None)
    whole, metrics, boundaries = step(0, 1, weights)
    table_VV = table()
    slow = slow_terms(lambda input_ids: SimpleNamespace(logits=bag(table_VV, input_ids)), scenes_of(terms(*weights)))
    sum(weight * slow[name] for name, weight in zip(("margin", "coherence"), weights, strict=True) if weight).backward()
    assert distance(whole - plain, table_VV.grad) < 1e-6
    assert boundaries == [False] * (len(boundaries) - 1) + [True], "weights move after the last forward pass"
    told = loop_line(metrics)["loop"]
    assert {name: told[f"{name}_nats"] for name in slow} == pytest.approx(
        {n: float(v.detach()) for n, v in slow.items()}, rel=1e-6
    )
    assert told["scenes"] == (4 if weights[1] == 0 else 5)


def test_without_the_terms_a_step_is_what_it_was():
    gradient, metrics, boundaries = step(0, 1, None)
    batch = whole_batch()
    table_VV = table()
    for start in range(0, PACKS, 2):
        ids_BT = torch.from_numpy(batch.ids_BT[start : start + 2]).long()
        weights_BT = torch.from_numpy(batch.weights_BT[start : start + 2])
        nats_BT = token_nats(bag(table_VV, ids_BT), ids_BT)
        ((nats_BT * weights_BT).sum(dim=1) / torch.tensor(float(batch.weights_BT.sum()))).sum().backward()
    assert torch.equal(gradient, table_VV.grad)
    assert boundaries == [False, False, True]
    assert "loop" not in loop_line(metrics)


def test_cross_entropy_by_span_is_told_unweighted():
    _, metrics, _ = step(0, 1, None)
    batch = whole_batch()
    table_VV = table().detach()
    for name in ("question", "attempt", "objection", "repair"):
        nats = []
        for ids_T, codes_T in zip(batch.ids_BT.tolist(), batch.codes_BT.tolist(), strict=True):
            for at, code in enumerate(codes_T):
                if code == 8 + SPANS.index(name):
                    logits_V = sum(table_VV[before] for before in ids_T[:at]) / 3
                    nats.append(float(logits_V.logsumexp(0) - logits_V[ids_T[at]]))
        assert loop_line(metrics)["span_nats"][name] == pytest.approx(sum(nats) / len(nats), rel=1e-6)
    assert loop_line(StepMetrics()) == {}


def test_a_batch_without_scenes_feeds_no_more():
    made = terms(0.5, 0.5)
    batch = whole_batch()
    nothing = Batch(
        0, batch.rows_B[2:3], *(part[2:3] for part in (batch.ids_BT, batch.weights_BT, batch.group_B, batch.codes_BT))
    )
    assert made.micros(nothing, 0, 2) == made.micros(nothing, 1, 2) == []


def test_a_term_that_is_not_finite_is_told_with_its_row():
    _, metrics, _ = step(0, 1, (0.5, 0.5))
    assert metrics.fault_row == -1
    made, metrics = terms(0.5, 0.0), StepMetrics()
    micro = made.micros(whole_batch(), 0, 1)[1]
    count_terms(metrics, micro, {"margin": torch.tensor([float("nan")])})
    assert metrics.fault_row == micro.first_row == 1
