"""Small parts: hashes, schedules, cursors, units, errors."""

from __future__ import annotations

import hashlib
import math
import pickle
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontogeny.core import errors
from ontogeny.core.cursor import PHASES, TRAINED, Cursor
from ontogeny.core.errors import Fault, GenomeError, OntogenyError, closest
from ontogeny.core.hashes import canonical_json, chain_root, file_sha256, seed_of, sha256_hex
from ontogeny.core.schedule import Schedule, make_schedule
from ontogeny.core.schema import Trunk
from ontogeny.core.units import bits_per_byte, counted


@given(st.text(max_size=5), st.lists(st.binary(max_size=40), max_size=6))
def test_chain_root_against_a_plain_loop(name, digests):
    root = hashlib.sha256(b"ontogeny order\n" + name.encode()).digest()
    for digest in digests:
        hasher = hashlib.sha256()
        hasher.update(root)
        hasher.update(digest)
        root = hasher.digest()
    assert chain_root(name, iter(digests)) == root.hex()


def test_chain_root_sees_order_length_and_name():
    one, two = hashlib.sha256(b"1").digest(), hashlib.sha256(b"2").digest()
    roots = {chain_root("s", rows) for rows in ([], [one], [two], [one, two], [two, one], [one, two, two])}
    assert len(roots | {chain_root("t", [])}) == 7


def test_seeds_are_fixed_and_independent():
    expected = int.from_bytes(hashlib.sha256(b"7|primer|scenes").digest()[:8], "big") >> 1
    assert seed_of(7, "primer", "scenes") == expected < 1 << 63
    seeds = {seed_of(seed, stage, purpose) for seed in range(4) for stage in ("a", "b", "c") for purpose in ("x", "y")}
    assert len(seeds) == 24


def test_canonical_json_and_hashes(tmp_path):
    assert canonical_json({"b": 1, "a": [True, None, "é\u2028"]}) == '{"a":[true,null,"é\u2028"],"b":1}'.encode()
    assert sha256_hex({"b": 1, "a": 2}) == sha256_hex({"a": 2, "b": 1}) != sha256_hex({"a": 2, "b": 1.5})
    assert sha256_hex("é") == sha256_hex("é".encode()) == hashlib.sha256("é".encode()).hexdigest()
    path = tmp_path / "file"
    path.write_bytes(b"x" * (3 << 20) + b"y")
    assert file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def slow_rate(one: Schedule, step: int) -> float:
    """The same words as `Schedule.rate`, drawn point by point."""
    top, end, last = one.learning_rate, one.learning_rate * one.final_frac, one.total_steps - 1
    if one.kind == "constant":
        return top
    if step < one.warmup_steps:  # from top / warmup_steps up to top, in equal steps
        return sum(top / one.warmup_steps for _ in range(step + 1))
    if one.kind == "cosine":
        if last == one.warmup_steps:
            return top
        angle = math.pi * (step - one.warmup_steps) / (last - one.warmup_steps)
        return end + (top - end) * (1 + math.cos(angle)) / 2
    rate = top
    for at in range(step + 1):  # each of the last decay_steps steps takes an equal piece away
        if at > last - one.decay_steps:
            rate -= (top - end) / one.decay_steps
    return rate


@given(
    kind=st.sampled_from(["constant", "warmup_stable_decay", "cosine"]),
    total=st.integers(1, 60),
    warmup=st.floats(0, 1),
    decay=st.floats(0, 1),
    final=st.floats(0, 1),
)
def test_schedules_against_a_slow_reference(kind, total, warmup, decay, final):
    trunk = Trunk(
        learning_rate=0.01, schedule=kind, warmup_frac=warmup, decay_frac=decay, final_frac=final, batch_tokens=64
    )
    schedule = make_schedule(trunk, total)
    assert schedule.warmup_steps + schedule.decay_steps <= total
    rates = [schedule.rate(step) for step in range(total)]
    assert rates == pytest.approx([slow_rate(schedule, step) for step in range(total)], rel=1e-9, abs=1e-15)
    assert all(0 <= rate <= 0.01 * (1 + 1e-12) for rate in rates)
    assert all(a >= b - 1e-15 for a, b in pairwise(rates[schedule.warmup_steps :]))


