"""Advection on a circle: initial concentration to the concentration some time later.

u_t + c u_x = 0 on [0, 1), periodic, whose exact solution u(x, t) = u₀(x − ct) is evaluated at the nodes
themselves, so no scheme smears it. Two kinds of u₀:

* ``smooth``: the Gaussian field of Burgers' equation in Li et al. (arXiv 2010.08895),
  N(0, 625(−Δ + 25)^−2), of mean zero, with 512 frequencies;
* ``square``: case I of the advection equation in Lu et al., *A comprehensive and fair comparison of two
  neural operators* (arXiv 2111.05512): one square wave with the centre, the width and the height uniform
  on [0.3, 0.7], [0.3, 0.6] and [1, 2]. (There the output is all of u on space and time; here it is u
  at one time.) A grid knows where a jump is but to a spacing, so levels differ more than for smooth fields.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from nolab.grid import Domain
from nolab.problems._description import Description, stream
from nolab.problems._periodic_field import (
    circle_amplitudes,
    circle_coefficients,
    circle_normals,
    circle_values,
)
from nolab.schema import check

VERSION = "1"

MODES = 512
"""Frequencies of a smooth field, whatever the resolution."""

LOWEST, HIGHEST = (0.3, 0.3, 1.0), (0.7, 0.6, 2.0)
"""Ends of the intervals of a square wave's centre, width and height."""


@dataclass(frozen=True)
class Options:
    """Everything that a sample depends on besides (seed, split, index)."""

    resolution: int = 256
    """Nodes on the circle. One seed shows the same functions at every resolution."""
    shape: Literal["smooth", "square"] = "smooth"
    """Kind of the initial concentration."""
    speed: float = 1.0
    """The constant c; to the left where it is negative."""
    time: float = 0.5
    """Time of the output. Where speed·time is a whole number the output is the input."""

    def __post_init__(self) -> None:
        check(4 <= self.resolution <= 65536, "resolution", self.resolution, "from 4 to 65536")
        check(0 < abs(self.speed) <= 1000, "speed", self.speed, "other than 0, from -1000 to 1000")
        check(0 < self.time <= 1000, "time", self.time, "positive and at most 1000")


def describe(options: Options) -> Description:
    """Names, units (all dimensionless) and grid of the fields."""
    return Description(
        domain=Domain.unit(1, "periodic"),
        shape=(options.resolution,),
        input_names=("initial_concentration",),
        output_names=("concentration",),
        units={"initial_concentration": "1", "concentration": "1"},
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Samples `indices` of a split; they depend on (options, seed, split, index) alone.

    There is nothing to solve, so everything is done on the CPU, whatever `device` is.

    Returns
    -------
    initial concentration (n, 1, r) and concentration (n, 1, r), float32, with r = ``options.resolution``.

    Raises
    ------
    InputError : unknown split.
    """
    show = {"smooth": _smooth, "square": _square}[options.shape]
    shift = options.speed * options.time % 1
    functions = [show(stream(seed, split, index)) for index in indices]
    return tuple(
        np.stack([function(by, options.resolution) for function in functions])[:, None].astype(np.float32)
        for by in (0.0, shift)
    )


def _smooth(rng: np.random.Generator) -> Callable[[float, int], np.ndarray]:
    """A realisation of the Gaussian field: shift and number of nodes to its values there, (r,) float64."""
    xi = torch.from_numpy(circle_normals(rng, MODES))[None]
    start = circle_coefficients(xi, circle_amplitudes(MODES, alpha=2.0, tau=5.0, sigma=25.0))  # (1, K+1)
    start[:, 0] = 0.0
    k = torch.arange(MODES + 1, dtype=torch.float64)

    def values(shift: float, points: int) -> np.ndarray:
        turned = start * torch.exp(-2j * math.pi * k * shift)
        return circle_values(turned, points)[0].numpy()

    return values


def _square(rng: np.random.Generator) -> Callable[[float, int], np.ndarray]:
    """A square wave, closed on the left and open on the right: as :func:`_smooth`."""
    centre, width, height = rng.uniform(LOWEST, HIGHEST)

    def values(shift: float, points: int) -> np.ndarray:
        x = np.arange(points) / points
        return height * ((x - shift - centre + width / 2) % 1 < width)

    return values
