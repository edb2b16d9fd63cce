"""FieldBatch: the samples of one level, as every model receives them."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nolab.grid import Domain


@dataclass(frozen=True)
class FieldBatch:
    """Samples of one level, normalised.

    Shapes: B samples, C channels, S the grid's shape, N = prod(S) grid points, P chosen points.

    Parameters
    ----------
    input : (B, C_in, *S), the input field.
    target : (B, C_out, *S), or (B, C_out, P) once points are chosen, or None for prediction.
    domain : the physical domain on which the grid lies.
    norm : (B,), the L2 norm (root of the mean square over domain and channels) of the *whole*
        target in physical units; the denominator of relative errors, independent of the points.
    points : flat indices into the N grid points at which the loss is taken: (P,) shared by the
        batch, (B, P) per sample, or None for all of them.
    """

    input: Tensor
    domain: Domain
    target: Tensor | None = None
    norm: Tensor | None = None
    points: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The grid's shape S."""
        return tuple(self.input.shape[2:])

    def __len__(self) -> int:
        return self.input.shape[0]

    def at(self, points: Tensor | None) -> "FieldBatch":
        """The same samples with the target restricted to `points` (flat grid indices)."""
        if points is None:
            return self
        target = None if self.target is None else take_points(self.target, points)
        return replace(self, target=target, points=points)

    def select(self, field: Tensor) -> Tensor:
        """`field` (B, C, *S) at this batch's points: (B, C, P), or unchanged if all are taken."""
        return field if self.points is None else take_points(field, self.points)


def take_points(field: Tensor, points: Tensor) -> Tensor:
    """Values of a grid field at flat point indices.

    Parameters
    ----------
    field : (B, C, *S).
    points : (P,) shared by the batch, or (B, P) per sample.

    Returns
    -------
    (B, C, P)
    """
    flat = field.flatten(2)  # (B, C, N)
    if points.ndim == 1:
        return flat.index_select(2, points)
    return torch.gather(flat, 2, points[:, None, :].expand(-1, flat.shape[1], -1))
