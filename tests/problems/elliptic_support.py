"""An independent solver of −∇·(a∇u) = f: finite differences as sparse matrices, solved directly."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve


def direct_solution(a: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Nodal values (r, r) for coefficient and right-hand side at the nodes; zero on the boundary.

    The gradient's transpose, times the coefficient at the faces' midpoints, times the gradient.
    """
    m = len(a) - 2
    slopes = (m + 1) * (sp.eye(m + 1, m) - sp.eye(m + 1, m, -1))
    faces_x = (a[1:, 1:-1] + a[:-1, 1:-1]) / 2  # (m+1, m)
    faces_y = (a[1:-1, 1:] + a[1:-1, :-1]) / 2  # (m, m+1)
    along_x, along_y = sp.kron(slopes, sp.eye(m)), sp.kron(sp.eye(m), slopes)
    matrix = along_x.T @ sp.diags(faces_x.ravel()) @ along_x + along_y.T @ sp.diags(faces_y.ravel()) @ along_y
    return np.pad(spsolve(matrix.tocsc(), f[1:-1, 1:-1].ravel()).reshape(m, m), 1)
