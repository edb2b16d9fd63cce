"""Shallow water on the rotating Earth: state to state some time later.

The data of the SFNO (Bonev et al., arXiv 2306.03838) and of neuraloperator's example of it: random
geopotential, vorticity and divergence evolve under the shallow-water equations in vorticity–divergence
form (Williamson et al., J. Comput. Phys. 102, 1992), in torch-harmonics' pseudospectral solver with its
third-order Adams–Bashforth steps and its hyperdiffusion of the highest degrees.

Apart from the example, the state is a fixed number of spherical harmonics, whatever grid it is shown
on; its variances are those of the law and not of one sample; and no field varies in its mean: the depth's
is 10 km, and the others' vanish, as those of any wind do.
"""

import importlib
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from nolab.errors import InputError
from nolab.grid import Domain
from nolab.problems._description import Description, stream
from nolab.schema import check

VERSION = "1"

FIELDS = ("geopotential", "vorticity", "divergence")


@dataclass(frozen=True)
class Options:
    """Everything that a sample depends on besides (seed, split, index)."""

    resolution: int = 33
    """Latitudes, both poles included; there are 2·(resolution - 1) longitudes. One seed shows the same
    states at every resolution."""
    hours: float = 1.0
    """Lead time from the input to the output."""
    degrees: int = 16
    """Degrees of the spherical harmonics that make up the state, 0 to degrees - 1."""
    mach: float = 0.2
    """Standard deviation of initial vorticity and divergence, in √(gH) per radius of the Earth."""

    def __post_init__(self) -> None:
        check(5 <= self.resolution <= 1025, "resolution", self.resolution, "from 5 to 1025")
        check(0 < self.hours <= 240, "hours", self.hours, "positive and at most 240")
        check(
            2 <= self.degrees <= min(self.resolution - 1, 256),
            "degrees",
            self.degrees,
            f"from 2 to resolution - 1 = {self.resolution - 1}, which the grid carries, and at most 256",
        )
        # Faster winds break into shocks.
        check(0 < self.mach <= 0.5, "mach", self.mach, "positive and at most 0.5")


def describe(options: Options) -> Description:
    """Names, units and grid of the fields, the same for input and output.

    All are scaled to their initial standard deviation, which is 1: geopotential above its mean gH by g·120 m,
    vorticity and divergence by mach·√(gH) per radius, with H = 10 km.
    """
    return Description(
        domain=Domain.sphere(),
        shape=(options.resolution, 2 * (options.resolution - 1)),
        input_names=FIELDS,
        output_names=FIELDS,
        units=dict.fromkeys(FIELDS, "1"),
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Samples `indices` of a split, one after the other: a sample depends on (options, seed, split, index).

    Returns
    -------
    initial state and state after ``options.hours``, each (n, 3, r, 2(r-1)), float32, with r =
    ``options.resolution``.

    Raises
    ------
    InputError : unknown split, or torch-harmonics is not installed.
    """
    show = _inverse_transform(options.resolution, options.degrees, device)
    scale = _scales(options, device)
    inputs, outputs = [], []
    for index in indices:
        noise = stream(seed, split, index).standard_normal((options.degrees**2 - 1, 3, 2))
        start = initial_coefficients(torch.from_numpy(noise).to(device), options.degrees)
        stop = evolve(start * scale, options) / scale
        inputs.append(show(start))
        outputs.append(show(stop))
    return tuple(torch.stack(fields).float().cpu().numpy() for fields in (inputs, outputs))


def initial_coefficients(noise: Tensor, degrees: int) -> Tensor:
    """White noise on the sphere up to a degree: fields of mean 0 and expected variance 1.

    Parameters
    ----------
    noise : (degrees² - 1, 3, 2), standard normal, degree by degree from the first: the first numbers make
        the same low degrees whatever comes after them.

    Returns
    -------
    (3, degrees, degrees) complex coefficients of orthonormal harmonics, zero above the diagonal.
    """
    coefficients = torch.zeros(3, degrees, degrees, dtype=torch.complex128, device=noise.device)
    variance = 4 * math.pi / (degrees**2 - 1)  # of each of the harmonics
    for degree in range(1, degrees):
        own = noise[degree**2 - 1 :][: degree + 1]  # of the 2l + 1 that belong to it
        coefficients[:, degree, : degree + 1] = torch.view_as_complex(own.transpose(0, 1).contiguous())
    coefficients *= math.sqrt(variance / 2)
    coefficients[..., 0] = coefficients[..., 0].real * math.sqrt(2)
    return coefficients


def evolve(state: Tensor, options: Options) -> Tensor:
    """Coefficients (3, L, L) of geopotential less its mean, vorticity and divergence, in SI units, later."""
    solver, steps = _solver(options.degrees, options.hours, state.device)
    mean = torch.zeros_like(state)
    mean[0, 0, 0] = math.sqrt(4 * math.pi) * float(solver.gravity * solver.havg)
    return solver.timestep(state + mean, steps) - mean


@cache
def _solver(degrees: int, hours: float, device: torch.device) -> tuple[nn.Module, int]:
    """torch-harmonics' solver in float64, and its number of steps.

    Its grid has three latitudes for each degree, so that products of two fields are not aliased. Its steps
    are at most 1500 s over the number of degrees, 0.08 radian of the fastest wave: after an hour, the default
    samples' geopotential is within 0.3 % of that of ever smaller steps, and their divergence within 0.5 %.
    """
    _check_installed()
    from torch_harmonics.examples import ShallowWaterSolver

    steps = math.ceil(3600 * hours * degrees / 1500)
    grid = {"nlat": 3 * degrees, "nlon": 6 * degrees, "lmax": degrees, "mmax": degrees}
    return ShallowWaterSolver(dt=3600 * hours / steps, **grid).double().to(device), steps


@cache
def _inverse_transform(resolution: int, degrees: int, device: torch.device) -> nn.Module:
    """From coefficients to values on the grid of samples."""
    _check_installed()
    from torch_harmonics import InverseRealSHT

    longitudes = 2 * (resolution - 1)
    return InverseRealSHT(resolution, longitudes, degrees, degrees, csphase=False).double().to(device)


def _scales(options: Options, device: torch.device) -> Tensor:
    """Initial standard deviation of the fields in SI units, (3, 1, 1)."""
    solver, _ = _solver(options.degrees, options.hours, device)
    rotation = options.mach * math.sqrt(solver.gravity * solver.havg) / float(solver.radius)
    scales = [float(solver.gravity * solver.hamp), rotation, rotation]
    return torch.tensor(scales, dtype=torch.float64, device=device)[:, None, None]


def _check_installed() -> None:
    """torch-harmonics is needed here only, and imported where it is used."""
    try:
        importlib.import_module("torch_harmonics")
    except ImportError as error:
        raise InputError(
            "dataset.problem: shallow_water needs torch-harmonics; pip install 'nolab[sphere]'"
        ) from error
