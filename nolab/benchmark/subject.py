"""What is measured: a training step of some model in some precision."""

from typing import Protocol, Self

from torch import Tensor, nn

from nolab.precision import Mode

STEPS = 4
"""Optimizer steps of one call: neuraloperator's loop has costs per epoch, as every loop of batches has."""


class Subject(Protocol):
    """A model with its optimizer and its samples; every call makes :data:`STEPS` optimizer steps.

    Attributes
    ----------
    implementation, precision, mode : see :class:`nolab.benchmark.rows.Row`.
    """

    implementation: str
    precision: str
    mode: Mode
    model: nn.Module

    def __call__(self) -> None:
        """Make the steps."""

    def gradient(self) -> Tensor:
        """Forward and backward of one batch, always the same: leaves the gradients in the model.

        Returns
        -------
        The prediction, (B, C_out, *S) or (B, C_out, P), detached.
        """

    def clear(self) -> None:
        """Drop the gradients."""

    def in_float64(self) -> Self:
        """The same in float64: a copy of the model as it is now, the same samples."""
