"""Fields on scattered points: how samples of different size share arrays, and quadrature on meshes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nolab.errors import InputError


class MeshFields(NamedTuple):
    """Samples at one level, padded to one number of points N and of cells T.

    A sample's points come first; what follows them has weight 0. Cells that are padding hold -1.
    """

    input: np.ndarray
    """(n, C_in, N) float32"""
    output: np.ndarray
    """(n, C_out, N) float32"""
    coords: np.ndarray
    """(n, N, ndim) float32, in units of the domain"""
    weights: np.ndarray
    """(n, N) float32, quadrature weights of the mean over the sample's domain: positive, sum 1"""
    cells: np.ndarray
    """(n, T, corners) int32, the points of each triangle; T = 0 where there is no mesh"""


class MeshSize(NamedTuple):
    """Room that every sample has at a level."""

    points: int
    """N"""
    cells: int = 0
    """T"""
    corners: int = 3
    """Points of a cell."""


def padded(samples: Sequence[MeshFields], size: MeshSize) -> MeshFields:
    """Samples without a leading axis, of different numbers of points and cells, as one.

    Raises
    ------
    ValueError : a sample does not fit `size`.
    """
    first = samples[0]
    joined = MeshFields(
        np.zeros((len(samples), len(first.input), size.points), np.float32),
        np.zeros((len(samples), len(first.output), size.points), np.float32),
        np.zeros((len(samples), size.points, first.coords.shape[-1]), np.float32),
        np.zeros((len(samples), size.points), np.float32),
        np.full((len(samples), size.cells, size.corners), -1, np.int32),
    )
    for i, sample in enumerate(samples):
        n, cells = len(sample.coords), len(sample.cells)
        if n > size.points or cells > size.cells:
            raise ValueError(f"a sample of {n} points and {cells} cells does not fit {size}")
        joined.input[i, :, :n] = sample.input
        joined.output[i, :, :n] = sample.output
        joined.coords[i, :n] = sample.coords
        joined.coords[i, n:] = sample.coords[0]  # inside the domain, like all others
        joined.weights[i, :n] = sample.weights
        joined.cells[i, :cells] = sample.cells
    return joined


def padded_at_end(weights: np.ndarray) -> bool:
    """Whether all points of weight 0, of samples (n, N), stand behind the others."""
    there = weights > 0
    return not (there[:, 1:] & ~there[:, :-1]).any()


def check_mesh(fields: MeshFields) -> None:
    """Refuse what :class:`MeshFields` does not allow, but for the values of the fields.

    Raises
    ------
    InputError : what was found, to follow the name of the data.
    """
    there = fields.weights > 0
    sums = fields.weights.sum(axis=1, dtype=np.float64)
    if (fields.weights < 0).any() or (np.abs(sums - 1) > 1e-4).any():
        raise InputError("has quadrature weights that are negative or do not sum to 1")
    if not padded_at_end(fields.weights):
        raise InputError("has points after the padding: points of positive weight come first")
    if fields.cells.size and (
        fields.cells.min() < -1 or (fields.cells.max(axis=(1, 2)) >= there.sum(axis=1)).any()
    ):
        raise InputError("has cells of points that are not there")


def vertex_weights(coords: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Quadrature weights (N,), float64, of the mean over a triangle mesh: a third of each triangle to its corners.

    Exact for fields that are linear on every triangle.

    Parameters
    ----------
    coords : (N, 2); every point is the corner of a triangle.
    cells : (T, 3).
    """
    a, b, c = (coords[cells[:, i]] for i in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    areas = np.abs(ux * vy - uy * vx) / 2
    weights = np.bincount(cells.ravel(), np.repeat(areas / 3, 3), minlength=len(coords))
    return weights / weights.sum()
