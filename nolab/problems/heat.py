"""Steady heat conduction through a random medium: conductivity to temperature.

Example 3 of Karumuri et al., *Efficient Training of Deep Neural Operator Networks via Randomized
Sampling* (arXiv 2409.13280): −∇·(a∇T) = 0 on [0,1]², a = exp(g), where g is a Gaussian process of mean
zero with the kernel v·exp(-(x-x')²/(2ℓ₁²) - (y-y')²/(2ℓ₂²)).

The paper does not say its boundary conditions. Here T = 1 at x = 0, T = 0 at x = 1, and no heat passes
y = 0 and y = 1. Its figures agree: its mean square error over 1 - R², which is the variance of T, is
0.083, and that of the linear profile from 1 to 0 is 1/12. So does the log that the authors publish
(github.com/Centrum-IntelliPhysics/DeepONet-Random-Sampling): a sample's relative error squared over
1 - R² is the ratio of T's variance to its mean square, 0.266 on average over the log's 25 samples and
0.267 over 3000 of ours (0.263 with v = 0.75). The files that their script reads are named for the
variance v = 1, hence the default.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import solveh_banded

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

    resolution: int = 32
    """Cells per axis. One seed shows the same media at every resolution."""
    lengths: tuple[float, float] = (0.1, 0.15)
    """Lengths (ℓ₁, ℓ₂) over which the logarithm of the conductivity varies along x and y."""
    variance: float = 1.0
    """Variance v of the logarithm of the conductivity at each point."""

    def __post_init__(self) -> None:
        # The direct solver's memory grows as the third power, its time as the fourth.
        check(2 <= self.resolution <= 256, "resolution", self.resolution, "from 2 to 256")
        for length in self.lengths:
            check_length("lengths", length)
        # Rounding spoils the temperature in proportion to the contrast.
        check_variance("variance", self.variance, largest=10)


def describe(options: Options) -> Description:
    """Names, units (all dimensionless) and grid of the fields; axis 0 is x, axis 1 is y."""
    return Description(
        domain=Domain.unit(2, "cell"),
        shape=(options.resolution, options.resolution),
        input_names=("conductivity",),
        output_names=("temperature",),
        units={"conductivity": "1", "temperature": "1"},
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Samples `indices` of a split; they depend on (options, seed, split, index) alone.

    The direct solver runs on the CPU, whatever `device` is.

    Returns
    -------
    conductivity (n, 1, N, N) and temperature (n, 1, N, N) at the cells' centres, float32, with
    N = ``options.resolution``.

    Raises
    ------
    InputError : unknown split.
    """
    processes = [expansion(length) for length in options.lengths]
    xi = normals(seed, split, indices, tuple(process.terms for process in processes))
    axis = describe(options).domain.axes[0]
    first, second = (process.values(axis.coordinates(options.resolution)) for process in processes)
    a = torch.exp(math.sqrt(options.variance) * realisations(xi, first, second)).numpy()  # (n, N, N)
    temperature = np.stack([solve(medium) for medium in a])
    return a[:, None].astype(np.float32), temperature[:, None].astype(np.float32)


def solve(a: np.ndarray) -> np.ndarray:
    """Finite volumes with two-point fluxes: the temperature of N×N cells.

    The flux between neighbours goes through the two halves of their cells in series, hence the
    harmonic mean of their conductivities; between a cell and the side x = 0 or x = 1 it goes through
    half a cell. Second order where a is smooth; exact where a and T depend on x alone and a is constant
    within each cell.

    Parameters
    ----------
    a : (N, N) float64, the positive conductivity of the cells, x along axis 0.

    Returns
    -------
    (N, N) float64, the temperature at the cells' centres.
    """
    along_x, along_y = _conductances(a)
    diagonal = np.zeros_like(a)
    for part, faces in ((diagonal, along_x), (diagonal.T, along_y.T)):
        part[:-1] += faces
        part[1:] += faces
    diagonal[0] += 2 * a[0]
    diagonal[-1] += 2 * a[-1]
    right = np.zeros_like(a)
    right[0] = 2 * a[0]  # the side at T = 1
    n = len(a)
    # Column i·n + j belongs to cell (i, j), row d to the cell that comes d later: d = 1 and d = n.
    bands = np.zeros((n + 1, n * n), order="F")
    bands[0] = diagonal.ravel()
    bands[1] = -np.pad(along_y, ((0, 0), (0, 1))).ravel()
    bands[n, : n * (n - 1)] = -along_x.ravel()
    u = solveh_banded(bands, right.ravel(), overwrite_ab=True, overwrite_b=True, lower=True)
    return u.reshape(n, n)


def _conductances(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heat that flows between neighbours per difference of temperature: (N-1, N) along x, (N, N-1) along y."""
    return _harmonic(a[:-1], a[1:]), _harmonic(a[:, :-1], a[:, 1:])


def _harmonic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 2 * a * b / (a + b)
