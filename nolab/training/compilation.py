"""torch.compile for whole models, specialised to every level and batch size."""

import warnings

import torch
from torch import nn

_VARIANTS = 64


def compiled(model: nn.Module) -> nn.Module:
    """The model compiled anew for each grid, batch size and precision that it meets, one graph each.

    Compilation happens at first use, which the trainer's measuring of costs puts outside the clock.
    """
    limit = torch._dynamo.config.recompile_limit
    torch._dynamo.config.recompile_limit = max(limit, _VARIANTS)
    # Spectral weights are complex parameters, which compiled code reads as pairs of reals at once.
    warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex operators")
    return torch.compile(model, dynamic=False)
