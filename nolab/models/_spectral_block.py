"""The spectral layer's forward: neuraloperator's function on its parameters, in fewer passes over memory.

Pointwise maps are batched matrix products with the addition that follows inside them.

Shapes: B samples, C channels, S the grid's shape.
"""

from neuralop.layers.channel_mlp import ChannelMLP
from neuralop.layers.fno_block import FNOBlocks
from neuralop.layers.skip_connections import Flattened1dConv, SoftGating
from torch import Tensor, nn

from nolab.spectral.pointwise import add_gated, pointwise


def spectral_block(blocks: FNOBlocks, x: Tensor, layer: int) -> Tensor:
    """``blocks(x, layer)`` for post-activation blocks on one grid: (B, C, *S) -> (B, C, *S)."""
    is_last = layer == blocks.n_layers - 1
    y = blocks.convs[layer](x)
    if blocks.norm is not None:
        y = blocks.norm[blocks.n_norms * layer](y)
    if blocks.fno_skips is not None:
        y = _add_skip(y, blocks.fno_skips[layer], x)
    if not is_last:
        y = blocks.non_linearity(y)
    if blocks.use_channel_mlp:
        y = channel_mlp(blocks.channel_mlp[layer], y)
        if blocks.channel_mlp_skips is not None:
            y = _add_skip(y, blocks.channel_mlp_skips[layer], x)
    if blocks.norm is not None:
        y = blocks.norm[blocks.n_norms * layer + 1](y)
    return y if is_last else blocks.non_linearity(y)


def channel_mlp(mlp: ChannelMLP, x: Tensor) -> Tensor:
    """``mlp(x)``, without dropout: (B, C, *S) -> (B, O, *S)."""
    *hidden, last = mlp.fcs
    for layer in hidden:
        x = mlp.non_linearity(pointwise(x, layer.weight, layer.bias))
    return pointwise(x, last.weight, last.bias)


def _add_skip(y: Tensor, skip: nn.Module, x: Tensor) -> Tensor:
    """y + skip(x)."""
    if isinstance(skip, Flattened1dConv):
        return pointwise(x, skip.conv.weight, skip.conv.bias, onto=y)
    if isinstance(skip, SoftGating):
        return add_gated(y, skip.weight, x)
    return y + x
