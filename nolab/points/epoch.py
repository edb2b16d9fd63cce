"""`epoch`: passes over the points, each of them equally often.

Blocks of N_eval points are cut from fresh random permutations of all points, laid end to end; a draw
may span two. A block is a uniform random subset, so a single step is as `random`, but no point waits
longer than two passes. Recht and Ré 2012 (arXiv 1202.4184) compare the two for samples.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nolab.fields import Draw
from nolab.grid import Domain
from nolab.points._options import PointOptions
from nolab.points._scheme import Scheme, Shape
from nolab.points._streams import Streams


@dataclass(frozen=True)
class Options(PointOptions):
    """Config group `points` with scheme `epoch`."""


def build(options: Options, domain: Domain, seed: int) -> Scheme:
    """Consecutive blocks of random permutations."""
    return Epoch(options.scope == "shared", seed)


class Epoch(Scheme):
    """One sequence of permutations, or one per row of a draw.

    Keeps the current permutations: 4·B·N bytes per grid, and twice that where a draw spans two.

    Parameters
    ----------
    shared : whether the samples of a term share their points.
    """

    steady = True

    def __init__(self, shared: bool, seed: int) -> None:
        self._shared = shared
        self._streams = Streams(seed)
        self._permutations: dict[tuple, dict[int, Tensor]] = {}

    def draw(self, step: int, shape: Shape, neval: int, n_samples: int, device: torch.device) -> Draw:
        n_points = torch.Size(shape).numel()
        epoch, start = divmod(step * neval, n_points)
        last, _ = divmod((step + 1) * neval - 1, n_points)
        current = self._epochs((epoch, last), n_points, 0 if self._shared else n_samples, device)
        index = current[epoch][..., start : start + neval]
        if last > epoch:
            rest = neval - index.shape[-1]
            index = torch.cat([index, current[last][..., :rest]], dim=-1)
        return Draw(index.long())

    def _epochs(
        self, epochs: tuple[int, int], n_points: int, n_rows: int, device: torch.device
    ) -> dict[int, Tensor]:
        """The permutations of `epochs`; all others of this grid are dropped."""
        key = (n_points, n_rows, device)
        known = self._permutations.get(key, {})
        self._permutations[key] = {
            epoch: known[epoch] if epoch in known else self._permute(epoch, n_points, n_rows, device)
            for epoch in epochs
        }
        return self._permutations[key]

    def _permute(self, epoch: int, n_points: int, n_rows: int, device: torch.device) -> Tensor:
        """(N,), or (n_rows, N) where rows have their own; int32, the largest thing that is kept."""
        generator = self._streams.at(epoch, device)
        if n_rows == 0:
            return torch.randperm(n_points, generator=generator, device=device, dtype=torch.int32)
        keys = torch.rand(n_rows, n_points, generator=generator, device=device)
        return keys.argsort(dim=1).int()
