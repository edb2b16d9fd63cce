"""n_ℓ ∝ √(V_ℓ/C_ℓ): Giles' allocation, over the levels that pay.

For a given cost of a step the variance Σ V_ℓ/n_ℓ is least for n_ℓ ∝ √(V_ℓ/C_ℓ), and then variance times cost is
(Σ √(V_ℓ C_ℓ))² (Giles, Acta Numerica 24, 2015, section 1.3). Against V_fine·C_fine of the finest level alone this
decides whether a multi-level gradient pays; a level pays where leaving it out makes the sum larger.

A correction that is drawn with a chance n_ℓ below 1 adds S_ℓ/n_ℓ - |E d_ℓ|² with its second moment
S_ℓ = V_ℓ + |E d_ℓ|²: there S_ℓ takes the place of V_ℓ.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import numpy as np

from nolab.estimators._counts import rounded
from nolab.moments import Moments

LEAST_CHANCE = 1e-3
"""Of a correction: its one sample then weighs a thousand times as much."""

LevelSet = tuple[int, ...]
_ITERATIONS = 10


def level_sets(n_levels: int) -> Iterator[LevelSet]:
    """Every choice of levels that holds the finest one, coarsest first."""
    finest = n_levels - 1
    for size in range(n_levels):
        for coarser in combinations(range(finest), size):
            yield (*coarser, finest)


def variances_between(moments: Moments, levels: LevelSet) -> np.ndarray:
    """V of the gradient at the first of `levels`, then of the correction from each to the next."""
    return _between(moments.covariance, levels)


def variance_times_cost(moments: Moments, seconds: np.ndarray, levels: LevelSet) -> float:
    """(Σ √(V_ℓ C_ℓ))² over `levels`: of their optimal allocation.

    Parameters
    ----------
    seconds : C_ℓ of all levels.
    """
    return float(np.sqrt(variances_between(moments, levels) * seconds[list(levels)]).sum() ** 2)


def squared_means_between(moments: Moments, levels: LevelSet) -> np.ndarray:
    """|E d|² of the same gradients as in :func:`variances_between`."""
    return _between(moments.mean, levels)


def _between(products: np.ndarray, levels: LevelSet) -> np.ndarray:
    """Inner products of corrections summed over those from each of `levels` to the next."""
    edges = [0, *(level + 1 for level in levels)]
    return np.array([max(float(products[a:b, a:b].sum()), 0.0) for a, b in pairwise(edges)])


def allocation(
    moments: Moments, seconds: np.ndarray, levels: LevelSet, first: float = math.inf
) -> np.ndarray:
    """√(V_ℓ/C_ℓ) over `levels`, as shares of the first one's, not growing: nested sets can't.

    A correction that varies more than the level below it is drawn as often.

    Parameters
    ----------
    first : samples at the first of `levels`; those whose share of it is below 1 go by √(S_ℓ/C_ℓ), up to 1.
    """
    costs = seconds[list(levels)]
    variances = variances_between(moments, levels)
    if variances[0] == 0:
        return np.ones(len(levels))
    unit = np.sqrt(variances[0] / costs[0])
    shares = np.sqrt(variances / costs) / unit
    seconds_moments = variances + squared_means_between(moments, levels)
    by_chance = np.minimum(np.sqrt(seconds_moments / costs) / unit, 1.0 / first)
    shares = np.where(shares >= 1.0 / first, shares, by_chance)
    return np.maximum(np.minimum.accumulate(np.minimum(shares, 1.0)), LEAST_CHANCE)


def within(
    moments: Moments, seconds: np.ndarray, levels: LevelSet, budget: float
) -> tuple[np.ndarray, float]:
    """Shares over `levels` and the samples at their first one, for a step that costs `budget` seconds."""
    costs, shares = seconds[list(levels)], allocation(moments, seconds, levels)
    for _ in range(_ITERATIONS):  # the shares depend on the first, the first on the shares
        first = max(1.0, budget / float(shares @ costs))
        shares = allocation(moments, seconds, levels, first)
    return shares, first


def achieved(moments: Moments, seconds: np.ndarray, levels: LevelSet, budget: float) -> float:
    """Variance times cost of the allocation :func:`within` a budget: (Σ √(V_ℓ C_ℓ))² where no n_ℓ is below 1."""
    shares, first = within(moments, seconds, levels, budget)
    sizes = first * shares
    variances, means = variances_between(moments, levels), squared_means_between(moments, levels)
    rare = means * np.maximum(1.0 / sizes - 1.0, 0.0)
    return float((variances / sizes + rare).sum() * (sizes @ seconds[list(levels)]))


def counts(shares: Sequence[float], levels: LevelSet, first: float) -> tuple[float, ...]:
    """n_ℓ of all levels, for `first` samples at the coarsest of `levels` and the others by their shares.

    A level that is left out has as many as the next finer one: nested weights then cancel there.
    """
    sizes = [float(rounded(max(1.0, first) * share)) for share in shares]
    each = np.searchsorted(levels, np.arange(levels[-1] + 1))
    return tuple(sizes[i] for i in each)
