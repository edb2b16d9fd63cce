"""Meshes of rectangles for the tests of flows."""

import numpy as np
from skfem import MeshTri


def rectangle(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (P, 2) and counterclockwise triangles (T, 3) between the lines x and y."""
    mesh = MeshTri.init_tensor(x, y)
    points, cells = mesh.p.T, mesh.t.T
    a, b, c = points[cells].swapaxes(0, 1)
    clockwise = np.linalg.det(np.stack([b - a, c - a], axis=1)) < 0
    return points, np.where(clockwise[:, None], cells[:, [0, 2, 1]], cells)
