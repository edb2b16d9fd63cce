"""Restarted GMRES (Saad and Schultz 1986), preconditioned from the right."""

import numpy as np

from nolab.problems._linear.cycle import run_cycle
from nolab.problems._linear.system import MAX_ITERATIONS, Solution, System, accept


def gmres(system: System, steps: int = 60, max_iterations: int = MAX_ITERATIONS) -> Solution:
    """Solve by cycles of `steps` directions; memory is twice that many vectors.

    Raises
    ------
    RunFailure : no convergence.
    """
    u, iterations = np.zeros(len(system.right), system.dtype), 0
    nothing = np.empty((0, len(u)), system.dtype)
    residual = system.residual(u)
    while np.linalg.norm(residual) > system.target and iterations < max_iterations:
        cycle = run_cycle(system, residual, nothing, min(steps, max_iterations - iterations))
        u = u + cycle.y @ cycle.directions
        residual = system.residual(u)
        iterations += len(cycle.y)
    return accept(system, u, iterations, "GMRES")
