"""Darcy flow through a medium of log-normal permeability: permeability to pressure.

−∇·(a∇u) = f on (0,1)², u = 0 on the boundary, as in ``darcy``, with a = exp(σ g) instead of two phases:
g is the same Gaussian field with zero Neumann data and no mean (Li et al., arXiv 2010.08895), scaled to
mean square 1 over the domain. Log-normal media are the model problem of multi-level Monte Carlo (Cliffe
et al., Comput. Vis. Sci. 14, 2011). Where theirs have the rough exponential covariance, these have that
of Darcy's field, and are smooth for large α: beside ``darcy`` they show what sharp interfaces
cost the corrections between levels.
"""

from dataclasses import dataclass

import numpy as np
import torch

from nolab.problems._description import stream
from nolab.problems._elliptic import solve_dirichlet
from nolab.problems._medium import MediumOptions, channel, describe
from nolab.problems._random_fields import amplitudes, neumann_coefficients, neumann_field
from nolab.schema import check

__all__ = ["VERSION", "Options", "describe", "generate"]

VERSION = "1"


@dataclass(frozen=True)
class Options(MediumOptions):
    """Everything that a sample depends on besides (seed, split, index)."""

    sigma: float = 1.0
    """Standard deviation of the permeability's logarithm over domain and samples."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # The contrast is about exp(8·sigma).
        check(0 < self.sigma <= 2, "sigma", self.sigma, "positive and at most 2")


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Samples `indices` of a split, solved in one batch.

    The permeability depends on (options, seed, split, index) alone, apart from its last bits; the pressure
    solves the 5-point discretisation to the solver's tolerance (1e-8 of the right-hand side), below which
    it may depend on the batch and on the device.

    Returns
    -------
    permeability (n, 1, r, r) and pressure (n, 1, r, r), float32, with r = ``options.resolution``.

    Raises
    ------
    InputError : unknown split.
    RunFailure : the solver has not converged: the media are too rough for their contrast.
    """
    xi = np.stack([neumann_coefficients(stream(seed, split, i), options.modes) for i in indices])
    a = permeability(torch.from_numpy(xi).to(device), options)  # (n, r, r)
    u = solve_dirichlet(a, torch.full_like(a, options.forcing), smooth=True)  # (n, r, r)
    return channel(a), channel(u)


def permeability(xi: torch.Tensor, options: Options) -> torch.Tensor:
    """exp(σ g) at the nodes from standard normals (B, K, K): (B, r, r)."""
    k = torch.arange(options.modes, dtype=xi.dtype, device=xi.device)
    squares = amplitudes(k, options.alpha, options.tau).square().flatten()
    scale = options.sigma / squares[1:].sum().sqrt()  # all but the mean
    return torch.exp(scale * neumann_field(xi, options.resolution, options.alpha, options.tau))
