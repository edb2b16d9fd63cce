"""From places in the domain to points of a grid."""

import torch
from torch import Tensor

from nolab.points._scheme import Shape

BITS = 30
"""Places are whole multiples of 2^-BITS of an axis' length: products with n stay exact in int64."""


def grid_index(places: Tensor, shape: Shape) -> Tensor:
    """Flat indices of the points in whose cells the places lie.

    A cell is 1/n of each axis, so every point is as likely to be met by a uniform place, up to a
    share of n·2^-BITS. The same place meets nearly the same point of the domain on every grid.

    Parameters
    ----------
    places : (rows, ndim, P) int64 in units of 2^-BITS.

    Returns
    -------
    (rows, P) int64
    """
    index = torch.zeros((), dtype=torch.int64, device=places.device)
    for axis, n in enumerate(shape):
        index = index * n + (places[:, axis] * n >> BITS)
    return index


def random_places(*size: int, generator: torch.Generator) -> Tensor:
    """Independent uniform places, int64 in units of 2^-BITS."""
    return torch.randint(2**BITS, size, generator=generator, device=generator.device)
