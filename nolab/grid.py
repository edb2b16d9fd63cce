"""The physical domain, and the regular grids or scattered points on it.

Everything that touches space (coordinates, quadrature, spectral transforms, restriction) asks
these classes, never the array index: that is what makes the levels of a hierarchy discretise one
and the same operator.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, isclose, pi
from typing import Literal, get_args

import torch
from torch import Tensor

from nolab.errors import InputError, unknown

Placement = Literal["nodal", "cell", "periodic", "latitude", "scattered"]
"""Where the n samples of an axis [start, stop] lie, with h the spacing:

* ``nodal``: both ends are samples, h = (stop-start)/(n-1); quadrature by the trapezoid rule;
* ``cell``: centres of n cells, h = (stop-start)/n; uniform quadrature;
* ``periodic``: the left end is a sample, the right end is left out, h = (stop-start)/n; uniform;
* ``latitude``: the colatitude θ from 0 to π, placed as on a nodal axis, so that both poles are samples;
  the mean is that over the sphere, ½∫ f sin θ dθ, and the quadrature that of Clenshaw and Curtis,
  exact for polynomials in cos θ of degree n-1;
* ``scattered``: anywhere, on all axes or on none: every sample brings the coordinates and the quadrature
  weights of its points (meshes, point clouds). [start, stop] is a box that holds the points.
"""


@dataclass(frozen=True)
class Axis:
    """One axis of the domain; its grids differ only in their number of samples."""

    placement: Placement = "nodal"
    start: float = 0.0
    stop: float = 1.0

    def __post_init__(self) -> None:
        if self.placement not in get_args(Placement):
            raise unknown("placement", self.placement, get_args(Placement))
        if not -inf < self.start < self.stop < inf:
            raise InputError(f"axis: start must lie below stop, both finite, got [{self.start}, {self.stop}]")
        if self.placement == "latitude" and not (self.start == 0 and isclose(self.stop, pi, rel_tol=1e-12)):
            raise InputError(
                "axis: latitude is the colatitude from 0 to π, in radians from pole to pole, got "
                f"[{self.start:g}, {self.stop:g}]; other axes are nodal, cell or periodic"
            )

    @property
    def length(self) -> float:
        return self.stop - self.start

    def intervals(self, n: int) -> int:
        """Number of spacings that make up the length: n-1 on an axis that holds both ends, n otherwise."""
        return n - 1 if self.placement in ("nodal", "latitude") else n

    def coordinates(self, n: int, *, dtype: torch.dtype = torch.float64) -> Tensor:
        """Coordinates of the n samples, shape (n,), in the units of the domain."""
        return (self.start + self.length * self.positions(n)).to(dtype)

    def positions(self, n: int) -> Tensor:
        """Coordinates scaled to [0, 1] by the axis, shape (n,), float64.

        Divided by the number of intervals, not by a spacing: both ends are met to the last bit.
        """
        offset = 0.5 if self.placement == "cell" else 0.0
        return (torch.arange(n, dtype=torch.float64) + offset) / self.intervals(n)

    def weights(self, n: int, *, dtype: torch.dtype = torch.float64) -> Tensor:
        """Quadrature weights of the mean over the axis, shape (n,); they sum to 1.

        One sample stands for the whole axis: that of a field that does not vary along it.
        """
        if n == 1:
            return torch.ones(1, dtype=dtype)
        if self.placement == "latitude":
            return clenshaw_curtis(n).to(dtype)
        weights = torch.full((n,), 1.0 / self.intervals(n), dtype=torch.float64)
        if self.placement == "nodal":
            weights[0] /= 2
            weights[-1] /= 2
        return weights.to(dtype)


@dataclass(frozen=True)
class Domain:
    """A box in 1, 2 or 3 dimensions: one :class:`Axis` per dimension."""

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        scattered = [axis.placement == "scattered" for axis in self.axes]
        if any(scattered) and not all(scattered):
            raise InputError("domain: all axes are scattered or none is: points lie on a grid or they do not")

    @classmethod
    def cloud(cls, *box: tuple[float, float]) -> "Domain":
        """Scattered points in a box, given by (start, stop) of each axis."""
        return cls(tuple(Axis("scattered", start, stop) for start, stop in box))

    @property
    def is_scattered(self) -> bool:
        """Whether samples bring their own points, see :data:`Placement`; their "grid" is (N,), a number of points."""
        return self.axes[0].placement == "scattered"

    @property
    def grid_ndim(self) -> int:
        """Length of a grid's shape: one size per axis, or the number of scattered points."""
        return len(self.grid_axes)

    @property
    def grid_axes(self) -> tuple[Axis, ...]:
        """The axes that a grid's shape counts along: the domain's, or the list of scattered points, of which each has
        an equal part."""
        return (Axis("cell"),) if self.is_scattered else self.axes

    @classmethod
    def unit(cls, ndim: int, placement: Placement = "nodal") -> "Domain":
        """The unit interval, square or cube."""
        return cls(tuple(Axis(placement) for _ in range(ndim)))

    @classmethod
    def sphere(cls) -> "Domain":
        """The unit sphere: colatitude from 0 to π, then longitude from 0 to 2π, in radians."""
        return cls((Axis("latitude", 0.0, pi), Axis("periodic", 0.0, 2 * pi)))

    @property
    def is_sphere(self) -> bool:
        """Whether this is :meth:`sphere`."""
        return self == Domain.sphere()

    @property
    def ndim(self) -> int:
        return len(self.axes)

    def scaled(self, coordinates: Tensor) -> Tensor:
        """Physical coordinates (..., ndim) scaled to [0, 1] by the domain."""
        per_axis = zip(self.axes, coordinates.unbind(-1), strict=True)
        return torch.stack([(x - axis.start) / axis.length for axis, x in per_axis], dim=-1)

    def coordinates(self, shape: tuple[int, ...]) -> Tensor:
        """Coordinates of every sample of the grid, shape (ndim, *shape), float64."""
        axes = [axis.coordinates(n) for axis, n in zip(self.axes, shape, strict=True)]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"))

    def positions(self, shape: tuple[int, ...]) -> Tensor:
        """Coordinates scaled to [0, 1] by the domain, shape (ndim, *shape), float64."""
        axes = [axis.positions(n) for axis, n in zip(self.axes, shape, strict=True)]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"))

    def weights(self, shape: tuple[int, ...]) -> Tensor:
        """Quadrature weights of the mean over the domain, shape `shape`, float64, sum 1."""
        return _outer_weights(self.axes, tuple(shape)).clone()

    def to_dict(self) -> list[dict]:
        """Plain data for files; :meth:`from_dict` reads it back."""
        # Whole numbers are read back as floats, and would be other text.
        return [{"placement": a.placement, "start": float(a.start), "stop": float(a.stop)} for a in self.axes]

    @classmethod
    def from_dict(cls, data: list[dict]) -> "Domain":
        try:
            axes = tuple(Axis(a["placement"], float(a["start"]), float(a["stop"])) for a in data)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"domain: not a list of {{placement, start, stop}}: {data!r}") from error
        return cls(axes)


