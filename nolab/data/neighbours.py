"""The search for neighbours of scattered points."""

import numpy as np
from scipy.spatial import cKDTree

from nolab.neighbourhood import Neighbourhood


def find_neighbours(
    coords: np.ndarray,
    weights: np.ndarray,
    wanted: Neighbourhood,
    numbers: np.ndarray,
    centres: np.ndarray | None = None,
) -> np.ndarray:
    """Tables of neighbours.

    Parameters
    ----------
    coords, weights : (n, N, ndim) and (n, N), see :class:`nolab.mesh.MeshFields`.
    numbers : (n,), of the samples in their split: the seed of what is left out of full neighbourhoods.
    centres : (n, M, ndim), the targets; None: the points.

    Returns
    -------
    (n, M, K) int32, -1 where there is no neighbour. K is `wanted.most`.
    """
    m = coords.shape[1] if centres is None else centres.shape[1]
    table = np.full((len(coords), m, wanted.most), -1, np.int32)
    for sample, (places, weight, number) in enumerate(zip(coords, weights, numbers, strict=True)):
        points = places[weight > 0].astype(np.float64)
        targets = points if centres is None else centres[sample]
        rows = _rows(cKDTree(points), targets, wanted, np.random.default_rng(int(number)))
        table[sample, : len(rows)] = rows
    return table


def trimmed(table: np.ndarray) -> np.ndarray:
    """The table without the columns in which no row has a neighbour; at least one column stays."""
    used = int((table >= 0).sum(axis=2).max(initial=1))
    return np.ascontiguousarray(table[:, :, : max(used, 1)])


def farthest_points(points: np.ndarray, count: int) -> np.ndarray:
    """Indices (count,) of points far from each other: the first is the one farthest from the mean, each further one
    the farthest from all before it. Where there are fewer points than `count`, they come again.

    Parameters
    ----------
    points : (N, ndim), float64.
    """
    chosen = np.empty(min(count, len(points)), np.int64)
    chosen[0] = np.square(points - points.mean(axis=0)).sum(axis=1).argmax()
    distance = np.full(len(points), np.inf)
    for i in range(1, len(chosen)):
        np.minimum(distance, np.square(points - points[chosen[i - 1]]).sum(axis=1), out=distance)
        chosen[i] = distance.argmax()
    return np.resize(chosen, count)


def far_places(coords: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Coordinates (n, count, ndim) float32 of points of every sample that are far from each other.

    Parameters
    ----------
    coords, weights : (n, N, ndim) and (n, N), see :class:`nolab.mesh.MeshFields`.
    """
    samples = (places[weight > 0].astype(np.float64) for places, weight in zip(coords, weights, strict=True))
    return np.stack([points[farthest_points(points, count)] for points in samples]).astype(np.float32)


def _rows(
    tree: cKDTree, targets: np.ndarray, wanted: Neighbourhood, generator: np.random.Generator
) -> np.ndarray:
    """(targets, K), -1 where there is no neighbour."""
    if wanted.radius is None:
        k = min(wanted.most, tree.n)
        nearest = tree.query(targets, np.arange(1, k + 1))[1]
        return np.pad(nearest, ((0, 0), (0, wanted.most - k)), constant_values=-1)
    found = tree.query_ball_point(targets, wanted.radius, return_sorted=True)
    counts = np.array([len(row) for row in found])
    target = np.repeat(np.arange(len(targets)), counts)
    neighbour = np.concatenate([np.asarray(row, np.int64) for row in found])
    # In each row the neighbours with the smallest keys stay; where all fit they stay in their order.
    keys = np.where(np.repeat(counts > wanted.most, counts), generator.random(len(target)), 0.0)
    order = np.lexsort((keys, target))
    place = np.arange(len(target)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = place < wanted.most
    rows = np.full((len(targets), wanted.most), -1, np.int64)
    rows[target[kept], place[kept]] = neighbour[order][kept]
    return rows
