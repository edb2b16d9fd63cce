"""Coarser levels of scattered points: a subset of them, for data that have one level only."""

from typing import Literal, get_args

import numpy as np
from scipy.spatial import cKDTree

from nolab.data.neighbours import farthest_points
from nolab.errors import unknown
from nolab.mesh import MeshFields, MeshSize, padded

Thinning = Literal["farthest", "random"]
"""``farthest``: points far from each other (farthest point sampling, Eldar et al. 1997); ``random``: any."""


def thin(fields: MeshFields, count: int, method: Thinning, numbers: np.ndarray) -> MeshFields:
    """`count` of the N points of every sample, and their share of the points where it has fewer.

    Smaller subsets are part of larger ones. The weight of a point that is left out goes to the nearest that
    stays, so that the quadrature remains one of the whole domain. Cells are lost.

    Parameters
    ----------
    numbers : (n,), of the samples in their split: the seed of ``random``.
    """
    if method not in get_args(Thinning):
        raise unknown("hierarchy.restriction", method, get_args(Thinning))
    share = count / fields.weights.shape[1]
    samples = []
    for row, number in enumerate(numbers):
        points = fields.coords[row][fields.weights[row] > 0].astype(np.float64)
        size = max(1, round(share * len(points)))
        order = (
            farthest_points(points, size) if method == "farthest" else _shuffled(len(points), number)[:size]
        )
        samples.append(_subset(fields, row, points, np.sort(order)))
    return padded(samples, MeshSize(count))


def _shuffled(n: int, number: int) -> np.ndarray:
    return np.random.default_rng(int(number)).permutation(n)


def _subset(fields: MeshFields, row: int, points: np.ndarray, kept: np.ndarray) -> MeshFields:
    owner = cKDTree(points[kept]).query(points)[1]
    weights = np.bincount(owner, fields.weights[row, : len(points)].astype(np.float64), minlength=len(kept))
    cells = np.empty((0, 3), np.int32)
    return MeshFields(
        fields.input[row][:, kept], fields.output[row][:, kept], fields.coords[row][kept], weights, cells
    )
