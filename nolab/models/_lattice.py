"""The latent grid of a point model, and which of its nodes lie near a point: arithmetic, no search.

Shapes: B samples, P places, N points, K candidate nodes of a place, M nodes of the grid.
"""

from dataclasses import dataclass
from itertools import product
from math import floor, hypot
from typing import Literal

import torch
from neuralop.layers.gno_weighting_functions import dispatch_weighting_fn
from torch import Tensor

from nolab.grid import Axis, Domain
from nolab.spectral.constants import constant

Mollifier = Literal["half_cos", "bump", "quartic", "quadr", "octic"]

_DISTANCES = 2**22
"""Distances held at once, 16 MiB of float32."""


@dataclass(frozen=True)
class Pairs:
    """Places and the grid's nodes near them.

    Parameters
    ----------
    node : (B, P, K), flat indices into the M nodes; some node of the grid where `weight` is 0.
    weight : (B, P, K), 1 or the mollifier's value within the radius, else 0.
    """

    node: Tensor
    weight: Tensor

    def times(self, factor: Tensor) -> "Pairs":
        """The same pairs, their weights times a factor (B, P) of each place."""
        return Pairs(self.node, self.weight * factor[..., None])


@dataclass(frozen=True)
class Lattice:
    """A regular grid over a domain's box, both ends of every axis among its nodes.

    Parameters
    ----------
    box : the domain of scattered points.
    shape : nodes per axis, at least 2.
    """

    box: Domain
    shape: tuple[int, ...]

    @property
    def domain(self) -> Domain:
        """The grid's own domain: the box with nodal axes."""
        return Domain(tuple(Axis("nodal", axis.start, axis.stop) for axis in self.box.axes))

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance of neighbouring nodes on each axis."""
        return tuple(a.length / a.intervals(n) for a, n in zip(self.domain.axes, self.shape, strict=True))

    @property
    def cell(self) -> float:
        """Diagonal of a cell: within half of it every place of the box has a node."""
        return hypot(*self.spacing)

    @property
    def diameter(self) -> float:
        """Diagonal of the box."""
        return hypot(*(axis.length for axis in self.box.axes))

    def nodes(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Coordinates (M, ndim), the last axis fastest."""
        return _nodes(self, dtype, device)

    def pairs(self, places: Tensor, radius: float, mollifier: Mollifier | None) -> Pairs:
        """The nodes within `radius` of each place, both in units of the domain.

        A place's nearest node and a fixed window of offsets around it hold them all; those outside the
        radius or the grid get weight 0.

        Parameters
        ----------
        places : (B, P, ndim), finite.
        """
        like = (places.dtype, places.device)
        start, spacing, last = _frame(self, *like)
        place = (places - start) / spacing
        index = place.round()[..., None, :] + _window(self.spacing, radius, *like)  # (B, P, K, ndim)
        squared = ((index - place[..., None, :]) * spacing).square().sum(-1)  # (B, P, K)
        on_grid = torch.minimum(index.clamp(min=0), last)
        inside = (squared <= radius**2) & (index == on_grid).all(-1)
        if mollifier is None:
            weight = inside.to(places.dtype)
        else:
            value = dispatch_weighting_fn(mollifier, sq_radius=radius**2, scale=1.0)
            # The polynomials may be a rounding error below 0 at the radius.
            weight = torch.where(inside, value(squared.clamp(max=radius**2)).clamp(min=0), 0.0)
        return Pairs(_flat(on_grid.long(), self.shape), weight)

    def distances(self, points: Tensor) -> Tensor:
        """Distance of every node to the nearest of N points (B, N, ndim): (B, M), in units of the domain."""
        nodes = self.nodes(points.dtype, points.device)
        block = max(1, _DISTANCES // (points.shape[0] * points.shape[1]))
        exact = "donot_use_mm_for_euclid_dist"
        found = [torch.cdist(part, points, compute_mode=exact).amin(-1) for part in nodes.split(block)]
        return torch.cat(found, dim=-1)


def _flat(index: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Flat indices of (..., ndim) ones."""
    flat = index[..., 0]
    for axis, n in enumerate(shape[1:], start=1):
        flat = flat * n + index[..., axis]
    return flat


@constant
def _frame(lattice: Lattice, dtype: torch.dtype, device: torch.device) -> Tensor:
    """First node, spacing, and last index, of each axis: (3, ndim)."""
    start = [axis.start for axis in lattice.box.axes]
    last = [n - 1 for n in lattice.shape]
    return torch.tensor([start, lattice.spacing, last], dtype=dtype, device=device)


@constant
def _nodes(lattice: Lattice, dtype: torch.dtype, device: torch.device) -> Tensor:
    return lattice.domain.coordinates(lattice.shape).flatten(1).T.to(device=device, dtype=dtype)


@constant
def _window(spacing: tuple[float, ...], radius: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Offsets (K, ndim) from the node nearest to a place to all that can lie within the radius.

    The place is anywhere in the box of one spacing around its nearest node, so the node at offset o is
    at least max(|o| - 1/2, 0) spacings away on each axis.
    """
    most = [range(-floor(radius / h + 0.5), floor(radius / h + 0.5) + 1) for h in spacing]
    limit = radius**2 * (1 + 1e-6)
    kept = [
        offset
        for offset in product(*most)
        if sum((max(abs(o) - 0.5, 0) * h) ** 2 for o, h in zip(offset, spacing, strict=True)) <= limit
    ]
    return torch.tensor(kept, dtype=dtype, device=device)
