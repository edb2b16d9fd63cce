"""Truncated transforms by FFT, one axis at a time, dropping what is not kept as early as possible.

A nodal axis holds one point of the period twice, so its two ends are folded into one: the FFT of
the n-1 points left is the trapezoid rule, to which the end corrections are added (see `ends`).
Going back, the first point is repeated at the end.

Shapes: B samples, C channels, S the grid's shape, K the kept modes per axis.
"""

import math

import torch
from torch import Tensor

from nolab.grid import Axis
from nolab.spectral.constants import constant
from nolab.spectral.ends import end_corrections
from nolab.spectral.modes import AxisModes


def analyse(x: Tensor, axes: tuple[Axis, ...], modes: tuple[AxisModes, ...]) -> Tensor:
    """Fourier coefficients of a real field: (B, C, *S) -> (B, C, *K), complex.

    On a cell-centred axis they lack the half-cell phase e^{-iπk/n}, see :func:`shift_cells`.
    """
    for dim in range(-1, -len(axes) - 1, -1):
        axis, kept, folded = axes[dim], modes[dim], _fold(x, axes[dim], dim)
        if dim == -1:
            spectrum = torch.fft.rfft(folded, dim=dim, norm="forward").narrow(dim, 0, kept.count)
        else:
            spectrum = _take(torch.fft.fft(folded, dim=dim, norm="forward"), kept, dim)
        x = _correct_ends(spectrum, x, axis, kept, dim)
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


def _correct_ends(spectrum: Tensor, x: Tensor, axis: Axis, modes: AxisModes, dim: int) -> Tensor:
    """Add to the trapezoid rule's coefficients what it misses at the ends of x, see `ends`."""
    if axis.placement != "nodal":
        return spectrum
    n = x.shape[dim]
    first, last = _end_factors(axis, n, modes.frequencies, spectrum.dtype, x.device)
    column = (-1, *(1,) * (-dim - 1))
    return spectrum + x.narrow(dim, 0, 1) * first.view(column) + x.narrow(dim, n - 1, 1) * last.view(column)


@constant
def _end_factors(axis: Axis, n: int, frequencies: range, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(2, count), see :func:`nolab.spectral.ends.end_corrections`; the FFT's period is the length."""
    return end_corrections(axis, n, frequencies, 1.0).to(device=device, dtype=dtype)


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
