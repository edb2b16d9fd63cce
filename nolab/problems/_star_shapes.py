"""Star-shaped curves r(θ) around the origin: points on them, and distances to them."""

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

DENSE = 2048
"""Corners of the polygon that stands for a curve where lengths and distances are measured."""


class StarCurve:
    """A closed curve that every ray from the origin meets once.

    Parameters
    ----------
    radius : the positive, 2π-periodic distance r of the curve from the origin, at angles of any shape.
    """

    def __init__(self, radius: Callable[[np.ndarray], np.ndarray]) -> None:
        self.radius = radius
        theta = np.linspace(0, 2 * np.pi, DENSE + 1)
        closed = self.at(theta)
        steps = np.linalg.norm(np.diff(closed, axis=0), axis=1)
        self._theta, self._length = theta, np.concatenate([[0.0], np.cumsum(steps)])
        self.polygon = closed[:-1]
        """(DENSE, 2), counter-clockwise from θ = 0."""
        self._tree = cKDTree(self.polygon)

    def at(self, theta: np.ndarray) -> np.ndarray:
        """The curve's points (..., 2) at angles (...)."""
        return self.radius(theta)[..., None] * np.stack([np.cos(theta), np.sin(theta)], axis=-1)

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Whether the curve goes around the points (N, 2): (N,) bool."""
        return np.hypot(*points.T) < self.radius(np.arctan2(points[:, 1], points[:, 0]))

    def evenly_spaced(self, spacing: float) -> np.ndarray:
        """Points (n, 2) at equal distances along the curve, counter-clockwise from θ = 0.

        n is the curve's length over `spacing`, rounded up, and at least 3.
        """
        n = max(3, int(np.ceil(self._length[-1] / spacing)))
        return self.at(np.interp(np.arange(n) * (self._length[-1] / n), self._length, self._theta))

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Distances (N,) of points (N, 2) to the polygon that stands for the curve.

        Its edges are short: the nearest one is one of the two at the nearest corner.
        """
        nearest = self._tree.query(points)[1]
        corner, before = self.polygon[nearest], self.polygon[nearest - 1]
        after = self.polygon[(nearest + 1) % DENSE]
        return np.sqrt(np.minimum(_squared(points, corner, before), _squared(points, corner, after)))


def fourier_series(theta: np.ndarray, cosines: np.ndarray, sines: np.ndarray) -> np.ndarray:
    """Σ a_k cos kθ + b_k sin kθ over k = 1 … K.

    Parameters
    ----------
    theta : angles, any shape.
    cosines, sines : (K,), a_k and b_k.
    """
    turn = np.exp(1j * theta)[..., None]
    powers = np.cumprod(np.broadcast_to(turn, (*turn.shape[:-1], len(cosines))), axis=-1)  # e^{ikθ}
    return (powers @ (cosines - 1j * sines)).real


def _squared(points: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Squared distances (N,) of points to edges, all (N, 2)."""
    edge, offset = stop - start, points - start
    along = np.einsum("ni,ni->n", edge, offset) / np.einsum("ni,ni->n", edge, edge)
    rest = offset - np.clip(along, 0, 1)[:, None] * edge
    return np.einsum("ni,ni->n", rest, rest)
