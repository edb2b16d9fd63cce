"""How far a precision is from float64: output and gradient of the same model on the same samples."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from nolab.benchmark.subject import Subject

_WIDE = (torch.float64, torch.complex128)
_NARROW = (torch.float32, torch.complex64, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Outcome:
    """prediction : (B, C_out, *S) or (B, C_out, P); gradient : (n,), of all parameters, float64."""

    prediction: Tensor
    gradient: Tensor


def outcome(subject: Subject) -> Outcome:
    """Output and gradient of a subject's batch; its gradients are dropped afterwards."""
    subject.clear()
    prediction = subject.gradient()
    gradient = torch.cat([_flat_gradient(p) for p in subject.model.parameters()])
    subject.clear()
    return Outcome(prediction.double(), gradient)


@dataclass(frozen=True)
class Exact:
    """What float64 gives.

    narrowed : operations that made less than float64 of it inside the model, so that it is not
        quite exact.
    """

    outcome: Outcome
    narrowed: tuple[str, ...]


def exact(subject: Subject) -> Exact:
    """Output and gradient of the subject's batch by a float64 copy of its model."""
    with _Narrowings() as seen:
        result = outcome(subject.in_float64())
    return Exact(result, tuple(seen.names))


def relative_error(approximate: Tensor, truth: Tensor) -> float:
    """‖a - t‖ / ‖t‖; NaN or infinite where the approximation is."""
    return float(torch.linalg.vector_norm(approximate - truth) / torch.linalg.vector_norm(truth))


class _Narrowings(TorchDispatchMode):
    """Operations inside the block that take float64 and give less."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = function(*args, **kwargs)
        if _has((args, kwargs), _WIDE) and _has(out, _NARROW):
            self.names[str(function)] = None
        return out


def _has(tree: Any, dtypes: tuple[torch.dtype, ...]) -> bool:
    return any(isinstance(leaf, Tensor) and leaf.dtype in dtypes for leaf in tree_iter(tree))


def _flat_gradient(parameter: nn.Parameter) -> Tensor:
    gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    gradient = gradient.detach()
    return (torch.view_as_real(gradient) if gradient.is_complex() else gradient).double().flatten()
