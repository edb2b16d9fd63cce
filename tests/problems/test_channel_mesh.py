"""Meshes of the channel: valid, of the promised size, with the boundary where it belongs."""

import numpy as np
import pytest

from nolab.mesh import vertex_weights
from nolab.problems._channel_mesh import HEIGHT, RADIUS, channel_mesh, channel_size

CASES = [(4, 1.5, (0.2, 0.2)), (6, 2.2, (0.15, 0.25)), (12, 0.5, (0.25, 0.15)), (8, 1.5, (0.23, 0.17))]


def signed_areas(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    a, b, c = points[cells].swapaxes(0, 1)
    return np.linalg.det(np.stack([b - a, c - a], axis=1)) / 2


def polygon_area(resolution: int) -> float:
    """Of the regular polygon with 4m corners in the circle."""
    n = 4 * resolution
    return n / 2 * RADIUS**2 * np.sin(2 * np.pi / n)


@pytest.mark.parametrize(("m", "length", "centre"), CASES)
def test_mesh_fills_the_channel_around_the_polygon(m, length, centre):
    points, cells = channel_mesh(m, length, centre)
    size = channel_size(m, length)
    assert (points.shape, cells.shape) == ((size.points, 2), (size.cells, 3))
    assert len(np.unique(points.round(10), axis=0)) == size.points
    areas = signed_areas(points, cells)
    assert areas.min() > 1e-7
    assert areas.sum() == pytest.approx(length * HEIGHT - polygon_area(m), rel=1e-12)


@pytest.mark.parametrize(("m", "length", "centre"), CASES)
def test_boundary_is_that_of_channel_and_circle(m, length, centre):
    points, cells = channel_mesh(m, length, centre)
    edges = np.sort(np.concatenate([cells[:, [0, 1]], cells[:, [1, 2]], cells[:, [2, 0]]]), axis=1)
    edges, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() == 2
    ends = edges[counts == 1]
    x, y = points[ends].transpose(2, 0, 1)  # (edges, 2) each
    walls = [(values == place).all(axis=1) for values, place in ((x, 0), (x, length), (y, 0), (y, HEIGHT))]
    on_circle = (ends < 4 * m).all(axis=1)
    assert on_circle.sum() == 4 * m
    assert (np.sum(walls, axis=0) + on_circle == 1).all()
    assert np.hypot(*(points[: 4 * m] - centre).T) == pytest.approx(RADIUS, rel=1e-12)
    assert np.hypot(*(points[4 * m :] - centre).T).min() > RADIUS * 1.001


@pytest.mark.parametrize(("m", "length", "centre"), CASES)
def test_weights_integrate_linear_fields(m, length, centre):
    points, cells = channel_mesh(m, length, centre)
    weights, box, hole = vertex_weights(points, cells), length * HEIGHT, polygon_area(m)
    middle = (box * np.array([length, HEIGHT]) / 2 - hole * np.array(centre)) / (box - hole)
    assert weights.min() > 0
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    assert weights @ points == pytest.approx(middle, rel=1e-12)


def test_mesh_of_a_symmetric_channel_is_symmetric():
    points, cells = channel_mesh(6, 1.5, (0.2, HEIGHT / 2))

    def triangles(of: np.ndarray) -> set:
        return {frozenset(map(tuple, triangle)) for triangle in of[cells].round(10).tolist()}

    mirrored = np.stack([points[:, 0], HEIGHT - points[:, 1]], axis=1)
    assert triangles(points) == triangles(mirrored)


def test_cells_are_finer_at_the_cylinder_and_longer_at_the_outlet():
    points, _ = channel_mesh(8, 1.5, (0.2, 0.2))
    radii = np.sort(np.hypot(*(points[np.isclose(points[:, 1], 0.2) & (points[:, 0] < 0.31)] - 0.2).T))[::2]
    assert np.diff(radii)[3] / np.diff(radii)[0] == pytest.approx(5)
    columns = np.unique(points[np.isclose(points[:, 1], 0)][:, 0])
    wake = np.diff(columns[columns > 0.299])
    assert wake[-1] / wake[0] == pytest.approx(2)
    assert wake.mean() == pytest.approx(1.5 * 0.2 / 8, rel=0.05)
