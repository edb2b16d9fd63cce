"""Taylor–Hood spaces against integrals of polynomials, and against scikit-fem's own assembly."""

import numpy as np
import pytest
from flow_support import rectangle
from skfem import Basis, ElementTriP2, LinearForm, MeshTri

from nolab.problems._channel_mesh import HEIGHT, channel_mesh
from nolab.problems._taylor_hood import TaylorHood


def square(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The unit square, with narrow cells at the left."""
    return rectangle(np.linspace(0, 1, n + 1) ** 1.3, np.linspace(0, 1, n + 1))


@pytest.fixture(scope="module")
def space() -> TaylorHood:
    return TaylorHood(*square(3))


def test_matrices_integrate_polynomials(space):
    x, y = space.nodes.T
    corner_x, corner_y = square(3)[0].T
    assert np.ones(len(x)) @ space.mass @ (x * y) == pytest.approx(1 / 4)
    assert (x**2) @ space.mass @ y**2 == pytest.approx(1 / 9)
    assert (x**2) @ space.stiffness @ (x * y) == pytest.approx(1 / 2)  # ∫ 2x·y
    assert (x * y) @ space.gradient[0] @ corner_x == pytest.approx(1 / 4)  # ∫ x·y
    assert (x * y) @ space.gradient[1] @ corner_y == pytest.approx(1 / 4)
    assert (x**2) @ space.gradient[0] @ corner_y == pytest.approx(1 / 2)  # ∫ y·2x
    assert corner_x @ space.pressure_mass @ corner_y == pytest.approx(1 / 4)


def test_convection_integrates_polynomials(space):
    x, y = space.nodes.T
    u = np.stack([x**2, x * y])  # (u·∇)u = (2x³, 2x²y)
    tested = space.convection(u)
    assert tested @ np.ones(len(x)) == pytest.approx([1 / 2, 1 / 3])
    assert tested @ y**2 == pytest.approx([1 / 6, 1 / 6])
    assert tested @ (x * y) == pytest.approx([1 / 5, 1 / 6])


def test_convection_is_that_of_scikit_fem():
    points, cells = channel_mesh(4, 1.5, (0.21, 0.19))
    space = TaylorHood(points, cells)
    u = np.random.default_rng(0).normal(size=(2, len(space.nodes)))
    basis = Basis(MeshTri(points.T.copy(), cells.T.copy(), sort_t=False), ElementTriP2(), intorder=6)
    a, b = (basis.interpolate(component) for component in u)
    expected = [
        LinearForm(lambda v, w, c=c: (w["a"] * c.grad[0] + w["b"] * c.grad[1]) * v).assemble(basis, a=a, b=b)
        for c in (a, b)
    ]
    assert space.convection(u) == pytest.approx(np.stack(expected), abs=1e-13)
    assert np.abs(expected).max() > 1e-3


def test_boundary_nodes_lie_on_the_sides(space):
    x, y = space.nodes.T
    assert (space.boundary == ((x == 0) | (x == 1) | (y == 0) | (y == 1))).all()


def test_probe_reproduces_quadratic_fields_in_the_channel():
    """At random places, at the nodes of other meshes, and at places just outside."""
    points, cells = channel_mesh(6, 1.5, (0.22, 0.19))
    space = TaylorHood(points, cells)

    def quadratic(at: np.ndarray) -> np.ndarray:
        x, y = at.T
        return 1 + x - 2 * y + x * y + 3 * x**2 - y**2

    random = np.random.default_rng(0).uniform((0.35, 0), (1.5, HEIGHT), (500, 2))
    meshes = [channel_mesh(m, 1.5, (0.22, 0.19))[0] for m in (4, 6, 10)]
    outside = np.array([[-0.001, 0.1], [1.501, 0.2], [0.7, HEIGHT + 0.001]])
    for places in (random, *meshes, outside):
        values = space.probe(places) @ quadratic(space.nodes)
        assert values == pytest.approx(quadratic(places), abs=1e-12)


def test_probe_finds_the_triangle():
    """Values that no single polynomial gives: those of the one quadratic per triangle, written out."""
    points, cells = channel_mesh(4, 1.5, (0.2, 0.2))
    space = TaylorHood(points, cells)
    values = np.random.default_rng(0).normal(size=len(space.nodes))
    inside = np.random.default_rng(1).dirichlet([1, 1, 1], len(cells))  # (T, 3)
    places = np.einsum("tk,tkx->tx", inside, points[cells])
    at = {tuple(node): value for node, value in zip(space.nodes.round(10), values, strict=True)}
    expected = np.zeros(len(cells))
    for k in range(3):
        own, a, b = inside[:, k], points[cells[:, k]], points[cells[:, (k + 1) % 3]]
        corner = np.array([at[tuple(place)] for place in a.round(10)])
        middle = np.array([at[tuple(place)] for place in ((a + b) / 2).round(10)])
        expected += own * (2 * own - 1) * corner + 4 * own * inside[:, (k + 1) % 3] * middle
    assert space.probe(places) @ values == pytest.approx(expected, abs=1e-10)
