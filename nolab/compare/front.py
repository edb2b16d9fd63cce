"""The Pareto front and the area under it, for two axes of which smaller is better."""

import numpy as np


def pareto_mask(points: np.ndarray) -> np.ndarray:
    """Which points no other dominates; one dominates by being <= in both coordinates and < in one.

    Equal points do not dominate each other: all of them are on the front, or none. A point with NaN or an
    infinity never is.

    Parameters
    ----------
    points : (n, 2)

    Returns
    -------
    (n,) bool, in O(n log n)
    """
    points = np.asarray(points, dtype=float).reshape(-1, 2)
    finite = np.flatnonzero(np.isfinite(points).all(axis=1))
    x, y = points[finite].T
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    # Within one x the first has the least y; before it stands the least y of all that cost less.
    first = np.searchsorted(x, x, side="left")
    below = np.concatenate(([np.inf], np.minimum.accumulate(y)))[first]
    mask = np.zeros(len(points), dtype=bool)
    mask[finite[order]] = (y == y[first]) & (y < below)
    return mask


def hypervolume(points: np.ndarray, reference: tuple[float, float]) -> float:
    """Area that the points dominate within the rectangle below and left of `reference`, exactly.

    Points outside the rectangle and points that are not finite contribute nothing.

    Parameters
    ----------
    points : (n, 2)
    reference : the corner (x, y) from which the area is counted.
    """
    points = np.asarray(points, dtype=float).reshape(-1, 2)
    front = points[pareto_mask(points)]
    front = np.unique(front[(front < reference).all(axis=1)], axis=0)
    if not len(front):
        return 0.0
    heights = reference[1] - front[:, 1]
    widths = np.append(front[1:, 0], reference[0]) - front[:, 0]
    return float(widths @ heights)
