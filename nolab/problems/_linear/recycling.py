"""GMRES that carries a deflation space from one system to the next.

The frame is GCRO-DR of Parks, de Sturler, Mackey, Johnson and Maiti, *Recycling Krylov subspaces for
sequences of linear systems* (SIAM J. Sci. Comput. 28, 2006), which Wang et al. use to make data for neural
operators, *Accelerating Data Generation for Neural Operators via Krylov Subspace Recycling*
(arXiv 2401.09516). What is kept are approximate singular instead of harmonic Ritz vectors, as in Al Daas,
Grigori, Hénon and Ricoux (ACM Trans. Math. Softw. 47, 2021): they come from a Hermitian eigenproblem,
stay real where the system is, and took as many iterations on Helmholtz systems.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr, solve_triangular

from nolab.problems._linear.cycle import Cycle, run_cycle
from nolab.problems._linear.system import MAX_ITERATIONS, Solution, System, accept


class Recycler:
    """Solves systems of one size in turn; the more one is like the last, the fewer its iterations.

    Parameters
    ----------
    keep : largest dimension of the space that is carried over.
    steps : directions of a cycle, besides that space.
    max_iterations : iterations for one system before giving up.
    """

    def __init__(self, keep: int = 30, steps: int = 60, max_iterations: int = MAX_ITERATIONS) -> None:
        self.keep, self.steps, self.max_iterations = keep, steps, max_iterations
        self._space: _Space | None = None

    def __call__(self, system: System) -> Solution:
        """Solve the next system.

        Raises
        ------
        RunFailure : no convergence.
        """
        space = _empty(system) if self._space is None else self._space.seen_by(system)
        u, iterations = (space.images @ system.right.conj()).conj() @ space.solutions, 0
        residual = system.residual(u)
        while np.linalg.norm(residual) > system.target and iterations < self.max_iterations:
            steps = min(self.steps, self.max_iterations - iterations)
            cycle = run_cycle(system, residual, space.images, steps)
            u = u + cycle.y @ cycle.directions - (cycle.coupling @ cycle.y) @ space.solutions
            residual = system.residual(u)
            iterations += len(cycle.y)
            space = space.renewed(cycle, self.keep)
        self._space = space
        return accept(system, u, iterations, "Krylov recycling")


@dataclass(frozen=True)
class _Space:
    """k vectors with orthonormal images; everything is stored as rows (k, N).

    Parameters
    ----------
    sources : vectors that the preconditioner takes to `solutions`.
    solutions : vectors that the matrix takes to `images`.
    images : orthonormal.
    """

    sources: np.ndarray
    solutions: np.ndarray
    images: np.ndarray

    def seen_by(self, system: System) -> "_Space":
        """The same space under another matrix."""
        images, triangle = qr(system.matrix @ self.solutions.T, mode="economic")
        sources, solutions = (
            solve_triangular(triangle, rows, trans=1) for rows in (self.sources, self.solutions)
        )
        return _Space(sources, solutions, np.ascontiguousarray(images.T))

    def renewed(self, cycle: Cycle, keep: int) -> "_Space":
        """Of this space and the cycle's, the directions that matrix and preconditioner shrink most."""
        scale = 1 / np.linalg.norm(self.sources, axis=1)  # (k,)
        sources, solutions = scale[:, None] * self.sources, scale[:, None] * self.solutions
        below = np.zeros((len(cycle.hessenberg), len(scale)))
        # The matrix takes the rows of `solutions` and `directions` to [C V₊] times this table.
        table = np.block([[np.diag(scale), cycle.coupling], [below, cycle.hessenberg]])
        chosen = _most_shrunk(table, _gram(sources, cycle.basis[:-1]), keep)  # (k+j, at most keep)
        orthonormal, triangle = np.linalg.qr(table @ chosen)
        mix = solve_triangular(triangle, chosen.T, trans=1)
        return _Space(
            mix @ np.vstack([sources, cycle.basis[:-1]]),
            mix @ np.vstack([solutions, cycle.directions]),
            orthonormal.T @ np.vstack([self.images, cycle.basis]),
        )


def _empty(system: System) -> _Space:
    nothing = np.empty((0, len(system.right)), system.dtype)
    return _Space(nothing, nothing, nothing)


def _gram(sources: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Inner products of the rows of both; those of `basis` are orthonormal."""
    across = sources.conj() @ basis.T
    return np.block([[sources.conj() @ sources.T, across], [across.conj().T, np.eye(len(basis))]])


def _most_shrunk(table: np.ndarray, gram: np.ndarray, keep: int) -> np.ndarray:
    """The combinations z, as columns, of least ‖table·z‖ over √(zᴴ·gram·z)."""
    weights, axes = np.linalg.eigh(gram)
    # Old and new directions may nearly agree: what is left of their difference is rounding.
    kept = weights > 1e-10 * weights[-1]
    axes = axes[:, kept] / np.sqrt(weights[kept])
    _, _, turned = np.linalg.svd(table @ axes, full_matrices=False)
    return axes @ turned[::-1][:keep].conj().T
