"""The Helmholtz equation on the unit square as a sparse system, and its homogeneous medium's inverse.

−Δu − (k/c)² u = f with ∂u/∂n = i(k/c)u on the sides, on a grid of nodes with both ends. Each equation is
integrated over its node's cell, which is half as wide at a side and a quarter as large at a corner: the
matrix is complex symmetric, the scheme of second order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse as sp


def assemble(k: np.ndarray) -> sp.csr_array:
    """The matrix (r², r²) for the wavenumber k/c at the nodes, (r, r) float64."""
    _, width = _line(len(k))
    ends = np.zeros(len(k))
    ends[[0, -1]] = 1.0
    sides = np.outer(ends, width) + np.outer(width, ends)  # length of side that belongs to a node
    waves = k**2 * np.outer(width, width) + 1j * k * sides
    return (_laplacian(len(k)) - sp.diags_array(waves.ravel(), format="csr")).tocsr()


def integrate(f: np.ndarray) -> np.ndarray:
    """The right-hand side (r²,) for a source (r, r): its integral over each node's cell."""
    _, width = _line(len(f))
    return (f * np.outer(width, width)).ravel()


@lru_cache(maxsize=2)
def homogeneous_inverse(resolution: int, k: float) -> Callable[[np.ndarray], np.ndarray]:
    """The inverse, for vectors (r²,), of the matrix of the constant wavenumber k.

    Its axes separate, so the eigenvectors of one line diagonalise it (Lynch, Rice and Thomas 1964) and
    applying it is four dense products of r×r matrices. A medium's matrix times it is the identity plus a
    smooth part: as a preconditioner it takes as many iterations on every grid.
    """
    stiffness, width = _line(resolution)
    line = stiffness.toarray().astype(complex)
    line[[0, -1], [0, -1]] -= 1j * k
    root = 1 / np.sqrt(width)
    eigenvalues, vectors = np.linalg.eig(root[:, None] * line * root)
    parts = (
        root[:, None] * vectors,
        np.linalg.inv(vectors) * root,
        1 / (eigenvalues[:, None] + eigenvalues - k**2),
    )
    return _Separable(*(part.astype(np.complex64) for part in parts))


@dataclass(frozen=True, eq=False)
class _Separable:
    """The map x ↦ P (D ∘ (Q x Qᵀ)) Pᵀ of r×r arrays, as a map of vectors (r²,).

    In single precision: a preconditioner decides how fast, not to what, an iteration converges.
    """

    to_nodes: np.ndarray
    to_modes: np.ndarray
    factors: np.ndarray

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        values = vector.reshape(self.factors.shape).astype(np.complex64)
        modes = self.factors * (self.to_modes @ values @ self.to_modes.T)
        return (self.to_nodes @ modes @ self.to_nodes.T).ravel().astype(vector.dtype)


@lru_cache(maxsize=2)
def _laplacian(points: int) -> sp.csr_array:
    """The stiffness matrix (r², r²) of −Δ, which all media share."""
    stiffness, width = _line(points)
    lengths = sp.diags_array(width)
    return (sp.kron(stiffness, lengths) + sp.kron(lengths, stiffness)).tocsr()


def _line(points: int) -> tuple[sp.dia_array, np.ndarray]:
    """Stiffness matrix (n, n) of -d²/dx² on n nodes of [0, 1], and the widths (n,) of their cells."""
    h = 1 / (points - 1)
    width = np.full(points, h)
    width[[0, -1]] /= 2
    diagonal = np.full(points, 2 / h)
    diagonal[[0, -1]] /= 2
    beside = np.full(points - 1, -1 / h)
    return sp.diags_array([diagonal, beside, beside], offsets=[0, 1, -1]), width
