"""Stops a run whose loss is no longer finite."""

import torch
from torch import Tensor

from nolab.errors import RunFailure
from nolab.plan import Plan


class NonFiniteLoss(RunFailure):
    """A term of a step had a loss that is not finite."""


PATIENCE = 10
"""Steps in a row whose loss may overflow in float16 while the scaler of the loss adapts."""


class FiniteGuard:
    """Checks the losses of every step.

    Where the loss is scaled for float16 a step that overflows is skipped and the scale lowered, so
    that only :data:`PATIENCE` such steps in a row stop the run.

    On a CPU the check comes before the optimizer's step, so the weights are the ones that gave the
    loss. On CUDA it reads the losses one step late, when they have long been computed: the host
    never waits for the step that it has just launched.
    """

    def __init__(self, level_names: tuple[str, ...], device: torch.device, is_scaled: bool = False) -> None:
        self._names = level_names
        self._patience = PATIENCE if is_scaled else 0
        self._bad_in_a_row = 0
        self._lag = device.type == "cuda"
        self._late: tuple[int, Plan, Tensor, torch.cuda.Event] | None = None

    def check(self, step: int, plan: Plan, losses: Tensor) -> None:
        """Take the losses (terms,) of a step.

        Raises
        ------
        NonFiniteLoss : naming the step, the levels and the samples.
        """
        if not self._lag:
            self._judge(step, plan, losses)
            return
        self.flush()
        host = torch.empty(losses.shape, dtype=losses.dtype, pin_memory=True)
        host.copy_(losses, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._late = (step, plan, host, event)

    def flush(self) -> None:
        """Judge the step that is still waiting, if any."""
        if self._late is not None:
            step, plan, losses, event = self._late
            self._late = None
            event.synchronize()
            self._judge(step, plan, losses)

    def _judge(self, step: int, plan: Plan, losses: Tensor) -> None:
        values = losses.tolist()
        bad = [
            (t, v) for t, v in zip(plan, values, strict=True) if v != v or v in (float("inf"), -float("inf"))
        ]
        self._bad_in_a_row = self._bad_in_a_row + 1 if bad else 0
        if self._bad_in_a_row <= self._patience:
            return
        term, value = bad[0]
        shown = ", ".join(map(str, term.indices[:8])) + (", …" if len(term.indices) > 8 else "")
        raise NonFiniteLoss(
            f"the loss is {value} at step {step}, level {self._names[term.level]}, samples {shown}; "
            "lower optimizer.lr, set optimizer.clip_norm, or look at these samples"
        )
