"""Random fields to measure on: smooth, of unit variance, on any grid of the domain."""

import math

import torch
from torch import Tensor

from nolab.data.pyramid import LevelTensors
from nolab.fields import OperatorSpec
from nolab.grid import Axis, input_shape

_WAVES = 16
_DECAY = 2.0


def random_samples(
    spec: OperatorSpec, shape: tuple[int, ...], input_axes: tuple[int, ...] | None, count: int, seed: int
) -> LevelTensors:
    """Inputs and targets, independent of each other; the same fields of the same seed on every grid.

    Parameters
    ----------
    spec : channels and domain.
    shape : S, the grid.
    input_axes : axes on which the input varies, None for all; it has size 1 on the others.
    count : n, samples.

    Returns
    -------
    Input (n, C_in, *S), target (n, C_out, *S), both with mean 0 and variance 1; on the CPU, float32.
    """
    generator = torch.Generator().manual_seed(seed)
    axes = spec.domain.axes
    grids = (input_shape(shape, input_axes), shape)
    source, target = (
        random_field(axes, grid, (count, channels), generator)
        for grid, channels in zip(grids, (spec.in_channels, spec.out_channels), strict=True)
    )
    square = (target.square() * spec.domain.weights(shape)).flatten(2).sum(dim=2)  # (n, C_out)
    norm = square.mean(dim=1).sqrt()
    return LevelTensors(source.float(), target.float(), norm.float(), torch.zeros(spec.out_channels))


def random_field(
    axes: tuple[Axis, ...], shape: tuple[int, ...], leading: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    r"""Gaussian random fields $\sum_k a_k \xi_k \varphi_k$ with $a_k \propto (1 + |k|^2)^{-s/2}$, s = 2.

    The φ_k are products of cosines, on periodic axes of sines too, orthonormal in L²; Σ a_k² = 1.

    Returns
    -------
    (*leading, *shape), float64.
    """
    bases = [_basis(axis, n) for axis, n in zip(axes, shape, strict=True)]
    square = torch.zeros((), dtype=torch.float64)
    for frequencies, _ in bases:
        square = square[..., None] + frequencies.square()
    amplitude = (1 + square) ** (-_DECAY / 2)  # (K1, K2, ...)
    amplitude /= amplitude.square().sum().sqrt()
    field = amplitude * torch.randn(*leading, *amplitude.shape, generator=generator, dtype=torch.float64)
    for _, waves in bases:  # contracts the first of the axes left, and appends its grid
        field = torch.tensordot(field, waves, dims=([len(leading)], [0]))
    return field


def _basis(axis: Axis, n: int) -> tuple[Tensor, Tensor]:
    """Frequencies (K,) in half periods, and the waves (K, n); one constant where n = 1."""
    if n == 1:
        return torch.zeros(1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    position = axis.positions(n)
    if axis.placement == "periodic":
        k = 2 * torch.arange(1, _WAVES // 2 + 1, dtype=torch.float64)
        angle = math.pi * k[:, None] * position
        waves, frequencies = torch.cat([angle.cos(), angle.sin()]), torch.cat([k, k])
    else:
        frequencies = torch.arange(1, _WAVES + 1, dtype=torch.float64)
        waves = torch.cos(math.pi * frequencies[:, None] * position)
    constant = torch.ones(1, n, dtype=torch.float64)
    return torch.cat([torch.zeros(1, dtype=torch.float64), frequencies]), torch.cat(
        [constant, math.sqrt(2) * waves]
    )
