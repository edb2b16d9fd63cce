"""Attention blocks of the published geometry-informed transformer (Liu et al., arXiv 2504.19452).

Shapes: B samples, L tokens that ask, M tokens that answer, W their width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al., arXiv 1706.03762)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, asking: Tensor, answering: Tensor, bias: Tensor | None = None) -> Tensor:
        """(B, L, W) and (B, M, W) to (B, L, W).

        Parameters
        ----------
        bias : (B, M), added to the logits: -inf at tokens that do not count. With log w the softmax is the quotient of
            two quadratures with the weights w, which need more digits than half precision has.
        """
        query = self._per_head(self.query(asking))
        key, value = (self._per_head(part) for part in self.key_value(answering).chunk(2, dim=-1))
        if bias is None:
            mixed = F.scaled_dot_product_attention(query, key, value)
        else:
            with torch.autocast(asking.device.type, enabled=False):
                wide = (part.to(bias.dtype) for part in (query, key, value))
                mixed = F.scaled_dot_product_attention(*wide, attn_mask=bias[:, None, None])
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _per_head(self, tokens: Tensor) -> Tensor:
        """(B, L, W) to (B, heads, L, W / heads)."""
        return tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)


class CrossBlock(nn.Module):
    """q <- LN(q); q <- q + attention(q, LN(k)); q <- q + MLP(LN(q)), as in the published code."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention = Attention(width, heads)
        self.network = wide_network(width, width)

    def forward(self, asking: Tensor, answering: Tensor, bias: Tensor | None = None) -> Tensor:
        """(B, L, W) and (B, M, W) to (B, L, W)."""
        asking = self.norms[0](asking)
        asking = asking + self.attention(asking, self.norms[1](answering), bias)
        return asking + self.network(self.norms[2](asking))


class SelfBlock(nn.Module):
    """x <- x + attention(LN(x)); x <- x + MLP(LN(x))."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = Attention(width, heads)
        self.network = wide_network(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L, W) to (B, L, W)."""
        normed = self.norms[0](tokens)
        tokens = tokens + self.attention(normed, normed)
        return tokens + self.network(self.norms[1](tokens))


def wide_network(n_in: int, width: int, first: type[nn.Linear] = nn.Linear) -> nn.Module:
    """n_in to 4·width to width channels, with GELU between; `first` is the class of the first layer."""
    return nn.Sequential(first(n_in, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
