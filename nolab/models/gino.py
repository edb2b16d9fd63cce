"""GINO and FNOGNO: Fourier layers on a latent grid for fields on scattered points (arXiv 2309.00583)."""

from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from torch import nn

from nolab.errors import InputError
from nolab.fields import OperatorSpec
from nolab.models._fno import FourierOperator, FourierOptions
from nolab.models._gino import DistanceEncoder, Gino, PointEncoder, Vicinity
from nolab.models._gno import KernelIntegral
from nolab.models._lattice import Lattice, Mollifier
from nolab.models._operator import as_tuple
from nolab.models._rollout import rolled_out
from nolab.schema import check

__all__ = ["CONSISTENCY", "NEVAL_SAVES", "SCATTERED", "Options", "build"]

SCATTERED = True

CONSISTENCY = (
    "The latent grid is fixed in space and the same at every level, and what leads from it to the points is a function "
    "of true coordinates, so levels differ only by what leads from the points to it. With encoder=gno and "
    "weighted=true that is a ratio of two quadratures over the points near a node, which differs from the ratio of "
    "integrals by the quadrature's error, wherever the points are dense; it needs points within in_radius of the "
    "nodes, also at the coarsest level. With weighted=false (neuraloperator) it is their plain mean, which follows the "
    "density of the points and so does not agree between meshes of different grading. With encoder=distance (FNOGNO) a "
    "node inside the sample is as far from the nearest point as the points are apart, so levels differ by O(h)."
)
NEVAL_SAVES = (
    "The encoder runs on all points and the Fourier layers on the latent grid; the output GNO and the projection run "
    "at the chosen points only, so N_eval saves their time and memory in proportion, and no more."
)


@dataclass(frozen=True)
class Options(FourierOptions):
    """Options of GINO: those of its Fourier layers, which run on the latent grid, and those of its integrals."""

    latent: tuple[int, ...] | int = 32
    """Nodes of the latent grid per axis of the domain's box, whose ends are nodes; one number serves every axis."""
    encoder: Literal["gno", "distance"] = "gno"
    """``gno`` integrates the fields at the points; ``distance`` gives the latent grid the distance to the nearest point
    and nothing else, as neuraloperator's FNOGNO: *the input's values at the points are not used*, only where
    they are."""
    in_radius: float | None = None
    """Radius of the input's integrals, in units of the domain; null takes the diagonal of a cell of the latent grid."""
    out_radius: float | None = None
    """Radius of the output's integrals, likewise."""
    kernel: Literal["linear", "nonlinear"] = "linear"
    """``linear``: κ(x, y) ⊙ f(y) is integrated; ``nonlinear``: κ(x, y, f(y)) ⊙ f(y)."""
    kernel_widths: tuple[int, ...] = (64, 64)
    """Hidden widths of the kernels' networks."""
    frequencies: int = 4
    """The kernels see sines and cosines of 2^k π times the coordinates, scaled to [0, 1], for k below this; 0: the
    coordinates themselves."""
    weighted: bool = True
    """Weigh points by their quadrature weights in the input's integrals; false: all alike, as neuraloperator does."""
    mollifier: Mollifier | None = "half_cos"
    """Weight of a pair of point and node that falls to 0 at the radius, by neuraloperator's name (arXiv 2504.08277),
    which makes the prediction continuous in space; null: 1 within the radius, as neuraloperator has by default."""

    def __post_init__(self) -> None:
        super().__post_init__()
        latent = as_tuple(self.latent)
        check(bool(latent) and min(latent) >= 2, "latent", self.latent, "at least 2 on every axis")
        check(all(w >= 1 for w in self.kernel_widths), "kernel_widths", self.kernel_widths, "widths >= 1")
        check(self.frequencies >= 0, "frequencies", self.frequencies, "at least 0")


def build(options: Options, spec: OperatorSpec) -> nn.Module:
    """The GINO between the fields of `spec`, on scattered points.

    Raises
    ------
    InputError : a domain of grids, or options that do not fit the domain or one another.
    """
    if not spec.domain.is_scattered:
        raise InputError("model: gino is for scattered points, and this data set has grids; use model=fno")
    return rolled_out(lambda fields: _gino(options, fields), spec, options.rollout)


def _gino(options: Options, spec: OperatorSpec) -> Gino:
    lattice = Lattice(spec.domain, _shape(options.latent, spec.domain.ndim))
    width = options.hidden_channels
    near_in, near_out = (_vicinity(options, lattice, name) for name in ("in_radius", "out_radius"))
    if options.encoder == "distance":
        encoder, channels = DistanceEncoder(lattice), 1
    else:
        encoder = PointEncoder(
            spec.in_channels, width, near_in, _integral(options, near_in), options.weighted
        )
        channels = width
    latent = replace(spec, in_channels=channels, domain=lattice.domain, input_shape=lattice.shape)
    return Gino(encoder, FourierOperator(options, latent), _integral(options, near_out), near_out)


def _integral(options: Options, near: Vicinity) -> KernelIntegral:
    nonlinear = options.kernel == "nonlinear"
    return KernelIntegral(near.n_features, options.kernel_widths, options.hidden_channels, nonlinear)


def _vicinity(options: Options, lattice: Lattice, name: str) -> Vicinity:
    radius = getattr(options, name)
    if radius is None:
        radius = lattice.cell
    least = lattice.cell / 2
    rule = f"at least {least:.3g}, half the diagonal of a latent cell, so that every point has a node"
    check(least <= radius < inf, name, radius, rule)
    return Vicinity(lattice, radius, options.mollifier, options.frequencies)


def _shape(latent: tuple[int, ...] | int, ndim: int) -> tuple[int, ...]:
    if isinstance(latent, int):
        return (latent,) * ndim
    check(len(latent) == ndim, "latent", latent, f"one number or one per axis of the domain ({ndim})")
    return latent
