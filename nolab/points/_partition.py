"""Order of a grid's points in which neighbours in the list are neighbours in space."""

import numpy as np

from nolab.grid import Domain
from nolab.points._scheme import Shape


def partition(shape: Shape, domain: Domain, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Points in groups of equal size by recursive bisection across the longest axis (a k-d tree).

    Points are sorted along the axis and cut by number, so that any number of groups is met exactly
    and their sizes differ by one at most; a cut may end within a row of points. Groups are bisected
    further in the same way down to single points: the share of a group's points that come before a
    point says where in the group it lies. All cuts follow from the domain and the number of groups,
    not from the grid: on all grids of a domain a place in the list is nearly the same place in space.

    Parameters
    ----------
    n_groups : P, at most the number of points N.

    Returns
    -------
    order : (N,) int64, the flat indices of all points, group after group.
    bounds : (P + 1,) int64; group j is order[bounds[j]:bounds[j + 1]].
    """
    n_points = int(np.prod(shape))
    places = np.indices(shape).reshape(len(shape), n_points)
    bounds = np.arange(n_groups + 1) * n_points // n_groups
    order = np.arange(n_points)
    # Part k of K holds `count` points and is a box with these lengths; it is made of the groups
    # first[k] to first[k] + groups[k] - 1, or is one group or a piece of one (groups[k] == 1).
    count, first, groups = (np.array([n]) for n in (n_points, 0, n_groups))
    lengths = np.array([[a.length * (n > 1) for a, n in zip(domain.axes, shape, strict=True)]], float)
    while count.max() > 1:
        axis = lengths.argmax(axis=1)  # (K,)
        part = np.repeat(np.arange(len(count)), count)  # (N,)
        order = order[np.lexsort((order, places[axis[part], order], part))]
        whole = groups > 1
        left = groups // 2
        share = np.where(whole, left / groups, 0.5)
        cut = np.where(whole, bounds[first + left] - bounds[first], (count + 1) // 2)
        both = np.stack([lengths, lengths], axis=1)  # (K, 2, ndim)
        both[np.arange(len(axis)), :, axis] *= np.stack([share, 1 - share], axis=1)
        count = _pairs(cut, count - cut)
        first = _pairs(first, first + left)
        groups = _pairs(np.where(whole, left, 1), np.where(whole, groups - left, 1))
        kept = count > 0
        count, first, groups = count[kept], first[kept], groups[kept]
        lengths = both.reshape(-1, len(shape))[kept]
    return order, bounds


def _pairs(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(K,), (K,) -> (2K,), the two parts of every part next to each other."""
    return np.stack([left, right], axis=1).reshape(-1)
