"""Scattered points as models see them: what is padding, who is whose neighbour, and means over neighbours.

Shapes: B samples, N points, C channels, M targets, K neighbours of each.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nolab.fields import FieldBatch


@dataclass(frozen=True)
class Points:
    """The points of a batch, with zeros for whatever stands at padding: it can't reach a result.

    Parameters
    ----------
    values : (B, N, C), the input field.
    coords : (B, N, ndim), in units of the domain.
    measure : (B, N), weights of the mean over each sample: 0 at padding, sum 1.
    """

    values: Tensor
    coords: Tensor
    measure: Tensor

    @classmethod
    def of(cls, batch: FieldBatch, *, weighted: bool) -> "Points":
        """`weighted`: the mean is the quadrature's, so levels take means over one domain; else all points count
        the same."""
        there = batch.mask
        measure = batch.weights if weighted else there.to(batch.weights.dtype) / there.sum(1, keepdim=True)
        values = torch.where(there[..., None], batch.input.transpose(1, 2), 0)
        return cls(values, torch.where(there[..., None], batch.coords, 0), measure)


@dataclass(frozen=True)
class Edges:
    """Neighbours j of targets i.

    Parameters
    ----------
    index : (B·M·K,), rows of the samples' points one after the other; any row where there is no neighbour.
    share : (B, M, K), weights of the mean over the neighbours: sum 1, and 0 where there is none.
    offset : (B, M, K, ndim), x_i - x_j over a length.
    """

    index: Tensor
    share: Tensor
    offset: Tensor

    @classmethod
    def of(cls, table: Tensor, points: Points, targets: Tensor, length: float) -> "Edges":
        """
        Parameters
        ----------
        table : (B, M, K), see :class:`nolab.neighbourhood.Neighbourhood`.
        targets : (B, M, ndim), where they are.
        length : unit of the offsets.
        """
        n_samples, n_points = points.measure.shape
        start = n_points * torch.arange(n_samples, device=table.device)
        index = (table.clamp_min(0) + start[:, None, None]).flatten()
        measure = points.measure.flatten().index_select(0, index).view(table.shape)
        measure = torch.where(table >= 0, measure, 0)
        share = measure / measure.sum(2, keepdim=True).clamp_min(torch.finfo(measure.dtype).tiny)
        neighbours = points.coords.flatten(0, 1).index_select(0, index).unflatten(0, table.shape)
        return cls(index, share, (targets[:, :, None] - neighbours) / length)

    def gather(self, field: Tensor) -> Tensor:
        """(B, N, C) at the points to (B, M, K, C) at the neighbours."""
        return field.flatten(0, 1).index_select(0, self.index).unflatten(0, self.share.shape)

    def mean(self, messages: Tensor) -> Tensor:
        """(B, M, K, C) to their means (B, M, C); 0 for a target without neighbours."""
        return (self.share[:, :, None].to(messages.dtype) @ messages)[:, :, 0]
