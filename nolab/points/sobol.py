"""`sobol`: the first N_eval points of a Sobol' sequence, with a random digital shift.

The shift is an exclusive or with the same random bits for all places of a row (Owen 2003, "Variance
with alternative scramblings of digital nets"): each place is uniform on the domain, and together
they keep the even cover of the sequence. Every grid point is hence as likely, up to the 2^-30 of an
axis to which places are resolved; where they lie close, a row may hold a point more than once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from nolab.fields import Draw
from nolab.grid import Domain
from nolab.points._options import PointOptions
from nolab.points._places import BITS, grid_index, random_places
from nolab.points._scheme import Scheme, Shape
from nolab.points._streams import Streams


@dataclass(frozen=True)
class Options(PointOptions):
    """Config group `points` with scheme `sobol`."""


def build(options: Options, domain: Domain, seed: int) -> Scheme:
    """A shifted Sobol' sequence."""
    return Sobol(options.scope == "shared", seed)


class Sobol(Scheme):
    """One shift per step, or one per sample.

    Parameters
    ----------
    shared : whether the samples of a term share their points.
    """

    def __init__(self, shared: bool, seed: int) -> None:
        self._shared = shared
        self._streams = Streams(seed)
        self._sequences: dict[tuple, Tensor] = {}

    def draw(self, step: int, shape: Shape, neval: int, n_samples: int, device: torch.device) -> Draw:
        rows = 1 if self._shared else n_samples
        shift = random_places(rows, len(shape), 1, generator=self._streams.at(step, device))
        index = grid_index(self._sequence(len(shape), neval, device) ^ shift, shape)
        return Draw(index[0] if self._shared else index)

    def _sequence(self, ndim: int, neval: int, device: torch.device) -> Tensor:
        """The first places, (ndim, P) int64 in units of 2^-BITS."""
        key = (ndim, neval, device)
        if key not in self._sequences:
            places = SobolEngine(ndim).draw(neval, dtype=torch.float64)  # whole multiples of 2^-30
            self._sequences[key] = (places * 2**BITS).long().T.contiguous().to(device)
        return self._sequences[key]
