"""Light probes inside a stage: weights are the same bytes with them and without, on every kind of engine."""

from __future__ import annotations

import pytest

from tests.launch.lit_steps import lit_steps
from tests.launch.lives import prepare

STEPS, EVERY = 6, 2000
SEEN: dict[tuple[int, int, str], list[dict]] = {}


@pytest.mark.parametrize("ranks, zero, update", [(1, 0, "full"), (1, 0, "lora"), (2, 3, "full")])
def test_weights_are_the_same_bytes_with_and_without(tmp_path, ranks, zero, update):
    words = [f"machine.ranks={ranks}", f"machine.zero_stage={zero}", f"stages.0.probes.every_tokens={EVERY}"]
    if update == "lora":
        words += ["trunk.update=lora", "trunk.rank=4", "trunk.alpha=8", "trunk.transition=fresh_optimizer"]
    told = lit_steps(prepare(tmp_path / "run", *words), STEPS, ranks)
    assert told["lit"] == told["dark"] and told["untouched"]
    lines = told["lines"]
    assert [line["tokens_seen"] // EVERY for line in lines] == [1, 2, 3][: len(lines)] and len(lines) >= 2
    for line in lines:
        assert set(line) == {"stage", "pass", "phase", "step", "tokens_seen", "light", "time_s"}
        assert set(line["light"]) == {"bits_per_byte", "margin"} and line["phase"] == "books"
    if update == "full":  # what is measured does not hang on ranks and engines
        first = SEEN.setdefault((1, 0, update), lines) if ranks == 1 else SEEN[1, 0, update]
        for ours, theirs in zip(lines, first, strict=True):
            assert ours["light"] == pytest.approx(theirs["light"], rel=1e-4, abs=1e-5)
            assert (ours["step"], ours["tokens_seen"]) == (theirs["step"], theirs["tokens_seen"])
    assert lines[-1]["light"]["bits_per_byte"] < lines[0]["light"]["bits_per_byte"]
