"""`importance`: more points where the errors are large, with the estimate kept unbiased.

Each grid point has a running residual r, and is drawn with a probability that grows with w·r, w being
its quadrature weight; dividing by the probability keeps the loss unbiased whatever r is. Residuals
choose the points here, as in vRBA (arXiv 2509.14198), where they also weigh the loss itself.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nolab.errors import InputError
from nolab.fields import Draw
from nolab.grid import Domain, shape_name
from nolab.points._options import PointOptions
from nolab.points._partition import partition
from nolab.points._scheme import Scheme, Shape
from nolab.points._streams import Streams
from nolab.saved import tensor_like
from nolab.schema import check


@dataclass(frozen=True)
class Options(PointOptions):
    """Config group `points` with scheme `importance`."""

    mix: float = 0.2
    """Share of the draws that is uniform; bounds every factor by 1/(mix) times the uniform one."""
    decay: float = 0.9
    """Of the running residual, per step at which the point is drawn."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 < self.mix <= 1, "mix", self.mix, "in (0, 1]")
        check(0 <= self.decay < 1, "decay", self.decay, "in [0, 1)")
        if self.axes is not None:
            raise InputError(
                f"axes: scheme 'importance' keeps one residual per point and can't draw axis by axis, got "
                f"{self.axes}; use neval, or another scheme"
            )


def build(options: Options, domain: Domain, seed: int) -> Scheme:
    """Points in proportion to their running residuals."""
    return Importance(options, domain, seed)


class Importance(Scheme):
    """Draws from p = (1-mix)·w·r/Σ(w·r) + mix/N, with replacement; learns r.

    The residual of a point is the exponential moving average of its mean absolute error over the
    samples and channels that drew it; of a point that was never drawn, the mean of those that were.
    So at first the points are drawn evenly, and the errors' scale does not matter.
    """

    observes = True

    def __init__(self, options: Options, domain: Domain, seed: int) -> None:
        self._options = options
        self._domain = domain
        self._streams = Streams(seed)
        self._weights: dict[tuple, Tensor] = {}
        self._orders: dict[tuple, Tensor] = {}
        self._residuals: dict[str, Tensor] = {}  # (N,) float64 by the grid's name; NaN: never drawn

    def draw(self, step: int, shape: Shape, neval: int, n_samples: int, device: torch.device) -> Draw:
        order, chances = self._order(shape, device), self._chances(shape, device)
        cumulative = chances[order].cumsum(dim=0)
        shared = self._options.scope == "shared"
        uniform = torch.rand(
            1 if shared else n_samples,
            neval,
            generator=self._streams.at(step, device),
            device=device,
            dtype=torch.float64,
        )
        total = cumulative[-1].double()
        # One place in each of N_eval equal parts of the distribution: a point is drawn N_eval·p times
        # in expectation, as it would be with independent places, but a row covers the domain.
        place = (uniform + torch.arange(neval, device=device)) * (total / neval)  # (rows, P)
        found = torch.searchsorted(cumulative, place.long(), right=True).clamp_(max=len(chances) - 1)
        index = order.take(found)
        factor = (total / (neval * chances)).take(index)
        return Draw(index[0], factor[0]) if shared else Draw(index, factor)

    def observe(self, shape: Shape, draw: Draw, error: Tensor) -> None:
        old = self._residual(shape, error.device)
        means = error.double().mean(dim=1)  # (B, P)
        index = draw.index.expand_as(means).flatten()
        total = torch.zeros_like(old).index_add_(0, index, means.flatten())
        count = torch.zeros_like(old).index_add_(0, index, torch.ones_like(means).flatten())
        new = total / count  # (N,), NaN where no sample drew the point
        averaged = torch.where(old.isnan(), new, torch.lerp(new, old, self._options.decay))
        self._residuals[shape_name(shape)] = torch.where(new.isfinite(), averaged, old)

    def state_dict(self) -> dict[str, Any]:
        return dict(self._residuals)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        residuals = {}
        for name, values in state.items():
            n_points = torch.Size(int(n) for n in name.split("x")).numel()
            like = torch.empty(n_points, dtype=torch.float64, device="meta")
            residuals[name] = tensor_like(values, like, f"points: residuals of the grid {name}")
            if ((values < 0) | values.isinf()).any():
                raise ValueError(f"points: residuals of the grid {name} are no mean errors")
        self._residuals = residuals

    def _residual(self, shape: Shape, device: torch.device) -> Tensor:
        name = shape_name(shape)
        if name not in self._residuals:
            n_points = torch.Size(shape).numel()
            self._residuals[name] = torch.full((n_points,), torch.nan, dtype=torch.float64)
        self._residuals[name] = self._residuals[name].to(device)
        return self._residuals[name]

    def _order(self, shape: Shape, device: torch.device) -> Tensor:
        """The points in an order in which neighbours are near each other, (N,)."""
        key = (shape, device)
        if key not in self._orders:
            self._orders[key] = torch.from_numpy(partition(shape, self._domain, 1)[0]).to(device)
        return self._orders[key]

    def _chances(self, shape: Shape, device: torch.device) -> Tensor:
        """p in whole units of about 2^-45, (N,) int64.

        Whole numbers add up exactly: the probabilities of the draws and of the factors are the same,
        and their running sum does not depend on the order in which a GPU adds.
        """
        key = (shape, device)
        if key not in self._weights:
            self._weights[key] = self._domain.weights(shape).flatten().to(device)
        residual = self._residual(shape, device)
        # With nothing learnt the mean is NaN, with no error left the sum is zero: then all are equal.
        residual = torch.where(residual.isnan(), residual.nanmean(), residual)
        wanted = self._weights[key] * residual.nan_to_num(nan=1.0)
        wanted = (wanted / wanted.sum()).nan_to_num(nan=1 / len(wanted))
        mix = self._options.mix
        return (((1 - mix) * wanted + mix / len(wanted)) * 2**45).long()
