"""The stretched cell: patch test, tangent, balance of forces and of energy, and linear elasticity at small strain."""

import numpy as np
import pytest
from skfem import Basis, ElementQuad2, ElementVector, FacetBasis, LinearForm, condense
from skfem import solve as solve_linear
from skfem.models.elasticity import linear_elasticity

from nolab.errors import RunFailure
from nolab.problems._ring_elements import RingElements, ring_elements
from nolab.problems._rivlin_saunders import RivlinSaunders
from nolab.problems._star_shapes import StarCurve
from nolab.problems._stretched_cell import StretchedCell
from nolab.problems._voided_cell import ring_nodes

MATERIAL = RivlinSaunders(c1=1.863e5, c2=9.79e3)
RINGS, RAYS = 4, 32
VOID = StarCurve(lambda theta: 0.3 + 0.04 * np.cos(2 * theta) + 0.02 * np.sin(3 * theta))
PLACES = ring_nodes(VOID, RINGS, RAYS).reshape(-1, 2)
STRETCH = np.array([[1.3, 0.2], [-0.1, 0.9]])


@pytest.fixture(scope="module")
def elements() -> RingElements:
    return ring_elements(RINGS, RAYS)


@pytest.fixture(scope="module")
def cell(elements: RingElements) -> StretchedCell:
    return StretchedCell.of(elements, MATERIAL, PLACES)


def affine(stretch: np.ndarray) -> np.ndarray:
    """The displacement that deforms the whole cell by `stretch`."""
    return (PLACES @ (stretch - np.eye(2)).T).ravel()


def random_displacement(size: float) -> np.ndarray:
    return size * np.random.default_rng(0).standard_normal(PLACES.size)


def test_patch_test_at_finite_strain(cell: StretchedCell) -> None:
    """An affine deformation: one F, one stress, the closed-form one, and no forces inside."""
    u = affine(STRETCH)
    assert np.allclose(cell.deformation(u), STRETCH[..., None, None], rtol=0, atol=1e-12)
    exact = MATERIAL.cauchy(STRETCH)
    assert np.allclose(cell.stress(u), exact[..., None], rtol=0, atol=1e-10 * np.abs(exact).max())
    forces = cell.forces(u).reshape(RINGS + 1, RAYS, 2)
    assert np.abs(forces[1:-1]).max() < 1e-12 * np.abs(exact).max()
    # Virtual work of another affine displacement: P : G times the area.
    gradient = np.array([[0.3, -0.7], [0.2, 0.5]])
    work = forces.reshape(-1) @ affine(np.eye(2) + gradient)
    assert work == pytest.approx((MATERIAL.nominal(STRETCH) * gradient).sum() * cell.weights.sum(), rel=1e-12)


def test_areas_are_those_of_the_shape() -> None:
    """Areas of curved elements: the void's boundary is met to fourth order."""
    circle = StarCurve(lambda theta: np.full_like(theta, 0.3))
    errors = []
    for rays in (16, 32):
        _, weights = ring_elements(4, rays).gradients(ring_nodes(circle, 4, rays).reshape(-1, 2))
        errors.append(abs(weights.sum() - (1 - np.pi * 0.09)))
    assert errors[0] / errors[1] > 12
    assert errors[1] < 2e-5


def test_forces_are_the_derivative_of_the_energy(cell: StretchedCell) -> None:
    u, direction = random_displacement(1e-3), random_displacement(1.0)

    def energy(displacement: np.ndarray) -> float:
        return float((MATERIAL.energy(cell.deformation(displacement)) * cell.weights).sum())

    h = 1e-6
    derivative = (energy(u + h * direction) - energy(u - h * direction)) / (2 * h)
    assert cell.forces(u) @ direction == pytest.approx(derivative, rel=1e-6)


def test_tangent_is_the_derivative_of_the_forces(cell: StretchedCell, elements: RingElements) -> None:
    u, direction, free = random_displacement(1e-3), random_displacement(1.0), elements.free
    direction[np.setdiff1d(np.arange(len(u)), free)] = 0
    h = 1e-7
    derivative = (cell.forces(u + h * direction) - cell.forces(u - h * direction))[free] / (2 * h)
    tangent = cell.tangent(u)
    assert np.linalg.norm(tangent @ direction[free] - derivative) < 1e-6 * np.linalg.norm(derivative)
    assert abs(tangent - tangent.T).max() < 1e-12 * abs(tangent).max()


def test_recovery_is_exact_for_linear_fields_on_straight_elements(elements: RingElements) -> None:
    """In the elements between straight rays a bilinear field of element coordinates is met at their nodes."""
    ring = np.arange((RINGS + 1) * RAYS) // RAYS
    values = 2.0 + 3.0 * ring  # continuous and linear in every element
    x = np.sqrt(0.6) * np.array([-1, 0, 1]) + 1
    first = elements.nodes.min(axis=1) // RAYS  # the elements' inner rings
    at_points = 2.0 + 3.0 * (first[:, None] + np.repeat(x, 3))
    assert np.allclose(elements.at_nodes(at_points), values, rtol=0, atol=1e-12)
    assert np.allclose(
        elements.at_nodes(np.stack([at_points, 2 * at_points]))[1], 2 * values, rtol=0, atol=1e-12
    )


