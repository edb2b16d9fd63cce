"""Constant tensors that depend on the grid only: built once, shared by all layers."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor


def constant(build: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Keep what `build` returns for each tuple of arguments, dtype and device among them.

    The tensors are no part of any state dict, and there are as many as levels and modes in use.
    They are built outside inference mode, since a tensor made inside it could not serve a
    training step later. A plain dict, because torch.compile reads one as it is and ignores
    functools' caches.
    """
    built: dict[tuple, Tensor] = {}

    @wraps(build)
    def lookup(*key: object) -> Tensor:
        if key not in built:
            with torch.inference_mode(False):
                built[key] = build(*key)
        return built[key]

    return lookup
