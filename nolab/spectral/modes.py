"""Which frequencies a grid can carry, and where their weights are stored.

Along an axis with M stored modes the weight index i belongs to frequency k = i - M//2, and on the
last axis, whose negative half follows from the field being real, to k = i. A grid with few points
carries fewer of them; those that it carries keep their weights.
"""

import math
from dataclasses import dataclass

from nolab.errors import InputError
from nolab.grid import Axis

INDEX_AXIS = Axis("periodic")
"""What ``discretization="index"`` takes every axis for, whatever the samples mean."""


@dataclass(frozen=True)
class AxisModes:
    """The contiguous frequencies lowest, ..., lowest+count-1 kept along one axis."""

    lowest: int
    count: int
    first: int
    """Index of the weight that belongs to `lowest`."""

    @property
    def stop(self) -> int:
        """One past the highest frequency."""
        return self.lowest + self.count

    @property
    def frequencies(self) -> range:
        return range(self.lowest, self.stop)

    @property
    def weights(self) -> slice:
        """Where the weights of the kept frequencies lie along this axis of the weight."""
        return slice(self.first, self.first + self.count)


def keep_modes(band: tuple[int, int], stored: int, kept: int, *, last: bool) -> AxisModes:
    """The modes of one axis that the grid carries and the layer wants.

    Parameters
    ----------
    band : lowest and highest frequency that the grids of input and output can carry.
    stored : number of modes for which the weight has room.
    kept : number of modes that the layer uses now, at most `stored`.
    last : whether this is the last axis, which holds k >= 0 only.
    """
    if last:
        return AxisModes(0, min(stored, kept, band[1] + 1), 0)
    lowest = max(-(min(kept, stored) // 2), band[0])
    highest = min((min(kept, stored) - 1) // 2, band[1])
    return AxisModes(lowest, highest - lowest + 1, lowest + stored // 2)


def consistent_band(axis: Axis, n: int, period: float) -> tuple[int, int]:
    """Frequencies k/P that n samples can tell apart: |k| below the Nyquist frequency m P / 2.

    The Nyquist frequency itself is left out, since its sine vanishes at every sample.

    Raises
    ------
    InputError : a grid without an interval.
    """
    if axis.intervals(n) < 1:
        raise InputError(f"grid: a {axis.placement} axis needs more points than {n}")
    highest = math.ceil(axis.intervals(n) * period / 2 - 1e-9) - 1
    return -highest, highest


def index_band(n: int, *, last: bool) -> tuple[int, int]:
    """Frequencies of the FFT of n samples, Nyquist included, as neuraloperator keeps them."""
    return (0, n // 2) if last else (-(n // 2), (n - 1) // 2)
