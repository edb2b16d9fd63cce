"""Biquadratic finite elements on the nodes of a cell with a void: all that is the same for every void."""

from functools import cache

import numpy as np
from scipy.sparse import csc_array
from skfem import Basis, ElementQuad2, FacetBasis, LinearForm, MeshQuad, MeshQuad2

from nolab.problems._star_shapes import StarCurve
from nolab.problems._voided_cell import ring_nodes, ring_quads

NODES = 9
"""Nodes, and quadrature points, of an element."""


class RingElements:
    """Elements with a ring of nodes, and a ray, through their middle.

    Vectors at the nodes are flattened from (nodes, 2). Matrices and loads have the free ones among their entries as
    rows: those that are not clamped, at the cell's side y = 0.

    Parameters
    ----------
    rings, rays : the last ring of nodes, from 0 on, and the number of rays; both even, and 16 divides `rays`.
    """

    def __init__(self, rings: int, rays: int) -> None:
        places = ring_nodes(StarCurve(lambda theta: np.full_like(theta, 0.25)), rings, rays)  # any void does
        corners, quads = places[::2, ::2].reshape(-1, 2), ring_quads(rings // 2, rays // 2)
        straight = MeshQuad(*(np.ascontiguousarray(of.T) for of in (corners, quads)))
        basis = Basis(MeshQuad2.from_mesh(straight), ElementQuad2(), intorder=4)
        self._cells, self._dofs = straight.t, basis.dofs
        self.node_of_dof = _nodes_of_dofs(basis, rings, rays)
        """The node that each of scikit-fem's numbers stands for."""
        self.nodes = self.node_of_dof[basis.element_dofs].T
        """(E, NODES), each element's nodes."""
        flat = places.reshape(-1, 2)
        free = np.flatnonzero(flat[:, 1] > 0)
        self.free = (2 * free[:, None] + [0, 1]).ravel()
        """Entries of a vector that are not clamped."""
        self._pattern = _Pattern(self.nodes, self.free, len(flat))
        self._recovery = _recovery(basis)
        self._sharing = np.bincount(self.nodes.ravel())
        mesh = self.mesh(flat)
        top = mesh.facets_satisfying(lambda x: x[1] > 1 - 1e-9, boundaries_only=True)
        self.top = np.zeros(flat.size)
        """The load of a unit traction that pulls the cell's side y = 1 upwards, all entries."""
        self.top[2 * self.node_of_dof + 1] = _integral.assemble(
            FacetBasis(mesh, ElementQuad2(), facets=top, intorder=4)
        )

    def mesh(self, places: np.ndarray) -> MeshQuad2:
        """The isoparametric elements whose nodes lie at places (nodes, 2)."""
        return MeshQuad2(np.ascontiguousarray(places[self.node_of_dof].T), self._cells, validate=False)

    def gradients(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the shape functions, and quadrature weights, of nodes at places (nodes, 2).

        Returns
        -------
        (E, NODES, Q, 2) and (E, Q), with Q = NODES quadrature points.
        """
        basis = Basis(self.mesh(places), ElementQuad2(), intorder=4, dofs=self._dofs, disable_doflocs=True)
        by_node = np.stack([function[0].grad for function in basis.basis])  # (NODES, 2, E, Q)
        return by_node.transpose(2, 0, 3, 1), basis.dx

    def load(self, element_loads: np.ndarray) -> np.ndarray:
        """The vector, all entries, of the elements' loads (E, NODES, 2)."""
        entries = 2 * self.nodes[..., None] + [0, 1]
        return np.bincount(entries.ravel(), element_loads.ravel())

    def matrix(self, element_matrices: np.ndarray) -> csc_array:
        """The free rows and columns of the elements' matrices (E, NODES, 2, NODES, 2)."""
        return self._pattern.matrix(element_matrices)

    def at_nodes(self, values: np.ndarray) -> np.ndarray:
        """Values at the nodes, (..., nodes), of values at the quadrature points (..., E, Q).

        In each element the bilinear field nearest to the values, which is more accurate than they are (Barlow, Int.
        J. Numer. Methods Eng. 10, 1976); at a node the mean over its elements.
        """
        by_element = values @ self._recovery.T  # (..., E, NODES)
        flat = by_element.reshape(-1, self.nodes.size)
        means = np.stack([np.bincount(self.nodes.ravel(), row) for row in flat]) / self._sharing
        return means.reshape(*values.shape[:-2], -1)


@cache
def ring_elements(rings: int, rays: int) -> RingElements:
    """The elements, made once."""
    return RingElements(rings, rays)


class _Pattern:
    """Where the entries of the elements' matrices stand in the sparse one."""

    def __init__(self, nodes: np.ndarray, free: np.ndarray, count: int) -> None:
        row_of = np.full(2 * count, -1)
        row_of[free] = np.arange(len(free))
        rows = row_of[(2 * nodes[..., None] + [0, 1]).reshape(len(nodes), -1)]  # (E, 2·NODES)
        row, column = np.broadcast_arrays(rows[:, :, None], rows[:, None, :])
        self._kept = np.flatnonzero((row >= 0) & (column >= 0))
        keys = column.ravel()[self._kept].astype(np.int64) * len(free) + row.ravel()[self._kept]
        unique, self._place = np.unique(keys, return_inverse=True)
        column, self._indices = np.divmod(unique, len(free))
        self._starts = np.searchsorted(column, np.arange(len(free) + 1))

    def matrix(self, element_matrices: np.ndarray) -> csc_array:
        values = np.bincount(self._place, element_matrices.ravel()[self._kept])
        size = len(self._starts) - 1
        return csc_array(
            (values, self._indices.astype(np.int32), self._starts.astype(np.int32)), (size, size)
        )


def _nodes_of_dofs(basis: Basis, rings: int, rays: int) -> np.ndarray:
    """The flattened node (ring, ray) of each of scikit-fem's numbers."""
    ring, ray = np.divmod(np.arange(rings * rays // 4), rays // 2)  # of the elements' first corners
    along, around = (2 * ElementQuad2.doflocs.T).astype(int)
    node = (2 * ring + along[:, None]) * rays + (2 * ray + around[:, None]) % rays  # (NODES, E)
    order = np.empty(basis.N, int)
    order[basis.element_dofs] = node
    return order


def _recovery(basis: Basis) -> np.ndarray:
    """(NODES, Q): values at an element's nodes of the bilinear field that is nearest to those at quadrature points."""

    def bilinear(x: np.ndarray) -> np.ndarray:
        return np.stack([np.ones_like(x[0]), x[0], x[1], x[0] * x[1]], axis=1)

    root = np.sqrt(basis.W)[:, None]
    return bilinear(ElementQuad2.doflocs.T) @ np.linalg.pinv(root * bilinear(basis.X)) * root.T


@LinearForm
def _integral(v, w):
    return v
