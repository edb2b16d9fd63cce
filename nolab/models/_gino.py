"""GINO: from scattered points to a latent grid, Fourier layers there, and back to any points.

Shapes: B samples, N points, P chosen points or queries, C channels, M nodes of the latent grid S.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from nolab.fields import FieldBatch
from nolab.models._fno import FourierOperator
from nolab.models._gno import KernelIntegral, features
from nolab.models._lattice import Lattice, Mollifier, Pairs


@dataclass(frozen=True)
class Vicinity:
    """Which nodes of the latent grid a place exchanges values with, and how positions enter kernels.

    Parameters
    ----------
    radius : in units of the domain.
    mollifier : weight of a pair by its distance; None: 1 within the radius.
    frequencies : see :func:`nolab.models._gno.features`.
    """

    lattice: Lattice
    radius: float
    mollifier: Mollifier | None
    frequencies: int

    @property
    def n_features(self) -> int:
        """Features of a position."""
        return self.lattice.box.ndim * (2 * self.frequencies or 1)

    def pairs(self, places: Tensor) -> Pairs:
        """Coordinates (B, P, ndim) and the nodes near them."""
        return self.lattice.pairs(places, self.radius, self.mollifier)

    def features(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Features of coordinates (B, P, ndim) and of the nodes: (B, P, E) and (M, E)."""
        nodes = self.lattice.nodes(places.dtype, places.device)
        scaled = self.lattice.box.scaled
        return features(scaled(places), self.frequencies), features(scaled(nodes), self.frequencies)


class PointEncoder(nn.Module):
    """Input GNO: the fields at the points, lifted linearly, integrated for every latent node.

    Parameters
    ----------
    in_channels, channels : of the fields, and C of the latent grid.
    weighted : weigh the points by their quadrature weights; else all alike, as neuraloperator does.
    """

    def __init__(
        self, in_channels: int, channels: int, near: Vicinity, integral: KernelIntegral, weighted: bool
    ) -> None:
        super().__init__()
        self.near, self.weighted = near, weighted
        self.lift = nn.Linear(in_channels, channels)
        self.integral = integral

    def forward(self, batch: FieldBatch) -> Tensor:
        """(B, C, *S)"""
        values = batch.input.masked_fill(~batch.mask[:, None], 0).mT  # (B, N, C_in)
        at = _coordinates(batch)
        pairs = self.near.pairs(at).times(batch.weights if self.weighted else batch.mask)
        latent = self.integral.to_nodes(*self.near.features(at), self.lift(values), pairs)
        return latent.mT.unflatten(2, self.near.lattice.shape)


class DistanceEncoder(nn.Module):
    """The shape of the sample alone: every latent node's distance to the nearest point, over the box's diameter."""

    def __init__(self, lattice: Lattice) -> None:
        super().__init__()
        self.lattice = lattice

    def forward(self, batch: FieldBatch) -> Tensor:
        """(B, 1, *S)"""
        distance = self.lattice.distances(_coordinates(batch)) / self.lattice.diameter
        return distance[:, None].unflatten(2, self.lattice.shape)


class Gino(nn.Module):
    """Encoder, Fourier operator on the latent grid, output GNO, and the pointwise projection at the points asked for.

    Parameters
    ----------
    encoder : samples to fields on the latent grid.
    operator : from these to the output; its projection is applied behind the output GNO.
    integral, near : the output GNO.
    """

    neighbourhood = None

    def __init__(
        self, encoder: nn.Module, operator: FourierOperator, integral: KernelIntegral, near: Vicinity
    ) -> None:
        super().__init__()
        self.domain = near.lattice.box
        self.encoder, self.operator, self.integral, self.near = encoder, operator, integral, near

    def forward(self, batch: FieldBatch) -> Tensor:
        """Prediction at the batch's queries, at its chosen points, or at all of them.

        Parameters
        ----------
        batch : FieldBatch of scattered points of the model's domain.

        Returns
        -------
        (B, C_out, Q), (B, C_out, P) or (B, C_out, N); finite but of no meaning at padding.

        Raises
        ------
        InputError : a batch on another domain, or queries of another dimension.
        """
        batch.check_domain(self.domain)
        decode = partial(self._decode, _wanted(batch))
        return self.operator(_Latent(self.encoder(batch), self.operator.domain, decode=decode))

    def remark(self, shape: tuple[int, ...]) -> str | None:
        """What a user should know of the model at any level: frequencies that its latent grid can't carry."""
        return self.operator.remark(self.near.lattice.shape)

    def _decode(self, wanted: Tensor, latent: Tensor) -> Tensor:
        """Output GNO: (B, C, *S) to (B, C, P)."""
        places, nodes = self.near.features(wanted)
        return self.integral.to_places(places, nodes, latent.flatten(2).mT, self.near.pairs(wanted)).mT


@dataclass(frozen=True)
class _Latent(FieldBatch):
    """Fields on the latent grid, whose "chosen points" are read by the output GNO."""

    decode: Callable[[Tensor], Tensor] | None = None

    def select(self, field: Tensor) -> Tensor:
        return self.decode(field)


def _coordinates(batch: FieldBatch) -> Tensor:
    """Coordinates (B, N, ndim) in the input's type; padding is put onto each sample's first point."""
    coords = torch.where(batch.mask[..., None], batch.coords, batch.coords[:, :1])
    return coords.to(batch.input.dtype)


def _wanted(batch: FieldBatch) -> Tensor:
    """Where to predict, (B, P, ndim), or (1, Q, ndim) where the samples share their queries."""
    if (queries := batch.queries) is not None:
        batch.check_queries()
        return (queries if queries.ndim == 3 else queries[None]).to(batch.input.dtype)
    coords, points = _coordinates(batch), batch.points
    if points is None:
        return coords
    if points.ndim == 1:
        return coords.index_select(1, points)
    return torch.take_along_dim(coords, points[..., None], dim=1)
