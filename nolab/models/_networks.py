"""The networks of which DeepONets are made: branches, trunks, and the trunk's features.

Layers start as PyTorch draws them, which was at least as good as Glorot's or Kaiming's normal weights
with zero biases under every activation: a trunk needs biases to bend at different places.

Shapes: B samples, R rows (points at which a trunk runs), M the sensors' grid.
"""

from collections.abc import Callable
from itertools import pairwise
from math import pi, prod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nolab.grid import Domain
from nolab.models._checkpointing import Checkpointed

Activation = Literal["relu", "tanh", "gelu", "silu"]


class CoordinateLayer(nn.Linear):
    """The linear layer that takes the coordinates, in full precision under autocast too.

    bfloat16 has 8 bits: it can't tell the points of a fine grid apart.
    """

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(x, self.weight, self.bias)


class MLP(Checkpointed, nn.Module):
    """Linear layers with the activation between them.

    Parameters
    ----------
    n_in, n_out : widths of the input and of the output.
    hidden : widths of the hidden layers; none of them makes the network linear.
    first : class of the first layer.
    """

    def __init__(
        self,
        n_in: int,
        hidden: tuple[int, ...],
        n_out: int,
        activation: Activation,
        first: type[nn.Linear] = nn.Linear,
    ) -> None:
        super().__init__()
        widths = (n_in, *hidden, n_out)
        kinds = (first, *(nn.Linear,) * len(hidden))
        self.layers = nn.ModuleList(kind(*ends) for kind, ends in zip(kinds, pairwise(widths), strict=True))
        self.activation = _function(activation)

    def forward(self, x: Tensor) -> Tensor:
        """(R, n_in) to (R, n_out)."""
        *hidden, last = self.layers
        for layer in hidden:
            x = self.run_block(self._hidden, layer, x)
        return last(x)

    def _hidden(self, layer: nn.Linear, x: Tensor) -> Tensor:
        return self.activation(layer(x))


class ResidualTrunk(Checkpointed, nn.Module):
    """A trunk of residual blocks, h ← h + f(h), each with `layers` activated linear layers in f.

    Parameters
    ----------
    n_in, n_out : widths of the features and of the output.
    width : of every hidden layer.
    blocks, layers : number of blocks, and of layers in each.
    """

    def __init__(
        self, n_in: int, width: int, blocks: int, layers: int, n_out: int, activation: Activation
    ) -> None:
        super().__init__()
        self.lifting = CoordinateLayer(n_in, width)
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Linear(width, width) for _ in range(layers)) for _ in range(blocks)
        )
        self.projection = nn.Linear(width, n_out)
        self.activation = _function(activation)

    def forward(self, x: Tensor) -> Tensor:
        """(R, n_in) to (R, n_out)."""
        h = self.activation(self.lifting(x))  # (R, width)
        for block in self.blocks:
            h = self.run_block(self._residual, block, h)
        return self.projection(h)

    def _residual(self, block: nn.ModuleList, h: Tensor) -> Tensor:
        change = h
        for layer in block:
            change = self.activation(layer(change))
        return h + change


class ConvolutionalBranch(Checkpointed, nn.Module):
    """A branch of convolutions, each followed by average pooling by 2, and an MLP on what is left.

    An axis is pooled as long as it has more than one sample; one of odd size keeps its last
    sample (a pooling window cut off by the edge averages what it holds).

    Parameters
    ----------
    channels : of the input field, then of each convolution.
    shape : M, the grid of the input.
    kernel : odd width of the convolutions, zero-padded; 1 on axes of one sample.
    hidden, n_out : of the MLP.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        shape: tuple[int, ...],
        kernel: int,
        hidden: tuple[int, ...],
        n_out: int,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList()
        self.pooling: list[tuple[int, ...]] = []
        convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(shape) - 1]
        self.pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(shape) - 1]
        for a, b in pairwise(channels):
            widths = tuple(kernel if n > 1 else 1 for n in shape)
            self.convolutions.append(convolution(a, b, widths, padding=tuple(k // 2 for k in widths)))
            self.pooling.append(tuple(2 if n > 1 else 1 for n in shape))
            shape = tuple((n + 1) // 2 for n in shape)
        self.activation = _function(activation)
        self.mlp = MLP(channels[-1] * prod(shape), hidden, n_out, activation)
        if len(shape) == 2:
            # Convolutions pass their weights' layout on; forward and backward take 1.4 times longer
            # in the contiguous one (256 inputs of 32x32, channels 40, 60, 100, one AVX2 core).
            self.convolutions.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, *M) to (B, n_out)."""
        for convolution, window in zip(self.convolutions, self.pooling, strict=True):
            x = self.run_block(self._pooled, convolution, x, window)
        return self.mlp(x.flatten(1))

    def _pooled(self, convolution: nn.Module, x: Tensor, window: tuple[int, ...]) -> Tensor:
        return self.pool(self.activation(convolution(x)), window, ceil_mode=True)


def n_features(domain: Domain, frequencies: int) -> int:
    """Number of features per point that :func:`features` makes."""
    waves = 2 * frequencies
    return sum(waves if frequencies and axis.placement == "periodic" else 1 + waves for axis in domain.axes)


def features(position: Tensor, domain: Domain, frequencies: int) -> Tensor:
    """What a trunk is given of its points.

    The coordinate, as 2s − 1: centred, it trains to errors a tenth to a half lower than s. On a periodic
    axis cos(2πks) and sin(2πks), k = 1..frequencies, stand instead of it, so that whatever is
    computed from them is periodic; on the others cos(πks) and sin(πks) are appended to it (features:
    Lu et al. 2022, arXiv 2111.05512).

    Parameters
    ----------
    position : (..., ndim), coordinates s, scaled to [0, 1].
    frequencies : highest k; 0 leaves the coordinates as they are, periodic axes included.

    Returns
    -------
    (..., n_features)
    """
    k = torch.arange(1, frequencies + 1, dtype=position.dtype, device=position.device)
    columns = []
    for axis, s in zip(domain.axes, position[..., None].unbind(-2), strict=True):
        if frequencies and axis.placement == "periodic":
            angle = 2 * pi * (s - s.floor()) * k  # both ends at the same angle, to the last bit
        else:
            columns.append(2 * s - 1)
            angle = pi * s * k
        columns += [angle.cos(), angle.sin()]
    return torch.cat(columns, dim=-1)


def _function(activation: Activation) -> Callable[[Tensor], Tensor]:
    return {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu, "silu": F.silu}[activation]
