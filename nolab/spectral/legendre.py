"""Normalised associated Legendre functions on the sphere."""

import math

import torch
from torch import Tensor


def legendre(positions: Tensor, degrees: int, orders: int) -> Tensor:
    r"""Latitude part of the spherical harmonics, so that Y_l^m = P_l^m(cos θ) e^{imφ} is orthonormal.

    .. math:: \bar P_l^m(x) = \sqrt{\frac{2l+1}{4π} \frac{(l-m)!}{(l+m)!}} \, |P_l^m(x)|_{m\,\text{unphased}}

    without the Condon–Shortley phase (-1)^m. By the recursion upwards in l (Holmes and Featherstone, J.
    Geodesy 76, 2002), whose start (sin θ)^m stays above float64's underflow wherever the function
    matters up to degrees of about 1900.

    Parameters
    ----------
    positions : (n,) float64, colatitudes θ/π in [0, 1].
    degrees, orders : L and M, of l = 0 … L-1 and m = 0 … M-1.

    Returns
    -------
    (M, L, n) float64; zero for l < m.
    """
    # By symmetry about the equator, so that both poles are met to the last bit.
    cos = torch.cos(math.pi * torch.minimum(positions, 1 - positions)).copysign(0.5 - positions)
    sin = torch.sin(math.pi * torch.minimum(positions, 1 - positions))
    out = torch.zeros(orders, degrees, len(positions), dtype=torch.float64)
    sectoral = torch.full_like(cos, math.sqrt(1 / (4 * math.pi)))  # l = m
    for m in range(min(orders, degrees)):
        if m:
            sectoral = math.sqrt((2 * m + 1) / (2 * m)) * sin * sectoral
        out[m, m] = sectoral
    m = torch.arange(orders, dtype=torch.float64)[:, None]
    for degree in range(1, degrees):
        below = slice(0, min(degree, orders))  # the orders m < l
        up = _ratio(degree, m[below])
        out[below, degree] = cos * out[below, degree - 1] / up
        if degree > 1:
            out[below, degree] -= _ratio(degree - 1, m[below]) / up * out[below, degree - 2]
    return out


def _ratio(degree: int, m: Tensor) -> Tensor:
    """The coefficients a_l in cos θ P_(l-1) = a_l P_l + a_(l-1) P_(l-2); zero at l <= m."""
    return ((degree**2 - m**2).clamp(min=0) / (4 * degree**2 - 1)).sqrt()
