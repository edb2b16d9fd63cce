"""Sensors: the fixed physical points at which a branch network reads the input field, on any grid.

Shapes: B samples, C channels, S the input's grid, M the sensors' grid.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nolab.errors import InputError
from nolab.fields import OperatorSpec
from nolab.grid import Axis, Domain, shape_name
from nolab.schema import check
from nolab.spectral.constants import constant


@dataclass(frozen=True)
class Sensors:
    """A regular grid of sensors, placed on each axis as the domain's samples are.

    Parameters
    ----------
    domain : the physical domain.
    shape : M; 1 on axes along which the input does not vary.
    """

    domain: Domain
    shape: tuple[int, ...]

    @classmethod
    def of(cls, spec: OperatorSpec, count: tuple[int, ...] | int | None) -> "Sensors":
        """The sensors that the option `sensors` asks for: one number for every axis, one per axis, or
        None for the input's finest grid.

        Raises
        ------
        InputError : a count that does not fit the domain, or more than one sensor along an axis on
            which the input does not vary.
        """
        if count is None:
            return cls(spec.domain, spec.input_shape)
        if isinstance(count, int):
            count = tuple(1 if n == 1 else count for n in spec.input_shape)
        ndim = spec.domain.ndim
        check(len(count) == ndim, "sensors", count, f"one number or one per axis of the domain ({ndim})")
        for axis, (asked, n) in enumerate(zip(count, spec.input_shape, strict=True)):
            rule = "1, for the input does not vary there" if n == 1 else "at least 2"
            check(asked == 1 if n == 1 else asked >= 2, "sensors", count, f"{rule} (axis {axis})")
        return cls(spec.domain, count)

    def read(self, field: Tensor) -> Tensor:
        """Values of the field at the sensors.

        Where the sensors are grid points their values are taken as they are. Elsewhere they are
        interpolated linearly along each axis, to O(h²), around a periodic axis and with the value
        of the outermost cell beyond its centre.

        Parameters
        ----------
        field : (B, C, *S).

        Returns
        -------
        (B, C, *M)

        Raises
        ------
        InputError : the field varies along an axis that has one sensor.
        """
        for position, (axis, m) in enumerate(zip(self.domain.axes, self.shape, strict=True)):
            field = _read_axis(field, 2 + position, axis, m)
        return field

    def lie_on(self, shape: tuple[int, ...]) -> bool:
        """Whether every sensor is a point of the grid of `shape`."""
        return all(
            m == 1 or stride(axis, n, m) is not None
            for axis, n, m in zip(self.domain.axes, shape, self.shape, strict=True)
        )

    def __str__(self) -> str:
        return shape_name(self.shape)


def stride(axis: Axis, n: int, m: int) -> tuple[int, int] | None:
    """First index and stride of the m sensors among the n samples of an axis; None if not all are samples."""
    step, rest = divmod(axis.intervals(n), axis.intervals(m))
    if rest or step == 0:
        return None
    if axis.placement != "cell":
        return 0, step
    # Only an odd number of cells has one of them in its middle.
    return (step // 2, step) if step % 2 else None


def _read_axis(field: Tensor, dim: int, axis: Axis, m: int) -> Tensor:
    n = field.shape[dim]
    if n == m:
        return field
    if n == 1:  # constant along the axis
        return field.expand(*field.shape[:dim], m, *field.shape[dim + 1 :])
    if m == 1:
        raise InputError(
            f"input: it has {n} samples along axis {dim - 2}, where the model was built for one that does not vary"
        )
    if (nested := stride(axis, n, m)) is not None:
        first, step = nested
        return field[(slice(None),) * dim + (slice(first, None, step),)]
    left, right = _neighbours(axis, n, m, field.device)
    share = _right_share(axis, n, m, field.dtype, field.device)
    share = share.view(-1, *(1,) * (field.ndim - dim - 1))
    return torch.lerp(field.index_select(dim, left), field.index_select(dim, right), share)


@constant
def _neighbours(axis: Axis, n: int, m: int, device: torch.device) -> Tensor:
    """Samples to the left and to the right of each sensor, (2, m)."""
    left = _place(axis, n, m).floor().long()
    if axis.placement == "periodic":
        return torch.stack([left, (left + 1) % n]).to(device)
    # Beyond the outermost cell centres both neighbours are the outermost sample.
    return torch.stack([left, left + 1]).clamp(0, n - 1).to(device)


@constant
def _right_share(axis: Axis, n: int, m: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Weight of each sensor's right neighbour, (m,)."""
    place = _place(axis, n, m)
    return (place - place.floor()).to(device=device, dtype=dtype)


def _place(axis: Axis, n: int, m: int) -> Tensor:
    """Where the m sensors stand, counted in samples of the axis, (m,); exact where they are samples."""
    offset = 0.5 if axis.placement == "cell" else 0.0
    steps = torch.arange(m, dtype=torch.float64) + offset
    # The product first: it is exact, so a sensor that is a sample comes out whole.
    return steps * axis.intervals(n) / axis.intervals(m) - offset
