"""Poisson's equation within a curve: against exact solutions, and the values between its nodes."""

import math

import numpy as np
import pytest

from nolab.problems._plane_mesh import mesh_star
from nolab.problems._poisson_plane import QuadraticField, solve
from nolab.problems._star_shapes import StarCurve

A, B = 0.9, 0.5
SHIFT = np.array([0.4, 0.1])


def ellipse() -> StarCurve:
    return StarCurve(lambda theta: A * B / np.hypot(B * np.cos(theta), A * np.sin(theta)))


def bump(places: np.ndarray) -> np.ndarray:
    """e^x (1 - x²/A² - y²/B²), 0 on the ellipse."""
    x, y = places[..., 0], places[..., 1]
    return np.exp(x) * (1 - (x / A) ** 2 - (y / B) ** 2)


def bump_source(places: np.ndarray) -> np.ndarray:
    """Minus the bump's Laplacian."""
    x = places[..., 0]
    return np.exp(x) * (4 * x / A**2 + 2 / A**2 + 2 / B**2) - bump(places)


def within(curve: StarCurve, reach: float) -> np.ndarray:
    generator = np.random.default_rng(1)
    return reach * generator.uniform(size=(800, 1)) ** 0.5 * curve.at(generator.uniform(0, 2 * np.pi, 800))


def solved(spacing: float) -> QuadraticField:
    curve = ellipse()
    return solve(mesh_star(curve, spacing, SHIFT), curve, bump_source)


def test_third_order_on_an_ellipse() -> None:
    """At the points and between them, near the curve too, where the cells are curved."""
    places = within(ellipse(), 0.99)
    fields = [solved(spacing) for spacing in (0.16, 0.08, 0.04)]
    at_points = [float(np.abs(u.vertex_values - bump(u.mesh.points)).max()) for u in fields]
    between = [float(np.abs(u.at(places) - bump(places)).max()) for u in fields]
    assert at_points[-1] < 5e-5
    assert between[-1] < 5e-5
    for errors in (at_points, between):
        assert math.log(errors[0] / errors[-1], 4) > 2.7, errors


def test_unit_load_on_a_disk() -> None:
    """u = (R² - r²)/4."""
    disk = StarCurve(lambda theta: np.full_like(theta, 0.8))
    mesh = mesh_star(disk, 0.1, SHIFT)
    u = solve(mesh, disk, lambda places: np.ones(places.shape[:-1]))
    exact = (0.64 - np.square(mesh.points).sum(axis=1)) / 4
    assert np.allclose(u.vertex_values, exact, rtol=0, atol=1e-5)
    assert (u.vertex_values[: mesh.corners] == 0).all()


def test_values_between_the_nodes_meet_those_at_the_nodes() -> None:
    u = solved(0.1)
    mesh = u.mesh
    inner = np.arange(mesh.corners, len(mesh.points))
    assert np.allclose(u.at(mesh.points[inner]), u.vertex_values[inner], rtol=0, atol=1e-13)
    ends = mesh.points[mesh.cells[:, [[1, 2], [2, 0], [0, 1]]]]  # (T, 3, 2, 2)
    middles = ends.mean(axis=2)
    assert (np.abs(u.bulges).max(axis=-1) > 1e-4).sum() == mesh.corners
    straight = (np.abs(u.bulges) == 0).all(axis=(1, 2))  # cells
    assert np.allclose(
        u.at(middles[straight].reshape(-1, 2)), u.edge_values[straight].ravel(), rtol=0, atol=1e-13
    )
    bent = middles + u.bulges
    assert np.allclose(np.linalg.norm(bent[~straight] / (A, B), axis=-1).max(), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("factor", [-2.0, 3.0])
def test_linear_in_the_source(factor: float) -> None:
    curve = ellipse()
    mesh = mesh_star(curve, 0.2, SHIFT)
    u = solve(mesh, curve, bump_source)
    scaled = solve(mesh, curve, lambda places: factor * bump_source(places))
    assert np.allclose(scaled.vertex_values, factor * u.vertex_values, rtol=1e-12, atol=1e-15)
