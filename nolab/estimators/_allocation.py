"""n_ℓ ∝ √(V_ℓ/C_ℓ): Giles' allocation, over the levels that pay.

For a given cost of a step the variance Σ V_ℓ/n_ℓ is least for n_ℓ ∝ √(V_ℓ/C_ℓ), and then variance times cost is
(Σ √(V_ℓ C_ℓ))² (Giles, Acta Numerica 24, 2015, section 1.3). Against V_fine·C_fine of the finest level alone this
decides whether a multi-level gradient pays; a level pays where leaving it out makes the sum larger.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import numpy as np

from nolab.estimators._counts import rounded
from nolab.moments import Moments

LEAST_CHANCE = 1e-3
"""Of a correction: its one sample then weighs a thousand times as much."""

LevelSet = tuple[int, ...]


def level_sets(n_levels: int) -> Iterator[LevelSet]:
    """Every choice of levels that holds the finest one, coarsest first."""
    finest = n_levels - 1
    for size in range(n_levels):
        for coarser in combinations(range(finest), size):
            yield (*coarser, finest)


def variances_between(moments: Moments, levels: LevelSet) -> np.ndarray:
    """V of the gradient at the first of `levels`, then of the correction from each to the next."""
    edges = [-1, *levels]
    return np.array(
        [max(float(moments.covariance[a + 1 : b + 1, a + 1 : b + 1].sum()), 0.0) for a, b in pairwise(edges)]
    )


def variance_times_cost(moments: Moments, seconds: np.ndarray, levels: LevelSet) -> float:
    """(Σ √(V_ℓ C_ℓ))² over `levels`: of their optimal allocation.

    Parameters
    ----------
    seconds : C_ℓ of all levels.
    """
    return float(np.sqrt(variances_between(moments, levels) * seconds[list(levels)]).sum() ** 2)


def allocation(moments: Moments, seconds: np.ndarray, levels: LevelSet) -> np.ndarray:
    """√(V_ℓ/C_ℓ) over `levels`, as shares of the first one's, not growing: nested sets can't.

    A correction that varies more than the level below it is drawn as often.
    """
    ideal = np.sqrt(variances_between(moments, levels) / seconds[list(levels)])
    shares = ideal / ideal[0] if ideal[0] > 0 else np.ones(len(levels))
    return np.maximum(np.minimum.accumulate(np.minimum(shares, 1.0)), LEAST_CHANCE)


def counts(shares: Sequence[float], levels: LevelSet, first: float) -> tuple[float, ...]:
    """n_ℓ of all levels, for `first` samples at the coarsest of `levels` and the others by their shares.

    A level that is left out has as many as the next finer one: nested weights then cancel there.
    """
    sizes = [float(rounded(max(1.0, first) * share)) for share in shares]
    each = np.searchsorted(levels, np.arange(levels[-1] + 1))
    return tuple(sizes[i] for i in each)
