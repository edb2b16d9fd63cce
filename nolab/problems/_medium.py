"""What Darcy flow through any random medium shares: options of the medium, names, and the fields' layout."""

from dataclasses import dataclass

import numpy as np
import torch

from nolab.grid import Domain
from nolab.problems._description import Description
from nolab.schema import check


@dataclass(frozen=True)
class MediumOptions:
    """The grid, the Gaussian field behind the medium, and the source."""

    resolution: int = 129
    """Nodes per axis, both ends included. One seed shows the same media at every resolution."""
    alpha: float = 2.0
    """Smoothness of the Gaussian field: amplitudes fall as |k|^-alpha."""
    tau: float = 3.0
    """Inverse length of the Gaussian field: larger is finer."""
    modes: int = 128
    """Cosine modes per axis of the Gaussian field, whatever the resolution."""
    forcing: float = 1.0
    """The constant right-hand side f."""

    def __post_init__(self) -> None:
        check(3 <= self.resolution <= 8193, "resolution", self.resolution, "from 3 to 8193")
        check(1 < self.alpha <= 10, "alpha", self.alpha, "greater than 1 and at most 10")
        check(0 < self.tau <= 1000, "tau", self.tau, "positive and at most 1000")
        check(2 <= self.modes <= 4096, "modes", self.modes, "from 2 to 4096")
        check(0 < abs(self.forcing) < float("inf"), "forcing", self.forcing, "a finite number other than 0")


def describe(options: MediumOptions) -> Description:
    """Names, units (all dimensionless) and grid of the fields."""
    return Description(
        domain=Domain.unit(2),
        shape=(options.resolution, options.resolution),
        input_names=("permeability",),
        output_names=("pressure",),
        units={"permeability": "1", "pressure": "1"},
    )


def channel(field: torch.Tensor) -> np.ndarray:
    """(n, r, r) on any device to (n, 1, r, r) float32."""
    return field[:, None].float().cpu().numpy()