@cache
def _outer_weights(axes: tuple[Axis, ...], shape: tuple[int, ...]) -> Tensor:
    weights = torch.ones((), dtype=torch.float64)
    for axis, n in zip(axes, shape, strict=True):
        weights = weights[..., None] * axis.weights(n)
    return weights


def clenshaw_curtis(n: int) -> Tensor:
    """Weights (n,) of ½∫ f sin θ dθ over [0, π] from n >= 2 evenly spaced samples, both ends included.

    The integral of the cosine series through the samples: ½∫ cos(kθ) sin θ dθ is 1/(1-k²) for even k
    and 0 for odd k (Clenshaw and Curtis 1960; by FFT: Waldvogel, BIT 46, 2006). float64; the sum is 1.
    """
    k = torch.arange(n, dtype=torch.float64)
    moments = torch.where(k % 2 == 0, 1 / (1 - k**2), 0.0)
    weights = torch.fft.irfft(moments, n=2 * (n - 1))[:n]
    weights[1:-1] *= 2
    return weights


def input_shape(shape: tuple[int, ...], input_axes: tuple[int, ...] | None) -> tuple[int, ...]:
    """Grid of an input that varies along `input_axes` only (None: along all axes): 1 on the others."""
    if input_axes is None:
        return tuple(shape)
    return tuple(n if axis in input_axes else 1 for axis, n in enumerate(shape))


def full_shape(size: int | Sequence[int], domain: "Domain", where: str) -> tuple[int, ...]:
    """The grid that a size, or one size per axis, stands for.

    Raises
    ------
    InputError : naming the key `where`: another number of sizes than axes.
    """
    shape = (size,) * domain.grid_ndim if isinstance(size, int) else tuple(size)
    if len(shape) != domain.grid_ndim:
        on = "scattered points" if domain.is_scattered else f"a domain of {domain.ndim} axes"
        raise InputError(f"{where}: {len(shape)} sizes for {on}: {list(shape)}")
    return shape


def shape_name(shape: tuple[int, ...]) -> str:
    """Name of a level, as in the figures' names: (64, 64) -> '64x64'."""
    return "x".join(str(n) for n in shape)
