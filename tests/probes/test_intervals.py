"""Intervals: seeded bootstrap over items, honest where nothing varies."""

from __future__ import annotations

import numpy as np
import pytest

from ontogeny.probes.intervals import interval_of_mean, interval_of_ratio, interval_of_share

RNG = np.random.default_rng(0)


def by_hand(draw, n, resamples=4000, seed=1):
    """Percentile bootstrap, one resample after another."""
    rng = np.random.default_rng(seed)
    told = [draw(rng.integers(0, n, n)) for _ in range(resamples)]
    return np.quantile(told, [0.025, 0.975])


def test_mean_against_a_hand_written_bootstrap():
    values = RNG.normal(size=40)
    low, high = interval_of_mean(values, 3)
    assert np.allclose([low, high], by_hand(lambda pick: values[pick].mean(), 40), atol=0.03)
    assert low < values.mean() < high


def test_ratio_against_a_hand_written_bootstrap():
    sizes = RNG.integers(200, 900, 12).astype(float)
    bits = sizes * RNG.normal(2.5, 0.3, 12)
    low, high = interval_of_ratio(bits, sizes, 3)
    assert np.allclose([low, high], by_hand(lambda pick: bits[pick].sum() / sizes[pick].sum(), 12), atol=0.03)


def test_share_against_a_hand_written_bootstrap():
    rights = np.array([1.0] * 24 + [0.5] * 2 + [0.0] * 14)
    assert np.allclose(interval_of_share(rights, 3), by_hand(lambda pick: rights[pick].mean(), 40), atol=0.03)


def test_a_seed_decides_it():
    values = list(RNG.normal(size=15))
    assert interval_of_mean(values, 3) == interval_of_mean(values, 3) != interval_of_mean(values, 4)


def test_one_item_and_equal_items_give_a_point():
    assert interval_of_mean([0.7], 1) == [0.7, 0.7]
    assert interval_of_mean([0.7, 0.7, 0.7], 1) == pytest.approx([0.7, 0.7])
    assert interval_of_ratio([6.0], [3.0], 1) == [2.0, 2.0]


@pytest.mark.parametrize(
    ("rights", "expected"), [([1.0] * 40, [0.9119, 1.0]), ([0.0] * 10, [0.0, 0.3085]), ([1.0], [0.025, 1.0])]
)
def test_all_right_is_not_certainty(rights, expected):
    assert interval_of_share(rights, 1) == pytest.approx(expected, abs=1e-3)


def test_groups_are_resampled_whole():
    groups = [k // 5 for k in range(40)]
    values = np.repeat(RNG.normal(size=8), 5) + RNG.normal(0, 0.1, 40)

    def draw(pick):
        return np.concatenate([values[5 * k : 5 * k + 5] for k in pick]).mean()

    told = interval_of_mean(list(values), 3, groups)
    assert np.allclose(told, by_hand(draw, 8), atol=0.04)
    assert interval_of_mean(list(values), 3, range(40)) == interval_of_mean(list(values), 3)
    assert interval_of_mean(list(values), 3, [0] * 40) == interval_of_mean(list(values), 3)


def test_all_right_is_as_many_trials_as_there_are_groups():
    assert interval_of_share([1.0] * 40, 1, [k % 8 for k in range(40)]) == interval_of_share([1.0] * 8, 1)
    assert interval_of_share([0.0] * 6, 1, "aabbcc") == interval_of_share([0.0] * 3, 1)
