"""The message-passing solver: decoders, and the forward on a FieldBatch.

Shapes: B samples, N points, P points at which to predict, C input channels, H hidden channels, T frames made at once.
"""

from math import pi

import torch
from torch import Tensor, nn

from nolab.fields import FieldBatch, OperatorSpec
from nolab.models._checkpointing import Checkpointed
from nolab.models._message_passing import Processor
from nolab.models._points import Edges, Points
from nolab.neighbourhood import Neighbourhood

_KERNEL = 15
"""Width of the first convolution in the published decoders: 16, 15 and 12."""


class PointwiseDecoder(nn.Module):
    """The output channels of a point from its hidden ones, by two linear layers with Swish between."""

    def __init__(self, hidden: int, n_outputs: int) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, n_outputs))

    def forward(self, h: Tensor, newest: Tensor) -> Tensor:
        """(B, P, H) to (B, P, C_out)."""
        return self.network(h)


class TimeDecoder(nn.Module):
    """T frames u_l = u_0 + (l/T)·d_l from the newest known frame u_0 (arXiv 2202.03376, eq. 10).

    The hidden channels of a point are read as a signal in time, of which two convolutions make d. Time is in
    units of a bundle. The strides, and for H = 128 and T = 20 the kernels, are the published ones.

    Parameters
    ----------
    hidden, n_frames : H and T <= H.
    """

    def __init__(self, hidden: int, n_frames: int) -> None:
        super().__init__()
        stride = max(1, hidden // (n_frames + 10))
        kernel = min(_KERNEL, hidden - stride * (n_frames - 1))
        length = (hidden - kernel) // stride + 1
        self.n_frames = n_frames
        self.network = nn.Sequential(
            nn.Conv1d(1, 8, kernel, stride=stride), nn.SiLU(), nn.Conv1d(8, 1, length - n_frames + 1)
        )

    def forward(self, h: Tensor, newest: Tensor) -> Tensor:
        """(B, P, H) and u_0 (B, P, 1) to (B, P, T)."""
        slope = self.network(h.flatten(0, 1)[:, None])[:, 0].unflatten(0, h.shape[:2])
        time = torch.arange(1, self.n_frames + 1, dtype=newest.dtype, device=newest.device) / self.n_frames
        return newest + time * slope


class MessagePassing(Checkpointed, nn.Module):
    """The message-passing solver on scattered points.

    Parameters
    ----------
    spec : the fields between which it maps; every batch lies on their domain.
    neighbourhood : who sends messages to whom.
    length : unit of the distances between neighbours, in units of the domain.
    processor : see :class:`Processor`; it is given absolute positions where `positions` is set.
    decoder : hidden channels and newest input channel at points to the output channels, or a bundle of frames.
    bundles : how often a bundle of frames is made, each from the last C frames before it.
    pushforward : in training, no gradient passes from a bundle to those before it.
    weighted : means and norms are quadratures.
    """

    def __init__(
        self,
        spec: OperatorSpec,
        neighbourhood: Neighbourhood,
        length: float,
        processor: Processor,
        decoder: PointwiseDecoder | TimeDecoder,
        *,
        positions: bool,
        bundles: int,
        pushforward: bool,
        weighted: bool,
    ) -> None:
        super().__init__()
        self.domain, self.n_outputs = spec.domain, spec.out_channels
        self.neighbourhood, self.length = neighbourhood, length
        self.processor, self.decoder = processor, decoder
        self.positions, self.weighted = positions, weighted
        self.bundles, self.pushforward = bundles, pushforward

    def forward(self, batch: FieldBatch) -> Tensor:
        """Prediction at the batch's points.

        Returns
        -------
        (B, C_out, N), or (B, C_out, P) where points are chosen.

        Raises
        ------
        InputError : a batch on another domain, or one that asks for coordinates off the points.
        """
        batch.check_domain(self.domain)
        points = Points.of(batch, weighted=self.weighted)
        edges = Edges.of(batch.neighbours, points, points.coords, self.length)
        positions = self.domain.scaled(points.coords) if self.positions else points.coords[..., :0]
        window, made = points.values, []
        for bundle in range(self.bundles):
            h = self.processor(window, positions, edges, points.measure)
            newest = window[..., -1:]
            if bundle == self.bundles - 1:
                h, newest = _chosen(batch, h), _chosen(batch, newest)
            frames = self.run_block(self.decoder, h, newest)
            if bundle < self.bundles - 1:
                window = self._next(window, frames)
                frames = _chosen(batch, frames)
            made.append(frames)
        return torch.cat(made, dim=-1)[..., : self.n_outputs].transpose(1, 2)

    def remark(self, shape: tuple[int, ...]) -> str | None:
        """What a user should know of the model at a level of `shape`: that it leaves neighbours out."""
        radius, most = self.neighbourhood.radius, self.neighbourhood.most
        if radius is None:
            return None
        box = 1.0
        for axis in self.domain.axes:
            box *= axis.length
        ball = {1: 2 * radius, 2: pi * radius**2, 3: 4 / 3 * pi * radius**3}[self.domain.ndim]
        expected = round(shape[0] * ball / box)
        if expected <= most:
            return None
        return f"keeps {most} of some {expected} neighbours within the radius, drawn at random"

    def _next(self, window: Tensor, frames: Tensor) -> Tensor:
        """The last frames known after a bundle, as many as the model is given."""
        window = torch.cat([window, frames.to(window.dtype)], dim=-1)[..., -window.shape[-1] :]
        return window.detach() if self.pushforward and self.training else window


def _chosen(batch: FieldBatch, field: Tensor) -> Tensor:
    """(B, N, C) at the batch's points, (B, P, C)."""
    return batch.select(field.transpose(1, 2)).transpose(1, 2)
