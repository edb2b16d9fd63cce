"""Poisson's equation on the unit square: source to potential.

−Δu = f on (0,1)², u = 0 on the boundary. The source is a random sine series, a Gaussian field of
covariance $\\tau^{2(\\alpha-1)} (-\\Delta + \\tau^2)^{-\\alpha}$ with zero Dirichlet data: the law of Darcy's
media (Li et al., arXiv 2010.08895), there with zero Neumann data. Sines are the Laplacian's eigenfunctions,
so u is known mode by mode, $\\hat u_k = \\hat f_k / (\\pi^2 |k|^2)$, and exact at every node of every grid.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nolab.grid import Domain
from nolab.problems._description import Description, stream
from nolab.problems._random_fields import amplitudes, neumann_coefficients
from nolab.schema import check

VERSION = "1"


@dataclass(frozen=True)
class Options:
    """Everything that a sample depends on besides (seed, split, index)."""

    resolution: int = 129
    """Nodes per axis, both ends included. One seed shows the same functions at every resolution."""
    alpha: float = 2.0
    """Smoothness of the source: amplitudes fall as |k|^-alpha."""
    tau: float = 3.0
    """Inverse length of the source: larger is finer."""
    modes: int = 64
    """Sine modes per axis of the source, whatever the resolution."""

    def __post_init__(self) -> None:
        check(3 <= self.resolution <= 8193, "resolution", self.resolution, "from 3 to 8193")
        check(1 < self.alpha <= 10, "alpha", self.alpha, "greater than 1 and at most 10")
        check(0 < self.tau <= 1000, "tau", self.tau, "positive and at most 1000")
        check(2 <= self.modes <= 4096, "modes", self.modes, "from 2 to 4096")


def describe(options: Options) -> Description:
    """Names, units (all dimensionless) and grid of the fields."""
    return Description(
        domain=Domain.unit(2),
        shape=(options.resolution, options.resolution),
        input_names=("source",),
        output_names=("potential",),
        units={"source": "1", "potential": "1"},
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Samples `indices` of a split; the last bits may depend on the batch and on the device.

    Returns
    -------
    source (n, 1, r, r) and potential (n, 1, r, r), float32, with r = ``options.resolution``.

    Raises
    ------
    InputError : unknown split.
    """
    xi = np.stack([neumann_coefficients(stream(seed, split, i), options.modes) for i in indices])
    k = torch.arange(1, options.modes + 1, dtype=torch.float64, device=device)  # (K,)
    source = amplitudes(k, options.alpha, options.tau) * torch.from_numpy(xi).to(device)  # (n, K, K)
    potential = source / (math.pi**2 * (k[:, None] ** 2 + k**2))
    return tuple(
        sine_series(fields, options.resolution)[:, None].float().cpu().numpy()
        for fields in (source, potential)
    )


def sine_series(coefficients: Tensor, points: int) -> Tensor:
    """Values of Σ c(k₁, k₂) 2 sin(πk₁x) sin(πk₂y), k from 1 to K, at the nodes, both ends included.

    Parameters
    ----------
    coefficients : (B, K, K) of the basis, which is orthonormal in L²(0,1)².
    points : r, nodes per axis.

    Returns
    -------
    (B, r, r), the dtype and device of `coefficients`; exactly zero on the boundary.
    """
    modes = coefficients.shape[-1]
    k = torch.arange(1, modes + 1, dtype=coefficients.dtype, device=coefficients.device)
    x = torch.arange(points, dtype=coefficients.dtype, device=coefficients.device) / (points - 1)
    basis = math.sqrt(2) * torch.sin(math.pi * k[:, None] * x)  # (K, r)
    basis[:, -1] = 0.0  # not only to rounding
    return basis.T @ coefficients @ basis
