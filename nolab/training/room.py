"""The memory that a model needs, found while it is built and before it is taken."""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nolab.data.residency import GIB
from nolab.errors import InputError
from nolab.metrics.resources import free_memory

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
    copies = _COPIES if training else 1
    try:
        with _Bounded(min(free_memory(torch.device("cpu")), free_memory(device) // copies)):
            return build()
    except (MemoryError, OverflowError) as error:
        raise InputError("model: does not fit the memory; make it smaller") from error


class _Bounded(TorchFunctionMode):
    """Adds up what is asked of the memory, and refuses before too much of it is given."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self._count = self._bytes = 0

    def __torch_function__(
        self, function: Callable, types: tuple, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in _MAKES:
            self._count += 1
            itemsize = (kwargs.get("dtype") or torch.float32).itemsize
            self._bytes += _numbers(args, kwargs) * itemsize
            if self._bytes > self._room:
                asked = min(self._bytes, _MOST_SHOWN) / GIB
                raise InputError(
                    f"model: its weights take {asked:.3g} GiB or more, and there is room for {self._room / GIB:.3g} "
                    "GiB of them; make it smaller"
                )
            if self._count > _MOST_TENSORS:
                raise InputError(
                    f"model: has more than {_MOST_TENSORS} arrays of weights; give it fewer layers"
                )
        return function(*args, **kwargs)


def _numbers(args: tuple, kwargs: dict[str, Any]) -> int:
    size = kwargs.get("size", args[0] if args and isinstance(args[0], tuple | list) else args)
    return prod(int(n) for n in size if isinstance(n, int)) if isinstance(size, tuple | list) else 0
