"""Triangle meshes of a channel around a cylinder: rings of quadrilaterals inside a grid of rectangles, all halved.

Lengths are those of Schäfer and Turek, *Benchmark Computations of Laminar Flow Around a Cylinder* (1996): a channel of
height 0.41 and a cylinder of radius 0.05 around (0.2, 0.2). A square around the cylinder, which moves with it, is
filled by rings of points that pass from the circle to the square; lines through the square's points make up the rest.
"""

import numpy as np

from nolab.mesh import MeshSize

HEIGHT = 0.41
RADIUS = 0.05
CENTRE = (0.2, 0.2)
SQUARE = 0.1
"""Half the width of the square around the cylinder."""

RING_GROWTH = 5.0
"""The outermost ring is so many times as wide as the innermost one."""

WAKE_GROWTH = 2.0
"""The last cell before the outlet is so many times as long as the first one behind the square."""

WAKE_CELL = 1.5
"""Mean length of the cells behind the square, in cells of the square, for a cylinder at CENTRE."""


def channel_size(resolution: int, length: float) -> MeshSize:
    """Points and triangles of :func:`channel_mesh`, wherever the cylinder is."""
    m, ring_cells = resolution, 4 * resolution * (resolution // 2)
    nx, ny = m // 2 + m + _wake_cells(m, length), 2 * m
    return MeshSize((nx + 1) * (ny + 1) - (m - 1) ** 2 + ring_cells, 2 * (nx * ny - m * m + ring_cells))


def channel_mesh(
    resolution: int, length: float, centre: tuple[float, float] = CENTRE
) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 2) float64 and triangles (T, 3), counterclockwise, of the channel around the cylinder.

    Parameters
    ----------
    resolution : cells along a side of the square around the cylinder, m, even. The first 4m points are on the circle.
    length : of the channel, whose inlet is at x = 0.
    centre : of the cylinder; the square around it lies inside the channel.
    """
    m, half = resolution, resolution // 2
    rings = _rings(m, np.array(centre))  # (m/2, 4m, 2)
    x, y = _columns(m, length, centre[0]), _rows(m, centre[1])
    i, j = np.meshgrid(np.arange(len(x)), np.arange(len(y)), indexing="ij")
    hole = (abs(i - m) < half) & (abs(j - m) < half)
    number = np.where(hole, -1, rings.size // 2 + np.cumsum(~hole).reshape(hole.shape) - 1)
    points = np.concatenate([rings.reshape(-1, 2), np.stack([x[i], y[j]], axis=-1)[~hole]])

    inside = (abs(i + 0.5 - m) < half) & (abs(j + 0.5 - m) < half)
    rectangles = np.stack([number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]], axis=-1)
    outside = ~inside[:-1, :-1]
    grid = _halved(rectangles[outside], (i + j)[:-1, :-1][outside])

    layers = np.arange(rings.size // 2).reshape(half, 4 * m)
    layers = np.concatenate([layers, number[tuple(m + _square(m).T)][None]])
    after = np.roll(layers, -1, axis=1)
    quads = np.stack([layers[:-1], layers[1:], after[1:], after[:-1]], axis=-1)  # (m/2, 4m, 4)
    parity = np.add.outer(np.arange(half), np.arange(4 * m))
    return points, np.concatenate([_halved(quads.reshape(-1, 4), parity.ravel()), grid])


def _square(m: int) -> np.ndarray:
    """The square's 4m points by their lines, counted from its centre, (4m, 2): counterclockwise from (-m/2, -m/2)."""
    low, high, up = np.full(m, -m // 2), np.full(m, m // 2), np.arange(m) - m // 2
    return np.stack(
        [np.concatenate([up, high, -up, low]), np.concatenate([low, up, high, -up])],
        axis=-1,
    )


def _rings(m: int, centre: np.ndarray) -> np.ndarray:
    """Points of the m/2 rings from the circle outwards, (m/2, 4m, 2), without those of the square."""
    angles = np.pi * (np.arange(4 * m) / (2 * m) - 0.75)
    circle = centre + RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    square = centre + 2 * SQUARE / m * _square(m)
    share = _graded(m // 2, RING_GROWTH)[:-1, None, None]
    return circle + share * (square - circle)


def _columns(m: int, length: float, centre: float) -> np.ndarray:
    """The x of the grid's lines: m/2 cells before the square, m along it, then the wake's, longer and longer."""
    first, last = centre - SQUARE, centre + SQUARE
    wake = last + (length - last) * _graded(_wake_cells(m, length), WAKE_GROWTH)
    wake[-1] = length
    return np.concatenate(
        [np.linspace(0, first, m // 2 + 1)[:-1], np.linspace(first, last, m + 1)[:-1], wake]
    )


def _rows(m: int, centre: float) -> np.ndarray:
    """The y of the grid's lines: m/2 cells below the square, m along it, m/2 above it."""
    first, last = centre - SQUARE, centre + SQUARE
    below, along = np.linspace(0, first, m // 2 + 1)[:-1], np.linspace(first, last, m + 1)[:-1]
    return np.concatenate([below, along, np.linspace(last, HEIGHT, m // 2 + 1)])


def _wake_cells(m: int, length: float) -> int:
    return max(2, round((length - CENTRE[0] - SQUARE) / (WAKE_CELL * 2 * SQUARE / m)))


def _graded(cells: int, growth: float) -> np.ndarray:
    """Ends of cells that fill [0, 1], each longer than the one before by one factor, the last `growth` times the first.

    Returns
    -------
    (cells + 1,); cells >= 2.
    """
    lengths = growth ** np.linspace(0, 1, cells)
    return np.concatenate([[0], np.cumsum(lengths) / lengths.sum()])


def _halved(quads: np.ndarray, parity: np.ndarray) -> np.ndarray:
    """Quadrilaterals (n, 4) as triangles (2n, 3), cut from the first corner where the parity is even, else the second.

    Diagonals that take turns favour no direction, and in a symmetric channel they are symmetric.
    """
    from_first, from_second = [[0, 1, 2], [0, 2, 3]], [[1, 2, 3], [1, 3, 0]]
    even = (parity % 2 == 0)[:, None, None]
    return np.where(even, quads[:, from_first], quads[:, from_second]).reshape(-1, 3)
