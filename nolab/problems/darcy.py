"""Darcy flow through a two-phase medium: permeability to pressure.

The law of Li et al., *Fourier Neural Operator for Parametric Partial Differential Equations*
(arXiv 2010.08895): −∇·(a∇u) = f on (0,1)², u = 0 on the boundary, where a takes two values by the
sign of a Gaussian random field of covariance $\\tau^{2(\\alpha-1)} (-\\Delta + \\tau^2)^{-\\alpha}$
with zero Neumann data and no mean.
"""

from dataclasses import dataclass

import numpy as np
import torch

from nolab.problems._description import stream
from nolab.problems._elliptic import solve_dirichlet
from nolab.problems._medium import MediumOptions, channel, describe
from nolab.problems._random_fields import neumann_coefficients, neumann_field
from nolab.schema import check

__all__ = ["VERSION", "Options", "describe", "generate"]

VERSION = "1"


@dataclass(frozen=True)
class Options(MediumOptions):
    """Everything that a sample depends on besides (seed, split, index)."""

    a_low: float = 3.0
    """Permeability where the Gaussian field is negative."""
    a_high: float = 12.0
    """Permeability where the Gaussian field is not negative."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 < self.a_low < float("inf"), "a_low", self.a_low, "a positive number")
        # The solver needs about 10·√contrast iterations.
        highest = 1000 * self.a_low
        check(
            self.a_low <= self.a_high <= highest,
            "a_high",
            self.a_high,
            f"from a_low = {self.a_low:g} to a thousand times that",
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
    return channel(a), channel(u)
