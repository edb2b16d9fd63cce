"""The expansion of a Gaussian process against its kernel, exactly and over samples."""

import math

import numpy as np
import pytest
import scipy.integrate
import torch

from nolab.errors import InputError
from nolab.problems._gaussian_process import expansion, normals, realisations


def kernel(x: torch.Tensor, length: float) -> torch.Tensor:
    return torch.exp(-((x[:, None] - x) ** 2) / (2 * length**2))


def line(points: int) -> torch.Tensor:
    return torch.linspace(0, 1, points, dtype=torch.float64)


@pytest.mark.parametrize("length", [0.01, 0.03, 0.1, 0.2, 1.0, 10.0])
def test_covariance_is_the_kernel(length: float) -> None:
    """E[g(x) g(x')] of the sum is Σ of products of terms: no sampling, no nodes of the quadrature."""
    x = line(173)
    terms = expansion(length).values(x)
    assert (terms @ terms.mT - kernel(x, length)).abs().max() < 1e-12


def test_covariance_on_another_interval() -> None:
    x = torch.linspace(-2, 3, 101, dtype=torch.float64)
    process = expansion(0.5, -2.0, 3.0)
    terms = process.values(x)
    assert (terms @ terms.mT - kernel(x, 0.5)).abs().max() < 1e-12
    assert (process.integrals(x)[0] == 0).all()


@pytest.mark.parametrize("length", [0.02, 0.2, 3.0])
def test_integrals_are_those_of_the_values(length: float) -> None:
    """Against Gauss–Legendre quadrature, and exactly zero at the start."""
    process, x = expansion(length), line(7)
    points, weights = np.polynomial.legendre.leggauss(200)
    for end, integral in zip(x, process.integrals(x), strict=True):
        inner = torch.from_numpy((points + 1) / 2) * end
        expected = torch.from_numpy(weights / 2) * end @ process.values(inner)
        assert torch.allclose(integral, expected, rtol=0, atol=1e-9)
    assert (process.integrals(x)[0] == 0).all()


def test_covariance_of_the_integral() -> None:
    """Var s(1) = ∫∫ k for s = ∫ g, by an independent double integral."""
    expected, _ = scipy.integrate.dblquad(lambda x, y: math.exp(-((x - y) ** 2) / 0.08), 0, 1, 0, 1)
    assert float(expansion(0.2).integrals(line(2))[1].square().sum()) == pytest.approx(expected, rel=1e-9)


def test_moments_over_samples() -> None:
    """Mean, covariance and kurtosis of 4000 realisations, within 4.5 standard errors."""
    n, x, process = 4000, line(5), expansion(0.2)
    g = realisations(normals(0, "train", range(n), (process.terms,)), process.values(x))  # (n, 5)
    noise = 4.5 / math.sqrt(n)
    assert (g.mean(dim=0).abs() < noise).all()
    assert ((torch.cov(g.mT) - kernel(x, 0.2)).abs() < noise * math.sqrt(2)).all()
    assert ((g**4).mean(dim=0) - 3).abs().max() < noise * math.sqrt(96)


def test_two_axes_have_a_length_each() -> None:
    """The covariance of a product expansion is the product of the kernels."""
    n, x, y = 4000, line(3), line(4)
    along_x, along_y = expansion(0.3), expansion(0.7)
    xi = normals(1, "test", range(n), (along_x.terms, along_y.terms))
    g = realisations(xi, along_x.values(x), along_y.values(y))
    assert g.shape == (n, 3, 4)
    expected = torch.kron(kernel(x, 0.3), kernel(y, 0.7))
    assert ((torch.cov(g.flatten(1).mT) - expected).abs() < 4.5 * math.sqrt(2 / n)).all()


def test_two_axes_against_the_double_sum() -> None:
    process, x = expansion(0.5), line(6)
    xi = normals(0, "train", range(2), (process.terms, process.terms))
    terms = process.values(x)
    expected = torch.einsum("nkl,ik,jl->nij", torch.stack(xi), terms, terms)
    assert torch.allclose(realisations(xi, terms, terms), expected, rtol=0, atol=1e-13)


def test_a_realisation_is_one_function() -> None:
    """Values at a point do not depend on the other points that are asked for."""
    process = expansion(0.1)
    xi = normals(3, "test", range(2), (process.terms,))
    fine, coarse = (realisations(xi, process.values(line(points))) for points in (401, 5))
    assert torch.allclose(fine[:, ::100], coarse, rtol=0, atol=1e-9)


def test_samples_do_not_depend_on_the_batch() -> None:
    process = expansion(0.2)
    terms = process.values(line(50))
    alone, many = (
        realisations(normals(0, "train", indices, (process.terms,)), terms)
        for indices in (range(5, 6), range(16))
    )
    assert (many[5] == alone[0]).all()


def test_unknown_split() -> None:
    with pytest.raises(InputError, match=r"split: 'trian' is not known"):
        normals(0, "trian", range(1), (3,))
