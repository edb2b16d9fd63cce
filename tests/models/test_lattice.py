"""The latent grid: its window of nodes is that of a search among all nodes, its distances those to all points."""

import pytest
import torch
from neuralop.layers.gno_weighting_functions import WEIGHTING_FN_REGISTRY

from nolab.grid import Domain
from nolab.models import _lattice
from nolab.models._lattice import Lattice

BOXES = {
    1: Domain.cloud((-1.0, 2.0)),
    2: Domain.cloud((0.5, 1.5), (-2.0, 1.0)),
    3: Domain.cloud((0.0, 1.0), (0.0, 2.0), (-1.0, 0.0)),
}
SHAPES = {1: (9,), 2: (7, 12), 3: (5, 6, 4)}


def places_in(lattice, n=60, dtype=torch.float64):
    """Anywhere in the box, on its nodes, halfway between them, and outside: (2, P, ndim)."""
    ndim = lattice.box.ndim
    start, stop = torch.tensor([[a.start, a.stop] for a in lattice.box.axes], dtype=torch.float64).T
    anywhere = start + (stop - start) * torch.rand(n, ndim, dtype=torch.float64)
    nodes = lattice.domain.coordinates(lattice.shape).flatten(1).T
    between = (nodes[:-1] + nodes[1:]) / 2
    outside = stop + torch.rand(5, ndim, dtype=torch.float64)
    all_places = torch.cat([anywhere, nodes, between, outside])
    return torch.stack([all_places, all_places.flip(0)]).to(dtype)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("scale", [0.503, 0.77, 1.03, 1.31, 2.49])
def test_the_window_holds_exactly_the_nodes_within_the_radius(ndim, scale):
    lattice = Lattice(BOXES[ndim], SHAPES[ndim])
    radius = scale * lattice.cell
    places = places_in(lattice)
    pairs = lattice.pairs(places, radius, None)
    nodes = lattice.domain.coordinates(lattice.shape).flatten(1).T
    distance = torch.cdist(places, nodes.expand(2, -1, -1), compute_mode="donot_use_mm_for_euclid_dist")
    found = torch.zeros_like(distance).scatter_add(2, pairs.node, pairs.weight)
    assert (distance - radius).abs().min() > 1e-9  # no ties
    assert torch.equal(found, (distance <= radius).double())  # each once
    inside = places[0, : 60 + len(nodes)]
    assert (found[0, : len(inside)].sum(-1) > 0).all()  # beyond half of a cell's diagonal


@pytest.mark.parametrize("name", WEIGHTING_FN_REGISTRY)
def test_a_mollifier_is_neuraloperators_function_of_the_squared_distance(name):
    lattice = Lattice(BOXES[2], SHAPES[2])
    places, radius = places_in(lattice), 1.3 * lattice.cell
    plain, soft = lattice.pairs(places, radius, None), lattice.pairs(places, radius, name)
    nodes = lattice.nodes(torch.float64, torch.device("cpu"))[plain.node]
    squared = (places[:, :, None] - nodes).square().sum(-1)
    expected = WEIGHTING_FN_REGISTRY[name](squared, radius=radius**2)
    there = plain.weight > 0
    assert torch.allclose(soft.weight[there], expected[there])
    assert (soft.weight[~there] == 0).all()
    assert (soft.weight >= 0).all()
    assert expected[there].max() - expected[there].min() > 0.5


@pytest.mark.parametrize("block", [1, 100, 2**22])
def test_distance_to_the_nearest_point_in_blocks(monkeypatch, block):
    monkeypatch.setattr(_lattice, "_DISTANCES", block)
    lattice = Lattice(BOXES[3], SHAPES[3])
    points = places_in(lattice)[:, :30]
    nodes = lattice.domain.coordinates(lattice.shape).flatten(1).T
    expected = (nodes[:, None] - points[:, None]).square().sum(-1).sqrt().amin(-1)
    assert torch.allclose(lattice.distances(points), expected, rtol=1e-12)


def test_the_cell_and_the_box_have_their_diagonals():
    lattice = Lattice(Domain.cloud((0.0, 3.0), (0.0, 4.0)), (4, 5))
    assert lattice.spacing == (1.0, 1.0)
    assert lattice.cell == pytest.approx(2**0.5)
    assert lattice.diameter == pytest.approx(5.0)
