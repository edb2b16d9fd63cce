r"""Waves of one frequency through a random medium: wave speed to field.

−Δu − (k/c)² u = f on (0,1)² with the absorbing condition of first order ∂u/∂n = i(k/c)u on the sides, as
Chen et al., *NSNO: Neumann Series Neural Operator for Solving Helmholtz Equations in Inhomogeneous Medium*
(arXiv 2401.13494), make their data: their 1 + q is 1/c², their condition has the background's k. Waves
leave through the sides, so that no wavenumber is resonant.

The speed is c = 1 + contrast·tanh(g), tanh of a Gaussian field about a constant as in de Hoop et al. (arXiv
2203.13181); here g is a Gaussian process of mean zero with the kernel exp(-|x-x'|²/(2ℓ²)). The source f is
a bump $\exp(-|x-s|^2/(2w^2))/(2\pi w^2)$, the same in every sample.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from nolab.grid import Domain
from nolab.problems._description import Description
from nolab.problems._gaussian_process import check_length, expansion, normals, realisations
from nolab.problems._helmholtz import assemble, homogeneous_inverse, integrate
from nolab.problems._linear import System, solve_sequence
from nolab.schema import check

VERSION = "1"

NODES_PER_WAVE = 4
"""Fewest grid steps in the shortest wave."""


@dataclass(frozen=True)
class Options:
    """Everything that a sample depends on besides (seed, split, index)."""

    resolution: int = 129
    """Nodes per axis, both ends included. One seed shows the same media at every resolution."""
    wavenumber: float = 20.0
    """The number k: waves are 2π/k long where c = 1."""
    contrast: float = 0.2
    """Largest relative deviation of the wave speed from 1."""
    length: float = 0.2
    """Length ℓ over which the wave speed varies."""
    source: tuple[float, float] = (0.5, 0.25)
    """Centre s of the source."""
    width: float = 0.05
    """Width w of the source."""
    solver: Literal["direct", "gmres", "recycling"] = "gmres"
    """All reach a residual of 1e-8. GMRES is the fastest here; a high wavenumber times a high contrast
    takes it many iterations, and ``direct`` as long as ever."""

    def __post_init__(self) -> None:
        check(3 <= self.resolution <= 1025, "resolution", self.resolution, "from 3 to 1025")
        check(0 < self.wavenumber <= 500, "wavenumber", self.wavenumber, "positive and at most 500")
        check(0 <= self.contrast <= 0.8, "contrast", self.contrast, "from 0 to 0.8")
        check_length("length", self.length)
        for place in self.source:
            check(0 <= place <= 1, "source", place, "from 0 to 1")
        check(0.01 <= self.width <= 1, "width", self.width, "from 0.01 to 1")
        waves = self.wavenumber / (2 * math.pi * (1 - self.contrast))
        needed = math.ceil(NODES_PER_WAVE * waves) + 1
        check(
            self.resolution >= needed,
            "resolution",
            self.resolution,
            f"at least {needed}, {NODES_PER_WAVE} steps in the shortest wave",
        )


def describe(options: Options) -> Description:
    """Names, units (all dimensionless) and grid of the fields; axis 0 is x, axis 1 is y."""
    return Description(
        domain=Domain.unit(2),
        shape=(options.resolution, options.resolution),
        input_names=("speed",),
        output_names=("real", "imaginary"),
        units={"speed": "1", "real": "1", "imaginary": "1"},
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Samples `indices` of a split, on the CPU whatever `device` is.

    The speed depends on (options, seed, split, index) alone, and so does the field with the solvers
    ``direct`` and ``gmres``. With ``recycling`` the samples of one call are sorted and each helps the
    next: the field then depends on the other indices too, by no more than the solver's tolerance.

    Returns
    -------
    speed (n, 1, r, r) and the field's real and imaginary part (n, 2, r, r), float32, with
    r = ``options.resolution``.

    Raises
    ------
    InputError : unknown split.
    RunFailure : the solver has not converged.
    """
    process = expansion(options.length)
    xi = normals(seed, split, indices, (process.terms, process.terms))
    x = describe(options).domain.axes[0].coordinates(options.resolution)  # (r,)
    on_grid = process.values(x)
    g = realisations(xi, on_grid, on_grid)  # (n, r, r)
    c = (1 + options.contrast * torch.tanh(g)).numpy()
    u = solve(c, options.wavenumber, _source(options, x.numpy()), options.solver)  # (n, r, r)
    return c[:, None].astype(np.float32), np.stack([u.real, u.imag], axis=1).astype(np.float32)


def solve(
    c: np.ndarray, wavenumber: float, f: np.ndarray, solver: Literal["direct", "gmres", "recycling"]
) -> np.ndarray:
    """Fields (n, r, r) complex128 in media of speeds `c` (n, r, r) with one source `f` (r, r).

    Raises
    ------
    RunFailure : the solver has not converged.
    """
    right = integrate(f)

    def system(i: int) -> System:
        # The direct solver would build the inverse for nothing.
        inverse = None if solver == "direct" else homogeneous_inverse(len(f), wavenumber)
        return System(assemble(wavenumber / c[i]), right, inverse)

    return np.stack([solution.u for solution in solve_sequence(system, c, solver)]).reshape(c.shape)


def _source(options: Options, x: np.ndarray) -> np.ndarray:
    """The source at the nodes, (r, r)."""
    along_x, along_y = (np.exp(-(((x - s) / options.width) ** 2) / 2) for s in options.source)
    return np.outer(along_x, along_y) / (2 * math.pi * options.width**2)
