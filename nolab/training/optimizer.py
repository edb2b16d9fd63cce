"""Optimizer and moving average of the weights."""

import torch
from torch import nn

from nolab.config import OptimizerOptions

_OPTIMIZERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}


def build_optimizer(options: OptimizerOptions, model: nn.Module) -> torch.optim.Optimizer:
    """AdamW or Adam over all parameters, complex ones as pairs of reals."""
    return _OPTIMIZERS[options.name](
        model.parameters(),
        lr=options.lr,
        betas=options.betas,
        weight_decay=options.weight_decay,
        foreach=True,
    )


class MovingAverage:
    """Exponential moving average of the parameters, w̄ ← d·w̄ + (1-d)·w.

    The decay is min(d, (1+t)/(10+t)), so that the first steps are forgotten soon.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._steps = 0
        self._average = [p.detach().clone() for p in model.parameters()]

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after an optimizer step."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self._average, [p.detach() for p in model.parameters()], 1 - decay)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchange the model's weights with the average; a second call undoes it."""
        for average, parameter in zip(self._average, model.parameters(), strict=True):
            current = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(current)

    def state_dict(self) -> dict:
        """Average and step count, for checkpoints."""
        return {"steps": self._steps, "average": self._average}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a checkpoint."""
        self._steps = int(state["steps"])
        for average, saved in zip(self._average, state["average"], strict=True):
            average.copy_(saved)
