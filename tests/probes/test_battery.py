"""The battery: the rows of probes.json, the same on any number of ranks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from made_corpus import ROLES, write_general, write_life

from ontogeny.core.errors import ModelError
from ontogeny.core.schema_apparatus import DEFAULT_BATTERY
from ontogeny.core.schema_apparatus import PROBES as NAMED
from ontogeny.probes import battery
from ontogeny.probes.battery import PROBES, ProbeRequest, measure

KEYS = {"probe", "subject", "on", "split", "form", "value", "unit", "chance", "n", "ci95", "higher_is_better"}
KEYS |= {"forward_tokens"}


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    folder = tmp_path_factory.mktemp("life")
    adapters = write_life(folder)
    return ProbeRequest(
        model_folder=folder / "model",
        corpus_folder=folder / "corpus",
        stages=("primer", "lexicon"),
        stage="primer",
        battery=DEFAULT_BATTERY,
        seed=7,
        context_tokens=64,
        splits=("gate", "test"),
        adapters=adapters,
    )


@pytest.fixture(scope="module")
def rows(life):
    return measure(life)


def test_rows_are_those_of_the_contract(rows):
    json.dumps(rows, allow_nan=False)
    for row in rows:
        assert set(row) - {"samples", "parts"} == KEYS
        assert row["ci95"][0] <= row["value"] + 1e-9 and row["value"] <= row["ci95"][1] + 1e-9
        assert row["n"] >= 1
    units = {(row["probe"], row["form"]): (row["unit"], row["higher_is_better"]) for row in rows}
    assert units == {
        ("bits_per_byte", "per_byte"): ("bits/byte", False),
        ("conflict_resolution", "sum"): ("fraction", True),
        ("conflict_resolution", "per_byte"): ("fraction", True),
        ("conflict_resolution", "margin"): ("nats/byte", True),
        ("unprompted", "distinct_1"): ("fraction", True),
        ("unprompted", "distinct_2"): ("fraction", True),
        ("unprompted", "repetition"): ("fraction", False),
    }


def test_the_trunk_scores_every_stage_and_roles_the_one_just_read(rows):
    seen = {(row["probe"], row["subject"], row["on"], row["split"]) for row in rows if row["probe"] != "unprompted"}
    splits = ("gate", "test")
    expected = {
        (probe, "trunk", on, split) for probe in DEFAULT_BATTERY[:2] for on in ("primer", "lexicon") for split in splits
    }
    expected |= {("conflict_resolution", role, "primer", split) for role in ROLES for split in splits}
    assert seen == expected


def test_a_gates_split_is_scored_only_where_the_gate_looks(life, rows):
    asked = replace(life, splits=("test", "gate"), gate=("bits_per_byte", "primer"), battery=DEFAULT_BATTERY[:2])
    seen = [row for row in measure(asked) if row["split"] == "gate"]
    assert [(row["probe"], row["subject"], row["on"]) for row in seen] == [("bits_per_byte", "trunk", "primer")]
    assert seen[0]["value"] == next(row["value"] for row in rows if {**seen[0], "value": 0} == {**row, "value": 0})


def test_adapters_change_scores_and_leave_the_trunk_alone(life, rows):
    bare = measure(replace(life, adapters={}))
    assert bare == [row for row in rows if row["subject"] == "trunk"]
    margins = {
        row["subject"]: row["value"]
        for row in rows
        if (row["form"], row["on"], row["split"]) == ("margin", "primer", "test")
    }
    assert len(set(margins.values())) == 3


def test_contaminated_passages_are_dropped(rows):
    counts = {row["split"]: row["n"] for row in rows if row["probe"] == "bits_per_byte"}
    assert counts == {"gate": 5, "test": 6}


def test_conception_probes_the_trunk_alone(life):
    told = measure(replace(life, stage=None))
    assert {row["subject"] for row in told} == {"trunk"}
    assert next(row for row in told if row["probe"] == "unprompted")["samples"] != measure(life)[-1]["samples"]


def test_an_untrained_model_is_near_chance(rows):
    for row in rows:
        if row["probe"] == "bits_per_byte":
            assert row["value"] == pytest.approx(row["chance"], rel=0.02)


class Shared(Exception):
    """Stops a rank where it would wait for the others."""


@pytest.mark.parametrize("world", [2, 3])
def test_rows_do_not_depend_on_the_number_of_ranks(life, rows, world):
    """Ranks one after another: transformers' loading is not made for threads."""
    parts = []

    def share(mine):
        parts.append(mine)
        raise Shared

    for rank in range(world):
        with pytest.raises(Shared):
            measure(replace(life, rank=rank, world=world, gather=share))
    assert all(parts) and max(map(len, parts)) < sum(map(len, parts))
    everything = [one for part in parts for one in part]
    assert measure(replace(life, rank=world - 1, world=world, gather=lambda mine: everything)) == rows


def test_measuring_moves_no_global_randomness(life):
    torch.manual_seed(3)
    measure(life)
    here = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(here, torch.rand(2))


def test_samples_are_kept_and_repeat_with_the_seed(life, rows):
    samples = [row["samples"] for row in rows if row["probe"] == "unprompted"]
    assert len(samples) == 3 and len(samples[0]) == 8 and all(samples[0])
    assert len(set(samples[0])) == 8
    assert measure(replace(life, battery=("unprompted",), adapters={}))[0]["samples"] == samples[0]
    assert measure(replace(life, battery=("unprompted",), adapters={}, seed=8))[0]["samples"] != samples[0]


