"""A user's model that asks for more memory than any machine has, in more than a few samples."""

import weakref

import torch
from torch import Tensor, nn

HELD: list[weakref.ref] = []
"""What frames of a forward that failed have held."""


class Greedy(nn.Module):
    """A line through each point of the input; more than `most` samples at once ask for a pebibyte."""

    def __init__(self, spec, most: int = 2, where: str = "training") -> None:
        super().__init__()
        self.layer = nn.Conv2d(spec.in_channels, spec.out_channels, 1)
        self.most, self.where = most, where

    def forward(self, batch) -> Tensor:
        x = self.layer(batch.on_grid())
        if len(batch) > self.most and self.training == (self.where == "training"):
            held = x * 2
            HELD.append(weakref.ref(held))
            torch.empty(2**50, dtype=torch.uint8)
        return batch.select(x.exp())
