"""Diffusion and reaction on a line: source to concentration over time.

Example 2 of Karumuri et al., *Efficient Training of Deep Neural Operator Networks via Randomized
Sampling* (arXiv 2409.13280): u_t = D u_xx + k u² + s(x) for (t, x) in [0,1]², u = 0 at t = 0, at x = 0
and at x = 1, where s is a Gaussian process of mean zero with the kernel exp(-(x-x')²/(2ℓ²)).

In space: collocation at Gauss–Lobatto–Legendre nodes (Canuto et al., *Spectral Methods*, 2006), which
makes diffusion a symmetric matrix, and so a diagonal one in its eigenvectors. In time: the exponential
integrator ETDRK4 (Cox and Matthews 2002) in those modes; where k = 0 it is exact.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.polynomial.legendre import legvander
from scipy.special import eval_legendre, roots_jacobi
from torch import Tensor

from nolab.errors import RunFailure
from nolab.grid import Axis, Domain
from nolab.problems._description import Description
from nolab.problems._gaussian_process import (
    check_length,
    check_variance,
    expansion,
    normals,
    realisations,
)
from nolab.schema import check

VERSION = "1"

STEPS = 100
"""Fewest time steps on [0, 1]; the grid's times are always among the steps."""

FASTEST_GROWTH = 5.0
"""Largest k·|u| that the steps follow. Without diffusion u would be infinite a time 1/(k·u) later."""


@dataclass(frozen=True)
class Options:
    """Everything that a sample depends on besides (seed, split, index)."""

    resolution: int = 100
    """Nodes along x, both ends included. One seed shows the same sources at every resolution."""
    times: int = 101
    """Nodes along t, both ends included."""
    length: float = 0.2
    """Length ℓ over which the source varies, in units of the interval."""
    variance: float = 1.0
    """Variance of the source at each point."""
    diffusion: float = 0.01
    """The constant D."""
    reaction: float = 0.01
    """The constant k. A solution that runs away within t <= 1 ends the generation."""

    def __post_init__(self) -> None:
        check(3 <= self.resolution <= 4097, "resolution", self.resolution, "from 3 to 4097")
        check(2 <= self.times <= 4097, "times", self.times, "from 2 to 4097")
        check_length("length", self.length)
        check_variance("variance", self.variance, largest=1e6)
        # Less diffusion has boundary layers that need ever more nodes.
        check(1e-4 <= self.diffusion <= 100, "diffusion", self.diffusion, "from 0.0001 to 100")
        check(0 <= self.reaction <= 100, "reaction", self.reaction, "from 0 to 100")


@dataclass(frozen=True)
class Line:
    """Polynomials on [0, 1] that vanish at both ends, by their values at M inner nodes.

    Their M modes are the discrete eigenfunctions of -∂²/∂x², orthonormal under the nodes' quadrature.

    Parameters
    ----------
    nodes : (M,) float64, the inner Gauss–Lobatto–Legendre nodes.
    eigenvalues : (M,), those of -∂²/∂x², all positive.
    to_modes : (M, M), which takes values at the nodes to coefficients of the modes.
    to_nodes : (M, M), its inverse.
    """

    nodes: Tensor
    eigenvalues: Tensor
    to_modes: Tensor
    to_nodes: Tensor

    def interpolation(self, x: Tensor) -> Tensor:
        """The matrix that takes values at the nodes to those at the coordinates `x` (n,): (n, M)."""
        degree = len(self.nodes) + 1
        norms = 1 / (np.arange(degree + 1) + 0.5)  # integrals of the squared Legendre polynomials
        norms[-1] = 2 / degree  # which the quadrature overestimates for the last one
        basis = legvander(2 * self.nodes.numpy() - 1, degree)  # (M, M+2)
        weights = _weights(basis[:, -1], degree)  # (M,)
        return torch.from_numpy((legvander(2 * x.numpy() - 1, degree) / norms) @ (weights[:, None] * basis).T)


