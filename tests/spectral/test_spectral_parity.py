"""Parity with neuraloperator 2.0.0: same parameters, same function on even index grids."""

import pytest
import torch
from neuralop.layers.spectral_convolution import SpectralConv as NeuralopSpectralConv

from nolab.grid import Domain
from nolab.spectral import SpectralConv

GRIDS = [((16,), (8,)), ((16, 12), (8, 8)), ((12, 10), (16, 16)), ((8, 10, 6), (4, 6, 4))]


def pair(n_modes, channels=(3, 4), **options):
    layers = []
    for cls, extra in ((NeuralopSpectralConv, {}), (SpectralConv, {"discretization": "index"})):
        torch.manual_seed(3)
        layers.append(cls(*channels, n_modes, **options, **extra))
    return layers


def assert_same(theirs, ours, shape):
    x = torch.randn(2, theirs.in_channels, *shape)
    expected = theirs(x)
    for path in ("fft", "matmul"):
        ours._path = path
        assert (ours(x) - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.parametrize("implementation", ["factorized", "reconstructed"])
@pytest.mark.parametrize("factorization", [None, "tucker", "cp", "tt"])
@pytest.mark.parametrize(("shape", "n_modes"), GRIDS)
def test_function_and_parameters(shape, n_modes, factorization, implementation):
    theirs, ours = pair(n_modes, factorization=factorization, implementation=implementation, rank=0.5)
    expected, state = theirs.state_dict(), ours.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert_same(theirs, ours, shape)


@pytest.mark.parametrize("implementation", ["factorized", "reconstructed"])
@pytest.mark.parametrize("factorization", [None, "tucker", "cp", "tt"])
def test_separable(factorization, implementation):
    theirs, ours = pair(
        (6, 6), (3, 3), factorization=factorization, implementation=implementation, separable=True, rank=0.5
    )
    assert_same(theirs, ours, (8, 10))


def test_state_dict_round_trip():
    theirs, ours = pair((6, 6), factorization="tucker")
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.mul_(1.5)
    theirs.load_state_dict(ours.state_dict())
    assert_same(theirs, ours, (8, 8))
    fresh = SpectralConv(3, 4, (6, 6), discretization="index", factorization="tucker")
    fresh.load_state_dict(theirs.state_dict())
    assert_same(theirs, fresh, (8, 8))


def test_another_output_grid():
    theirs, ours = pair((6,))
    x = torch.randn(2, 3, 12)
    assert torch.allclose(ours(x, output_shape=(20,)), theirs(x, output_shape=(20,)), atol=1e-5)
    for shape in ((12,), (12, 10), (4, 4, 4)):
        field, asked = torch.randn(2, 3, *shape), tuple(n + 4 for n in shape)
        theirs, ours = pair((2,) * len(shape))
        assert torch.allclose(ours.transform(field, asked), theirs.transform(field, asked), atol=1e-6)


@pytest.mark.parametrize("factorization", ["tucker", "cp", "tt"])
def test_clipped_factors_equal_the_clipped_dense_weight(factorization):
    outputs = []
    for implementation in ("factorized", "reconstructed"):
        torch.manual_seed(0)
        conv = SpectralConv(
            3, 4, (12, 12), domain=Domain.unit(2), factorization=factorization, implementation=implementation
        )
        outputs.append(conv(torch.linspace(0, 1, 3 * 9 * 9).view(1, 3, 9, 9)))
    assert torch.allclose(*outputs, rtol=1e-5, atol=1e-6)


def test_contraction_order_is_found_once(monkeypatch):
    conv = SpectralConv(3, 4, (6, 6), factorization="tucker", implementation="factorized")
    x = torch.randn(2, 3, 8, 8)
    conv(x)
    monkeypatch.setattr("opt_einsum.contract_expression", None)
    conv(x)
