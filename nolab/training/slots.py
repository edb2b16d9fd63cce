"""Gradients that are kept over steps: corrections that are refreshed now and then."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nolab.saved import tensors_like, whole


class GradientSlots:
    """The last gradient of each slot, one copy of the parameters in size.

    Parameters
    ----------
    parameters : whose gradients are kept.
    """

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._parameters = parameters
        self._kept: dict[int, list[Tensor]] = {}

    def refresh(self, slot: int, run: Callable[[], None], scale: float) -> list[Tensor]:
        """Keep what `run` adds to the gradients, which are left as they were, divided by the loss's `scale`.

        Returns
        -------
        What is kept from now on; writing to it changes that.
        """
        before = [None if p.grad is None else p.grad.clone() for p in self._parameters]
        for p in self._parameters:
            if p.grad is not None:
                p.grad.zero_()  # graphs that are replayed write into this very tensor
        run()
        self._kept[slot] = [
            torch.zeros_like(p) if p.grad is None else p.grad / scale for p in self._parameters
        ]
        for p, gradient in zip(self._parameters, before, strict=True):
            if gradient is not None:
                p.grad.copy_(gradient)
            elif p.grad is not None:
                p.grad.zero_()
        return self._kept[slot]

    def clear(self) -> None:
        """Forget every slot."""
        self._kept.clear()

    def add(self, scale: float) -> None:
        """Add every slot's gradient, times the loss's `scale`, to the parameters' own."""
        for gradients in self._kept.values():
            for p, gradient in zip(self._parameters, gradients, strict=True):
                if p.grad is None:
                    p.grad = gradient * scale
                else:
                    p.grad.add_(gradient, alpha=scale)

    def state_dict(self) -> dict[str, Any]:
        """Slots and their gradients."""
        return {"kept": {slot: list(gradients) for slot, gradients in self._kept.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state_dict`; gradients go to the parameters' device."""
        kept = {
            whole(slot, "slot"): tensors_like(gradients, self._parameters, f"slot {slot}")
            for slot, gradients in state["kept"].items()
        }
        self._kept = {
            slot: [g.to(p.device) for g, p in zip(gradients, self._parameters, strict=True)]
            for slot, gradients in kept.items()
        }
