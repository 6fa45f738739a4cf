"""What a journal keeps while books are read, and what its entries cost trunks: against plain loops, on any ranks."""

from __future__ import annotations

import json
import random
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "corpus"))
from making import make_library, make_plan, make_prose, make_stage, span

from ontogeny.core.cursor import Cursor
from ontogeny.core.errors import RunError
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.journal import JOURNAL, KEYS, LEARNED, NOISE, STILL_HARD, read_journal
from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.corpus.sealed import REPLAY, REPLAY_IDS
from ontogeny.corpus.transitions import TRANSITION
from ontogeny.models.causal import build_model, write_model
from ontogeny.train import journal as journal_module
from ontogeny.train.journal import STATE, Candidates, Listener, read_candidates, write_candidates
from ontogeny.train.journal_scoring import (
    MAX_SCORED,
    MIN_SCORED_PACKS,
    chosen_to_score,
    packed_by_length,
    seal_replay,
    span_nats,
    write_journal,
)
from ontogeny.train.learner import StepMetrics

ARCHITECTURE = {"type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """(plan, corpus): two stages that keep journals, the first read twice over; the second replays the first's."""
    root = tmp_path_factory.mktemp("journal")
    library = make_library(root, {name: make_prose(seed, 40) for seed, name in enumerate("ab")})
    stages = [
        make_stage(0, "one", ["a"], kinds=["gap"], stage_span=span(epochs=2)),
        make_stage(1, "two", ["b"], kinds=["gap"], journal_replay_frac=0.1),
    ]
    plan = make_plan(stages)
    corpus = prepare_corpus(plan, library, root / "corpus")
    for stage in stages:
        stage.journal, stage.number = SimpleNamespace(rewrite=False), stage.index + 1
    plan.genome = SimpleNamespace(arm=None)
    return plan, corpus


class FakeLedger:
    """A ledger of one rank of some, which meet in `gather`."""

    def __init__(self, plan, run: Path, rank: int = 0, world: int = 1, meeting=None, table=None):
        self.plan, self.run, self.rank, self.world, self.writer = plan, RunDirectory(run), rank, world, rank == 0
        self.candidates, self.meeting, self.table = Candidates(), meeting, table

    def folder(self, cursor: Cursor) -> Path:
        return self.run.stage_folder(cursor.stage + 1, self.plan.stages[cursor.stage].name, cursor.pass_)

    def gather(self, mine: list) -> list:
        if self.meeting is None:
            return mine
        self.table[self.rank] = mine
        self.meeting.wait(60)
        both = [item for part in self.table for item in part]
        self.meeting.wait(60)
        return both

    def barrier(self) -> None:
        if self.meeting is not None:
            self.meeting.wait(60)


def learner_of(life, arm=None):
    plan = SimpleNamespace(**{**vars(life[0]), "genome": SimpleNamespace(arm=arm)})
    return SimpleNamespace(plan=plan, corpus=life[1], keeps_nats=None, device=torch.device("cpu"))


def surprise_of(corpus, stage: int) -> np.ndarray:
    """Made-up nats of every token of a stage."""
    return np.random.default_rng(stage).gamma(4.0, 1.0, corpus.shard(stage).ids_RT.shape).astype(np.float32)


def hear_all(life, ledger, stage: int = 0, rank: int = 0, world: int = 1, arm=None) -> None:
    """Feeds a rank's share of a stage's books to its listener."""
    learner, nats_RT = learner_of(life, arm), surprise_of(life[1], stage)
    listener = Listener(learner, ledger, Cursor(stage))
    assert learner.keeps_nats
    for batch in life[1].batches(stage, "books"):
        rows = [int(row) for row in batch.rows_B][rank::world]
        read = [(row, nats_RT[row % len(nats_RT)] + (row >= len(nats_RT))) for row in rows]
        listener.hear(batch, StepMetrics(read=read))


def made_up(count: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = np.zeros(count, TRANSITION)
    found["pack"], found["first"] = np.arange(count) // 10, np.arange(count) % 10
    found["nats"] = rng.integers(0, 50, count) / 10  # many are equal
    return found, found["nats"].copy()


@pytest.mark.parametrize("chunk", [7, 100, 5000])
def test_memory_is_bounded_and_the_hardest_are_kept(monkeypatch, chunk):
    monkeypatch.setattr(journal_module, "MAX_CANDIDATES", 60)
    found, rank = made_up(2000)
    order = np.random.default_rng(1).permutation(2000)
    kept, most = Candidates(), 0
    for first in range(0, 2000, chunk):
        part = order[first : first + chunk]
        kept.add(found[part], rank[part])
        most = max(most, len(kept.kept))
    expected = sorted(zip((-rank).tolist(), found["pack"].tolist(), found["first"].tolist(), strict=True))[:60]
    assert [(-one["nats"], one["pack"], one["first"]) for one in kept.best()] == expected
    assert most <= 2 * 60 + chunk and kept.count == 2000


def test_what_a_rank_kept_comes_back_with_a_checkpoint(tmp_path):
    parts = [Candidates(), Candidates(), Candidates()]
    for part, (seed, count) in zip(parts, ((1, 30), (2, 0), (3, 70)), strict=True):
        part.add(*made_up(count, seed))
    write_candidates(tmp_path / STATE, parts)
    for rank, part in enumerate(parts):
        back = read_candidates(tmp_path / STATE, rank)
        assert back.count == part.count and np.array_equal(back.kept, part.kept)
        back.add(*made_up(5))
    assert read_candidates(tmp_path / "none.npz", 0).count == 0


def test_ranks_hear_together_what_one_hears_alone(life, tmp_path):
    alone, both = FakeLedger(life[0], tmp_path), [FakeLedger(life[0], tmp_path) for _ in range(2)]
    hear_all(life, alone)
    for rank, ledger in enumerate(both):
        hear_all(life, ledger, rank=rank, world=2)
        assert 0 < ledger.candidates.count < alone.candidates.count
    together = Candidates.of_ranks([ledger.candidates for ledger in both])
    assert together.count == alone.candidates.count > 50
    assert np.array_equal(together.best(), alone.candidates.best())


def test_a_pack_is_heard_when_it_is_first_read(life, tmp_path):
    ledger, nats_RT = FakeLedger(life[0], tmp_path), surprise_of(life[1], 0)
    hear_all(life, ledger)
    for one in ledger.candidates.best():
        mean = nats_RT[one["pack"], one["first"] : one["last"]].mean(dtype=np.float64)
        assert one["nats"] == pytest.approx(mean, abs=1e-12), "the second epoch costs one nat more"


def test_an_interrupted_ear_hears_the_same(life, tmp_path):
    whole, ledger, learner, nats_RT = (
        FakeLedger(life[0], tmp_path),
        FakeLedger(life[0], tmp_path),
        learner_of(life),
        None,
    )
    hear_all(life, whole)
    nats_RT = surprise_of(life[1], 0)
    for first, last in ((0, 4), (4, 999)):
        listener = Listener(learner, ledger, Cursor(0, 1, 0, first))
        for batch in life[1].batches(0, "books", first_step=first):
            if batch.step < last:
                rows = [int(row) for row in batch.rows_B]
                listener.hear(batch, StepMetrics(read=[(row, nats_RT[row % len(nats_RT)]) for row in rows]))
        write_candidates(tmp_path / STATE, [ledger.candidates])
        ledger.candidates = read_candidates(tmp_path / STATE, 0)
    assert np.array_equal(ledger.candidates.kept, whole.candidates.kept)


def test_other_phases_and_other_stages_are_not_heard(life, tmp_path):
    ledger, learner = FakeLedger(life[0], tmp_path), learner_of(life)
    Listener(learner, ledger, Cursor(0, 1, 1)).hear(None, StepMetrics())
    assert learner.keeps_nats is False
    learner.plan.stages = [SimpleNamespace(**{**vars(learner.plan.stages[0]), "journal": None})]
    Listener(learner, ledger, Cursor(0)).hear(None, StepMetrics())
    assert learner.keeps_nats is False and ledger.candidates.count == 0


def test_a_uniform_arm_keeps_by_lot(life, tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "MAX_CANDIDATES", 40)
    kept = {}
    for kind in (None, "uniform_replay"):
        ledger = FakeLedger(life[0], tmp_path)
        hear_all(life, ledger, arm=SimpleNamespace(kind=kind) if kind else None)
        kept[kind] = ledger.candidates.best()["nats"].mean()
    everything = FakeLedger(life[0], tmp_path)
    monkeypatch.setattr(journal_module, "MAX_CANDIDATES", 10**6)
    hear_all(life, everything)
    mean, spread = everything.candidates.kept["nats"].mean(), everything.candidates.kept["nats"].std()
    assert abs(kept["uniform_replay"] - mean) < 0.4 * spread < kept[None] - mean


def test_scored_are_the_best_of_a_few_packs():
    found, rank = made_up(4000)
    candidates = Candidates()
    candidates.add(found, rank)
    best = candidates.best()
    for packs in (10, 400, 10_000):
        scored = chosen_to_score(best, packs)
        most = max(MIN_SCORED_PACKS, round(0.05 * packs))
        met: list[int] = []
        for one in best["pack"].tolist():
            met += [one] if one not in met and len(met) < most else []
        expected = [one for one in best if one["pack"] in met][:MAX_SCORED]
        assert [tuple(one) for one in scored] == [tuple(one) for one in expected]


def test_batches_hold_every_row_once():
    rng = random.Random(4)
    rows = [(rng.randint(1, 90), number) for number in range(200)]
    batches = packed_by_length(rows, 256)
    assert sorted(number for batch in batches for number in batch) == list(range(200))
    lengths = dict((number, length) for length, number in rows)
    assert all(len(batch) * max(lengths[number] for number in batch) <= 256 for batch in batches if len(batch) > 1)


@pytest.mark.parametrize(
    "architecture",
    [ARCHITECTURE, {"type": "olmo2", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}],
)
def test_spans_cost_what_a_plain_loop_says(architecture):
    spec = SimpleNamespace(base="scratch", architecture=architecture, context_tokens=32, precision="fp32")
    model = build_model(spec, 64, 0, 7).eval()
    rng = np.random.default_rng(2)
    ids = [np.concatenate([[0], rng.integers(1, 64, length)]) for length in (20, 31, 9)]
    spans = [[(1, 5), (5, 21)], [(30, 32)], [(2, 10), (3, 7), (1, 10)]]
    for ids_T, of_row, told in zip(ids, spans, span_nats(model, ids, spans), strict=True):
        with torch.no_grad():
            logits_TV = model(input_ids=torch.tensor(ids_T)[None]).logits[0].double()
        for (first, last), nats in zip(of_row, told, strict=True):
            costs = [float(logits_TV[t - 1].logsumexp(0) - logits_TV[t - 1, ids_T[t]]) for t in range(first, last)]
            assert nats == pytest.approx(sum(costs) / len(costs), abs=1e-5)


def export(life, folder: Path, seed: int) -> None:
    """A trunk as a stage exports it."""
    spec = SimpleNamespace(base="scratch", architecture=ARCHITECTURE, context_tokens=128, precision="fp32")
    model = build_model(spec, life[1].manifest["tokenizer"]["vocab_size"], 0, seed)
    write_model(model.state_dict(), model.config, None, folder / "model", torch.float32)


@pytest.fixture(scope="module")
def ended(life, tmp_path_factory):
    """A run whose two stages are over, with their journals."""
    run = tmp_path_factory.mktemp("run")
    for number, name in enumerate(("00-conception", "01-one", "02-two")):
        export(life, run / "stages" / name, number)
    for stage in (0, 1):
        ledger = FakeLedger(life[0], run)
        hear_all(life, ledger, stage)
        write_journal(learner_of(life), ledger, Cursor(stage, 1, 3))
    return run


def test_an_entry_tells_what_it_cost_before_and_after(life, ended):
    _, corpus = life
    entries = read_journal(ended / "stages" / "01-one")
    assert len(entries) >= 6 and all(entry.keys() == KEYS for entry in entries)
    falls = [entry["reducible_nats"] for entry in entries]
    assert falls == sorted(falls, reverse=True)
    from transformers import AutoModelForCausalLM

    for name, key in (("00-conception", "reference_nats"), ("01-one", "now_nats")):
        model = AutoModelForCausalLM.from_pretrained(ended / "stages" / name / "model").eval()
        for entry in entries[::7]:
            ids_T = torch.tensor(np.asarray(corpus.shard(0).ids_RT[entry["pack"]], np.int64))
            with torch.no_grad():
                nats_T = -model(input_ids=ids_T[None]).logits[0].double().log_softmax(-1)
            costs = [float(nats_T[t - 1, ids_T[t]]) for t in range(entry["first"], entry["last"])]
            assert entry[key] == pytest.approx(np.mean(costs), abs=2e-5)
    assert all(entry["fate"] in (LEARNED, STILL_HARD, NOISE) for entry in entries)


def test_entries_of_earlier_stages_are_followed(ended):
    first, second = (read_journal(ended / "stages" / name) for name in ("01-one", "02-two"))
    assert [entry["stage"] for entry in second] == ["two"] * (len(second) - len(first)) + ["one"] * len(first)
    for before, after in zip(first, second[-len(first) :], strict=True):
        assert [name for name, _ in after["surprise_by_stage"]] == ["one", "two"]
        assert after["surprise_by_stage"][0] == before["surprise_by_stage"][0] == ["one", before["now_nats"]]
        constant = KEYS - {"surprise_by_stage", "fate"}
        assert {key: before[key] for key in constant} == {key: after[key] for key in constant}


def test_two_ranks_write_the_journal_of_one(life, ended, tmp_path):
    for name in ("00-conception", "01-one"):
        export(life, tmp_path / "stages" / name, int(name[1]))
    meeting, table, ledgers = threading.Barrier(2), [[], []], []
    for rank in (0, 1):
        ledgers.append(FakeLedger(life[0], tmp_path, rank, 2, meeting, table))
        hear_all(life, ledgers[rank], rank=rank, world=2)
    threads = [
        threading.Thread(target=write_journal, args=(learner_of(life), ledger, Cursor(0, 1, 3))) for ledger in ledgers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    ours, theirs = read_journal(tmp_path / "stages" / "01-one"), read_journal(ended / "stages" / "01-one")
    assert [(entry["pack"], entry["first"]) for entry in ours] == [(entry["pack"], entry["first"]) for entry in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one["now_nats"] == pytest.approx(other["now_nats"], abs=1e-5)


def test_a_journal_that_is_there_stays(life, ended):
    path = ended / "stages" / "01-one" / JOURNAL
    before = path.read_bytes()
    write_journal(learner_of(life), FakeLedger(life[0], ended), Cursor(0, 1, 3))  # of a snapshot: nothing was heard
    assert path.read_bytes() == before


def test_a_stage_in_which_nothing_was_heard_carries_on(life, tmp_path, ended):
    for name in ("01-one", "02-two"):
        export(life, tmp_path / "stages" / name, 1)
    (tmp_path / "stages" / "01-one" / JOURNAL).write_bytes((ended / "stages" / "01-one" / JOURNAL).read_bytes())
    write_journal(learner_of(life), FakeLedger(life[0], tmp_path), Cursor(1, 1, 3))
    entries = read_journal(tmp_path / "stages" / "02-two")
    assert (
        len(entries) == len(read_journal(ended / "stages" / "01-one"))
        and entries[0]["surprise_by_stage"][1][0] == "two"
    )


def test_replay_rows_are_sealed_once_before_any_step(life, ended, tmp_path):
    ledger, corpus = FakeLedger(life[0], tmp_path), life[1]
    (tmp_path / "stages" / "01-one").mkdir(parents=True)
    (tmp_path / "stages" / "01-one" / JOURNAL).write_bytes((ended / "stages" / "01-one" / JOURNAL).read_bytes())
    folder = ledger.folder(Cursor(1, 1, 1))
    with pytest.raises(RunError, match="sealed rows are gone"):
        seal_replay(ledger, corpus, Cursor(1, 1, 1, 2), torch.device("cpu"))
    seal_replay(ledger, corpus, Cursor(0, 1, 1), torch.device("cpu"))
    assert not folder.exists(), "a life's first stage replays nothing"
    seal_replay(ledger, corpus, Cursor(1, 1, 1), torch.device("cpu"))
    told = json.loads((folder / REPLAY).read_text("utf-8"))
    assert {part["kind"] for row in told for part in row["parts"]} == {"journal"}
    (folder / REPLAY_IDS).write_bytes(b"as it was")
    seal_replay(ledger, corpus, Cursor(1, 1, 1, 2), torch.device("cpu"))
    assert (folder / REPLAY_IDS).read_bytes() == b"as it was", "what was lived on stays"
    assert [event["event"] for event in ledger.run.read_jsonl("events.jsonl")] == ["replay_sealed"]
    seal_replay(ledger, corpus, Cursor(1, 1, 1), torch.device("cpu"))
    assert (folder / REPLAY_IDS).read_bytes() != b"as it was", "what nobody has read yet may be of another life"


def test_without_a_journal_it_is_said(life, tmp_path):
    ledger = FakeLedger(life[0], tmp_path)
    tmp_path.joinpath("stages").mkdir()
    seal_replay(ledger, life[1], Cursor(1, 1, 1), torch.device("cpu"))
    warning, sealed = ledger.run.read_jsonl("events.jsonl")
    assert "finds no journal to replay" in warning["message"] and sealed["entries"] == 0
