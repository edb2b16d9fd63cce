"""The unit cell [0, 1]² with a star-shaped void at its centre: nodes on rings around the void and rays from it."""

import numpy as np

from nolab.problems._star_shapes import StarCurve


def ring_nodes(void: StarCurve, rings: int, rays: int) -> np.ndarray:
    """Nodes (rings + 1, rays, 2): ring 0 lies on the void, the last one on the cell's sides.

    The rays have equal angles; along each the distance of the rings grows threefold from the void to the side. Every
    second ring and ray are those of half the numbers. Corners of the cell are nodes if 8 divides `rays`.

    Parameters
    ----------
    void : around the cell's centre, within the cell.
    """
    theta = np.arange(rays) * (2 * np.pi / rays)
    direction = np.stack([np.cos(theta), np.sin(theta)], axis=-1)
    reach = np.abs(direction).max(axis=-1, keepdims=True)
    side = (
        np.where(np.isclose(np.abs(direction), reach), np.sign(direction), direction / reach) / 2
    )  # to the last bit
    s = np.linspace(0, 1, rings + 1)[:, None, None]
    share = s * (1 + s) / 2
    return 0.5 + (1 - share) * void.at(theta) + share * side


def ring_quads(rings: int, rays: int) -> np.ndarray:
    """The quads between neighbouring rings and rays, (rings·rays, 4): indices of flattened nodes, counter-clockwise."""
    ring, ray = np.divmod(np.arange(rings * rays), rays)
    following = (ray + 1) % rays
    inner, outer = ring * rays, (ring + 1) * rays
    return np.stack([inner + ray, outer + ray, outer + following, inner + following], axis=1)


def ring_triangles(rings: int, rays: int) -> np.ndarray:
    """The quads, each as two triangles: (2·rings·rays, 3)."""
    quads = ring_quads(rings, rays)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
