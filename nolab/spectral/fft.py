"""Truncated transforms by FFT, one axis at a time, dropping what is not kept as early as possible.

A nodal axis holds one point of the period twice, so its two ends are folded into one: the FFT of
the n-1 points left is the trapezoid rule. Going back, the first point is repeated at the end.

Shapes: B samples, C channels, S the grid's shape, K the kept modes per axis.
"""

import math

import torch
from torch import Tensor

from nolab.grid import Axis
from nolab.spectral.constants import constant
from nolab.spectral.modes import AxisModes


def analyse(x: Tensor, axes: tuple[Axis, ...], modes: tuple[AxisModes, ...]) -> Tensor:
    """Fourier coefficients of a real field: (B, C, *S) -> (B, C, *K), complex.

    On a cell-centred axis they lack the half-cell phase e^{-iπk/n}, see :func:`shift_cells`.
    """
    x = _fold(x, axes[-1], -1)
    x = torch.fft.rfft(x, dim=-1, norm="forward").narrow(-1, 0, modes[-1].count)
    for dim in range(-2, -len(axes) - 1, -1):
        x = torch.fft.fft(_fold(x, axes[dim], dim), dim=dim, norm="forward")
        x = _take(x, modes[dim], dim)
    return x


def synthesise(
    coefficients: Tensor, axes: tuple[Axis, ...], modes: tuple[AxisModes, ...], shape: tuple[int, ...]
) -> Tensor:
    """Real part of the Fourier sum at the nodes: (B, C, *K), complex -> (B, C, *shape).

    The leading axes are summed first; then the lines that are their own mirror image (zero and
    Nyquist frequency of the last axis) are made real *before* the real inverse FFT, which would
    otherwise treat their imaginary part differently from device to device.
    """
    x = coefficients
    for dim in range(-len(axes), -1):
        m = axes[dim].intervals(shape[dim])  # distinct points of the period
        x = torch.fft.ifft(_pad(x, modes[dim], m, dim), dim=dim, norm="forward")
        x = _unfold(x, axes[dim], dim)
    m = axes[-1].intervals(shape[-1])
    keep_imag = _own_mirror(modes[-1].count, m, x.real.dtype, x.device)
    x = torch.view_as_complex(torch.view_as_real(x) * keep_imag)
    x = torch.fft.irfft(x, n=m, dim=-1, norm="forward")
    return _unfold(x, axes[-1], -1)


def shift_cells(
    coefficients: Tensor,
    axes: tuple[Axis, ...],
    modes: tuple[AxisModes, ...],
    source: tuple[int, ...],
    target: tuple[int, ...],
) -> Tensor:
    """Move coefficients (B, C, *K) from the cell centres of `source` to those of `target`.

    Half-cell phases cancel on equal grids, so only a change of resolution needs them.
    """
    for dim, axis in enumerate(axes):
        if axis.placement == "cell" and source[dim] != target[dim]:
            phase = _cell_phase(
                modes[dim].frequencies, source[dim], target[dim], coefficients.dtype, coefficients.device
            )
            coefficients = coefficients * phase.view(-1, *(1,) * (len(axes) - dim - 1))
    return coefficients


def _fold(x: Tensor, axis: Axis, dim: int) -> Tensor:
    if axis.placement != "nodal":
        return x
    n = x.shape[dim]
    ends = (x.narrow(dim, 0, 1) + x.narrow(dim, n - 1, 1)) / 2
    return torch.cat([ends, x.narrow(dim, 1, n - 2)], dim)


def _unfold(x: Tensor, axis: Axis, dim: int) -> Tensor:
    if axis.placement != "nodal":
        return x
    return torch.cat([x, x.narrow(dim, 0, 1)], dim)


def _take(x: Tensor, modes: AxisModes, dim: int) -> Tensor:
    """Kept frequencies in rising order out of the FFT's order (0, 1, ..., -2, -1)."""
    low = x.narrow(dim, x.shape[dim] + modes.lowest, -modes.lowest)
    return torch.cat([low, x.narrow(dim, 0, modes.stop)], dim)


def _pad(x: Tensor, modes: AxisModes, m: int, dim: int) -> Tensor:
    """Inverse of :func:`_take`, with zeros for the m - count frequencies that are not kept."""
    gap = list(x.shape)
    gap[dim] = m - modes.count
    low = x.narrow(dim, 0, -modes.lowest)
    return torch.cat([x.narrow(dim, -modes.lowest, modes.stop), x.new_zeros(gap), low], dim)


@constant
def _own_mirror(count: int, m: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(count, 2): zero at the imaginary part of the zero and the Nyquist frequency, else one."""
    mask = torch.ones(count, 2, dtype=dtype, device=device)
    mask[0, 1] = 0
    if m % 2 == 0 and count > m // 2:
        mask[m // 2, 1] = 0
    return mask


@constant
def _cell_phase(
    frequencies: range, source: int, target: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """(count,): e^{iπk(1/target - 1/source)}."""
    k = torch.tensor(list(frequencies), dtype=torch.float64)
    angle = math.pi * (1 / target - 1 / source) * k
    return torch.polar(torch.ones_like(angle), angle).to(device=device, dtype=dtype)
