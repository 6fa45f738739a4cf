"""Change points and shapes of synthetic series: what is there is found, what is not there is not told."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from ontogeny.report.emergence import MIN_POINTS, change_points, step_or_smooth

TOKENS = [2000.0 * place for place in range(24)]


def noise(seed: int, n: int = 24, size: float = 0.05) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, size, n)


def stepping(seed: int, at: int = 14) -> np.ndarray:
    return np.where(np.arange(24) < at, 3.0, 2.5) + noise(seed)


def falling(seed: int) -> np.ndarray:
    x = np.array(TOKENS) + TOKENS[1]
    return 2.0 + 2.5 * (x / x[0]) ** -0.5 + noise(seed, size=0.02)


def test_a_step_in_noise_is_found_where_it_is():
    found = [change_points(TOKENS, stepping(seed)) for seed in range(50)]
    assert all(TOKENS[14] in one for one in found)
    assert sum(one == [TOKENS[14]] for one in found) >= 45, "noise may add a false one in 5 % of series"
    shapes = [step_or_smooth(TOKENS, stepping(seed)) for seed in range(50)]
    assert sum(one.verdict == "step" and one.change_tokens == TOKENS[14] for one in shapes) >= 48
    assert all(one.verdict != "smooth" for one in shapes)


def test_a_smooth_fall_is_called_smooth():
    verdicts = [step_or_smooth(TOKENS, falling(seed)).verdict for seed in range(50)]
    assert verdicts.count("smooth") >= 48 and "step" not in verdicts


def test_a_line_in_log_tokens_is_smooth_too():
    log = np.log(np.array(TOKENS) + TOKENS[1])
    verdicts = [step_or_smooth(TOKENS, 4 - 0.3 * log + noise(seed)).verdict for seed in range(50)]
    assert verdicts.count("smooth") >= 48 and "step" not in verdicts


@pytest.mark.parametrize("n", [6, 8, 12, 24, 60])
def test_constant_noise_has_no_change_point(n):
    tokens = [1000.0 * place for place in range(n)]
    alarms = sum(bool(change_points(tokens, noise(seed, n))) for seed in range(200))
    assert alarms <= 10, f"{alarms} of 200 series of {n} points of noise are said to change"


@pytest.mark.parametrize("n", [6, 12, 24, 60])
def test_constant_noise_is_seldom_given_a_shape(n):
    tokens = [1000.0 * place for place in range(n)]
    shapes = [step_or_smooth(tokens, noise(seed, n)) for seed in range(200)]
    assert sum(one.verdict != "cannot tell" for one in shapes) <= 20


def slow_best(values: np.ndarray, k: int) -> float:
    """Least residual sum over all places of k change points, tried one by one; a level has two points at least."""
    n = len(values)

    def rss(ends):
        parts = [values[a:b] for a, b in zip([0, *ends], [*ends, n], strict=True)]
        if min(map(len, parts)) < 2:
            return np.inf
        return sum(((part - part.mean()) ** 2).sum() for part in parts)

    return min(rss(ends) for ends in combinations(range(1, n), k))


@pytest.mark.parametrize("seed", range(20))
def test_change_points_against_a_search_of_all_places(seed):
    n = 12
    values = np.repeat([0.0, 1.0, 0.2], 4) * (seed % 3) + noise(seed, n, 0.1)
    price = 3 * n / (n - 3) * np.log(n)
    best = min(range(6), key=lambda k: n * np.log(slow_best(values, k) / n) + k * price)
    found = change_points(list(range(n)), values)
    assert len(found) == best
    if best:
        cuts = [int(place) for place in found]
        told = sum(((part - part.mean()) ** 2).sum() for part in np.split(values, cuts))
        assert told == pytest.approx(slow_best(values, best))


def test_two_steps_are_two_change_points():
    values = np.repeat([3.0, 2.4, 2.9], 8) + noise(1)
    assert change_points(TOKENS, values) == [TOKENS[8], TOKENS[16]]


def test_too_few_points_say_nothing():
    few = MIN_POINTS - 1
    assert step_or_smooth(TOKENS[:few], [1.0] * few) is None
    assert change_points(TOKENS[:few], [3.0, 3.0, 1.0, 1.0, 1.0]) == []


def test_what_never_varies_is_not_judged():
    assert change_points(TOKENS, [2.0] * 24) == []
    assert step_or_smooth(TOKENS, [2.0] * 24).verdict == "cannot tell"


def test_one_odd_point_is_no_level():
    values = 2.5 + noise(3, size=0.01)
    values[0] = 9.0
    assert step_or_smooth(TOKENS, values).change_tokens != TOKENS[1]
