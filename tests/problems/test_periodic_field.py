"""Fields on the circle against the sum written out, and against their law."""

import math

import numpy as np
import pytest
import torch

from nolab.problems._periodic_field import (
    circle_amplitudes,
    circle_coefficients,
    circle_normals,
    circle_values,
)


def law(k: int) -> float:
    """Standard deviation of the cosine and of the sine of frequency k, basis √2 cos, √2 sin."""
    return 25 / ((2 * math.pi * k) ** 2 + 25)


@pytest.mark.parametrize("points", [2, 3, 5, 8, 9, 64])
@pytest.mark.parametrize("batch", [1, 2])
def test_field_is_the_series(points: int, batch: int) -> None:
    """Also at nodes too few for the frequencies, where a transform of those nodes would leave some out."""
    rng = np.random.default_rng(1)
    xi = np.stack([circle_normals(rng, 4) for _ in range(batch)])
    x = np.arange(points) / points
    expected = xi[:, :1] * law(0) * np.ones(points)
    for k in range(1, 5):
        wave = np.outer(xi[:, 2 * k - 1], np.cos(2 * math.pi * k * x))
        wave += np.outer(xi[:, 2 * k], np.sin(2 * math.pi * k * x))
        expected += math.sqrt(2) * law(k) * wave
    coefficients = circle_coefficients(torch.from_numpy(xi), circle_amplitudes(4, 2.0, 5.0, 25.0))
    assert np.abs(circle_values(coefficients, points).numpy() - expected).max() < 1e-14


def test_more_modes_refine_the_same_field() -> None:
    few, many = (circle_normals(np.random.default_rng(3), modes) for modes in (4, 9))
    assert (many[: len(few)] == few).all()


def test_spectrum_follows_the_law() -> None:
    """Mean square of every coefficient over 4000 realisations, within 4.5 standard errors; no correlation."""
    n, modes = 4000, 6
    rng = np.random.default_rng(0)
    xi = torch.from_numpy(np.stack([circle_normals(rng, modes) for _ in range(n)]))
    field = circle_values(circle_coefficients(xi, circle_amplitudes(modes, 2.0, 5.0, 25.0)), 16)
    x = torch.arange(16, dtype=torch.float64) / 16
    basis = [torch.ones(16, dtype=torch.float64)]
    for k in (1, 2, 5):
        basis += [math.sqrt(2) * (2 * math.pi * k * x).cos(), math.sqrt(2) * (2 * math.pi * k * x).sin()]
    projections = torch.stack(basis) @ field.mT / 16  # (7, n)
    scale = torch.tensor([law(k) for k in (0, 1, 1, 2, 2, 5, 5)])
    covariance = torch.cov(projections) / (scale[:, None] * scale)
    assert (covariance - torch.eye(7)).abs().max() < 4.5 * math.sqrt(2 / n)
