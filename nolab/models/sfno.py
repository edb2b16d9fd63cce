"""SFNO: the spherical Fourier neural operator (Bonev et al., ICML 2023, arXiv 2306.03838)."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from nolab.errors import InputError
from nolab.fields import OperatorSpec
from nolab.grid import Domain
from nolab.models._operator import OperatorOptions, SpectralOperator
from nolab.schema import check
from nolab.spectral.constants import constant
from nolab.spectral.spherical_conv import SphericalConv

CONSISTENCY = (
    "Everything but the norms is a quadrature over the sphere or a pointwise function of true coordinates: on "
    "fields that a grid carries it is exact, so levels differ by the degrees that the coarser grid does not "
    "carry and by what the activations make beyond them. group_norm and instance_norm take the plain mean over "
    "samples, which weighs the poles more than the integral does and differs by O(h) between grids."
)
NEVAL_SAVES = (
    "The spherical Fourier blocks run on the whole grid; only the pointwise projection head is computed at the "
    "chosen points, so N_eval saves the head's time and memory and no more."
)


@dataclass(frozen=True)
class Options(OperatorOptions):
    """Options of the SFNO.

    `n_modes` counts as neuraloperator does: degrees, and twice the orders. One number L is (L, 2L), all
    orders of L degrees, which alone treats all directions alike.
    """


class SphericalOperator(SpectralOperator):
    """Spherical Fourier neural operator on the grids of the sphere.

    Built from the parts of :class:`neuralop.models.SFNO` and named like them, so state dicts
    interchange with neuraloperator 2.0.0's for n_modes (L, 2M). Its positional features are the three
    coordinates of a point of the unit sphere, smooth at the poles and across the meridian φ = 0, which
    the colatitude and the longitude themselves are not.

    Parameters
    ----------
    options : see :class:`Options`.
    spec : the fields between which it maps; every batch lies on :meth:`nolab.grid.Domain.sphere`.

    Raises
    ------
    InputError : a domain that is no sphere, or n_modes that are neither one number nor a pair.
    """

    def __init__(self, options: Options, spec: OperatorSpec) -> None:
        if not spec.domain.is_sphere:
            axes = ", ".join(f"{a.placement} [{a.start:g}, {a.stop:g}]" for a in spec.domain.axes)
            raise InputError(
                "model.name: sfno maps fields on the sphere (latitude [0, π], periodic [0, 2π]), the data's "
                f"domain is {axes}; use model=fno, or data on the sphere (dataset=shallow_water)"
            )
        options = replace(options, n_modes=_degrees_and_orders(options.n_modes))
        super().__init__(options, spec, SphericalConv)

    @property
    def n_positions(self) -> int:
        """Number of positional features: the coordinates of a point in space."""
        return 3

    def positions(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Positional features of a grid: (3, *shape)."""
        return _directions(shape, dtype, device)


def build(options: Options, spec: OperatorSpec) -> nn.Module:
    """The SFNO between the fields of `spec`.

    Raises
    ------
    InputError : a domain that is no sphere, or options that do not fit it.
    """
    return SphericalOperator(options, spec)


@constant
def _directions(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """(3, *shape): cos θ, sin θ cos φ, sin θ sin φ, the point of the unit sphere."""
    theta, phi = Domain.sphere().coordinates(shape)
    directions = [theta.cos(), theta.sin() * phi.cos(), theta.sin() * phi.sin()]
    return torch.stack(directions).to(device=device, dtype=dtype)


def _degrees_and_orders(n_modes: tuple[int, ...] | int) -> tuple[int, int]:
    if isinstance(n_modes, int):
        return n_modes, 2 * n_modes
    pair = len(n_modes) == 2 and n_modes[1] >= 2
    check(pair, "n_modes", n_modes, "the number of degrees, or (degrees, twice the orders)")
    return n_modes
