"""−Δu = f within a star-shaped curve, u = 0 on it, by quadratic finite elements whose outer edges follow the curve."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import splu
from skfem import Basis, BilinearForm, ElementTriP2, LinearForm, MeshTri, MeshTri2
from skfem.helpers import dot, grad

from nolab.problems._plane_mesh import PlaneMesh
from nolab.problems._star_shapes import StarCurve

Source = Callable[[np.ndarray], np.ndarray]
"""f at places (..., 2): (...)."""


@dataclass(frozen=True)
class QuadraticField:
    """A continuous field, quadratic on each cell of a mesh (isoparametric)."""

    mesh: PlaneMesh
    bulges: np.ndarray
    """(T, 3, 2), by which the middles of the edges opposite to a cell's points lie off the straight edges"""
    vertex_values: np.ndarray
    """(n,), at the mesh's points"""
    edge_values: np.ndarray
    """(T, 3), in the middle of the edges opposite to a cell's points"""

    def at(self, places: np.ndarray) -> np.ndarray:
        """Values (m,) at places (m, 2) in the polygon of the mesh.

        Raises
        ------
        RunFailure : a place outside the mesh.
        """
        cells = self.mesh.locate(places)
        a, b, c = (self.mesh.points[self.mesh.cells[cells, i]] for i in range(3))
        inverse = np.linalg.inv(np.stack([a - c, b - c], axis=-1))  # (m, 2, 2)
        bulges, straight = self.bulges[cells], places
        # A bulge is a small part of its edge, by which factor every round brings the curved cell's inverse nearer.
        for _ in range(8):
            first, second = np.einsum("mij,mj->im", inverse, straight - c)
            corner = np.stack([first, second, 1 - first - second], axis=1)  # (m, 3), barycentric
            edge = 4 * np.roll(corner, -1, axis=1) * np.roll(corner, -2, axis=1)  # (m, 3)
            straight = places - np.einsum("mi,mij->mj", edge, bulges)
        values = self.vertex_values[self.mesh.cells[cells]]
        return (corner * (2 * corner - 1) * values + edge * self.edge_values[cells]).sum(axis=1)


def solve(mesh: PlaneMesh, curve: StarCurve, source: Source) -> QuadraticField:
    """The solution within the curve that `mesh` was made of; its error falls as the third power of the spacing."""
    triangles = MeshTri(*(np.ascontiguousarray(of.T) for of in (mesh.points, mesh.cells)), sort_t=False)
    straight = MeshTri2.from_mesh(triangles)
    places, outer = straight.doflocs.copy(), triangles.boundary_facets()
    middle = places[:, len(mesh.points) + outer]
    places[:, len(mesh.points) + outer] = curve.at(np.arctan2(middle[1], middle[0])).T
    basis = Basis(MeshTri2(places, straight.t, sort_t=False), ElementTriP2(), intorder=4)
    at = np.moveaxis(basis.global_coordinates().value, 0, -1)  # (T, quadrature points, 2)
    matrix, load = _stiffness.assemble(basis), _load.assemble(basis, source=source(at))
    values = basis.zeros()
    inner = basis.complement_dofs(basis.get_dofs())
    # Symmetric and positive definite: no pivots, and an ordering for symmetric patterns.
    factors = splu(
        matrix[inner][:, inner].tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    values[inner] = factors.solve(load[inner])
    # The elements' edges are those from corner 0 to 1, from 1 to 2 and from 0 to 2.
    edges = basis.element_dofs[[4, 5, 3]].T
    bulges = (places - straight.doflocs).T[edges]
    return QuadraticField(mesh, bulges, values[: len(mesh.points)], values[edges])


@BilinearForm
def _stiffness(u, v, w):
    return dot(grad(u), grad(v))


@LinearForm
def _load(v, w):
    return w.source * v
