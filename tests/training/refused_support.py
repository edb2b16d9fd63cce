"""A user's model whose forward uses an operation that PyTorch refuses where kernels have to be deterministic."""

import torch
from torch import Tensor, nn


class Refused(nn.Module):
    """A line through each point of the input, some of which are written by ``put_``."""

    def __init__(self, spec) -> None:
        super().__init__()
        self.layer = nn.Conv2d(spec.in_channels, spec.out_channels, 1)

    def forward(self, batch) -> Tensor:
        x = batch.on_grid().clone()
        x.put_(torch.tensor([0, 1]), torch.zeros(2), accumulate=False)
        return batch.select(self.layer(x))
