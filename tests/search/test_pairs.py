"""Paired differences against scipy's tests, plain loops and a simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ontogeny.search.pairs import ENUMERATED_TO, SIGN_FLIP_FROM, holm, paired, sign_flip_p, smallest_effect

figures = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda value: round(value, 6))
given_differences = st.lists(figures, min_size=2, max_size=9)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(given_differences)
def test_the_interval_and_p_are_those_of_scipy(differences):
    found = paired(differences)
    base = np.zeros(len(differences))
    if np.ptp(differences) < 1e-6:
        return
    theirs = stats.ttest_rel(differences, base)
    low, high = theirs.confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(differences), rel=1e-9, abs=1e-12)
    assert found.ci95 == pytest.approx((low, high), rel=1e-9, abs=1e-9)
    assert found.p_t == pytest.approx(theirs.pvalue, rel=1e-7, abs=1e-12)


def plain_sign_flip(differences: list[float]) -> float:
    """Every pattern of signs, one at a time."""
    observed = abs(math.fsum(differences))
    hits = total = 0
    for signs in itertools.product((1, -1), repeat=len(differences)):
        hits += abs(math.fsum(s * d for s, d in zip(signs, differences, strict=True))) >= observed - 1e-9
        total += 1
    return hits / total


@settings(derandomize=True, max_examples=40, deadline=None)
@given(given_differences)
def test_sign_flips_are_all_patterns(differences):
    assert sign_flip_p(differences) == plain_sign_flip(differences)


def test_sign_flips_are_those_of_scipy():
    differences = [0.4, -0.1, 0.3, 0.25, 0.2, -0.05, 0.6]
    theirs = stats.permutation_test(
        (differences, np.zeros(7)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
    )
    assert sign_flip_p(differences) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_beyond_sixteen_pairs_flips_are_sampled_and_repeat():
    rng = np.random.default_rng(4)
    differences = rng.normal(0.35, 1, ENUMERATED_TO + 1)
    exact = plain_by_halves(differences)
    assert sign_flip_p(differences) == sign_flip_p(differences) == pytest.approx(exact, abs=0.01)
    assert 0 < sign_flip_p(np.full(40, 0.5)) < 1e-4


def plain_by_halves(differences: np.ndarray) -> float:
    """All 2^17 sums, doubled up one difference at a time."""
    sums = np.zeros(1)
    for one in differences:
        sums = np.concatenate([sums + one, sums - one])
    return float((np.abs(sums) >= abs(differences.sum()) - 1e-9).mean())


def test_the_least_p_of_sign_flips_is_two_patterns():
    assert sign_flip_p([1.0] * 6) == 2 / 64
    assert paired([1.0, 2.0, 1.5, 1.2, 0.9]).p_sign_flip is None
    assert paired([1.0, 2.0, 1.5, 1.2, 0.9, 1.1]).p_sign_flip == 2 / 64
    assert SIGN_FLIP_FROM == 6


def test_few_and_equal_differences_say_so():
    assert (paired([]).n, paired([]).mean, paired([]).note) == (0, None, "no pair was measured")
    one = paired([0.5])
    assert (one.mean, one.ci95, one.p_t, one.note) == (0.5, None, None, "one pair: no interval")
    same = paired([0.0] * 6)
    assert (same.ci95, same.p_t, same.p_sign_flip, same.smallest_effect) == ((0.0, 0.0), 1.0, 1.0, 0.0)
    assert "exactly 0" in same.note
    assert paired([0.25] * 3).p_t == 0.0 and "no spread" in paired([0.25] * 3).note


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8))
def test_holm_against_its_definition(p_values):
    known = [p for p in p_values if p is not None]
    for p, adjusted in zip(p_values, holm(p_values), strict=True):
        if p is None:
            assert adjusted is None
            continue
        steps = [min(1.0, (len(known) - place) * one) for place, one in enumerate(sorted(known))]
        assert adjusted == max(step for step, one in zip(steps, sorted(known), strict=True) if one <= p)


def test_holm_on_paper():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize("pairs", [3, 6, 12])
def test_the_smallest_effect_is_seen_four_times_in_five(pairs):
    lives = 20_000
    effect = smallest_effect(2.0, pairs)
    drawn = np.random.default_rng(pairs).normal(effect, 2.0, (lives, pairs))
    bound = stats.t.ppf(0.975, pairs - 1)
    seen = np.abs(drawn.mean(1) / (drawn.std(1, ddof=1) / math.sqrt(pairs))) > bound
    assert seen.mean() == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / lives))


@pytest.mark.parametrize("pairs", [3, 4, 6, 10, 40])
def test_the_smallest_effect_is_that_of_a_noncentral_t(pairs):
    shift = smallest_effect(1.0, pairs) * math.sqrt(pairs)
    assert stats.nct.sf(stats.t.ppf(0.975, pairs - 1), pairs - 1, shift) == pytest.approx(0.8, abs=1e-4)


def test_intervals_of_nulls_exclude_zero_one_time_in_twenty():
    drawn = np.random.default_rng(11).normal(0, 1, (4000, 5))
    out = sum(not low <= 0 <= high for low, high in (paired(row).ci95 for row in drawn))
    assert out / 4000 == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 4000))
