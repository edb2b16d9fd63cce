"""Taylor–Hood elements on triangles: quadratic velocities, linear pressures, and what flows ask of them."""

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree
from skfem import Basis, BilinearForm, ElementTriP1, ElementTriP2, MeshTri
from skfem.helpers import dot, grad

EXACT_ORDER = 5
"""Degree of the polynomials in the convective term, which are integrated exactly."""

CANDIDATES = 16
"""A point is looked for in the triangles with the nearest centres."""


class TaylorHood:
    """The discrete spaces on a triangle mesh.

    A velocity is an array (2, V), its values at the V nodes: corners and midpoints of the edges. A pressure has
    one value per corner, (P,).

    Parameters
    ----------
    points, cells : (P, 2) and (T, 3), counterclockwise.

    Attributes
    ----------
    nodes : (V, 2), where the velocity's values are.
    boundary : (V,) bool, the nodes on the boundary.
    mass, stiffness : (V, V), ∫uv and ∫∇u·∇v for one component.
    gradient : ∫ p ∂v/∂x and ∫ p ∂v/∂y, each (V, P).
    pressure_mass : (P, P).
    """

    def __init__(self, points: np.ndarray, cells: np.ndarray) -> None:
        self._points, self._cells = points, cells
        mesh = MeshTri(np.ascontiguousarray(points.T), np.ascontiguousarray(cells.T), sort_t=False)
        velocity = Basis(mesh, ElementTriP2(), intorder=EXACT_ORDER)
        pressure = velocity.with_element(ElementTriP1())
        self._element = velocity.elem
        self._dofs = velocity.element_dofs.T  # (T, 6)
        self.nodes = velocity.doflocs.T
        self.boundary = np.isin(np.arange(len(self.nodes)), velocity.get_dofs().flatten())
        product = BilinearForm(lambda u, v, _: u * v)
        self.mass = product.assemble(velocity)
        self.pressure_mass = product.assemble(pressure)
        self.stiffness = BilinearForm(lambda u, v, _: dot(grad(u), grad(v))).assemble(velocity)
        self.gradient = [
            BilinearForm(lambda p, v, _, axis=axis: p * v.grad[axis]).assemble(pressure, velocity)
            for axis in (0, 1)
        ]
        self._tabulate(velocity.X, velocity.W)

    def _tabulate(self, places: np.ndarray, weights: np.ndarray) -> None:
        """Basis functions at the quadrature points of the reference triangle, and the triangles' maps."""
        values, slopes = zip(*(self._element.lbasis(places, k) for k in range(6)), strict=True)
        values, slopes = np.stack(values), np.stack(slopes)  # (6, Q), (6, 2, Q)
        self._table = np.concatenate([values, slopes[:, 0], slopes[:, 1]], axis=1)  # (6, 3Q)
        self._tested = weights[:, None] * values.T  # (Q, 6)
        a, b, c = (self._points[self._cells[:, corner]] for corner in range(3))
        (x1, y1), (x2, y2) = (b - a).T, (c - a).T
        # |J|·∂ξ/∂x, …: the Jacobian of the integral and that of the gradient in one.
        self._cofactors = np.array([[y2, -x2], [-y1, x1]])[..., None]  # (2, 2, T, 1)
        entries = np.arange(self._dofs.size)
        self._scatter = sp.csr_array((np.ones(len(entries)), (self._dofs.ravel(), entries)))  # (V, 6T)

    def convection(self, u: np.ndarray) -> np.ndarray:
        """∫ (u·∇)u · v for all test functions, (2, V) for a velocity (2, V)."""
        count = len(self._tested)
        at = u[:, self._dofs] @ self._table  # (2, T, 3Q)
        values, along, across = at[..., :count], at[..., count : 2 * count], at[..., 2 * count :]
        to_along, to_across = (row[0] * values[0] + row[1] * values[1] for row in self._cofactors)
        local = (to_along * along + to_across * across) @ self._tested  # (2, T, 6)
        return (self._scatter @ local.reshape(2, -1).T).T

    def probe(self, places: np.ndarray) -> sp.csr_array:
        """Matrix (n, V) from the values of one component to those at the places (n, 2).

        A place outside of the mesh, if near to it, takes the polynomial of a triangle beside it.
        """
        cells, local = _locate(self._points, self._cells, places)
        values = np.stack([self._element.lbasis(local, k)[0] for k in range(6)], axis=1)  # (n, 6)
        rows = np.repeat(np.arange(len(places)), 6)
        entries = (values.ravel(), (rows, self._dofs[cells].ravel()))
        return sp.csr_array(entries, shape=(len(places), len(self.nodes)))


def _locate(points: np.ndarray, cells: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each place the triangle in which it lies deepest, (n,), and its coordinates there, (2, n)."""
    corners = points[cells]  # (T, 3, 2)
    nearest = cKDTree(corners.mean(axis=1)).query(places, min(CANDIDATES, len(cells)))[1]  # (n, K)
    origin, b, c = np.moveaxis(corners[nearest], 2, 0)
    (x1, y1), (x2, y2), (x, y) = (
        np.moveaxis(v, -1, 0) for v in (b - origin, c - origin, places[:, None] - origin)
    )
    local = np.stack([x * y2 - y * x2, y * x1 - x * y1]) / (x1 * y2 - x2 * y1)  # (2, n, K)
    depth = np.minimum(local.min(axis=0), 1 - local.sum(axis=0))
    best = depth.argmax(axis=1)
    each = np.arange(len(places))
    return nearest[each, best], local[:, each, best]
