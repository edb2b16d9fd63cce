"""A dynamical system: forcing to state.

Example 1 of Karumuri et al., *Efficient Training of Deep Neural Operator Networks via Randomized
Sampling* (arXiv 2409.13280): ds/dx = u(x) on [0,1], s(0) = 0, where u is a Gaussian process of mean
zero with the kernel exp(-(x-x')²/(2ℓ²)).

Their labels come from an adaptive Runge–Kutta method through the linear interpolant of u's samples;
here the state is the exact integral of u, so that no model's error is bounded by the solver's.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from nolab.grid import Domain
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


@dataclass(frozen=True)
class Options:
    """Everything that a sample depends on besides (seed, split, index)."""

    resolution: int = 100
    """Nodes, both ends included. One seed shows the same functions at every resolution."""
    length: float = 0.2
    """Length ℓ over which the forcing varies, in units of the interval."""
    variance: float = 1.0
    """Variance of the forcing at each point."""

    def __post_init__(self) -> None:
        check(3 <= self.resolution <= 8193, "resolution", self.resolution, "from 3 to 8193")
        check_length("length", self.length)
        check_variance("variance", self.variance, largest=1e6)


def describe(options: Options) -> Description:
    """Names, units (all dimensionless) and grid of the fields."""
    return Description(
        domain=Domain.unit(1),
        shape=(options.resolution,),
        input_names=("forcing",),
        output_names=("state",),
        units={"forcing": "1", "state": "1"},
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Samples `indices` of a split; they depend on (options, seed, split, index) alone.

    There is nothing to solve, so everything is done on the CPU, whatever `device` is.

    Returns
    -------
    forcing (n, 1, r) and state (n, 1, r), float32, with r = ``options.resolution``.

    Raises
    ------
    InputError : unknown split.
    """
    process = expansion(options.length)
    xi = normals(seed, split, indices, (process.terms,))
    x = describe(options).domain.axes[0].coordinates(options.resolution)  # (r,)
    scale = math.sqrt(options.variance)
    return tuple(
        realisations(xi, scale * terms)[:, None].float().numpy()
        for terms in (process.values(x), process.integrals(x))
    )
