"""What FNO and TFNO share: options of the Fourier layers, and positional features.

Shapes: S the grid's shape.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nolab.fields import OperatorSpec
from nolab.grid import Domain
from nolab.models._operator import OperatorOptions, SpectralOperator, as_tuple
from nolab.schema import check
from nolab.spectral import SpectralConv
from nolab.spectral.constants import constant
from nolab.spectral.conv import Discretization, Transform

CONSISTENCY = (
    "With discretization=consistent everything but the norms is a quadrature or a pointwise function of true "
    "coordinates, so levels differ by discretisation error only; group_norm and instance_norm take the plain "
    "mean over samples, which on nodal grids differs from the integral by O(h). With discretization=index a "
    "level is an operator of its own: on Darcy flow its corrections vary 6 to 35 times as much "
    "(scripts/results/model_consistency.md)."
)
NEVAL_SAVES = (
    "The Fourier blocks run on the whole grid; only the pointwise projection head is computed at the chosen "
    "points, so N_eval saves the head's time and memory and no more."
)


@dataclass(frozen=True)
class FourierOptions(OperatorOptions):
    """Options that every Fourier neural operator has; modes are frequencies, negative and positive together."""

    discretization: Discretization = "consistent"
    """``consistent`` integrates over the domain; ``index`` is neuraloperator's, for parity."""
    transform: Transform = "auto"
    """Path of the spectral transform, see :class:`nolab.spectral.SpectralConv`."""
    period: tuple[float, ...] | float = 1.0
    """Period of the transform over the domain's length, one number or one per axis; above 1 it pads."""
    rollout: bool = False
    """Make one frame from the last ones, as often as there are frames to predict; for data that are frames."""

    def __post_init__(self) -> None:
        super().__post_init__()
        periods = as_tuple(self.period)
        check(bool(periods) and min(periods) >= 1, "period", self.period, "at least 1 on every axis")


class FourierOperator(SpectralOperator):
    """Fourier neural operator on the grids of one domain.

    Level consistency: transforms are quadratures over the domain and positional features its
    coordinates, so the model is one operator on all grids, up to discretisation error of second
    order; only norms are means over samples, first order on nodal grids (see ``CONSISTENCY``).

    Parameters
    ----------
    options : see :class:`FourierOptions`.
    spec : the fields between which it maps; every batch lies on their domain.
    factorization : neuraloperator's arguments for factorised weights; empty for dense ones.
    convolution : further arguments of :class:`nolab.spectral.SpectralConv`.

    Raises
    ------
    InputError : options that do not fit the domain or one another.

    References
    ----------
    Li et al., Fourier Neural Operator for Parametric Partial Differential Equations, ICLR 2021,
    arXiv 2010.08895.
    """

    def __init__(
        self,
        options: FourierOptions,
        spec: OperatorSpec,
        factorization: dict | None = None,
        **convolution: Any,
    ) -> None:
        layer = partial(
            SpectralConv,
            domain=spec.domain,
            discretization=options.discretization,
            period=options.period,
            transform=options.transform,
            **convolution,
        )
        super().__init__(options, spec, layer, factorization)
        self.by_index = options.discretization == "index"

    @property
    def n_positions(self) -> int:
        """One per axis."""
        return self.domain.ndim

    def positions(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Positional features of a grid: (ndim, *shape)."""
        return _positions(self.domain, shape, self.by_index, dtype, device)


@constant
def _positions(
    domain: Domain, shape: tuple[int, ...], by_index: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Positional features (ndim, *S): the domain's coordinates scaled to [0, 1], or index/n."""
    if by_index:
        return Domain.unit(domain.ndim, "periodic").coordinates(shape).to(device=device, dtype=dtype)
    return domain.positions(shape).to(device=device, dtype=dtype)
