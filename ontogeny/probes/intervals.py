"""Intervals at 95 %: bootstrap over items, seeded; a small n is passed on, not hidden.

`groups` names what each item shares with others (its template): whole groups are resampled then. One group alone says
nothing of how groups differ; the items of it are resampled as if they were independent."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95
RESAMPLES = 2000


def interval_of_mean(values: Sequence[float], seed: int, groups: Sequence[Hashable] | None = None) -> list[float]:
    """Percentile bootstrap of a mean. One item, or items all alike, give a point: nothing was seen to vary."""
    if (members := _members(groups)) is not None:
        if np.ptp(values) == 0:
            return [float(values[0])] * 2
        sums = [sum(values[i] for i in some) for some in members]
        return interval_of_ratio(sums, [len(some) for some in members], seed)
    return _bootstrap((np.asarray(values, np.float64),), lambda sample, axis=-1: sample.mean(axis=axis), seed)


def interval_of_ratio(numerators: Sequence[float], denominators: Sequence[float], seed: int) -> list[float]:
    """Percentile bootstrap of sum(numerators) / sum(denominators), both resampled together, item by item."""
    both = (np.asarray(numerators, np.float64), np.asarray(denominators, np.float64))
    return _bootstrap(both, lambda top, bottom, axis=-1: top.sum(axis=axis) / bottom.sum(axis=axis), seed)


def interval_of_sums(
    columns: Sequence[Sequence[float]],
    statistic: Callable[..., np.ndarray],
    seed: int,
    groups: Sequence[Hashable] | None = None,
) -> list[float]:
    """Percentile bootstrap of statistic(sum of each column), resampled together, item by item or group by group."""
    members = _members(groups) or [[i] for i in range(len(columns[0]))]
    sums = tuple(np.array([sum(column[i] for i in some) for some in members], np.float64) for column in columns)
    return _bootstrap(sums, lambda *some, axis=-1: statistic(*(one.sum(axis=axis) for one in some)), seed)


def interval_of_share(rights: Sequence[float], seed: int, groups: Sequence[Hashable] | None = None) -> list[float]:
    """Percentile bootstrap of a share of right answers (1, 0, or 0.5 for a tie).

    Where all are right or all wrong a bootstrap would claim certainty; the exact binomial bound (Clopper-Pearson)
    stands there instead, over as many trials as there are groups."""
    values = np.asarray(rights, np.float64)
    total = float(values.sum())
    if total in (0.0, float(len(values))):
        trials = len(_members(groups) or values)
        exact = stats.binomtest(trials if total else 0, trials).proportion_ci(LEVEL, method="exact")
        return [float(exact.low), float(exact.high)]
    return interval_of_mean(rights, seed, groups)


def _members(groups: Sequence[Hashable] | None) -> list[list[int]] | None:
    """The numbers of the items of each group, in order of first appearance; None where items are as good as alone."""
    found: dict[Hashable, list[int]] = {}
    for i, group in enumerate(groups or ()):
        found.setdefault(group, []).append(i)
    return list(found.values()) if 1 < len(found) < len(groups or ()) else None


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
