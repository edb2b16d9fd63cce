"""Burgers' equation with viscosity on a circle: initial velocity to the velocity some time later.

Section 5.1 of Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations*
(arXiv 2010.08895): u_t + (u²/2)_x = ν u_xx on [0, 1), periodic, u₀ ~ N(0, 625(−Δ + 25)^−2), from
u₀ to u(·, 1), with ν = 0.1; others take ν = 0.01.

The law is read as the authors' ``GRF1.m`` does it: the variances 625((2πk)² + 25)^−2 belong to the
orthonormal basis √2 cos(2πkx), √2 sin(2πkx), and the mean of u₀ is 0, although the law as it is written
gives it the standard deviation 1; ``mean: random`` draws it. The frequencies end at 512, half the
nodes of their grid of 1024. (Their script as published has other constants: ((2πk)² + 49)^−2.5 and ν = 0.001.)
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nolab.grid import Domain
from nolab.problems._burgers_solver import solve
from nolab.problems._description import Description, stream
from nolab.problems._periodic_field import (
    circle_amplitudes,
    circle_coefficients,
    circle_normals,
    circle_values,
)
from nolab.schema import check

VERSION = "1"

FEWEST_FREQUENCIES = 128
"""For fields of few modes, whose solution soon has more."""


@dataclass(frozen=True)
class Options:
    """Everything that a sample depends on besides (seed, split, index)."""

    resolution: int = 1024
    """Nodes on the circle. One seed shows the same functions at every resolution."""
    viscosity: float = 0.1
    """The constant ν."""
    time: float = 1.0
    """Time of the output."""
    alpha: float = 2.0
    """Smoothness of u₀: its amplitudes fall as k^-alpha."""
    tau: float = 5.0
    """Inverse length of u₀."""
    sigma: float = 25.0
    """Scale of u₀, whose law is N(0, sigma²(−Δ + tau²)^-alpha)."""
    mean: Literal["zero", "random"] = "zero"
    """Mean of u₀: 0, or drawn from the same law."""
    modes: int = 512
    """Frequencies of u₀, whatever the resolution."""

    def __post_init__(self) -> None:
        check(4 <= self.resolution <= 65536, "resolution", self.resolution, "from 4 to 65536")
        check(0.001 <= self.time <= 10, "time", self.time, "from 0.001 to 10")
        check(1 < self.alpha <= 10, "alpha", self.alpha, "greater than 1 and at most 10")
        check(0 < self.tau <= 1000, "tau", self.tau, "positive and at most 1000")
        check(0 < self.sigma < float("inf"), "sigma", self.sigma, "a positive number")
        check(2 <= self.modes <= 8192, "modes", self.modes, "from 2 to 8192")
        # Thinner shocks need ever more frequencies and steps; beyond 1/time nothing but rounding is left of u₀.
        thinnest, thickest = max(_speed(self) / 2000, 1e-6), 1 / self.time
        check(
            thinnest <= self.viscosity <= thickest,
            "viscosity",
            self.viscosity,
            f"from {thinnest:.2g}, for the speeds of this initial field, to 1/time = {thickest:.3g}",
        )


def describe(options: Options) -> Description:
    """Names, units (all dimensionless) and grid of the fields."""
    return Description(
        domain=Domain.unit(1, "periodic"),
        shape=(options.resolution,),
        input_names=("initial_velocity",),
        output_names=("velocity",),
        units={"initial_velocity": "1", "velocity": "1"},
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Samples `indices` of a split, solved in batches of equal steps.

    Steps depend on the sample alone; the last bits may depend on the batch and on the device, far
    below float32's rounding. Before that rounding, 64 default samples differ from the exact solution by
    5e-9 at most, in the relative L2 norm, and those of viscosity 0.01 by 4e-7.

    Returns
    -------
    initial velocity (n, 1, r) and velocity (n, 1, r), float32, with r = ``options.resolution``.

    Raises
    ------
    InputError : unknown split.
    RunFailure : a solution has shocks that the frequencies do not resolve.
    """
    xi = np.stack([circle_normals(stream(seed, split, i), options.modes) for i in indices])
    start = circle_coefficients(torch.from_numpy(xi).to(device), _amplitudes(options))  # (n, K+1)
    stop = solve(start, options.viscosity, options.time, _frequencies(options))
    return tuple(
        circle_values(fields, options.resolution)[:, None].float().cpu().numpy() for fields in (start, stop)
    )


def _amplitudes(options: Options) -> Tensor:
    amplitudes = circle_amplitudes(options.modes, options.alpha, options.tau, options.sigma)
    if options.mean == "zero":
        amplitudes[0] = 0.0
    return amplitudes


def _speed(options: Options) -> float:
    """Root of the expected mean square of u₀: every frequency has a cosine and a sine."""
    amplitudes = _amplitudes(options)
    return float((amplitudes[0] ** 2 + 2 * amplitudes[1:].square().sum()).sqrt())


def _frequencies(options: Options) -> int:
    """Highest frequency of the solutions: the tails of shocks vanish beyond some 1/(their thickness).

    The last eighth starts out empty, so that what arises there tells whether the rest was enough.
    """
    own, shocks = math.ceil(8 / 7 * options.modes) + 1, math.ceil(2 * _speed(options) / options.viscosity)
    return max(FEWEST_FREQUENCIES, own, shocks)
