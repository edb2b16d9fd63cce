"""Nodes around a void: where they lie, that they nest, and that their triangles tile the cell."""

import numpy as np
import pytest

from nolab.problems._star_shapes import StarCurve
from nolab.problems._voided_cell import ring_nodes, ring_quads, ring_triangles

VOID = StarCurve(lambda theta: 0.3 + 0.06 * np.cos(3 * theta) + 0.03 * np.sin(4 * theta))


def signed_areas(places: np.ndarray, cells: np.ndarray) -> np.ndarray:
    x, y = places[cells].transpose(2, 0, 1)
    return np.sum(x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1), axis=1) / 2


@pytest.mark.parametrize(("rings", "rays"), [(1, 8), (4, 16), (5, 24), (16, 64)])
def test_triangles_tile_the_cell_around_the_void(rings: int, rays: int) -> None:
    nodes = ring_nodes(VOID, rings, rays)
    areas = signed_areas(nodes.reshape(-1, 2), ring_triangles(rings, rays))
    assert len(areas) == 2 * rings * rays
    assert areas.min() > 0
    void = signed_areas(nodes[0], np.arange(rays)[None])[0]
    assert areas.sum() == pytest.approx(1 - void, rel=1e-12)
    assert signed_areas(nodes.reshape(-1, 2), ring_quads(rings, rays)).sum() == pytest.approx(
        1 - void, rel=1e-12
    )


def test_first_and_last_ring() -> None:
    nodes = ring_nodes(VOID, 4, 64)
    theta = np.arange(64) * (2 * np.pi / 64)
    assert np.allclose(nodes[0], 0.5 + VOID.at(theta), rtol=0, atol=1e-15)
    last = nodes[-1]
    assert ((last == 0) | (last == 1)).any(axis=1).all()  # to the last bit
    for corner in np.ndindex(2, 2):
        assert (last == corner).all(axis=1).sum() == 1
    assert (last[:, 1] == 0).sum() == (last[:, 0] == 1).sum() == 17


def test_rays_are_straight_and_rings_close_to_each_other_at_the_void() -> None:
    nodes = ring_nodes(VOID, 8, 16)
    steps = np.diff(nodes, axis=0)
    distances = np.linalg.norm(steps, axis=-1)
    first, second = steps[0], steps[5]
    assert np.allclose(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0], 0, atol=1e-15)
    share = np.cumsum(distances, axis=0) / distances.sum(axis=0)
    s = np.arange(1, 9)[:, None] / 8
    assert np.allclose(share, s * (1 + s) / 2, rtol=0, atol=1e-12)


def test_every_second_ring_and_ray_are_the_coarser_nodes() -> None:
    assert np.allclose(ring_nodes(VOID, 8, 32)[::2, ::2], ring_nodes(VOID, 4, 16), rtol=0, atol=1e-15)