def test_load_is_a_unit_traction_on_the_top(elements: RingElements) -> None:
    """On each edge of three nodes the integral of its shape functions, exact by Simpson's rule."""
    load = elements.top.reshape(-1, 2)
    assert (load[:, 0] == 0).all()
    exact = np.zeros(len(PLACES))
    ring = RINGS * RAYS
    for start in range(RAYS // 8, 3 * RAYS // 8, 2):
        edge = ring + start + np.arange(3)
        x = PLACES[edge, 0]
        slopes = -np.array([[-3, 4, -1], [-1, 0, 1], [1, -4, 3]]) @ x  # of x(ξ) at the nodes, ξ from 0 to 1
        exact[edge] += slopes * np.array([1, 4, 1]) / 6
    assert np.allclose(load[:, 1], exact, rtol=0, atol=1e-14)
    assert load[:, 1].sum() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("traction", [100.0, 3e4])
def test_balance_of_forces_and_moments(cell: StretchedCell, elements: RingElements, traction: float) -> None:
    u = cell.pulled(traction)
    bottom = np.flatnonzero(PLACES[:, 1] == 0)
    assert np.array_equal(np.setdiff1d(np.arange(PLACES.shape[0]), elements.free // 2), bottom)
    assert (u.reshape(-1, 2)[bottom] == 0).all()
    forces = cell.forces(u).reshape(-1, 2)
    assert np.allclose(forces[bottom].sum(axis=0), [0, -traction], rtol=0, atol=1e-7 * traction)
    free = np.setdiff1d(np.arange(len(PLACES)), bottom)
    assert np.abs(forces - traction * elements.top.reshape(-1, 2))[free].max() < 1e-8 * traction
    places = PLACES + u.reshape(-1, 2)  # moments balance about the deformed places
    moment = places[:, 0] * forces[:, 1] - places[:, 1] * forces[:, 0]
    assert abs(moment.sum()) < 1e-7 * traction


def test_energy_grows_by_the_work_of_the_load(cell: StretchedCell, elements: RingElements) -> None:
    traction, step = 2e4, 20.0
    before, after = (cell.pulled(traction + sign * step) for sign in (-1, 1))
    energies = [(MATERIAL.energy(cell.deformation(u)) * cell.weights).sum() for u in (before, after)]
    work = traction * elements.top @ (after - before)
    assert energies[1] - energies[0] == pytest.approx(work, rel=1e-5)


def test_small_strain_is_linear_elasticity(cell: StretchedCell, elements: RingElements) -> None:
    """Against scikit-fem's own linear elasticity on the same elements: plane stress, E = 6 (C₁ + C₂), ν = 1/2."""
    young, poisson, traction = 6 * (MATERIAL.c1 + MATERIAL.c2), 0.5, 1.0
    mesh = elements.mesh(PLACES)
    basis = Basis(mesh, ElementVector(ElementQuad2()), intorder=4)
    stiffness = linear_elasticity(young * poisson / (1 - poisson**2), young / (2 * (1 + poisson))).assemble(
        basis
    )
    top = FacetBasis(
        mesh, basis.elem, facets=mesh.facets_satisfying(lambda x: x[1] > 1 - 1e-9, boundaries_only=True)
    )
    load = LinearForm(lambda v, w: traction * v[1]).assemble(top)
    clamped = basis.get_dofs(mesh.facets_satisfying(lambda x: x[1] < 1e-9, boundaries_only=True))
    values = solve_linear(*condense(stiffness, load, D=clamped))
    linear = np.empty_like(PLACES)
    linear[elements.node_of_dof] = values.reshape(-1, 2)
    assert np.allclose(basis.doflocs[:, ::2], mesh.doflocs)
    u = cell.pulled(traction).reshape(-1, 2)
    assert np.abs(u - linear).max() < 2e-5 * np.abs(linear).max()  # the strain's size


def test_a_load_that_fails_at_once_is_applied_in_shares(cell: StretchedCell, elements: RingElements) -> None:
    traction = 1e5
    assert cell._balanced(np.zeros(PLACES.size), traction * elements.top) is None
    forces = cell.forces(cell.pulled(traction))[elements.free]
    assert np.abs(forces - traction * elements.top[elements.free]).max() < 1e-7 * traction


def test_refuses_what_does_not_converge(cell: StretchedCell) -> None:
    with pytest.raises(RunFailure, match=r"has not converged under a traction of 1e\+09 Pa"):
        cell.pulled(1e9)


def test_a_state_turned_inside_out_is_none(cell: StretchedCell) -> None:
    """The energy knows only J²: a mirrored cell is in balance as well."""
    mirrored = affine(np.diag([-1.0, 1.0]))
    assert np.abs(cell.forces(mirrored)).max() < 1e-6
    assert cell._balanced(mirrored, 100 * cell.elements.top) is None
