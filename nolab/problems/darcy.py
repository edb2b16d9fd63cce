"""Darcy flow through a two-phase medium: permeability to pressure.

The law of Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations*
(arXiv 2010.08895): −∇·(a∇u) = f on (0,1)², u = 0 on the boundary, where a takes two values by the
sign of a Gaussian random field of covariance $\\tau^{2(\\alpha-1)} (-\\Delta + \\tau^2)^{-\\alpha}$
with zero Neumann data and no mean.
"""

from dataclasses import dataclass

import numpy as np
import torch

from nolab.grid import Domain
from nolab.problems._description import Description, stream
from nolab.problems._elliptic import solve_dirichlet
from nolab.problems._random_fields import neumann_coefficients, neumann_field
from nolab.schema import check

VERSION = "1"


@dataclass(frozen=True)
class Options:
    """Everything that a sample depends on besides (seed, split, index)."""

    resolution: int = 129
    """Nodes per axis, both ends included. One seed shows the same media at every resolution."""
    a_low: float = 3.0
    """Permeability where the Gaussian field is negative."""
    a_high: float = 12.0
    """Permeability where the Gaussian field is not negative."""
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
        check(0 < self.a_low < float("inf"), "a_low", self.a_low, "a positive number")
        # The solver needs about 10·√contrast iterations.
        highest = 1000 * self.a_low
        check(
            self.a_low <= self.a_high <= highest,
            "a_high",
            self.a_high,
            f"from a_low = {self.a_low:g} to a thousand times that",
        )
        check(1 < self.alpha <= 10, "alpha", self.alpha, "greater than 1 and at most 10")
        check(0 < self.tau <= 1000, "tau", self.tau, "positive and at most 1000")
        check(2 <= self.modes <= 4096, "modes", self.modes, "from 2 to 4096")
        check(0 < abs(self.forcing) < float("inf"), "forcing", self.forcing, "a finite number other than 0")


def describe(options: Options) -> Description:
    """Names, units (all dimensionless) and grid of the fields."""
    return Description(
        domain=Domain.unit(2),
        shape=(options.resolution, options.resolution),
        input_names=("permeability",),
        output_names=("pressure",),
        units={"permeability": "1", "pressure": "1"},
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Samples `indices` of a split, solved in one batch.

    The permeability depends on (options, seed, split, index) alone; the pressure is exact to the
    solver's tolerance (1e-8 of the right-hand side), below which its last bits may depend on the
    batch and on the device.

    Returns
    -------
    permeability (n, 1, r, r) and pressure (n, 1, r, r), float32, with r = ``options.resolution``.

    Raises
    ------
    InputError : unknown split.
    RunFailure : the solver has not converged.
    """
    xi = np.stack([neumann_coefficients(stream(seed, split, i), options.modes) for i in indices])
    field = neumann_field(
        torch.from_numpy(xi).to(device), options.resolution, options.alpha, options.tau
    )  # (n, r, r)
    a = torch.where(field >= 0, options.a_high, options.a_low).to(field.dtype)  # (n, r, r)
    u = solve_dirichlet(a, torch.full_like(a, options.forcing))  # (n, r, r)
    return _channel(a), _channel(u)


def _channel(field: torch.Tensor) -> np.ndarray:
    """(n, r, r) on any device to (n, 1, r, r) float32."""
    return field[:, None].float().cpu().numpy()
