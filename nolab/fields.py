"""FieldBatch: the samples of one level, as every model receives them."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from nolab.errors import InputError
from nolab.grid import Domain


@dataclass(frozen=True)
class OperatorSpec:
    """What a model must know of the fields between which it maps.

    Parameters
    ----------
    in_channels, out_channels : channels of the input field and of the prediction.
    domain : the physical domain of both.
    input_shape : grid of the input at the hierarchy's finest level; 1 on axes on which it does not vary.
    frames : the channels are frames of one field, at equal distances in time, the outputs after the inputs, and
        share one normaliser.
    """

    in_channels: int
    out_channels: int
    domain: Domain
    input_shape: tuple[int, ...]
    frames: bool = False


@dataclass(frozen=True)
class Draw:
    """Points at which the loss of one term is taken.

    Parameters
    ----------
    index : flat indices into the grid's N points, (P,) shared by the samples or (B, P) per sample.
    factor : 1/π of each point, π being the number of times that it is expected to be drawn, in the
        shape of `index`. Σ factor·w·f over the drawn points is then an unbiased estimate of Σ w·f over
        the grid (Horvitz and Thompson 1952). None: every point is as likely, factor N/P.
    """

    index: Tensor
    factor: Tensor | None = None

    def of_samples(self, own: slice) -> "Draw":
        """The points of some of the samples."""
        if self.index.ndim == 1:
            return self
        return Draw(self.index[own], None if self.factor is None else self.factor[own])


@dataclass(frozen=True)
class FieldBatch:
    """Samples of one level, normalised.

    Shapes: B samples, C channels, S the grid's shape, N = prod(S) grid points, P chosen points,
    Q queries.

    Parameters
    ----------
    input : (B, C_in, *S), the input field; 1 instead of S's size on axes on which it does not vary.
    target : (B, C_out, *S), or (B, C_out, P) once points are chosen, or None for prediction.
    domain : the physical domain on which the grid lies.
    norm : (B,), the L2 norm (root of the mean square over domain and channels) of the *whole*
        target in physical units; the denominator of relative errors, independent of the points.
    grid : S, where the input does not show it; None: the input's own.
    zero : (C_out,), normalised value of a physical zero, for models with hard boundary conditions.
    points : flat indices into the N grid points at which the loss is taken: (P,) shared by the
        batch, (B, P) per sample, or None for all of them.
    factor : see :class:`Draw`.
    queries : coordinates at which to predict instead of the grid's, in units of the domain: (Q, ndim)
        shared by the batch or (B, Q, ndim) per sample. For models that answer off the grid.
    coords, weights : of scattered points (S = (N,)), else None: coordinates (B, N, ndim) in units of the domain,
        and quadrature weights (B, N) of the mean over each sample's own domain, which sum to 1. A sample that has
        fewer than N points is padded at its end: points of weight 0, whose other values mean nothing.
    neighbours, centres : what the model asked for, see :class:`nolab.neighbourhood.Neighbourhood`: int64, and
        coordinates.
    """

    input: Tensor
    domain: Domain
    target: Tensor | None = None
    norm: Tensor | None = None
    grid: tuple[int, ...] | None = None
    zero: Tensor | None = None
    points: Tensor | None = None
    factor: Tensor | None = None
    queries: Tensor | None = None
    coords: Tensor | None = None
    weights: Tensor | None = None
    neighbours: Tensor | None = None
    centres: Tensor | None = None

    @property
    def mask(self) -> Tensor:
        """(B, N) bool: which of the scattered points are there, and not padding."""
        assert self.weights is not None  # points are scattered
        return self.weights > 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The grid's shape S."""
        return tuple(self.input.shape[2:]) if self.grid is None else self.grid

    def __len__(self) -> int:
        return self.input.shape[0]

    def at(self, draw: Draw | None) -> "FieldBatch":
        """The same samples with the target restricted to the drawn points."""
        if draw is None:
            return self
        target = None if self.target is None else take_points(self.target, draw.index)
        return replace(self, target=target, points=draw.index, factor=draw.factor)

    def check_domain(self, domain: Domain) -> None:
        """Refuse a batch that does not lie on a model's domain.

        Raises
        ------
        InputError : naming both.
        """
        if self.domain != domain:
            raise InputError(f"domain: the model lives on {domain}, the batch on {self.domain}")

    def check_queries(self) -> None:
        """Refuse queries that are no coordinates of the domain.

        Raises
        ------
        InputError : naming the shapes that are allowed.
        """
        queries, ndim = self.queries, self.domain.ndim
        assert queries is not None  # only who has queries checks them
        if queries.ndim not in (2, 3) or queries.shape[-1] != ndim:
            raise InputError(
                f"queries: expected coordinates of shape (Q, {ndim}) or (B, Q, {ndim}), got {tuple(queries.shape)}"
            )

    def on_grid(self) -> Tensor:
        """The input on the whole grid, (B, C_in, *S), constant along axes on which it does not vary."""
        return self.input.expand(*self.input.shape[:2], *self.shape)

    def select(self, field: Tensor) -> Tensor:
        """`field` (B, C, *S) at this batch's points: (B, C, P), or unchanged if all are taken.

        Raises
        ------
        InputError : the batch asks for coordinates off the grid.
        """
        if self.queries is not None:
            raise InputError(
                "queries: this model answers on grids only, or at the points of its input; predict there and "
                "interpolate, or use a model that answers at any coordinates (model=deeponet on grids, ginot or gino "
                "on scattered points)"
            )
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


def tensors_of(batch: FieldBatch) -> dict[str, Tensor]:
    """The batch's tensors by the name of their field."""
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}
