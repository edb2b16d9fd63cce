"""Unstructured triangle meshes of star-shaped domains."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import Delaunay

from nolab.errors import RunFailure
from nolab.problems._star_shapes import StarCurve


@dataclass(frozen=True)
class PlaneMesh:
    """A Delaunay mesh of a polygon whose corners lie on a star-shaped curve."""

    points: np.ndarray
    """(n, 2) float64: the polygon's corners, counter-clockwise, and then the inner points"""
    corners: int
    """Number of corners."""
    boundary_distance: np.ndarray
    """(n,), the points' distances to the curve, 0 at the corners"""
    cells: np.ndarray
    """(T, 3), the points of each triangle; T = 2n - 2 - corners"""
    triangulation: Delaunay
    """Of the convex hull; its first T triangles are not the cells, see `cell_of`."""
    cell_of: np.ndarray
    """The cell that a triangle of `triangulation` is, or -1 for one outside the domain."""

    def locate(self, places: np.ndarray) -> np.ndarray:
        """The cells (m,) that hold the places (m, 2).

        Raises
        ------
        RunFailure : a place outside the mesh.
        """
        simplices = self.triangulation.find_simplex(places)
        cells = np.where(simplices < 0, -1, self.cell_of[simplices])
        if (cells < 0).any():
            raise RunFailure("mesh: a point of a coarser level lies outside the finest mesh")
        return cells


def mesh_star(curve: StarCurve, spacing: float, shift: np.ndarray) -> PlaneMesh:
    """Mesh the domain within a star-shaped curve.

    Corners lie on the curve at equal distances of at most `spacing`; inner points are those of a hexagonal lattice
    of that spacing that are farther than half of it from the curve. They leave the circle through the ends of each
    edge of the polygon free, so that Delaunay's triangulation has these edges unless the curve bends or comes back
    to itself within a spacing. That is checked.

    Parameters
    ----------
    shift : (2,), of the lattice, in spacings.

    Raises
    ------
    RunFailure : the curve has features that are too small for the spacing.
    """
    boundary = curve.evenly_spaced(spacing)
    lattice = _hexagonal(curve.polygon.min(axis=0), curve.polygon.max(axis=0), spacing, shift)
    lattice = lattice[curve.holds(lattice)]
    distance = curve.distance(lattice)
    inner = distance > spacing / 2
    points = np.concatenate([boundary, lattice[inner]])
    distance = np.concatenate([np.zeros(len(boundary)), distance[inner]])
    triangulation = Delaunay(points)
    inside = _inside(points[triangulation.simplices].mean(axis=1), boundary)
    cells = triangulation.simplices[inside].astype(np.int64)
    if not _has_edges(cells, len(boundary)):  # with these edges, a mesh of the polygon
        raise RunFailure(f"mesh: the shape is too rough for points {spacing:.3g} apart; ask for more points")
    cell_of = np.where(inside, np.cumsum(inside) - 1, -1)
    return PlaneMesh(points, len(boundary), distance, cells, triangulation, cell_of)


def most_points(area: float, length: float, spacing: float) -> float:
    """Upper bound of the points that :func:`mesh_star` makes of a domain of this area within a curve of this length.

    There are at most length/h + 1 corners. The cells of the lattice have the area √3/2 h² and reach h/√3 from their
    points, those of inner points therefore at most δ = h (1/√3 - 1/2) out of the domain; and the domain with all
    places within δ of it has at most the area A + δ·L + π δ².
    """
    out = spacing * (1 / np.sqrt(3) - 1 / 2)
    inner = (area + out * length + np.pi * out**2) / (np.sqrt(3) / 2 * spacing**2)
    return inner + length / spacing + 1


def _hexagonal(low: np.ndarray, high: np.ndarray, spacing: float, shift: np.ndarray) -> np.ndarray:
    """The lattice's points (m, 2) that cover the box."""
    height = np.sqrt(3) / 2 * spacing
    columns, rows = np.ceil((high - low) / (spacing, height)).astype(int) + 3
    i, j = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    x = low[0] + (i + 0.5 * (j % 2) + shift[0] - 2) * spacing
    y = low[1] + (j + shift[1] - 1) * height
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _inside(places: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Whether the places (m, 2) lie within a polygon (n, 2) that is star-shaped around the origin: (m,) bool."""
    angles = np.mod(np.arctan2(polygon[:, 1], polygon[:, 0]), 2 * np.pi)
    at = np.mod(np.arctan2(places[:, 1], places[:, 0]), 2 * np.pi)
    edge = np.searchsorted(angles, at, side="right") - 1  # the first corner lies at angle 0
    start, stop = polygon[edge], polygon[(edge + 1) % len(polygon)]
    (ex, ey), (px, py) = (stop - start).T, (places - start).T
    return ex * py - ey * px > 0


def _has_edges(cells: np.ndarray, corners: int) -> bool:
    """Whether each edge of the polygon belongs to a cell."""
    first, second = cells.ravel(), np.roll(cells, -1, axis=1).ravel()
    low, high = np.minimum(first, second), np.maximum(first, second)
    along = (high < corners) & ((high - low == 1) | ((low == 0) & (high == corners - 1)))
    return len(np.unique(np.where(high - low == 1, low, corners - 1)[along])) == corners