def test_a_probe_that_does_not_exist_is_told(life):
    with pytest.raises(ModelError, match="closest: 'bits_per_byte'"):
        measure(replace(life, battery=("bits_per_bite",)))


@pytest.fixture
def damaged(life, tmp_path):
    shutil.copytree(life.corpus_folder, tmp_path / "corpus")
    return replace(life, corpus_folder=tmp_path / "corpus")


@pytest.mark.parametrize("name", ["heldout.jsonl", "items.jsonl"])
@pytest.mark.parametrize("text", ["{broken", None])
def test_a_set_that_cannot_be_read_is_told(damaged, name, text):
    path = damaged.corpus_folder / "primer" / name
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ModelError, match=f"corpus/primer/{name}"):
        measure(damaged)


@pytest.mark.parametrize(
    ("name", "probe"), [("heldout.jsonl", "bits_per_byte"), ("items.jsonl", "conflict_resolution")]
)
def test_an_empty_set_has_no_row_and_all_empty_is_told(damaged, name, probe):
    (damaged.corpus_folder / "lexicon" / name).write_text("")
    told = measure(replace(damaged, adapters={}, battery=DEFAULT_BATTERY[:2]))
    assert {row["on"] for row in told if row["probe"] == probe} == {"primer"}
    assert {row["on"] for row in told if row["probe"] != probe} == {"primer", "lexicon"}
    with pytest.raises(ModelError, match=f"{probe} has nothing to score"):
        measure(replace(damaged, stages=("lexicon",), adapters={}))


def test_every_probe_that_a_genome_may_name_is_entered():
    assert set(NAMED) <= set(PROBES) and len(set(PROBES)) == len(PROBES)
    assert set(battery.CHOICES) <= set(NAMED) and set(battery.ROLE_PROBES) <= set(battery.SETS)


def test_live_probes_are_shared_among_ranks_and_their_rows_gathered(life, monkeypatch):
    """Each runs once, wherever it runs; the rows of all come back to all."""
    asked_of_ranks = []

    def live(name):
        def measure_it(model, asked):
            asked_of_ranks.append(name)
            return [{"probe": name, "value": float(asked.seed + len(name)), "forward_tokens": 1}]

        return measure_it

    monkeypatch.setattr(battery, "LIVE", {name: live(name) for name in ("one", "three", "seventh")})
    monkeypatch.setattr(battery, "PROBES", ("one", "three", "seventh"))
    request = replace(life, battery=("seventh", "one", "three"), adapters={})
    alone = measure(request)
    assert [row["probe"] for row in alone] == ["one", "three", "seventh"] == asked_of_ranks
    assert all(row["subject"] == "trunk" for row in alone)
    parts = []

    def share(mine):
        parts.append(mine)
        raise Shared

    for rank in range(2):
        with pytest.raises(Shared):
            measure(replace(request, rank=rank, world=2, gather=share))
    assert sorted(asked_of_ranks[3:]) == sorted(asked_of_ranks[:3]) and len(parts[0]) == 2
    everything = [one for part in parts for one in part]
    assert measure(replace(request, rank=1, world=2, gather=lambda mine: everything)) == alone


def test_a_live_probe_that_finds_nothing_is_told_or_left_out(life, monkeypatch):
    monkeypatch.setitem(battery.LIVE, "health", lambda model, asked: [])
    request = replace(life, battery=("health",), adapters={})
    with pytest.raises(ModelError, match="health has nothing to score"):
        measure(request)
    assert measure(replace(request, skip_empty=True)) == []


@pytest.fixture
def general(damaged):
    """A corpus with general items."""
    write_general(damaged.corpus_folder)
    return replace(damaged, battery=("conflict_resolution", "minimal_pairs", "trail_recall"))


def test_general_items_are_asked_of_the_trunk_alone(general):
    rows = measure(general)
    seen = {(row["probe"], row["subject"], row["on"], row["split"]) for row in rows}
    assert {one for one in seen if one[0] != "conflict_resolution"} == {
        ("minimal_pairs", "trunk", "simple", "test"),
        ("trail_recall", "trunk", "2", "test"),
    }
    assert {one[1] for one in seen if one[0] == "conflict_resolution"} == {"trunk", *ROLES}
    assert {row["chance"] for row in rows if row["probe"] == "trail_recall"} == {0.25, 0.0}
    assert all(set(row["kinds"]) == {"a", "b"} for row in rows if row["probe"] == "minimal_pairs")


def test_roles_of_a_stage_without_items_have_no_row(damaged):
    (damaged.corpus_folder / "primer" / "items.jsonl").write_text("")
    rows = measure(replace(damaged, battery=("conflict_resolution",)))
    assert {(row["subject"], row["on"]) for row in rows} == {("trunk", "lexicon")}


def test_forward_tokens_are_those_of_the_rows(damaged):
    (row, *_) = measure(replace(damaged, battery=("bits_per_byte",), stages=("primer",), splits=("test",)))
    asked = battery.asked_of(damaged)
    texts = [
        line["text"]
        for line in map(json.loads, (damaged.corpus_folder / "primer" / "heldout.jsonl").read_text().splitlines())
        if line["split"] == "test" and not line["contaminated"]
    ]
    tokens = [len(ids) for ids in asked.encoder.encode(texts)]
    assert row["forward_tokens"] == sum(tokens)  # BOS of each row for its last token, which predicts nothing


def test_a_tokenizer_may_stand_elsewhere(damaged, tmp_path, rows):
    (damaged.corpus_folder / "tokenizer").rename(tmp_path / "ids")
    assert measure(replace(damaged, tokenizer_folder=tmp_path / "ids")) == rows
