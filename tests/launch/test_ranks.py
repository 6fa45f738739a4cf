"""Two ranks, at every ZeRO stage, live the life that one rank lives."""

from __future__ import annotations

import json

import pytest

from tests.launch.lives import SPROUT, call, relative_l2

WEIGHTS_CLOSE, VALUES_CLOSE = 1e-4, 1e-3
STAGES = ("00-conception", "01-primer", "02-lexicon")


@pytest.fixture(scope="module", params=[0, 1, 2, 3], ids=lambda zero: f"zero{zero}")
def pair(request, grown, tmp_path_factory):
    """(one rank's life, two ranks' life) at a ZeRO stage."""
    run = tmp_path_factory.mktemp("ranks") / f"zero{request.param}"
    call("run", SPROUT, "machine.ranks=2", f"machine.zero_stage={request.param}", "--out", run)
    return grown, run


def test_every_exported_weight_is_the_same(pair):
    one, two = pair
    files = [path.relative_to(one) for path in sorted((one / "stages").rglob("*.safetensors"))]
    assert len(files) == 3 + 2 * 4  # a model a stage and at conception, an adapter a role and stage
    far = {str(name): far for name in files if (far := relative_l2(one / name, two / name)) > WEIGHTS_CLOSE}
    assert not far


def test_the_order_is_the_same_to_the_byte(pair):
    one, two = pair
    for name in ("corpus/manifest.json", "plan.json"):
        mine, theirs = (json.loads((run / name).read_text()) for run in pair)
        assert [stage["phases"] for stage in mine["stages"]] == [stage["phases"] for stage in theirs["stages"]]
        assert mine["corpus_hash"] == theirs["corpus_hash"]
    for stage in STAGES[1:]:
        fed = [(run / f"stages/{stage}/consumed.bin").read_bytes() for run in (one, two)]
        assert fed[0] == fed[1]
    call("verify", two)


def test_what_was_measured_is_the_same(pair):
    for stage in STAGES:
        mine, theirs = (json.loads((run / f"stages/{stage}/probes.json").read_text()) for run in pair)
        assert len(mine) == len(theirs) > 0
        for ours, other in zip(mine, theirs, strict=True):
            which = {key: ours[key] for key in ("probe", "subject", "on", "split", "form", "n")}
            assert which == {key: other[key] for key in which}
            assert other["value"] == pytest.approx(ours["value"], abs=VALUES_CLOSE), which


def test_what_was_logged_is_the_same(pair):
    for stage in STAGES[1:]:
        mine, theirs = (
            [json.loads(line) for line in (run / f"stages/{stage}/metrics.jsonl").read_text().splitlines()]
            for run in pair
        )
        for ours, other in zip(mine, theirs, strict=True):
            for exact in ("phase", "step", "tokens_seen", "lr"):
                assert ours[exact] == other[exact]
            for close in ("loss_nats", "bits_per_byte", "grad_norm"):
                assert other[close] == pytest.approx(ours[close], rel=VALUES_CLOSE), (stage, ours["phase"], close)
