"""Truncated transforms as products with constant real matrices, in real arithmetic only.

The quadrature (weights and end corrections) and the period are folded into the matrices, so any
placement of samples, any number of points and any period >= 1 cost the same; and since the 1/n of
the quadrature is in them, no coefficient exceeds the field's largest value, in float16 either. The
type of the input is the type of every stage. Coefficients are kept as pairs (real,
imaginary) on a last axis of 2. Every stage is one plain matrix product over (points, pair) as the
last two axes: moving a small tensor's axis there costs less than a batch of small products.

Shapes: B samples, C channels, S the grid's shape, K the kept modes per axis.
"""

import math

import torch
from torch import Tensor

from nolab.grid import Axis
from nolab.spectral.arithmetic import matmul
from nolab.spectral.constants import constant
from nolab.spectral.ends import end_corrections
from nolab.spectral.modes import AxisModes


def analyse(
    x: Tensor, axes: tuple[Axis, ...], modes: tuple[AxisModes, ...], periods: tuple[float, ...]
) -> Tensor:
    """Fourier coefficients of a real field: (B, C, *S) -> (B, C, *K, 2)."""
    order, matrices = len(axes), []
    for dim, axis in enumerate(axes):
        build = _last_analysis if dim == order - 1 else _analysis
        matrices.append(
            build(axis, x.shape[2 + dim], modes[dim].frequencies, periods[dim], x.dtype, x.device)
        )
    x = matmul(x, matrices[-1]).unflatten(-1, (-1, 2))  # (B, C, *S[:-1], K[-1], 2)
    for matrix in reversed(matrices[:-1]):
        # The axis to transform is the last of those not yet transformed, at place `order`.
        x = matmul(x.movedim(order, -2).flatten(-2), matrix).unflatten(-1, (-1, 2))
        order -= 1
    return x.permute(0, 1, *range(len(axes) + 1, 1, -1), -1)  # modes were written last axis first


def synthesise(
    coefficients: Tensor,
    axes: tuple[Axis, ...],
    modes: tuple[AxisModes, ...],
    periods: tuple[float, ...],
    shape: tuple[int, ...],
) -> Tensor:
    """Real part of the Fourier sum at the nodes: (B, C, *K, 2) -> (B, C, *shape)."""
    x = coefficients
    for dim, axis in enumerate(axes):
        build = _last_synthesis if dim == len(axes) - 1 else _synthesis
        matrix = build(axis, shape[dim], modes[dim].frequencies, periods[dim], x.dtype, x.device)
        x = matmul(x.movedim(2 + dim, -2).flatten(-2), matrix)
        if dim < len(axes) - 1:
            x = x.unflatten(-1, (-1, 2)).movedim(-2, 2 + dim)
    return x


def _waves(axis: Axis, n: int, frequencies: range, period: float) -> tuple[Tensor, Tensor]:
    """cos and sin of 2πk(x-start)/(P L) at the n samples, each (count, n), float64."""
    k = torch.tensor(list(frequencies), dtype=torch.float64)
    position = (axis.coordinates(n) - axis.start) / (axis.length * period)
    angle = 2 * math.pi * k[:, None] * position
    return angle.cos(), angle.sin()


@constant
def _last_analysis(
    axis: Axis, n: int, frequencies: range, period: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """(n, count*2): real field to pairs, multiplying by e^{-i...} and the quadrature weights."""
    real, imag = _quadrature(axis, n, frequencies, period)  # (count, n)
    matrix = torch.stack([real, imag], dim=1)
    return matrix.flatten(0, 1).T.to(device=device, dtype=dtype).contiguous()


@constant
def _analysis(
    axis: Axis, n: int, frequencies: range, period: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """(n*2, count*2): pairs at the points to pairs of the modes, as :func:`_last_analysis`."""
    real, imag = _quadrature(axis, n, frequencies, period)
    return _complex_product(real, imag).T.to(device=device, dtype=dtype).contiguous()


def _quadrature(axis: Axis, n: int, frequencies: range, period: float) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the matrix (count, n) that integrates a field against the waves."""
    cos, sin = _waves(axis, n, frequencies, period)
    weights = axis.weights(n) / period
    real, imag = cos * weights, -sin * weights
    for sample, factor in zip((0, n - 1), end_corrections(axis, n, frequencies, period), strict=True):
        real[:, sample] += factor.real
        imag[:, sample] += factor.imag
    return real, imag


@constant
def _synthesis(
    axis: Axis, n: int, frequencies: range, period: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """(count*2, n*2): pairs of the modes to pairs at the points, multiplying by e^{+i...}."""
    cos, sin = _waves(axis, n, frequencies, period)
    return _complex_product(cos.T, sin.T).T.to(device=device, dtype=dtype).contiguous()


def _complex_product(real: Tensor, imag: Tensor) -> Tensor:
    """Real (rows*2, columns*2) form, on pairs, of the complex matrix real + i imag (rows, columns)."""
    to_real = torch.stack([real, -imag], dim=-1)  # (rows, columns, 2): Re = real·Re - imag·Im
    to_imag = torch.stack([imag, real], dim=-1)  # Im = imag·Re + real·Im
    matrix = torch.stack([to_real, to_imag], dim=1)  # (rows, 2, columns, 2)
    return matrix.flatten(2).flatten(0, 1)


@constant
def _last_synthesis(
    axis: Axis, n: int, frequencies: range, period: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """(count*2, n): pairs to the real part; k > 0 counts twice, for its mirror image -k.

    The Nyquist frequency of an even periodic grid (kept by index grids only) is its own mirror.
    """
    cos, sin = _waves(axis, n, frequencies, period)
    twice = torch.full((len(frequencies), 1), 2.0, dtype=torch.float64)
    twice[0] = 1
    if period == 1 and 2 * frequencies[-1] == axis.intervals(n):
        twice[-1] = 1
    return torch.stack([twice * cos, -twice * sin], dim=1).flatten(0, 1).to(device=device, dtype=dtype)
