"""Random fields on the torus against their law, written out."""

import math

import numpy as np
import pytest
import torch
from torus_support import points

from nolab.errors import InputError
from nolab.problems._torus_fields import _half_plane, torus_field, torus_normals


@pytest.mark.parametrize("n", [4, 5, 9, 10, 16])
def test_one_of_each_pair_of_modes_that_the_grid_carries(n):
    found = [tuple(k) for k in _half_plane(n).tolist()]
    pairs = {*found, *((-a, -b) for a, b in found)}
    limit = (n - 1) // 2
    every = {(a, b) for a in range(-limit, limit + 1) for b in range(-limit, limit + 1)} - {(0, 0)}
    assert len(pairs) == 2 * len(found)
    assert pairs == every


@pytest.mark.parametrize(("n", "length"), [(7, 1.0), (8, 2 * math.pi)])
def test_field_is_the_series(n, length):
    normals = torus_normals(3, "test", range(2), n)
    x, y = points(n, length)
    expected = torch.zeros(2, n, n, dtype=torch.float64)
    for mode, (k, m) in enumerate(_half_plane(n).tolist()):
        unit = 2 * math.pi / length
        size = 2 * 2.0 * (unit**2 * (k * k + m * m) + 25.0) ** -1.5
        phase = unit * (k * x + m * y)
        for sample in range(2):
            a, b = normals[sample, mode]
            expected[sample] += size * (a * torch.cos(phase) + b * torch.sin(phase))
    assert torch.allclose(torus_field(normals, n, 2.0, 3.0, 5.0, length), expected, rtol=0, atol=1e-13)


def test_spectrum_follows_the_law():
    """Variances of the real and imaginary parts of the coefficients; different ones do not correlate."""
    samples, n, sigma, alpha, tau = 4000, 12, 18.5, 2.5, 7.0
    field = torus_field(torus_normals(0, "train", range(samples), n), n, sigma, alpha, tau)
    c = torch.fft.fft2(field, norm="forward")
    chosen = [(1, 0), (0, 1), (-1, 1), (1, 1), (3, 2), (-5, 5)]
    parts = torch.stack([part for k in chosen for part in (c[:, k[0], k[1]].real, c[:, k[0], k[1]].imag)])
    law = [sigma**2 * (4 * math.pi**2 * (a * a + b * b) + tau**2) ** -alpha for a, b in chosen]
    law = torch.tensor(law).double().repeat_interleave(2)
    normalised = torch.cov(parts) / (law[:, None] * law).sqrt()
    noise = (torch.eye(len(law)) + 1).sqrt() / math.sqrt(samples)
    assert ((normalised - torch.eye(len(law))).abs() < 4.5 * noise).all()
    assert field.mean((-2, -1)).abs().max() < 1e-14
    assert c[:, n // 2].abs().max() < 1e-14


def test_standard_deviation_is_that_of_the_script_of_the_paper():
    """Its sampling, literally: two real normals per mode, the real part of the transform."""
    n, tau, alpha = 24, 7, 2.5
    k = np.fft.fftfreq(n, 1 / n)
    sqrt_eig = n**2 * math.sqrt(2) * tau ** (0.5 * (2 * alpha - 2))
    sqrt_eig = sqrt_eig * (4 * math.pi**2 * (k[:, None] ** 2 + k**2) + tau**2) ** (-alpha / 2)
    sqrt_eig[0, 0] = 0
    noise = np.random.default_rng(0).standard_normal((2, 800, n, n))
    theirs = np.fft.ifft2(sqrt_eig * (noise[0] + 1j * noise[1])).real
    ours = torus_field(torus_normals(0, "train", range(800), n), n, 7**1.5, alpha, tau)
    for field in (theirs, ours.numpy()):
        assert field.std() == pytest.approx(0.262, rel=0.03)


@pytest.mark.parametrize(("coarse", "fine"), [(8, 16), (9, 32), (15, 30)])
def test_a_finer_grid_adds_modes_to_the_same_field(coarse, fine):
    few, many = (
        torch.fft.fft2(torus_field(torus_normals(1, "test", range(3), n), n, 1.0, 2.0, 3.0), norm="forward")
        for n in (coarse, fine)
    )
    limit = (coarse - 1) // 2
    shared = [*range(limit + 1), *range(-limit, 0)]
    kept = many[:, shared][:, :, shared]
    assert torch.allclose(few[:, shared][:, :, shared], kept, rtol=0, atol=1e-15)
    assert (many.abs() > 1e-6).sum() > (kept.abs() > 1e-6).sum()


def test_unknown_split():
    with pytest.raises(InputError, match=r"split: 'trian' is not known\. Did you mean 'train'\?"):
        torus_normals(0, "trian", range(1), 8)
