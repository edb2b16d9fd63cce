"""`stratified`: one random point in each of N_eval groups of neighbours that make up the grid.

The groups are of equal size, but for one point; a point of a group of s is drawn with probability
1/s, so its factor is s. Smooth errors differ little within a group, hence the variance is far below
that of `random` (Cochran 1977, Sampling Techniques, chapter 5).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nolab.fields import Draw
from nolab.grid import Domain
from nolab.points._options import PointOptions
from nolab.points._partition import partition
from nolab.points._scheme import Scheme, Shape
from nolab.points._streams import Streams


@dataclass(frozen=True)
class Options(PointOptions):
    """Config group `points` with scheme `stratified`."""


def build(options: Options, domain: Domain, seed: int) -> Scheme:
    """One random point in each group of neighbours."""
    return Stratified(options.scope == "shared", domain, seed)


class Stratified(Scheme):
    """One point in each group, for all samples or for each.

    Parameters
    ----------
    shared : whether the samples of a term share their points.
    """

    def __init__(self, shared: bool, domain: Domain, seed: int) -> None:
        self._shared = shared
        self._domain = domain
        self._streams = Streams(seed)
        self._known: dict[tuple, tuple[Tensor, Tensor, Tensor]] = {}

    def draw(self, step: int, shape: Shape, neval: int, n_samples: int, device: torch.device) -> Draw:
        order, start, size = self._groups(shape, neval, device)
        # Float64: 24 bits would make some points of a large group more likely than others.
        uniform = torch.rand(
            1 if self._shared else n_samples,
            neval,
            generator=self._streams.at(step, device),
            device=device,
            dtype=torch.float64,
        )
        index = order[start + (uniform * size).long()]  # (rows, P)
        return Draw(index[0], size) if self._shared else Draw(index, size.expand_as(index))

    def _groups(self, shape: Shape, neval: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Points (N,) group by group, first place (P,) of each group in them, sizes (P,) float64."""
        key = (shape, neval, device)
        if key not in self._known:
            order, bounds = (torch.from_numpy(array) for array in partition(shape, self._domain, neval))
            first, size = bounds[:-1], bounds.diff().double()
            self._known[key] = order.to(device), first.to(device), size.to(device)
        return self._known[key]
