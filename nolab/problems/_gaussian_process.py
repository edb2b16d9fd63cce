r"""Gaussian processes with the squared-exponential (RBF) kernel, as functions of the coordinates.

A realisation is a finite Mercer (Karhunen–Loève) sum $g(x) = \sum_i \sqrt{\lambda_i} \xi_i \phi_i(x)$
with independent standard normals $\xi_i$. The eigenfunctions come from Nyström's method (Rasmussen and
Williams, *Gaussian Processes for Machine Learning*, section 4.3.2) with Gauss–Legendre nodes $x_q$:
each of them is a sum of kernels $\sum_q c_q k(x, x_q)$. So g is known at every x, whatever grid it is
shown on, and its integral is a sum of error functions.

The kernel's eigenvalues fall faster than any power, and so does the quadrature's error: what the sum
leaves out is about 1e-13 of the variance. No nugget is added to the diagonal. Papers add one (1e-6,
say) only so that the Cholesky factor of a nearly singular covariance matrix exists; it is white noise
on the nodes, different on every grid, which no function of x can have.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from nolab.problems._description import stream
from nolab.schema import check

SMALLEST_EIGENVALUE = 1e-14
"""Where the sum ends, relative to the largest: below it rounding has spoilt the eigenfunctions."""


@dataclass(frozen=True)
class Expansion:
    """The terms $\\sqrt{\\lambda_i} \\phi_i$ of a process of variance 1 on an interval.

    Parameters
    ----------
    length : ℓ in the kernel exp(-(x-x')²/(2ℓ²)).
    start : left end of the interval, from where :meth:`integrals` are taken.
    nodes : (Q,) float64, centres of the kernels.
    coefficients : (Q, K) float64, the coefficients $c_q$ of each of the K terms.
    """

    length: float
    start: float
    nodes: Tensor
    coefficients: Tensor

    @property
    def terms(self) -> int:
        """K, the number of normals that make one realisation."""
        return self.coefficients.shape[1]

    def values(self, x: Tensor) -> Tensor:
        """The terms at the coordinates `x` (n,), float64: (n, K)."""
        return torch.exp(-(self._distances(x) ** 2)) @ self.coefficients

    def integrals(self, x: Tensor) -> Tensor:
        """The terms' integrals from `start` to the coordinates `x` (n,), float64: (n, K)."""
        start = torch.full_like(x[:1], self.start)
        rise = torch.erf(self._distances(x)) - torch.erf(self._distances(start))
        return self.length * math.sqrt(math.pi / 2) * (rise @ self.coefficients)

    def _distances(self, x: Tensor) -> Tensor:
        """(x - x_q)/(√2 ℓ), shape (n, Q)."""
        return (x[:, None] - self.nodes) / (math.sqrt(2) * self.length)


@cache
def expansion(length: float, start: float = 0.0, stop: float = 1.0) -> Expansion:
    """The process of variance 1 on [start, stop]; K depends on ℓ/(stop - start) alone, on no grid."""
    points, weights = np.polynomial.legendre.leggauss(_quadrature_size((stop - start) / length))
    nodes = start + (points + 1) / 2 * (stop - start)  # (Q,)
    roots = np.sqrt(weights / 2 * (stop - start))  # (Q,)
    kernel = np.exp(-((nodes[:, None] - nodes) ** 2) / (2 * length**2))  # (Q, Q)
    eigenvalues, vectors = np.linalg.eigh(roots[:, None] * kernel * roots)
    kept = np.flatnonzero(eigenvalues > SMALLEST_EIGENVALUE * eigenvalues[-1])[::-1]  # largest first
    # An eigenvector's sign is the library's choice; no eigenfunction of this kernel vanishes at an end.
    vectors = vectors[:, kept] * np.sign(vectors[0, kept])
    coefficients = roots[:, None] * vectors / np.sqrt(eigenvalues[kept])
    return Expansion(length, start, torch.from_numpy(nodes), torch.from_numpy(coefficients))


def normals(seed: int, split: str, indices: range, shape: tuple[int, ...]) -> list[Tensor]:
    """Independent standard normals of each sample, float64 of the given shape.

    Raises
    ------
    InputError : unknown split.
    """
    return [torch.tensor(stream(seed, split, index).standard_normal(shape)) for index in indices]


def realisations(xi: list[Tensor], *terms: Tensor) -> Tensor:
    """Sums of terms, or of products of terms along two axes.

    One sample at a time, on the CPU: the last bits of a product of whole batches would depend on the
    batch, and those of a GPU's on the device.

    Parameters
    ----------
    xi : for each of the n samples its normals, (K,) or (K₁, K₂).
    terms : for each axis the terms at its points (or their integrals), (p, K) or (p₁, K₁), (p₂, K₂).

    Returns
    -------
    (n, p) or (n, p₁, p₂), float64.
    """
    first, *second = terms
    fields = [first @ sample for sample in xi]
    return torch.stack([field @ second[0].mT if second else field for field in fields])


def check_length(field: str, length: float) -> None:
    """Range check of a kernel's length on an interval of length 1, for ``__post_init__``."""
    check(0.01 <= length <= 10, field, length, "from 0.01 to 10")


def check_variance(field: str, variance: float, largest: float) -> None:
    """Range check of a variance, for ``__post_init__``."""
    check(0 < variance <= largest, field, variance, f"positive and at most {largest:g}")


def _quadrature_size(lengths: float) -> int:
    """Gauss–Legendre nodes for an interval of so many ℓ: more would not improve the covariance."""
    return 32 + math.ceil(4 * lengths)
