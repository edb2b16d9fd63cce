"""An order in which each system is like the one before."""

import numpy as np


def similarity_order(parameters: np.ndarray) -> np.ndarray:
    """Indices from 0 on, each followed by its nearest neighbour among those that are left.

    The greedy order of Wang et al. (arXiv 2401.09516), by Euclidean distance; the first of equals is taken.

    Parameters
    ----------
    parameters : (n, ...), n >= 1, what tells the systems apart.

    Returns
    -------
    (n,) a permutation of 0..n-1.
    """
    points = parameters.reshape(len(parameters), -1)
    left = np.arange(1, len(points))
    order = [0]
    while len(left):
        distances = np.linalg.norm(points[left] - points[order[-1]], axis=1)
        nearest = int(np.argmin(distances))
        order.append(int(left[nearest]))
        left = np.delete(left, nearest)
    return np.array(order)
