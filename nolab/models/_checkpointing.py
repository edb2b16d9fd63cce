"""Activation checkpointing: forget what a block computed inside, and compute it again in the backward.

Chen et al., Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nolab.errors import InputError


class Checkpointed:
    """Mixin of modules made of blocks: :meth:`run_block` keeps no more than a block's inputs where asked."""

    checkpointing = False

    def run_block(self, block: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """``block(*inputs)``, recomputed in the backward where `checkpointing` is set."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False)
        return block(*inputs)


def set_checkpointing(model: nn.Module) -> None:
    """Checkpoint every block of the model.

    Raises
    ------
    InputError : a model that has none.
    """
    parts = [module for module in model.modules() if isinstance(module, Checkpointed)]
    if not parts:
        raise InputError(
            f"checkpointing: {type(model).__name__} has no blocks to recompute; use checkpointing=false, or "
            "derive its parts from nolab.models.Checkpointed"
        )
    for part in parts:
        part.checkpointing = True
