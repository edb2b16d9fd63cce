"""`uniform`: evenly spaced points, the same at every step.

The grid is divided into a product of blocks, and each block is represented by the point nearest its
middle with the quadrature weight of the whole block: a composite midpoint rule. Nothing is random,
so this is **no unbiased estimate** of the mean over the grid: what the errors do between the points
is never seen, however long the training.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from nolab.fields import Draw
from nolab.grid import Axis, Domain
from nolab.points._options import PointOptions
from nolab.points._scheme import Scheme, Shape


@dataclass(frozen=True)
class Options(PointOptions):
    """Config group `points` with scheme `uniform`; all samples share the points, whatever `scope`."""


def build(options: Options, domain: Domain, seed: int) -> Scheme:
    """Evenly spaced points."""
    return Uniform(domain)


class Uniform(Scheme):
    """A coarser product grid within the grid."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._draws: dict[tuple, Draw] = {}

    def draw(self, step: int, shape: Shape, neval: int, n_samples: int, device: torch.device) -> Draw:
        key = (shape, neval, device)
        if key not in self._draws:
            index, factor = midpoint_rule(self._domain, shape, blocks_per_axis(shape, neval))
            self._draws[key] = Draw(index.to(device), factor.to(device))
        return self._draws[key]

    def count(self, shape: Shape, neval: int) -> int:
        return math.prod(blocks_per_axis(shape, neval))


@cache
def blocks_per_axis(shape: Shape, neval: int) -> tuple[int, ...]:
    """Blocks k_a on each axis, Π k_a <= neval, in proportion to the axes' numbers of points.

    Starts at one block and adds one to the axis that is farthest behind, as long as there is room.
    """
    counts = [1] * len(shape)
    while True:
        total = math.prod(counts)
        room = [
            a for a, n in enumerate(shape) if counts[a] < n and total // counts[a] * (counts[a] + 1) <= neval
        ]
        if not room:
            return tuple(counts)
        counts[min(room, key=lambda a: counts[a] / shape[a])] += 1


def midpoint_rule(domain: Domain, shape: Shape, counts: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Points (P,) and factors (P,) of the product rule with `counts` blocks per axis."""
    index = torch.zeros(1, dtype=torch.int64)
    factor = torch.ones(1, dtype=torch.float64)
    for axis, n, k in zip(domain.axes, shape, counts, strict=True):
        places, factors = _axis_rule(axis, n, k)
        index = (index[:, None] * n + places).flatten()
        factor = (factor[:, None] * factors).flatten()
    return index, factor


def _axis_rule(axis: Axis, n: int, k: int) -> tuple[Tensor, Tensor]:
    """Points (k,) and factors (k,) of one axis of n points."""
    weights = axis.weights(n).tolist()
    places, factors = [], []
    moment = 0.0  # Σ block weight · (point - middle of the block) so far
    for j in range(k):
        low, high = j * n // k, (j + 1) * n // k
        mass = sum(weights[low:high])
        middle = sum(i * weights[i] for i in range(low, high)) / mass
        # The middle of an even block lies between two points: the one is taken that makes up for the
        # blocks before, or else all points would lie on the same side of their middles.
        place = min(max(math.floor(middle - moment / mass + 0.5), low), high - 1)
        moment += mass * (place - middle)
        places.append(place)
        factors.append(mass / weights[place])
    return torch.tensor(places), torch.tensor(factors, dtype=torch.float64)
