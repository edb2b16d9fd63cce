"""What a solver is given, what it gives back, and when it has converged."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from nolab.errors import RunFailure

TOLERANCE = 1e-8
"""Norm of the residual over the norm of the right-hand side at which a system is solved."""

MAX_ITERATIONS = 10_000
"""Iterations after which a solver gives up."""


@dataclass(frozen=True)
class System:
    """The equations A u = b.

    Parameters
    ----------
    matrix : (N, N) sparse, float64 or complex128.
    right : (N,), the right-hand side b.
    precondition : takes a vector (N,) to an approximation of A⁻¹ times it, by a fixed linear map;
        None: leaves it as it is.
    """

    matrix: sp.sparray
    right: np.ndarray
    precondition: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def dtype(self) -> np.dtype:
        """Of the solution: float64 where nothing is complex."""
        return np.result_type(self.matrix.dtype, self.right.dtype, np.float64)

    @property
    def target(self) -> float:
        """The largest norm of the residual that counts as solved."""
        return TOLERANCE * float(np.linalg.norm(self.right))

    def residual(self, u: np.ndarray) -> np.ndarray:
        """b - A u, (N,)."""
        return self.right - self.matrix @ u

    def preconditioned(self, vector: np.ndarray) -> np.ndarray:
        """The preconditioner applied to `vector` (N,)."""
        return vector if self.precondition is None else self.precondition(vector)


@dataclass(frozen=True)
class Solution:
    """A solution and what it took.

    Parameters
    ----------
    u : (N,), with ‖b - A u‖ <= TOLERANCE·‖b‖.
    iterations : how many directions were preconditioned and multiplied by A; 0 for the direct solver.
    """

    u: np.ndarray
    iterations: int


def accept(system: System, u: np.ndarray, iterations: int, solver: str) -> Solution:
    """The solution `u`, if it is one.

    Raises
    ------
    RunFailure : the residual is too large or not finite.
    """
    norm = float(np.linalg.norm(system.residual(u)))
    if norm <= system.target:
        return Solution(u, iterations)
    way_out = " The direct solver needs no iterations." if iterations else ""
    raise RunFailure(
        f"{solver}: a linear system has not converged after {iterations} iterations "
        f"(residual {norm:.1e}, needed {system.target:.1e}).{way_out}"
    )
