"""Paired differences, one a seed: mean, Student-t interval, sign-flip test, Holm's correction, the smallest effect."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

LEVEL = 0.05
POWER = 0.8
SIGN_FLIP_FROM = 6  # seeds; with fewer, even the most extreme of 2^n sign patterns has p > 0.05
ENUMERATED_TO = 16
SAMPLED_FLIPS = 100_000
FLIPS_SEED = 20_260
CHUNK = 4096


@dataclass(frozen=True)
class Paired:
    """What n differences say. None: not to be had from so few, `note` says why."""

    n: int
    mean: float | None
    sd: float | None
    ci95: tuple[float, float] | None
    p_t: float | None
    p_sign_flip: float | None
    smallest_effect: float | None
    note: str = ""


def paired(differences: Sequence[float]) -> Paired:
    """The comparison of two sides by their differences, one a seed.

    Source: Student 1908 (interval, two-sided p); Fisher 1935 (sign flips)."""
    d_n = np.asarray(differences, np.float64)
    n = len(d_n)
    if n < 2:
        mean = float(d_n[0]) if n else None
        return Paired(n, mean, None, None, None, None, None, "one pair: no interval" if n else "no pair was measured")
    mean, sd = float(d_n.mean()), float(d_n.std(ddof=1)) if np.ptp(d_n) else 0.0
    error = sd / math.sqrt(n)
    half = float(stats.t.ppf(1 - LEVEL / 2, n - 1)) * error
    notes = []
    if error > 0:
        p_t = float(2 * stats.t.sf(abs(mean) / error, n - 1))
    else:
        p_t = 1.0 if mean == 0 else 0.0
        notes.append("every difference is exactly 0" if mean == 0 else "all differences are equal, no spread")
    flips = sign_flip_p(d_n) if n >= SIGN_FLIP_FROM else None
    if flips is None:
        notes.append(f"fewer than {SIGN_FLIP_FROM} pairs, no sign-flip test")
    return Paired(n, mean, sd, (mean - half, mean + half), p_t, flips, smallest_effect(sd, n), "; ".join(notes))


def sign_flip_p(differences: Sequence[float] | np.ndarray) -> float:
    """Two-sided p of the mean if each difference could as well have had the other sign.

    All 2^n patterns up to n = 16; beyond, 100,000 seeded ones and the observed (p is never 0)."""
    d_n = np.asarray(differences, np.float64)
    n = len(d_n)
    least = abs(d_n.sum()) - 1e-9 * np.abs(d_n).sum()  # equal sums added in another order count as equal
    if n <= ENUMERATED_TO:
        hits = 0
        for start in range(0, 1 << n, CHUNK):
            pattern_P = np.arange(start, min(start + CHUNK, 1 << n))
            signs_Pn = 1.0 - 2.0 * ((pattern_P[:, None] >> np.arange(n)) & 1)
            hits += int((np.abs(signs_Pn @ d_n) >= least).sum())
        return hits / (1 << n)
    rng = np.random.default_rng(FLIPS_SEED)
    hits = 0
    for start in range(0, SAMPLED_FLIPS, CHUNK):
        signs_Pn = rng.integers(0, 2, (min(CHUNK, SAMPLED_FLIPS - start), n)) * 2.0 - 1.0
        hits += int((np.abs(signs_Pn @ d_n) >= least).sum())
    return (hits + 1) / (SAMPLED_FLIPS + 1)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment; None takes no part. The greatest of (m - rank) p so far, at most 1.

    Source: Holm 1979."""
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    worst = 0.0
    for rank, (p, place) in enumerate(order):
        worst = max(worst, min(1.0, (len(order) - rank) * p))
        adjusted[place] = worst
    return adjusted


def smallest_effect(sd: float, n: int) -> float:
    """The mean difference that n pairs with this sd would have been told apart from 0, four times in five.

    lambda(n) sd / sqrt(n), where lambda is the noncentrality at which a noncentral t of n - 1 degrees of freedom
    exceeds t_0.975(n - 1) in absolute value with probability 0.8 (two-sided 5 %). lambda(6) = 3.51."""
    return _noncentrality(n) * sd / math.sqrt(n)


@functools.cache
def _noncentrality(n: int) -> float:
    bound = float(stats.t.ppf(1 - LEVEL / 2, n - 1))
    nodes_K, weights_K = np.polynomial.legendre.leggauss(400)
    spread_K = np.sqrt(stats.chi2.ppf((nodes_K + 1) / 2, n - 1) / (n - 1))  # of the sd, by its quantiles

    def lacking(shift: float) -> float:
        seen_K = stats.norm.cdf(shift - bound * spread_K) + stats.norm.cdf(-shift - bound * spread_K)
        return float(weights_K @ seen_K) / 2 - POWER

    return float(brentq(lacking, 0.0, 4.0 * bound))
