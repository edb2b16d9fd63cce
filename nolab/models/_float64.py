"""A model in double precision."""

from copy import deepcopy

import torch
from torch import nn

_WIDE = {torch.float32: torch.float64, torch.complex64: torch.complex128}


def in_float64(model: nn.Module) -> nn.Module:
    """A copy with every parameter and buffer in float64, complex ones in complex128.

    ``Module.double`` leaves complex tensors as they are.
    """
    wide = deepcopy(model)
    for tensor in (*wide.parameters(), *wide.buffers()):
        tensor.data = tensor.data.to(_WIDE.get(tensor.dtype, tensor.dtype))
    return wide