def test_replay_goes_on_where_the_books_ended():
    trunk = Trunk(learning_rate=1.0, warmup_frac=0.1, decay_frac=0.5, final_frac=0.0, batch_tokens=64)
    whole = make_schedule(trunk, 20)
    replay = replace(whole, first_step=15)
    assert [replay.rate(step) for step in range(5)] == [whole.rate(step) for step in range(15, 20)]
    assert replay.rate(4) == 0.0 < replay.rate(0) < 1.0


def test_the_ends_of_a_schedule():
    trunk = Trunk(learning_rate=1.0, warmup_frac=0.1, decay_frac=0.2, final_frac=0.1, batch_tokens=64)
    schedule = make_schedule(trunk, 100)
    assert (schedule.warmup_steps, schedule.decay_steps) == (10, 20)
    assert schedule.rate(0) == 0.1 and schedule.rate(9) == schedule.rate(79) == 1.0
    assert schedule.rate(80) < 1.0 and schedule.rate(99) == pytest.approx(0.1)
    assert make_schedule(trunk, 0).total_steps == 0
    cosine = make_schedule(trunk.model_copy(update={"schedule": "cosine"}), 100)
    assert cosine.rate(10) == 1.0 and cosine.rate(99) == pytest.approx(0.1) and cosine.decay_steps == 0


def test_a_life_goes_forward():
    cursor, seen = Cursor(), [Cursor()]
    for decision in ("pass", "repeat", "pass"):
        for phase in TRAINED:
            assert cursor.phase_name == phase
            for _ in range(2):
                cursor = cursor.after_step()
                seen.append(cursor)
            cursor = cursor.after_phase()
            seen.append(cursor)
        assert cursor.phase_name == PHASES[-1] == "measure"
        cursor = cursor.after_stage(decision)
        seen.append(cursor)
    assert all(before < after for before, after in pairwise(seen))
    assert cursor == Cursor(stage=2, pass_=1) and Cursor(1, 2) in seen
    assert all(Cursor.from_dict(one.as_dict()) == one for one in seen)
    assert Cursor(1, 2, 2, 9).as_dict() == {"stage": 1, "pass": 2, "phase": 2, "step": 9}


def test_a_fault_is_a_block():
    fault = Fault("it broke.", "g.yaml:1:2  a.b", "'x'", "y", "write y")
    assert fault.render() == (
        "it broke.\n  where     g.yaml:1:2  a.b\n  got       'x'\n  expected  y\n  fix       write y"
    )
    assert Fault("it broke.", fix="mend").render() == "it broke.\n  fix       mend"
    problem = GenomeError([fault, Fault("again.")])
    assert str(problem) == f"GenomeError: {fault.render()}\nGenomeError: again."
    assert pickle.loads(pickle.dumps(problem)).faults == problem.faults


def test_exit_codes_are_the_documented_ones():
    codes = {kind.__name__: kind.exit_code for kind in OntogenyError.__subclasses__()}
    assert codes == {
        "GenomeError": 2,
        "LibraryError": 2,
        "CorpusError": 2,
        "ModelError": 2,
        "RunError": 2,
        "DiskError": 1,
        "TrainError": 1,
        "VerifyError": 1,
    }
    assert all(
        f"{name}" in (errors.__doc__ or "") and f"[{code}]" in (errors.__doc__ or "") for name, code in codes.items()
    )


def test_the_closest_word():
    assert closest("hiden", ["hidden", "other"]) == "; closest: 'hidden'"
    assert closest("qqqq", ["hidden"]) == closest("x", []) == ""
    assert closest(3, [30, 4]) == "; closest: '30'"


def test_units():
    assert bits_per_byte(math.log(2) * 12, 4) == pytest.approx(3.0)
    assert counted(1234567.4) == "1,234,567"
