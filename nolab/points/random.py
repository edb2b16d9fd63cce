"""`random`: points drawn uniformly without replacement, anew each step (arXiv 2409.13280).

Every subset of N_eval points is as likely, so the mean over the drawn points is an unbiased
estimate of the mean over all.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nolab.fields import Draw
from nolab.grid import Domain
from nolab.points._options import PointOptions
from nolab.points._places import grid_index, random_places
from nolab.points._scheme import Scheme, Shape
from nolab.points._streams import Streams


@dataclass(frozen=True)
class Options(PointOptions):
    """Config group `points` with scheme `random`."""


def build(options: Options, domain: Domain, seed: int) -> Scheme:
    """Random subsets of the grid's points."""
    return Random(options.scope == "shared", seed)


class Random(Scheme):
    """One random subset per step, or one per sample.

    Parameters
    ----------
    shared : whether the samples of a term share their points.
    """

    def __init__(self, shared: bool, seed: int) -> None:
        self._shared = shared
        self._streams = Streams(seed)

    def draw(self, step: int, shape: Shape, neval: int, n_samples: int, device: torch.device) -> Draw:
        sparse = torch.Size(shape).numel() >= 8 * neval
        rows = 1 if self._shared else n_samples
        index = (first_distinct if sparse else largest_keys)(
            rows, shape, neval, self._streams.at(step, device)
        )
        return Draw(index[0] if self._shared else index)


def largest_keys(n_rows: int, shape: Shape, size: int, generator: torch.Generator) -> Tensor:
    """Random subsets (n_rows, size): the points of the `size` largest of N independent keys.

    Takes O(n_rows·N), for any size up to N.
    """
    n_points = torch.Size(shape).numel()
    keys = torch.rand(n_rows, n_points, generator=generator, device=generator.device)
    return keys.topk(size, dim=1, sorted=False).indices


def first_distinct(n_rows: int, shape: Shape, size: int, generator: torch.Generator) -> Tensor:
    """Random subsets (n_rows, size): the first `size` distinct points that random places meet.

    Takes O(n_rows·size), whatever N. The places are the same on all grids, so their points nearly are.

    Needs N >= 8·size: the M = size + size//2 + 16 places meet fewer than P = size distinct points only
    if some P points hold all of them, which has probability at most C(N, P)·(P/N)^M
    <= (eN/P)^P·(P/N)^M <= e^P·8^-(P/2 + 15.5) < 1e-14. The missing ones would then be point 0.
    """
    drawn = size + size // 2 + 16
    places = random_places(n_rows, len(shape), drawn, generator=generator)
    points = grid_index(places, shape)  # (n_rows, drawn)
    # Equal points of a row lie side by side in a stable sort, the one that was drawn first leading.
    # One sort of all rows at once is several times as fast as one per row.
    rows = torch.arange(n_rows, device=points.device)[:, None]
    keys, order = (points + rows * torch.Size(shape).numel()).flatten().sort(stable=True)
    repeated = torch.zeros_like(keys, dtype=torch.bool)
    repeated.scatter_(0, order[1:], keys[1:] == keys[:-1])
    new = ~repeated.reshape(n_rows, drawn)
    # The k-th new point of a row goes to slot k; repeated and surplus ones go to a last slot, cut off.
    slot = new.cumsum(dim=1) - 1
    slot = torch.where(new, slot, size).clamp_max(size)
    return points.new_zeros(n_rows, size + 1).scatter_(1, slot, points)[:, :size]
