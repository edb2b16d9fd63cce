"""The kernel integral of a graph neural operator, between scattered points and the nodes of a grid.

Shapes: B samples, P places, K candidate nodes of a place, M nodes, E features of a position, C channels.
"""

import torch
from neuralop.layers.channel_mlp import LinearChannelMLP
from torch import Tensor, nn
from torch.nn import functional as F

from nolab.models._checkpointing import Checkpointed
from nolab.models._lattice import Pairs


class KernelIntegral(Checkpointed, nn.Module):
    r"""Mean of κ(x, y) ⊙ f(y), or of κ(x, y, f(y)) ⊙ f(y), over the y near x (arXiv 2003.03485).

    .. math:: (Kf)(x) = \sum_y w_{xy} κ(x, y) ⊙ f(y) \Big/ \sum_y w_{xy}

    The kernel κ is neuraloperator's ``LinearChannelMLP`` of the features of y and of x (and f), and the
    function that of its ``IntegralTransform`` with ``reduction="mean"`` (with a sum of 1 where it takes weights), so
    parameters interchange. That module itself wants one geometry for all samples of a batch and, without
    torch_scatter, loops over the output points, with a synchronisation each.

    The kernel's first layer is linear in y, x and f, so it is computed once per point and per node, and
    pairs only add the results.

    Parameters
    ----------
    n_features : E.
    widths : hidden widths of the kernel's MLP.
    channels : C, of f and of the result.
    nonlinear : whether κ sees f(y).
    """

    def __init__(self, n_features: int, widths: tuple[int, ...], channels: int, nonlinear: bool) -> None:
        super().__init__()
        self.nonlinear = nonlinear
        self.parts = (n_features, n_features, channels) if nonlinear else (n_features, n_features)
        self.channel_mlp = LinearChannelMLP([sum(self.parts), *widths, channels])

    def to_places(self, places: Tensor, nodes: Tensor, field: Tensor, pairs: Pairs) -> Tensor:
        """Integrate a field on the nodes, for the places: (B, P, C).

        Parameters
        ----------
        places, nodes : features (B, P, E) and (M, E); as `pairs`, of one sample where all share the places.
        field : (B, M, C).
        """
        return self.run_block(self._to_places, places, nodes, field, pairs)

    def to_nodes(self, places: Tensor, nodes: Tensor, field: Tensor, pairs: Pairs) -> Tensor:
        """Integrate a field on the places, for the nodes: (B, M, C); 0 at nodes with no place nearby.

        Parameters
        ----------
        places, nodes : features (B, P, E) and (M, E).
        field : (B, P, C).
        """
        return self.run_block(self._to_nodes, places, nodes, field, pairs)

    def _to_places(self, places: Tensor, nodes: Tensor, field: Tensor, pairs: Pairs) -> Tensor:
        of_y, of_x, *of_f = self._split()
        at_nodes = F.linear(nodes, of_y)[None]
        if self.nonlinear:
            at_nodes = at_nodes + F.linear(field, *of_f)
        at_places = F.linear(places, of_x, self.channel_mlp.fcs[0].bias)
        kernel = self._kernel(_rows(at_nodes, pairs.node) + at_places[:, :, None])
        share = pairs.weight / _positive(pairs.weight.sum(-1, keepdim=True))
        return (share[..., None] * kernel * _rows(field, pairs.node)).sum(2)

    def _to_nodes(self, places: Tensor, nodes: Tensor, field: Tensor, pairs: Pairs) -> Tensor:
        of_y, of_x, *of_f = self._split()
        at_places = F.linear(places, of_y, self.channel_mlp.fcs[0].bias)
        if self.nonlinear:
            at_places = at_places + F.linear(field, *of_f)
        at_nodes = F.linear(nodes, of_x)[None]
        kernel = self._kernel(_rows(at_nodes, pairs.node) + at_places[:, :, None])
        messages = pairs.weight[..., None] * kernel * field[:, :, None]
        n_nodes = len(nodes)
        total = _added(pairs.weight[..., None], pairs.node, n_nodes)
        return _added(messages, pairs.node, n_nodes) / _positive(total)

    def _split(self) -> tuple[Tensor, ...]:
        """The first layer's weights of y, of x, and of f where the kernel sees it."""
        return self.channel_mlp.fcs[0].weight.split(self.parts, dim=1)

    def _kernel(self, first: Tensor) -> Tensor:
        """κ from the first layer's values at the pairs."""
        x = first
        for layer in self.channel_mlp.fcs[1:]:
            x = layer(self.channel_mlp.non_linearity(x))
        return x


def features(position: Tensor, frequencies: int) -> Tensor:
    """Sines and cosines of 2^k π times positions (..., ndim) in [0, 1], k below `frequencies`, as in neuraloperator's
    ``SinusoidalEmbedding`` of type nerf: (..., 2·frequencies·ndim). Of no frequencies: the positions.
    """
    if not frequencies:
        return position
    factors = torch.pi * 2.0 ** torch.arange(frequencies, dtype=position.dtype, device=position.device)
    angles = position[..., None] * factors
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-3)


def _rows(table: Tensor, node: Tensor) -> Tensor:
    """Rows of (B or 1, M, C) at each sample's nodes (B or 1, P, K): (B, P, K, C)."""
    samples, n_nodes = table.shape[:2]
    if samples > 1:
        node = node + n_nodes * torch.arange(samples, device=node.device)[:, None, None]
    return table.flatten(0, 1).index_select(0, node.flatten()).unflatten(0, node.shape)


def _added(values: Tensor, node: Tensor, n_nodes: int) -> Tensor:
    """Sums (B, M, C) of the pairs' values (B, P, K, C) at their nodes."""
    samples = len(values)
    node = node + n_nodes * torch.arange(samples, device=node.device)[:, None, None]
    sums = values.new_zeros(samples * n_nodes, values.shape[-1])
    return sums.index_add(0, node.flatten(), values.flatten(0, 2)).unflatten(0, (samples, n_nodes))


def _positive(total: Tensor) -> Tensor:
    """The totals, and 1 where there is nothing to divide."""
    return torch.where(total > 0, total, 1.0)
