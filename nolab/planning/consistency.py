"""Whether the means of the levels fit together, as in the checks of Giles' mlmc_test."""

import numpy as np

from nolab.moments import Moments

LARGEST = 3.0
"""A ratio above it is no accident."""


def consistency(gram: np.ndarray) -> list[float]:
    """|mean g_ℓ - mean g_{ℓ-1} - mean d_ℓ| over its standard deviation, for every level ℓ >= 1.

    g_ℓ over one half of the samples, g_{ℓ-1} and d_ℓ over the other: on the same samples the identity holds by
    construction. About 1 or less where the samples are enough for their means, whatever the level.

    Parameters
    ----------
    gram : (L+1, n, L+1, n), inner products of the samples' corrections; the halves are the even and the odd samples.
    """
    n_levels, n = gram.shape[:2]
    moments = Moments.of_gram(gram)
    first, second = (np.arange(n) % 2 == half for half in (0, 1))
    shares = first / first.sum(), second / second.sum()
    ratios = []
    for level in range(1, n_levels):
        factors = np.zeros((n_levels, n))
        factors[: level + 1] += shares[0]
        factors[:level] -= shares[1]
        factors[level] -= shares[1]
        square = max(float(np.einsum("ki,kilj,lj->", factors, gram, factors)), 0.0)
        expected = moments.level_variance(level) * (1 / first.sum() + 1 / second.sum())
        ratios.append(float(np.sqrt(square / expected)) if expected > 0 else 0.0)
    return ratios
