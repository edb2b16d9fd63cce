"""The memory that a model needs, found while it is built and before it is taken."""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nolab.data.residency import GIB, free_memory
from nolab.errors import InputError

_MAKES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}
_MOST_TENSORS = 4_000
_MOST_SHOWN = 2**90  # bytes, as a number that floats know
_COPIES = 4  # weights, gradient, two moments of Adam's


def built_within_memory(build: Callable[[], nn.Module], device: torch.device, *, training: bool) -> nn.Module:
    """The model that `build` makes, if the machine can hold it.

    Parameters
    ----------
    training : it is to be trained, which takes a gradient and two moments per weight.

    Raises
    ------
    InputError : it can't: the bytes that are needed and those that are free.
    """
    try:
        with _Bounded():
            model = build()
    except MemoryError as error:
        raise InputError("model: does not fit the memory; make it smaller") from error
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    needed, free = size * (_COPIES if training else 1), free_memory(device)
    if device.type == "cpu":
        free += size  # the model is there already
    if needed > free:
        with_what = " with gradient and moments" if training else ""
        raise _too_large(f"weights{with_what} take {needed / GIB:.3g} GiB", free)
    return model


class _Bounded(TorchFunctionMode):
    """Adds up what is asked of the memory, and refuses before too much of it is given."""

    def __init__(self) -> None:
        super().__init__()
        self._count = self._bytes = 0
        self._free = free_memory(torch.device("cpu"))

    def __torch_function__(
        self, function: Callable, types: tuple, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in _MAKES:
            self._count += 1
            self._bytes += _numbers(args, kwargs) * (kwargs.get("dtype") or torch.float32).itemsize
            if self._bytes > self._free:
                asked = min(self._bytes, _MOST_SHOWN) / GIB
                raise _too_large(f"weights take {asked:.3g} GiB or more", self._free)
            if self._count > _MOST_TENSORS:
                raise InputError(
                    f"model: has more than {_MOST_TENSORS} arrays of weights; give it fewer layers"
                )
        return function(*args, **kwargs)


def _numbers(args: tuple, kwargs: dict[str, Any]) -> int:
    size = kwargs.get("size", args[0] if args and isinstance(args[0], tuple | list) else args)
    return prod(int(n) for n in size if isinstance(n, int)) if isinstance(size, tuple | list) else 0


def _too_large(what: str, free: int) -> InputError:
    return InputError(f"model: its {what}, {free / GIB:.3g} GiB are free; make it smaller")
