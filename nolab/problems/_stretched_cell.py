"""The cell with a void under tension: finite deformations by Newton's method."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from nolab.errors import RunFailure
from nolab.problems._ring_elements import RingElements
from nolab.problems._rivlin_saunders import RivlinSaunders

TOLERANCE = 1e-8
"""Largest residual force, relative to the load."""
MOST_ITERATIONS = 12
"""Of Newton's method, for each share of the load."""
SHARES = (1, 4, 16)
"""Numbers of equal shares in which the load is tried to be applied."""


@dataclass(frozen=True)
class StretchedCell:
    """A cell whose nodes lie at `places` (nodes, 2), clamped at y = 0.

    Displacements are vectors, flattened from (nodes, 2), 0 where clamped.
    """

    elements: RingElements
    material: RivlinSaunders
    gradients: np.ndarray
    """(E, NODES, Q, 2)"""
    weights: np.ndarray
    """(E, Q)"""

    @classmethod
    def of(cls, elements: RingElements, material: RivlinSaunders, places: np.ndarray) -> "StretchedCell":
        return cls(elements, material, *elements.gradients(places))

    def deformation(self, displacement: np.ndarray) -> np.ndarray:
        """The deformation gradient F at the quadrature points, (2, 2, E, Q)."""
        local = displacement.reshape(-1, 2)[self.elements.nodes]  # (E, NODES, 2)
        return np.einsum("eni,enqJ->iJeq", local, self.gradients) + np.eye(2)[..., None, None]

    def forces(self, displacement: np.ndarray) -> np.ndarray:
        """The nodal forces that hold the deformed cell, all entries, in N per metre of thickness."""
        stress = self.material.nominal(self.deformation(displacement)) * self.weights
        return self.elements.load(np.einsum("iJeq,enqJ->eni", stress, self.gradients, optimize=True))

    def tangent(self, displacement: np.ndarray) -> csc_array:
        """The forces' derivative by the displacement, free rows and columns."""
        tangent = self.material.tangent(self.deformation(displacement)) * self.weights
        e, n, q, _ = self.gradients.shape
        # As products of small matrices: (n, qJ) (qJ, i, k, qL) (qL, n), the middle one diagonal in q.
        gradients = self.gradients.transpose(0, 2, 3, 1)  # (E, Q, J, NODES)
        right = np.einsum("iJkLeq,eqLm->eqJikm", tangent, gradients, optimize=True).reshape(e, 2 * q, 4 * n)
        product = gradients.reshape(e, 2 * q, n).transpose(0, 2, 1) @ right  # (E, NODES, i·k·NODES)
        return self.elements.matrix(product.reshape(e, n, 2, 2, n).transpose(0, 1, 2, 4, 3))

    def pulled(self, traction: float) -> np.ndarray:
        """The displacement under a traction (force per undeformed area, Pa) at y = 1 that keeps its direction.

        Raises
        ------
        RunFailure : Newton's method does not converge.
        """
        for shares in SHARES:
            displacement = np.zeros_like(self.elements.top)
            for share in range(1, shares + 1):
                displacement = self._balanced(displacement, traction * share / shares * self.elements.top)
                if displacement is None:
                    break
            else:
                return displacement
        raise RunFailure(
            f"elasticity: Newton's method has not converged under a traction of {traction:g} Pa. Try a smaller one."
        )

    def stress(self, displacement: np.ndarray) -> np.ndarray:
        """The true (Cauchy) stress at the nodes, (2, 2, nodes), in Pa."""
        return self.elements.at_nodes(self.material.cauchy(self.deformation(displacement)))

    def _balanced(self, displacement: np.ndarray, load: np.ndarray) -> np.ndarray | None:
        """The displacement that balances the load, found from another one; None where that fails."""
        free, displacement = self.elements.free, displacement.copy()
        for _ in range(MOST_ITERATIONS):
            if not (np.linalg.det(self.deformation(displacement).T) > 0).all():
                return None  # turned inside out
            residual = (load - self.forces(displacement))[free]
            if np.linalg.norm(residual) <= TOLERANCE * np.linalg.norm(load):
                return displacement
            displacement[free] += splu(self.tangent(displacement), permc_spec="MMD_AT_PLUS_A").solve(residual)
        return None
