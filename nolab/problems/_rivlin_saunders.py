"""The incompressible Rivlin–Saunders (Mooney–Rivlin) material in plane stress.

Energy per undeformed volume W = C₁ (I₁ - 3) + C₂ (I₂ - 3), with the invariants of the right Cauchy–Green tensor.
No stress acts across the plane, and the volume stays: the stretch across the plane is 1/J, with J the determinant
of the deformation gradient F (2×2) in the plane. With T = tr FᵀF then I₁ = T + 1/J² and I₂ = J² + T/J², a function
of F alone: no pressure is left to be found, and no element locks.

All functions take F as (2, 2, ...) and work point by point.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RivlinSaunders:
    """A material; its Young's modulus at small strain is 6 (C₁ + C₂), its Poisson's ratio 1/2."""

    c1: float
    """C₁ > 0, in Pa."""
    c2: float
    """C₂ >= 0, in Pa."""

    def energy(self, f: np.ndarray) -> np.ndarray:
        """W (...), in J/m³."""
        t, j, _ = _invariants(f)
        return self.c1 * (t + j**-2 - 3) + self.c2 * (j**2 + t * j**-2 - 3)

    def nominal(self, f: np.ndarray) -> np.ndarray:
        """The first Piola–Kirchhoff stress P = ∂W/∂F, (2, 2, ...): force per undeformed area."""
        t, j, cofactor = _invariants(f)
        return 2 * self._by_t(j) * f + self._by_j(t, j) * cofactor

    def tangent(self, f: np.ndarray) -> np.ndarray:
        """∂P_iJ/∂F_kL, (2, 2, 2, 2, ...) with the axes i, J, k, L."""
        t, j, cofactor = _invariants(f)
        by_tj = -2 * self.c2 * j**-3
        by_jj = 6 * self.c1 * j**-4 + 2 * self.c2 + 6 * self.c2 * t * j**-4
        mixed = np.einsum("iJ...,kL...->iJkL...", f, cofactor)
        tangent = 2 * by_tj * (mixed + np.einsum("iJkL...->kLiJ...", mixed))
        tangent += by_jj * np.einsum("iJ...,kL...->iJkL...", cofactor, cofactor)
        stretch, turn = 2 * self._by_t(j), self._by_j(t, j)
        for i in range(2):
            for k in range(2):
                tangent[i, k, i, k] += stretch
                # cof F = [[F₂₂, -F₂₁], [-F₁₂, F₁₁]]
                tangent[i, k, 1 - i, 1 - k] += turn if i == k else -turn
        return tangent

    def cauchy(self, f: np.ndarray) -> np.ndarray:
        """The true stress σ = P Fᵀ in the plane, (2, 2, ...): force per deformed area."""
        return np.einsum("iJ...,kJ...->ik...", self.nominal(f), f)

    def _by_t(self, j: np.ndarray) -> np.ndarray:
        return self.c1 + self.c2 * j**-2

    def _by_j(self, t: np.ndarray, j: np.ndarray) -> np.ndarray:
        return 2 * (self.c2 * j - (self.c1 + self.c2 * t) * j**-3)


def von_mises(stress: np.ndarray) -> np.ndarray:
    """√(σ_x² - σ_x σ_y + σ_y² + 3 σ_xy²) of a plane stress (2, 2, ...): (...)."""
    x, y, shear = stress[0, 0], stress[1, 1], stress[0, 1]
    return np.sqrt(x**2 - x * y + y**2 + 3 * shear**2)


def _invariants(f: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T, J and ∂J/∂F = cof F."""
    cofactor = np.stack([np.stack([f[1, 1], -f[1, 0]]), np.stack([-f[0, 1], f[0, 0]])])
    return np.square(f).sum(axis=(0, 1)), f[0, 0] * f[1, 1] - f[0, 1] * f[1, 0], cofactor