def describe(options: Options) -> Description:
    """Names, units (all dimensionless) and grid of the fields; axis 0 is t, axis 1 is x."""
    return Description(
        domain=Domain.unit(2),
        shape=(options.times, options.resolution),
        input_names=("source",),
        output_names=("concentration",),
        units={"source": "1", "concentration": "1"},
        input_axes=(1,),
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Samples `indices` of a split, solved in one batch.

    The source depends on (options, seed, split, index) alone; the last bits of the concentration may
    depend on the batch and on the device, far below float32's rounding.

    Before they are rounded to float32, 64 default samples differ from their solutions with degree 384
    and 1600 steps by 4e-10 at most, in the relative L2 norm by 8e-11.

    Returns
    -------
    source (n, 1, 1, r) and concentration (n, 1, T, r), float32, with r = ``options.resolution`` and
    T = ``options.times``.

    Raises
    ------
    InputError : unknown split.
    RunFailure : the concentration of a sample runs away.
    """
    process, space = expansion(options.length), line(_degree(options))
    xi = normals(seed, split, indices, (process.terms,))
    x = Axis().coordinates(options.resolution)  # (r,)
    at_nodes, on_grid = (
        realisations(xi, math.sqrt(options.variance) * process.values(points)) for points in (space.nodes, x)
    )
    u = solve(at_nodes.to(device), space, options.times, options.diffusion, options.reaction)  # (n, T, M)
    show = space.interpolation(x)  # (r, M)
    show[[0, -1]] = 0.0  # not only to rounding
    u = u @ show.T.to(device)  # (n, T, r)
    return on_grid[:, None, None].float().numpy(), u[:, None].float().cpu().numpy()


def solve(
    source: Tensor, space: Line, times: int, diffusion: float, reaction: float, steps: int = STEPS
) -> Tensor:
    """Integrate u_t = D u_xx + k u² + s from u = 0 at t = 0 to t = 1.

    Parameters
    ----------
    source : (B, M) float64, s at the nodes of `space`, on any device.
    space : see :func:`line`.
    times : T, number of evenly spaced times that are returned, 0 and 1 included.
    diffusion, reaction : D and k.
    steps : fewest time steps.

    Returns
    -------
    (B, T, M) float64, u at the nodes, on the device of `source`.

    Raises
    ------
    RunFailure : a sample's k·|u| exceeds :data:`FASTEST_GROWTH`, or is not finite.
    """
    substeps = math.ceil(steps / (times - 1))
    to_modes, to_nodes = (matrix.T.to(source.device) for matrix in (space.to_modes, space.to_nodes))
    scheme = _scheme(-diffusion * space.eigenvalues.to(source.device), 1 / (substeps * (times - 1)))
    constant = source @ to_modes  # (B, M)

    def rate(modes: Tensor) -> Tensor:
        return constant + reaction * ((modes @ to_nodes) ** 2 @ to_modes)

    modes = torch.zeros_like(constant)
    shown = [modes]
    for _ in range(times - 1):
        for _ in range(substeps):
            modes = _step(modes, rate, scheme)
        shown.append(modes)
    u = torch.stack(shown, dim=1) @ to_nodes
    _check_growth(reaction * u.abs().amax(dim=(1, 2)))
    return u


@cache
def line(degree: int) -> Line:
    """Collocation by polynomials of this degree."""
    inner = roots_jacobi(degree - 1, 1, 1)[0]
    points = np.concatenate([[-1.0], inner, [1.0]])  # (degree+1,) on [-1, 1]
    last = eval_legendre(degree, points)
    weights = _weights(last, degree)
    gaps = points[:, None] - points
    np.fill_diagonal(gaps, 1.0)
    slopes = last[:, None] / last / gaps  # (degree+1, degree+1): values to derivatives at the points
    np.fill_diagonal(slopes, 0.0)
    slopes[0, 0], slopes[-1, -1] = -degree * (degree + 1) / 4, degree * (degree + 1) / 4
    stiffness = (slopes.T * weights @ slopes)[1:-1, 1:-1]
    roots = np.sqrt(weights[1:-1])
    eigenvalues, vectors = np.linalg.eigh(stiffness / roots[:, None] / roots)
    # On [0, 1], half as long, derivatives are twice as large and weights half as large.
    parts = (
        (1 + inner) / 2,
        4 * eigenvalues,
        vectors.T * roots / math.sqrt(2),
        math.sqrt(2) * vectors / roots[:, None],
    )
    return Line(*(torch.from_numpy(part) for part in parts))


def _degree(options: Options) -> int:
    """Degree that leaves an error of about 1e-9, by measurement.

    Two things have to be resolved: the source, and the layer of width √(D·t) that leaves each end at
    t = 0. The nodes lie closer at the ends, so the layer takes the root of its inverse width only.
    """
    first = 1 / max(STEPS, options.times - 1)
    layer = math.sqrt(options.diffusion * first)
    return max(48, math.ceil(24 + 3 / options.length), math.ceil(7 / math.sqrt(layer)))


def _weights(last: np.ndarray, degree: int) -> np.ndarray:
    """Gauss–Lobatto–Legendre weights on [-1, 1] from the Legendre polynomial of `degree` at the nodes."""
    return 2 / (degree * (degree + 1) * last**2)


@dataclass(frozen=True)
class _Scheme:
    """Coefficients of one ETDRK4 step, each one per mode (M,)."""

    half: Tensor
    """Decay over half a step."""
    full: Tensor
    """Decay over the step."""
    stage: Tensor
    """Weight of the rate in the stages."""
    first: Tensor
    """Weight of the rate at the start."""
    middle: Tensor
    """Weight of each of the two rates at half the step."""
    last: Tensor
    """Weight of the rate at the end."""


def _scheme(linear: Tensor, h: float) -> _Scheme:
    half, phi1_half, _, _ = _phi(linear * h / 2)
    full, phi1, phi2, phi3 = _phi(linear * h)
    return _Scheme(
        half,
        full,
        stage=h / 2 * phi1_half,
        first=h * (phi1 - 3 * phi2 + 4 * phi3),
        middle=h * (2 * phi2 - 4 * phi3),
        last=h * (4 * phi3 - phi2),
    )


def _step(u: Tensor, rate: Callable[[Tensor], Tensor], scheme: _Scheme) -> Tensor:
    """One step of ETDRK4; `rate` is all but the linear part, u (B, M) coefficients of the modes."""
    start, decayed = rate(u), scheme.half * u
    a = decayed + scheme.stage * start
    rate_a = rate(a)
    rate_b = rate(decayed + scheme.stage * rate_a)
    rate_c = rate(scheme.half * a + scheme.stage * (2 * rate_b - start))
    gain = scheme.first * start + scheme.middle * (rate_a + rate_b) + scheme.last * rate_c
    return scheme.full * u + gain


def _phi(z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """exp(z) and φ₁, φ₂, φ₃ for z < 0, where φ₀ = exp and φ_j(z) = 1/j! + z φ_{j+1}(z).

    Upwards the recurrence divides the difference of nearly equal numbers by z where z is small; there
    it is taken downwards, from the Taylor series of φ₃.
    """
    small = z.clamp(min=-1.0)
    down = torch.zeros_like(z)
    for j in range(20, 2, -1):
        down = 1 / math.factorial(j) + small * down
    phi1 = torch.expm1(z) / z
    phi2 = torch.where(z > -1, 1 / 2 + small * down, (phi1 - 1) / z)
    phi3 = torch.where(z > -1, down, (phi2 - 1 / 2) / z)
    return torch.exp(z), phi1, phi2, phi3


def _check_growth(growth: Tensor) -> None:
    """`growth` (B,) is the largest k·|u| of each sample; NaN has run away too."""
    failed = ~(growth <= FASTEST_GROWTH)
    if bool(failed.any()):
        raise RunFailure(
            f"diffusion_reaction: {int(failed.sum())} of {len(growth)} samples run away (reaction times "
            f"concentration above {FASTEST_GROWTH:g}). A smaller reaction or variance keeps them bounded."
        )
