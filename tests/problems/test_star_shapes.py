"""Star-shaped curves: points, lengths and distances against circles and brute force."""

import numpy as np
import pytest

from nolab.problems._star_shapes import DENSE, StarCurve, fourier_series

COSINES, SINES = np.array([0.1, -0.05, 0.08]), np.array([0.02, 0.1, -0.04])
RNG = np.random.default_rng(0)


def circle(radius: float) -> StarCurve:
    return StarCurve(lambda theta: np.full_like(theta, radius))


def wave() -> StarCurve:
    return StarCurve(lambda theta: 0.7 * (1 + fourier_series(theta, COSINES, SINES)))


def test_fourier_series_is_its_sum() -> None:
    theta = RNG.uniform(-10, 10, (4, 5))
    direct = sum(
        a * np.cos(k * theta) + b * np.sin(k * theta)
        for k, (a, b) in enumerate(zip(COSINES, SINES, strict=True), start=1)
    )
    assert np.allclose(fourier_series(theta, COSINES, SINES), direct, rtol=0, atol=1e-14)


def test_points_of_a_circle_are_a_regular_polygon() -> None:
    points = circle(0.7).evenly_spaced(0.1)
    n = len(points)
    assert n == int(np.ceil(2 * np.pi * 0.7 / 0.1))
    angles = 2 * np.pi * np.arange(n) / n
    assert np.allclose(points, 0.7 * np.stack([np.cos(angles), np.sin(angles)], axis=1), rtol=0, atol=1e-12)


def test_points_lie_on_the_curve_at_equal_distances() -> None:
    curve = wave()
    points = curve.evenly_spaced(0.02)
    angles = np.arctan2(points[:, 1], points[:, 0])
    assert np.allclose(np.hypot(*points.T), curve.radius(angles), rtol=0, atol=1e-12)
    assert (np.diff(np.unwrap(angles)) > 0).all()
    steps = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1)
    assert steps.max() <= 0.02
    assert steps.min() > 0.0195  # chords of equal arcs
    assert len(circle(0.1).evenly_spaced(10.0)) == 3


def test_distance_to_a_circle() -> None:
    points = RNG.uniform(-1, 1, (500, 2))
    exact = np.abs(np.hypot(*points.T) - 0.6)
    assert np.allclose(circle(0.6).distance(points), exact, rtol=0, atol=2 * 0.6 * (np.pi / DENSE) ** 2)


def test_distance_to_a_wave_agrees_with_brute_force() -> None:
    curve = wave()
    points = RNG.uniform(-1, 1, (100, 2))
    dense = curve.at(np.linspace(0, 2 * np.pi, 8000))
    brute = np.sqrt(np.square(points[:, None] - dense).sum(axis=-1).min(axis=1))
    assert np.allclose(curve.distance(points), brute, rtol=0, atol=1e-4)
    on = curve.at(RNG.uniform(0, 2 * np.pi, 100))
    assert curve.distance(on).max() < 1e-5


@pytest.mark.parametrize("factor", [0.999, 1.001])
def test_holds_what_it_goes_around(factor: float) -> None:
    curve = wave()
    near = factor * curve.at(RNG.uniform(0, 2 * np.pi, 100))
    assert (curve.holds(near) == (factor < 1)).all()
