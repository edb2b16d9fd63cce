"""Steps in time of incompressible flow: u_t + (u·∇)u = νΔu − ∇p, ∇·u = 0."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from nolab.problems._taylor_hood import TaylorHood

COMPRESSIBILITY = 1e-9
"""ε in ∇·u = −εp: the matrix of a step is then quasi-definite, so that it has factors in the order that keeps them
sparsest, and a pressure in a closed box is not free by a constant."""


class Stepper:
    """Third-order steps: backward differences for diffusion and pressure, the convecting flow extrapolated (SBDF3 of
    Ascher, Ruuth and Wetton 1995; unlike SBDF2 it is stable without diffusion). Velocity and pressure are solved for
    together: no splitting error.

    The matrix is the same in all steps and factorised once. Where the velocity is not fixed on the boundary,
    ν ∂u/∂n = p n holds, an open end ("do nothing").

    Parameters
    ----------
    viscosity : ν > 0.
    dt : the time step; the convective term limits it.
    fixed : (2, V) bool, the velocity's components that keep their values.
    """

    def __init__(self, space: TaylorHood, viscosity: float, dt: float, fixed: np.ndarray) -> None:
        self._space, self._viscosity, self._dt = space, viscosity, dt
        self._free = ~fixed
        self._divergence = sp.block_array([[gradient.T for gradient in space.gradient]], format="csr")
        inertia = sp.csr_array(11 / 6 / dt * space.mass + viscosity * space.stiffness)
        free = np.flatnonzero(self._free)
        velocity = sp.block_diag([inertia, inertia], format="csr")[free][:, free]
        divergence = -self._divergence[:, free]
        matrix = sp.block_array(
            [[velocity, divergence.T], [divergence, -COMPRESSIBILITY * space.pressure_mass]], format="csc"
        )
        self._solve = splu(
            matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.001, options={"SymmetricMode": True}
        ).solve

    def step(self, past: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Velocity (2, V) and pressure (P,) one step after the first of the last three velocities, newest first."""
        space, (now, before, earlier) = self._space, past
        rest = (7 / 6 * now - 3 / 2 * before + 1 / 3 * earlier) / self._dt @ space.mass
        rest -= self._viscosity * now @ space.stiffness
        rest -= space.convection(3 * now - 3 * before + earlier)
        right = np.concatenate([rest[self._free], self._divergence @ now.ravel()])
        solved = self._solve(right)
        velocity = now.copy()
        count = len(right) - self._divergence.shape[0]
        velocity[self._free] += solved[:count]
        return velocity, solved[count:]
