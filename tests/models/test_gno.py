"""The kernel integral: that of neuraloperator, with neighbours found by comparing all with all."""

import pytest
import torch
from neuralop.layers.embeddings import SinusoidalEmbedding
from neuralop.layers.integral_transform import IntegralTransform
from neuralop.layers.neighbor_search import native_neighbor_search

from nolab.grid import Domain
from nolab.metrics.memory import saved_bytes
from nolab.models._gno import KernelIntegral, features
from nolab.models._lattice import Lattice

LATTICES = [
    Lattice(Domain.cloud((0.0, 2.0), (-1.0, 0.0)), (6, 5)),
    Lattice(Domain.cloud((0.0, 1.0), (0.0, 1.0), (0.0, 2.0)), (3, 4, 3)),
]
CHANNELS, POINTS = 3, 20


@pytest.fixture(autouse=True)
def _float64():
    """neuraloperator's reduction makes its result in the default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def setting(lattice, nonlinear):
    torch.manual_seed(0)
    integral = KernelIntegral(lattice.box.ndim, (8, 7), CHANNELS, nonlinear)
    theirs = IntegralTransform(
        channel_mlp=integral.channel_mlp,
        transform_type="nonlinear" if nonlinear else "linear",
        reduction="mean",
        use_torch_scatter=False,
    )
    start, stop = torch.tensor([[a.start, a.stop] for a in lattice.box.axes]).T
    places = start + 0.6 * (stop - start) * torch.rand(2, POINTS, lattice.box.ndim)
    nodes = lattice.nodes(torch.float64, torch.device("cpu"))
    return integral, theirs, places, nodes, 0.9 * lattice.cell


def gradients(result, parameters):
    return torch.autograd.grad(result.square().sum(), list(parameters))


def assert_same(ours, theirs, parameters):
    assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-13)
    pairs = zip(gradients(ours, parameters()), gradients(theirs, parameters()), strict=True)
    for mine, other in pairs:
        assert torch.allclose(mine, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("nonlinear", [False, True])
def test_to_places_is_neuraloperators_mean(lattice, nonlinear):
    integral, theirs, places, nodes, radius = setting(lattice, nonlinear)
    field = torch.randn(2, len(nodes), CHANNELS)
    expected = torch.stack(
        [
            theirs(
                y=nodes, neighbors=native_neighbor_search(nodes, places[i], radius), x=places[i], f_y=field[i]
            )
            for i in range(2)
        ]
    )
    ours = integral.to_places(places, nodes, field, lattice.pairs(places, radius, None))
    assert_same(ours, expected, integral.parameters)


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("nonlinear", [False, True])
def test_to_nodes_is_neuraloperators_mean(lattice, nonlinear):
    integral, theirs, places, nodes, radius = setting(lattice, nonlinear)
    field = torch.randn(2, POINTS, CHANNELS)
    expected = torch.stack(
        [
            theirs(
                y=places[i], neighbors=native_neighbor_search(places[i], nodes, radius), x=nodes, f_y=field[i]
            )
            for i in range(2)
        ]
    )
    assert (expected == 0).all(-1).any()  # nodes that no point is near
    ours = integral.to_nodes(places, nodes, field, lattice.pairs(places, radius, None))
    assert_same(ours, expected, integral.parameters)


@pytest.mark.parametrize("mollified", [False, True])
@pytest.mark.parametrize("nonlinear", [False, True])
def test_to_nodes_is_neuraloperators_weighted_sum(nonlinear, mollified):
    lattice = LATTICES[0]
    integral, theirs, places, nodes, radius = setting(lattice, nonlinear)
    field, weights = torch.randn(2, POINTS, CHANNELS), torch.rand(2, POINTS)
    expected = []
    for i in range(2):
        found = native_neighbor_search(places[i], nodes, radius)
        count = found["neighbors_row_splits"].diff()
        node = torch.repeat_interleave(torch.arange(len(nodes)), count)
        weight = weights[i][found["neighbors_index"]]
        if mollified:
            distance = (nodes[node] - places[i][found["neighbors_index"]]).norm(dim=-1)
            weight = weight * (1 + torch.cos(torch.pi * (distance / radius) ** 2)) / 2
        found["weights"] = weight / torch.zeros(len(nodes)).index_add(0, node, weight)[node]
        # neuraloperator's result for weights has one axis more than it should, which its own reduction then refuses
        expected.append(theirs(y=places[i], neighbors=found, x=nodes, f_y=field[i][None])[0])
    pairs = lattice.pairs(places, radius, "half_cos" if mollified else None).times(weights)
    ours = integral.to_nodes(places, nodes, field, pairs)
    assert_same(ours, torch.stack(expected), integral.parameters)


def test_samples_that_share_their_places_share_the_kernel():
    integral, _, places, nodes, radius = setting(LATTICES[0], nonlinear=False)
    field = torch.randn(2, len(nodes), CHANNELS)
    pairs = LATTICES[0].pairs(places[:1], radius, None)
    seen = []
    integral.channel_mlp.fcs[-1].register_forward_hook(lambda *call: seen.append(call[-1].shape[0]))
    shared = integral.to_places(places[:1], nodes, field, pairs)
    both = places[:1].expand(2, -1, -1)
    assert torch.allclose(
        shared, integral.to_places(both, nodes, field, LATTICES[0].pairs(both, radius, None))
    )
    assert seen == [1, 2]


@pytest.mark.parametrize("direction", ["to_places", "to_nodes"])
def test_checkpointed_it_keeps_nothing_of_the_pairs(direction):
    integral, _, places, nodes, radius = setting(LATTICES[0], nonlinear=True)
    field = torch.randn(2, len(nodes) if direction == "to_places" else POINTS, CHANNELS)
    pairs = LATTICES[0].pairs(places, radius, None)
    plain = saved_bytes(lambda: getattr(integral, direction)(places, nodes, field, pairs))
    integral.checkpointing = True
    assert saved_bytes(lambda: getattr(integral, direction)(places, nodes, field, pairs)) < 0.2 * plain


@pytest.mark.parametrize("frequencies", [1, 3])
def test_features_are_neuraloperators(frequencies):
    position = torch.rand(4, 5, 2)
    theirs = SinusoidalEmbedding(2, frequencies, "nerf")(position)
    assert torch.allclose(features(position, frequencies), theirs, rtol=1e-12)
    assert features(position, 0) is position
