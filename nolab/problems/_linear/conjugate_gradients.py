"""Preconditioned conjugate gradients (Hestenes and Stiefel 1952) for Hermitian positive definite systems."""

import numpy as np

from nolab.errors import RunFailure
from nolab.problems._linear.system import MAX_ITERATIONS, Solution, System, accept


def conjugate_gradients(system: System, max_iterations: int = MAX_ITERATIONS) -> Solution:
    """Solve; the preconditioner has to be Hermitian positive definite as well.

    Raises
    ------
    RunFailure : the matrix or the preconditioner turns out not to be definite, or no convergence.
    """
    u, iterations = np.zeros(len(system.right), system.dtype), 0
    # The recursion's residual drifts away from the true one, which may ask for a second pass.
    while np.linalg.norm(system.residual(u)) > system.target and iterations < max_iterations:
        u, taken = _one_pass(system, u, max_iterations - iterations)
        iterations += taken
    return accept(system, u, iterations, "conjugate gradients")


def _one_pass(system: System, u: np.ndarray, max_iterations: int) -> tuple[np.ndarray, int]:
    """The recursion from `u` until its own residual is small: the new u and the iterations."""
    residual = system.residual(u)
    z = system.preconditioned(residual)
    direction, energy = z, _positive(np.vdot(residual, z))
    for iteration in range(1, max_iterations + 1):
        image = system.matrix @ direction
        step = energy / _positive(np.vdot(direction, image))
        u = u + step * direction
        residual = residual - step * image
        if np.linalg.norm(residual) <= system.target:
            return u, iteration
        z = system.preconditioned(residual)
        before, energy = energy, _positive(np.vdot(residual, z))
        direction = z + (energy / before) * direction
    return u, max_iterations


def _positive(energy: complex) -> float:
    if energy.real > 0:
        return float(energy.real)
    raise RunFailure(
        "conjugate gradients: the system is not positive definite. GMRES and the direct solver take it."
    )
