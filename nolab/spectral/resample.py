"""The same field at another number of points of the same domain."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nolab.grid import Axis
from nolab.spectral.constants import constant


def scaled_shape(
    x: Tensor, asked: tuple[int, ...] | None, scaling: Sequence[float] | None
) -> tuple[int, ...]:
    """Points per axis of a layer's output: those that are asked for, else the input's (B, C, *S), scaled."""
    if asked is not None:
        return tuple(asked)
    shape = tuple(x.shape[2:])
    return shape if not scaling else tuple(round(n * s) for n, s in zip(shape, scaling, strict=True))


def resample_linear(x: Tensor, axes: tuple[Axis, ...], shape: tuple[int, ...]) -> Tensor:
    """Multilinear interpolation on true coordinates: (B, C, *S) -> (B, C, *shape).

    Nodes that both grids share keep their values exactly, and a field that is no band-limited
    periodic one gets no ringing. Periodic axes wrap; the outermost half cells of a cell-centred
    axis are extrapolated linearly.
    """
    for dim, axis in enumerate(axes, start=2):
        if x.shape[dim] != shape[dim - 2]:
            matrix = _interpolation(axis, x.shape[dim], shape[dim - 2], x.dtype, x.device)
            x = (x.movedim(dim, -1) @ matrix).movedim(-1, dim)
    return x.contiguous()


@constant
def _interpolation(axis: Axis, n: int, target: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(n, target): column j holds the weights of the n samples for node j of the target grid."""
    source = axis.coordinates(n)
    position = (axis.coordinates(target) - source[0]) / (axis.length / axis.intervals(n))
    highest = n - 1 if axis.placement == "periodic" else n - 2
    left = position.floor().clamp(0, highest).long()
    share = position - left
    matrix = torch.zeros(n, target, dtype=torch.float64)
    columns = torch.arange(target)
    matrix[left, columns] = 1 - share
    matrix[(left + 1) % n, columns] += share
    return matrix.to(device=device, dtype=dtype)
