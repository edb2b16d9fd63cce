"""Unstructured meshes: they tile their polygon with good triangles, and never have more points than is promised."""

import numpy as np
import pytest

from nolab.errors import RunFailure
from nolab.problems._plane_mesh import PlaneMesh, mesh_star, most_points
from nolab.problems._star_shapes import StarCurve, fourier_series

SHIFT = np.array([0.3, 0.8])


def random_wave(seed: int, amplitude: float = 0.4, modes: int = 5) -> StarCurve:
    generator = np.random.default_rng(seed)
    parts = generator.standard_normal((2, modes)) / np.arange(1, modes + 1)
    parts *= amplitude / np.hypot(*parts).sum()
    return StarCurve(lambda theta: 0.65 * (1 + fourier_series(theta, *parts)))


def shoelace(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)


def sides(mesh: PlaneMesh) -> np.ndarray:
    """Vectors along the triangles' sides, (T, 3, 2)."""
    corners = mesh.points[mesh.cells]
    return np.roll(corners, -1, axis=1) - corners


def areas(mesh: PlaneMesh) -> np.ndarray:
    u, v = sides(mesh)[:, 0], -sides(mesh)[:, 2]
    return np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / 2


def smallest_angle(mesh: PlaneMesh) -> float:
    along = sides(mesh)
    before = -np.roll(along, 1, axis=1)
    cosine = (along * before).sum(-1) / np.linalg.norm(along, axis=-1) / np.linalg.norm(before, axis=-1)
    return float(np.degrees(np.arccos(cosine.max())))


@pytest.mark.parametrize("spacing", [0.15, 0.05])
@pytest.mark.parametrize("seed", range(4))
def test_tiles_its_polygon(seed: int, spacing: float) -> None:
    curve = random_wave(seed)
    mesh = mesh_star(curve, spacing, SHIFT)
    polygon = mesh.points[: mesh.corners]
    assert np.array_equal(polygon, curve.evenly_spaced(spacing))
    assert areas(mesh).sum() == pytest.approx(shoelace(polygon), rel=1e-12)
    assert set(mesh.cells.ravel()) == set(range(len(mesh.points)))
    assert smallest_angle(mesh) > 20


def test_inner_points_are_a_lattice_away_from_the_curve() -> None:
    curve = random_wave(1)
    mesh = mesh_star(curve, 0.1, SHIFT)
    inner = mesh.points[mesh.corners :]
    assert (mesh.boundary_distance[: mesh.corners] == 0).all()
    assert np.array_equal(mesh.boundary_distance[mesh.corners :], curve.distance(inner))
    assert mesh.boundary_distance[mesh.corners :].min() > 0.05
    # All points of the lattice through one of them, in its directions (1, 0) and (1/2, √3/2).
    i, j = np.meshgrid(np.arange(-20, 21), np.arange(-20, 21))
    x, y = inner[0, 0] + 0.1 * (i + j / 2).ravel(), inner[0, 1] + 0.1 * np.sqrt(3) / 2 * j.ravel()
    lattice = np.stack([x, y], axis=1)
    kept = lattice[curve.holds(lattice) & (curve.distance(lattice) > 0.05)]
    assert np.allclose(
        kept[np.lexsort(kept.T.round(9))], inner[np.lexsort(inner.T.round(9))], rtol=0, atol=1e-12
    )


def test_shift_moves_the_lattice() -> None:
    curve = random_wave(1)
    first, second = (mesh_star(curve, 0.1, np.array([x, 0.2])) for x in (0.1, 0.35))
    offset = (second.points[second.corners, 0] - first.points[first.corners, 0]) / 0.1
    assert np.mod(2 * offset, 1) == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("spacing", [0.2, 0.1, 0.04])
def test_never_more_points_than_promised(spacing: float) -> None:
    for seed in range(25):
        curve = random_wave(seed)
        polygon = curve.polygon
        length = np.linalg.norm(polygon - np.roll(polygon, 1, axis=0), axis=1).sum()
        n = len(mesh_star(curve, spacing, np.random.default_rng(seed).uniform(size=2)).points)
        assert 0.75 < n / most_points(shoelace(polygon), float(length), spacing) <= 1


def test_locates_places() -> None:
    mesh = mesh_star(random_wave(2), 0.1, SHIFT)
    shares = np.random.default_rng(0).dirichlet(np.ones(3), len(mesh.cells))
    places = np.einsum("tc,tcd->td", shares, mesh.points[mesh.cells])
    assert np.array_equal(mesh.locate(places), np.arange(len(mesh.cells)))
    with pytest.raises(RunFailure, match="outside"):
        mesh.locate(np.array([[0.99, 0.99]]))
    hollow = np.flatnonzero(mesh.cell_of < 0)  # triangles of the convex hull that the shape does not fill
    with pytest.raises(RunFailure, match="outside"):
        mesh.locate(mesh.points[mesh.triangulation.simplices[hollow]].mean(axis=1))


def test_refuses_shapes_that_are_too_rough() -> None:
    thin = StarCurve(lambda theta: 0.5 + 0.45 * np.cos(5 * theta))
    with pytest.raises(RunFailure, match=r"too rough for points 0\.03 apart; ask for more points"):
        mesh_star(thin, 0.03, SHIFT)
    mesh_star(thin, 0.01, SHIFT)
