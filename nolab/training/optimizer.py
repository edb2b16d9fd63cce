"""Optimizer and moving average of the weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nolab.config import OptimizerOptions
from nolab.saved import number, tensor_like, tensors_like, whole


class _OverReals:
    """Gives a fused optimizer, which takes real tensors only, complex parameters as pairs of reals.

    The pairs share memory with the parameters; their gradients are bound to the parameters' as soon
    as those exist.
    """

    def __init__(self, parameters: list[nn.Parameter], **options: Any) -> None:
        self._complex = [p for p in parameters if p.is_complex()]
        super().__init__([self._real(p) if p.is_complex() else p for p in parameters], fused=True, **options)

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        if set_to_none:
            for parameter in self._complex:
                parameter.grad = None

    @staticmethod
    def _real(parameter: nn.Parameter) -> nn.Parameter:
        pairs = nn.Parameter(torch.view_as_real(parameter.detach()))

        def bind(of: Tensor) -> None:
            pairs.grad = torch.view_as_real(of.grad)

        parameter.register_post_accumulate_grad_hook(bind)
        return pairs


class _AdamW(_OverReals, torch.optim.AdamW):
    pass


class _Adam(_OverReals, torch.optim.Adam):
    pass


_OPTIMIZERS = {"adamw": _AdamW, "adam": _Adam}
_MOMENTS = ("exp_avg", "exp_avg_sq")


def build_optimizer(options: OptimizerOptions, model: nn.Module) -> torch.optim.Optimizer:
    """AdamW or Adam, fused, over all parameters, complex ones as pairs of reals.

    The model has to be on its device already, and its gradients are to be cleared with the
    optimizer's ``zero_grad``.
    """
    return _OPTIMIZERS[options.name](
        list(model.parameters()), lr=options.lr, betas=options.betas, weight_decay=options.weight_decay
    )


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Go on from the moments of a state; rates and factors stay the run's own.

    Raises
    ------
    ValueError, LookupError, TypeError, AttributeError : it is another optimizer's or another model's. PyTorch's own
        ``load_state_dict`` takes any shape.
    """
    own = optimizer.state_dict()["param_groups"]
    if [group["params"] for group in state["param_groups"]] != [group["params"] for group in own]:
        raise ValueError("it is over other parameters")
    parameters = dict(enumerate(p for group in optimizer.param_groups for p in group["params"]))
    moments = {i: _moments(known, parameters[i], f"parameter {i}") for i, known in state["state"].items()}
    optimizer.load_state_dict({"state": moments, "param_groups": own})


def _moments(state: dict[str, Tensor], parameter: Tensor, what: str) -> dict[str, Tensor]:
    """Adam's state of one parameter."""
    if state.keys() != {"step", *_MOMENTS}:
        raise ValueError(f"{what} has {', '.join(map(str, state)):.60}")
    step = tensor_like(state["step"], torch.tensor(0.0), f"{what}, step")
    number(step.item(), f"{what}, step")
    return {"step": step} | {m: tensor_like(state[m], parameter, f"{what}, {m}") for m in _MOMENTS}


def steps_taken(optimizer: torch.optim.Optimizer) -> int:
    """Steps that were not skipped for a gradient that is not finite; synchronises with the device."""
    counts = [state["step"] for state in optimizer.state.values() if "step" in state]
    return int(max(float(count) for count in counts)) if counts else 0


@contextmanager
def averaged(average: "MovingAverage | None", model: nn.Module) -> Iterator[None]:
    """The model with its averaged weights inside the block, where there are any."""
    if average is None:
        yield
        return
    average.swap(model)
    try:
        yield
    finally:
        average.swap(model)


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
        self._steps = whole(state["steps"], "steps")
        saved = tensors_like(state["average"], self._average, "average")
        torch._foreach_copy_(self._average, saved)
