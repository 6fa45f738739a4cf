"""Emergence over time: where a continuous score changed its level, and whether it stepped or went smoothly.

A score that counts right answers rises in a step where the chance of a right answer rises smoothly; so nothing
here looks at thresholded scores. Figures of one life: that an order of books matters takes several lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ontogeny.report.read import Life, Measurement, StageRecord

MIN_POINTS = 6  # below, a step and a curve fit alike
MIN_LEVEL_POINTS = 2  # one point is no level
MAX_CHANGES = 5
CHANGE_COST = 3.0  # in ln n a change point: more than BIC's 2, since its place is looked for (see change_points)
TELLING = 2.0  # a BIC difference below this tells nothing
POWERS = np.geomspace(0.05, 4.0, 80)
THRESHOLDED = ("", "fraction", "share")  # units of shares of right answers, and of nothing told
TRUNK = "trunk"


@dataclass(frozen=True)
class Shape:
    """How a series is best described. `change_tokens`: the first point of the second level; lower BIC is better."""

    verdict: str  # step | smooth | cannot tell
    change_tokens: float
    bic_step: float
    bic_smooth: float
    bic_level: float


@dataclass(frozen=True)
class Series:
    """One continuous score over tokens seen."""

    name: str
    on: str
    unit: str
    tokens: tuple[float, ...]
    values: tuple[float, ...]


def change_points(tokens: Sequence[float], values: Sequence[float]) -> list[float]:
    """Tokens at which a new level of `values` begins; none below MIN_POINTS points, or where nothing varies.

    Levels are fitted by ruptures (least squares, exact); their number k minimises
    n ln(RSS_k / n) + k * 3 n / (n - 3) * ln n. BIC's own price of 2 ln n a change point lets noise through, because the
    place of each is the best of many; 3 and the correction for short series keep it under 5 % (a test says so)."""
    values_N = np.asarray(values, np.float64)
    n = len(values_N)
    if n < MIN_POINTS or np.ptp(values_N) == 0:
        return []
    from ruptures import KernelCPD  # it brings scipy's statistics: a second that a page without series need not wait

    levels = KernelCPD(kernel="linear", min_size=MIN_LEVEL_POINTS).fit(values_N[:, None])
    found = {0: [n]} | {
        k: list(map(int, levels.predict(n_bkps=k))) for k in range(1, min(MAX_CHANGES, n // MIN_LEVEL_POINTS - 1) + 1)
    }
    costs = {k: n * np.log(_spread(values_N, _rss_of_levels(values_N, found[k])) / n) + k * _price(n) for k in found}
    best = min(costs, key=lambda k: costs[k])
    return [float(tokens[end]) for end in found[best][:-1]]


def step_or_smooth(tokens: Sequence[float], values: Sequence[float]) -> Shape | None:
    """Two levels against a smooth curve, by BIC = n ln(RSS / n) + p ln n; None below MIN_POINTS points.

    Smooth is the best of a line and a parabola in the logarithm of tokens, and a power law a + b x^-c; x is tokens plus
    the first count above 0, so that the start of a life has a logarithm. Parameters p: the noise always, two levels and
    their place 4, line 3, parabola and power law 4, one level 2. "cannot tell": the two differ by less than
    TELLING, or neither beats one level by what `change_points` asks of a change: noise has a shape, too."""
    x_N, values_N = np.asarray(tokens, np.float64), np.asarray(values, np.float64)
    n = len(values_N)
    if n < MIN_POINTS:
        return None
    x_N = x_N + min((x for x in x_N.tolist() if x > 0), default=1.0)
    ends = {k: _rss_of_levels(values_N, [k, n]) for k in range(MIN_LEVEL_POINTS, n - MIN_LEVEL_POINTS + 1)}
    change = min(ends, key=lambda k: ends[k])
    log_N = np.log(x_N)
    log_N = log_N - log_N.mean()
    curves = [(_rss_of_fit(values_N, [log_N]), 3), (_rss_of_fit(values_N, [log_N, log_N**2]), 4)]
    curves.append((min(_rss_of_fit(values_N, [(x_N / x_N[0]) ** -power]) for power in POWERS), 4))
    step, level = _bic(values_N, ends[change], 4), _bic(values_N, _rss_of_levels(values_N, [n]), 2)
    smooth = min(_bic(values_N, rss, count) for rss, count in curves)
    least = _spread(values_N, min(ends[change], *(rss for rss, _ in curves)))
    gain = n * np.log(_spread(values_N, _rss_of_levels(values_N, [n])) / least)
    told = abs(step - smooth) >= TELLING and gain >= _price(n)
    verdict = ("step" if step < smooth else "smooth") if told else "cannot tell"
    return Shape(verdict, float(tokens[change]), step, smooth, level)


def emergence_series(life: Life) -> list[Series]:
    """Every continuous score of the trunk over tokens seen: after each stage, and of the light probes inside stages.

    Shares of right answers are left out, and so is a score whose unit is not told."""
    points: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    seen = 0.0
    for stage in life.stages:
        for step in stage.light:
            for name, value in step.scores.items():
                unit = "bits/byte" if name == "bits_per_byte" else "nats/byte"
                points.setdefault((f"light {name}", stage.name, unit), []).append((step.tokens_seen, value))
        seen = max([seen, *(step.tokens_seen for step in stage.steps)])
        for row in _reported(stage):
            key = (f"{row.probe} {row.form}".strip(), row.on, row.unit)
            points.setdefault(key, []).append((seen, row.value or 0.0))
    return [
        Series(*key, tokens=tuple(x for x, _ in found), values=tuple(y for _, y in found))
        for key, found in points.items()
    ]


def _reported(stage: StageRecord) -> list[Measurement]:
    """The trunk's continuous scores of one stage, each on the one split that a report shows."""
    rows = [row for row in stage.measurements if row.subject == TRUNK and row.unit not in THRESHOLDED]
    return [
        row
        for row in rows
        if row.value is not None and (shown := stage.find(row.probe, row.on)) and shown.split == row.split
    ]


def _price(n: int) -> float:
    return CHANGE_COST * n / (n - 3) * float(np.log(n))


def _rss_of_levels(values_N: np.ndarray, ends: Sequence[int]) -> float:
    return float(sum(((part - part.mean()) ** 2).sum() for part in np.split(values_N, ends[:-1])))


def _rss_of_fit(values_N: np.ndarray, columns: Sequence[np.ndarray]) -> float:
    design_NP = np.stack([np.ones_like(values_N), *columns], axis=1)
    weights_P, *_ = np.linalg.lstsq(design_NP, values_N, rcond=None)
    return float(((values_N - design_NP @ weights_P) ** 2).sum())


def _spread(values_N: np.ndarray, rss: float) -> float:
    """Never below what rounding leaves, so that a perfect fit has a logarithm."""
    return max(rss, len(values_N) * (1e-9 * float(np.abs(values_N).max() or 1.0)) ** 2)


def _bic(values_N: np.ndarray, rss: float, parameters: int) -> float:
    n = len(values_N)
    return float(n * np.log(_spread(values_N, rss) / n) + parameters * np.log(n))
