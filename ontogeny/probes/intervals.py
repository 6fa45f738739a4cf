"""Intervals at 95 %: bootstrap over items, seeded; a small n is passed on, not hidden."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95
RESAMPLES = 2000


def interval_of_mean(values: Sequence[float], seed: int) -> list[float]:
    """Percentile bootstrap of a mean. One item, or items all alike, give a point: nothing was seen to vary."""
    return _bootstrap((np.asarray(values, np.float64),), lambda sample, axis=-1: sample.mean(axis=axis), seed)


def interval_of_ratio(numerators: Sequence[float], denominators: Sequence[float], seed: int) -> list[float]:
    """Percentile bootstrap of sum(numerators) / sum(denominators), both resampled together, item by item."""
    both = (np.asarray(numerators, np.float64), np.asarray(denominators, np.float64))
    return _bootstrap(both, lambda top, bottom, axis=-1: top.sum(axis=axis) / bottom.sum(axis=axis), seed)


def interval_of_share(rights: Sequence[float], seed: int) -> list[float]:
    """Percentile bootstrap of a share of right answers (1, 0, or 0.5 for a tie).

    Where all are right or all wrong a bootstrap would claim certainty; the exact binomial bound (Clopper-Pearson)
    stands there instead."""
    values = np.asarray(rights, np.float64)
    total = float(values.sum())
    if total in (0.0, float(len(values))):
        exact = stats.binomtest(int(total), len(values)).proportion_ci(LEVEL, method="exact")
        return [float(exact.low), float(exact.high)]
    return interval_of_mean(rights, seed)


def _bootstrap(data: tuple[np.ndarray, ...], statistic, seed: int) -> list[float]:
    assert len(data[0]) > 0, "an interval over no items"
    point = float(statistic(*data))
    if len(data[0]) == 1 or all(np.ptp(one) == 0 for one in data):
        return [point, point]
    found = stats.bootstrap(
        data,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return [float(found.confidence_interval.low), float(found.confidence_interval.high)]
