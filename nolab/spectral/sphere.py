r"""Truncated spherical harmonic transform as products with constant real matrices.

.. math:: f(θ, φ) = \sum_{l<L} \sum_{|m|\le l} a_{lm} Y_l^m(θ, φ), \quad
          a_{lm} = \int f \, \bar Y_l^m \, \sin θ \, dθ \, dφ

with orthonormal Y, the Condon–Shortley phase left out (it cancels in every operator that treats the
orders alike), and only m >= 0 kept: the field is real. On the grid of :meth:`nolab.grid.Domain.sphere`
the integral is that of the trigonometric series through the samples, whose poles are single points: a
cosine series along the meridian for even m, a sine series for odd m. That is the Clenshaw–Curtis rule
for m = 0, and for every m it is exact for each degree below the grid's number of latitude intervals,
where the bare rule would be for half as many. Grids of different sizes so give the same coefficients
of a field that they carry, and nearly the same ones of any smooth field.

Stages are matrix products in the type of their input, along latitude one for each order in a batch;
coefficients are pairs (real, imaginary) on a last axis of 2. Along longitude the 1/n of the mean is
folded in, along latitude the quadrature, so |a| <= √(4π) max |f|, in float16 too.

Shapes: B samples, C channels, n latitudes, L degrees, M orders.
"""

import math

import torch
from torch import Tensor

from nolab.errors import InputError
from nolab.grid import Axis, Domain, clenshaw_curtis
from nolab.spectral.arithmetic import matmul
from nolab.spectral.constants import constant
from nolab.spectral.legendre import legendre


def carried(shape: tuple[int, ...]) -> tuple[int, int]:
    """Degrees L and orders M that a grid (latitudes, longitudes) tells apart: those below Nyquist.

    Raises
    ------
    InputError : a grid without an interval between the poles.
    """
    n_latitudes, n_longitudes = shape
    if n_latitudes < 2:
        raise InputError(f"grid: a latitude axis needs more points than {n_latitudes}")
    return n_latitudes - 1, (n_longitudes + 1) // 2


def analyse(x: Tensor, degrees: int, orders: int) -> Tensor:
    """Coefficients of a real field: (B, C, latitudes, longitudes) -> (B, C, L, M, 2)."""
    batch, channels, n, n_longitudes = x.shape
    key = x.dtype, x.device
    waves = matmul(x, _longitude_analysis(n_longitudes, orders, *key))  # (B, C, n, M*2)
    waves = waves.unflatten(-1, (orders, 2)).permute(3, 0, 1, 4, 2)  # (M, B, C, 2, n)
    pairs = matmul(waves.flatten(1, 3), _latitude_analysis(n, degrees, orders, *key))  # (M, B*C*2, L)
    return pairs.unflatten(1, (batch, channels, 2)).permute(1, 2, 4, 0, 3)


def synthesise(pairs: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The field with these coefficients: (B, C, L, M, 2) -> (B, C, *shape)."""
    batch, channels, degrees, orders, _ = pairs.shape
    key = pairs.dtype, pairs.device
    rows = pairs.permute(3, 0, 1, 4, 2).flatten(1, 3)  # (M, B*C*2, L)
    waves = matmul(rows, _latitude_synthesis(shape[0], degrees, orders, *key))  # (M, B*C*2, n)
    waves = waves.unflatten(1, (batch, channels, 2)).permute(1, 2, 4, 0, 3).flatten(-2)  # (B, C, n, M*2)
    return matmul(waves, _longitude_synthesis(shape[1], orders, *key))


def _waves(n: int, orders: int) -> tuple[Tensor, Tensor]:
    """cos mφ and sin mφ at n longitudes, each (M, n), float64."""
    longitudes = Domain.sphere().axes[1].coordinates(n)
    angle = torch.arange(orders, dtype=torch.float64)[:, None] * longitudes
    return angle.cos(), angle.sin()


@constant
def _longitude_analysis(n: int, orders: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(n, M*2): real field to pairs, the mean of f e^{-imφ}."""
    cos, sin = _waves(n, orders)
    return (torch.stack([cos, -sin], dim=1).flatten(0, 1).T / n).to(device=device, dtype=dtype).contiguous()


@constant
def _longitude_synthesis(n: int, orders: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(M*2, n): pairs to the real part of Σ c e^{imφ}; m > 0 counts twice, for -m."""
    cos, sin = _waves(n, orders)
    twice = torch.full((orders, 1), 2.0, dtype=torch.float64)
    twice[0] = 1
    return torch.stack([twice * cos, -twice * sin], dim=1).flatten(0, 1).to(device=device, dtype=dtype)


@constant
def _latitude_synthesis(
    n: int, degrees: int, orders: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """(M, L, n): the normalised Legendre functions at n latitudes."""
    return legendre(Axis("latitude", 0.0, math.pi).positions(n), degrees, orders).to(
        device=device, dtype=dtype
    )


@constant
def _latitude_analysis(n: int, degrees: int, orders: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(M, n, L): 2π ∫ s(θ) P(θ) sin θ dθ, where s is the series through the samples.

    A product of s and P has degree n-1 + L-1 at most, which Clenshaw–Curtis on twice as many intervals
    integrates exactly.
    """
    fine = 2 * (n - 1) + 1
    positions = Axis("latitude", 0.0, math.pi).positions(fine)
    quadrature = 4 * math.pi * clenshaw_curtis(fine) * legendre(positions, degrees, orders)  # (M, L, fine)
    even, odd = _series(positions, n)
    matrix = torch.empty(orders, n, degrees, dtype=torch.float64)
    for first, series in ((0, even), (1, odd)):
        matrix[first::2] = (quadrature[first::2] @ series).mT
    return matrix.to(device=device, dtype=dtype)


def _series(positions: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Values of the cosine and of the sine series through n samples: two matrices (positions, n), float64."""
    intervals = n - 1
    k = torch.arange(n, dtype=torch.float64)
    at, nodes = (math.pi * k * s[:, None] for s in (positions, k / intervals))  # (positions, n), (n, n)
    half = torch.ones(n, dtype=torch.float64)
    half[[0, -1]] = 0.5
    scale = 2 / intervals
    inner = (half == 1).to(torch.float64)
    # Of the cosines the first and the last count half, waves and samples alike; of the sines they vanish.
    cosines = scale * (at.cos() * half) @ nodes.cos().T * half
    sines = scale * (at.sin() * inner) @ nodes.sin().T * inner
    return cosines, sines
