"""The material: its stress and tangent as derivatives, and against three-dimensional theory."""

import numpy as np
import pytest

from nolab.problems._rivlin_saunders import RivlinSaunders, von_mises

MATERIAL = RivlinSaunders(c1=1.863e5, c2=9.79e3)
RNG = np.random.default_rng(0)
F = np.eye(2)[..., None] + 0.2 * RNG.standard_normal((2, 2, 20))
TINY = 1e-30


def perturbed(i: int, j: int) -> np.ndarray:
    """F with a tiny imaginary part of one entry: the imaginary part of what follows is its exact derivative."""
    f = F.astype(complex)
    f[i, j] += 1j * TINY
    return f


def test_stress_is_the_derivative_of_the_energy() -> None:
    stress = MATERIAL.nominal(F)
    for i, j in np.ndindex(2, 2):
        assert np.allclose(MATERIAL.energy(perturbed(i, j)).imag / TINY, stress[i, j], rtol=1e-11, atol=1e-6)


def test_tangent_is_the_derivative_of_the_stress() -> None:
    tangent = MATERIAL.tangent(F)
    for k, m in np.ndindex(2, 2):
        derivative = MATERIAL.nominal(perturbed(k, m)).imag / TINY
        assert np.allclose(derivative, tangent[:, :, k, m], rtol=1e-11, atol=1e-5)


def test_agrees_with_three_dimensional_theory() -> None:
    """σ = 2 C₁ B - 2 C₂ B⁻¹ - p, with the pressure p that leaves no stress across the plane."""
    c1, c2 = MATERIAL.c1, MATERIAL.c2
    for f in F.transpose(2, 0, 1):
        full = np.eye(3)
        full[:2, :2] = f
        full[2, 2] = 1 / np.linalg.det(f)
        b = full @ full.T
        stress = 2 * c1 * b - 2 * c2 * np.linalg.inv(b)
        stress -= stress[2, 2] * np.eye(3)
        assert np.allclose(MATERIAL.cauchy(f), stress[:2, :2], rtol=1e-11, atol=1e-5)
        deviator = stress - np.trace(stress) / 3 * np.eye(3)
        assert von_mises(stress[:2, :2]) == pytest.approx(np.sqrt(1.5 * np.square(deviator).sum()), rel=1e-12)


@pytest.mark.parametrize("stretch", [0.6, 1.0, 1.5, 3.0])
def test_uniaxial_tension(stretch: float) -> None:
    """σ = 2 (λ² - 1/λ)(C₁ + C₂/λ)."""
    f = np.diag([stretch, stretch**-0.5])
    exact = 2 * (stretch**2 - 1 / stretch) * (MATERIAL.c1 + MATERIAL.c2 / stretch)
    assert np.allclose(MATERIAL.cauchy(f), np.diag([exact, 0]), rtol=1e-12, atol=1e-8)
    assert von_mises(MATERIAL.cauchy(f)) == pytest.approx(abs(exact), rel=1e-12, abs=1e-8)


def test_small_strain_is_linear_elasticity() -> None:
    """Plane stress with E = 6 (C₁ + C₂) and ν = 1/2."""
    young, poisson = 6 * (MATERIAL.c1 + MATERIAL.c2), 0.5
    tangent = MATERIAL.tangent(np.eye(2))
    for gradient in RNG.standard_normal((5, 2, 2)):
        strain = (gradient + gradient.T) / 2
        stress = young / (1 - poisson**2) * ((1 - poisson) * strain + poisson * np.trace(strain) * np.eye(2))
        assert np.allclose(np.einsum("iJkL,kL->iJ", tangent, gradient), stress, rtol=1e-12, atol=1e-6)
    assert np.allclose(MATERIAL.nominal(np.eye(2)), 0, atol=1e-8)
    assert MATERIAL.energy(np.eye(2)) == 0


def test_turning_the_body_turns_its_stress() -> None:
    c, s = np.cos(0.7), np.sin(0.7)
    turn = np.array([[c, -s], [s, c]])
    turned = np.einsum("ij,jkn->ikn", turn, F)
    assert np.allclose(
        MATERIAL.nominal(turned), np.einsum("ij,jkn->ikn", turn, MATERIAL.nominal(F)), rtol=1e-10, atol=1e-6
    )
    assert np.allclose(von_mises(MATERIAL.cauchy(turned)), von_mises(MATERIAL.cauchy(F)), rtol=1e-10)
