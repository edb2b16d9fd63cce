"""Message passing between scattered points (Brandstetter, Worrall and Welling, arXiv 2202.03376, eq. 8 and 9).

Shapes: B samples, N points, K neighbours, C input channels, H hidden channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nolab.models._checkpointing import Checkpointed
from nolab.models._networks import CoordinateLayer
from nolab.models._points import Edges


class MessageLayer(nn.Module):
    """h_i <- norm(h_i + ψ(h_i, mean_j φ(h_i, h_j, u_i - u_j, x_i - x_j))), both networks of two layers with Swish.

    φ's first layer is linear, so its products with h_i, h_j, u_i and u_j are taken once per point and added on
    the edges: K times fewer products than on the edges. Those of x_i - x_j are taken on the edges, since the
    difference of two rounded products would lose it on fine meshes.

    Parameters
    ----------
    hidden, n_values, ndim : H, C and the number of coordinates.
    """

    def __init__(self, hidden: int, n_values: int, ndim: int) -> None:
        super().__init__()
        self.parts = (hidden, hidden, n_values, ndim)
        self.first = nn.Linear(sum(self.parts), hidden)
        self.second = nn.Linear(hidden, hidden)
        self.update = nn.Sequential(
            nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )

    def forward(self, h: Tensor, values: Tensor, edges: Edges, measure: Tensor) -> Tensor:
        """(B, N, H), with the input field (B, N, C) and the mean's weights (B, N), to (B, N, H)."""
        message = edges.mean(F.silu(self.second(F.silu(self._first(h, values, edges)))))  # (B, N, H)
        change = self.update(torch.cat([h, message.to(h.dtype)], dim=-1))
        return normalized(h + change, measure)

    def _first(self, h: Tensor, values: Tensor, edges: Edges) -> Tensor:
        """φ's first layer on every edge, (B, N, K, H)."""
        own, other, value, offset = self.first.weight.split(self.parts, dim=1)
        by_offset = F.linear(edges.offset, offset)
        with torch.autocast(h.device.type, enabled=False):  # neighbours' values may differ by little
            by_value = F.linear(values, value)
            target = F.linear(h, own, self.first.bias) + by_value  # (B, N, H)
            source = F.linear(h, other) - by_value
            return (by_offset + edges.gather(source) + target[:, :, None]).to(by_offset.dtype)


class Processor(Checkpointed, nn.Module):
    """Encoder and message-passing layers.

    Parameters
    ----------
    n_values, n_positions, ndim : C, the number of absolute coordinates that the encoder sees, and of all.
    hidden, n_layers : H and the number of layers.
    """

    def __init__(self, n_values: int, n_positions: int, ndim: int, hidden: int, n_layers: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            CoordinateLayer(n_values + n_positions, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.layers = nn.ModuleList(MessageLayer(hidden, n_values, ndim) for _ in range(n_layers))

    def forward(self, values: Tensor, positions: Tensor, edges: Edges, measure: Tensor) -> Tensor:
        """(B, N, C), with absolute coordinates (B, N, n_positions), to (B, N, H)."""
        h = self.run_block(self.encoder, torch.cat([values, positions], dim=-1)).to(values.dtype)
        for layer in self.layers:
            h = self.run_block(layer, h, values, edges, measure)
        return h


def normalized(h: Tensor, measure: Tensor) -> Tensor:
    """Instance norm: (B, N, H) with mean 0 and variance 1 over each sample, in the type of its weights (B, N)."""
    with torch.autocast(h.device.type, enabled=False):
        weights = measure[:, None]  # (B, 1, N)
        centred = h - weights @ h
        return centred * torch.rsqrt(weights @ centred.square() + 1e-5)
