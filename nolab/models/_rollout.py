"""Roll-out: a network that makes one frame from the last ones, applied to its own predictions.

Shapes: B samples, H frames in, T frames out, S the grid's shape.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from nolab.errors import InputError
from nolab.fields import FieldBatch, OperatorSpec


class Rollout(nn.Module):
    """The frames that follow the input's, one after the other (Li et al., arXiv 2010.08895, section 5.3).

    The loss is on all frames, so gradients go back through the whole roll-out. Frames share their normaliser,
    hence a prediction can stand in for an input as it is.

    Parameters
    ----------
    build : the network from H frames to one, for these fields.
    spec : H channels in, T out, that are frames.

    Raises
    ------
    InputError : channels that are not frames of one field.
    """

    def __init__(self, build: Callable[[OperatorSpec], nn.Module], spec: OperatorSpec) -> None:
        super().__init__()
        if not spec.frames:
            raise InputError(
                "model.rollout: needs inputs and outputs that are frames of one field, at equal distances in time and "
                "named like vorticity_t1 (dataset=navier_stokes dataset.layout=frames); use rollout=false"
            )
        self.steps = spec.out_channels
        self.network = build(replace(spec, out_channels=1))

    def forward(self, batch: FieldBatch) -> Tensor:
        """(B, T, *S), or (B, T, P) where points are chosen, from (B, H, *S)."""
        window, frames = batch.on_grid(), []
        zero = None if batch.zero is None else batch.zero[:1]
        for _ in range(self.steps):
            step = replace(batch, input=window, target=None, points=None, factor=None, zero=zero)
            frame = self.network(step).to(window.dtype)  # (B, 1, *S)
            frames.append(frame)
            window = torch.cat([window[:, 1:], frame], dim=1)
        return batch.select(torch.cat(frames, dim=1))

    def remark(self, shape: tuple[int, ...]) -> str | None:
        """What the network says of a grid."""
        return self.network.remark(shape)


def rolled_out(build: Callable[[OperatorSpec], nn.Module], spec: OperatorSpec, rollout: bool) -> nn.Module:
    """The network between these fields: at once, or frame by frame."""
    return Rollout(build, spec) if rollout else build(spec)
