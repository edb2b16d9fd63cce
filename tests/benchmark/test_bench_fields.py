"""The random fields that a bench measures on."""

import pytest
import torch
from tests_support import spec

from nolab.benchmark.fields import random_field, random_samples
from nolab.grid import Axis, Domain


@pytest.mark.parametrize("placement", ["nodal", "cell", "periodic"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_fields_have_the_shapes_of_their_spec(placement, ndim):
    shape = (9, 12, 7)[:ndim]
    held = random_samples(spec(Domain.unit(ndim, placement), (2, 3)), shape, None, count=5, seed=0)
    assert held.input.shape == (5, 2, *shape)
    assert held.target.shape == (5, 3, *shape)
    assert held.norm.shape == (5,)
    assert held.zero.shape == (3,)
    assert {held.input.dtype, held.target.dtype, held.norm.dtype} == {torch.float32}


def test_an_input_that_does_not_vary_along_an_axis_has_size_one_there():
    held = random_samples(spec(Domain.unit(2)), (9, 17), (1,), count=2, seed=0)
    assert held.input.shape == (2, 1, 1, 17)
    assert held.target.shape == (2, 1, 9, 17)


def test_the_seed_decides():
    first, again, other = (random_samples(spec(Domain.unit(2)), (9, 9), None, 3, seed) for seed in (0, 0, 1))
    torch.testing.assert_close(first.input, again.input, rtol=0, atol=0)
    assert not torch.allclose(first.input, other.input)
    assert not torch.allclose(first.input, first.target)


def test_the_same_fields_on_every_grid():
    fine, coarse = (random_samples(spec(Domain.unit(2)), (n, n), None, 3, seed=0) for n in (17, 9))
    torch.testing.assert_close(fine.input[..., ::2, ::2], coarse.input)


@pytest.mark.parametrize("placement", ["nodal", "periodic"])
def test_fields_have_unit_variance_and_decay(placement):
    axis = Axis(placement)
    field = random_field((axis,), (65,), (4000,), torch.Generator().manual_seed(0))
    assert field.mean().abs() < 0.05
    assert field.square().mean() == pytest.approx(1, abs=0.1)
    rough = field.diff(dim=-1).square().mean()
    assert rough < 0.01  # white noise has 2


def test_norm_is_the_quadrature_of_the_target():
    domain = Domain.unit(2)
    held = random_samples(spec(domain, (1, 2)), (9, 9), None, 3, seed=0)
    square = (held.target.double().square() * domain.weights((9, 9))).sum(dim=(2, 3)).mean(dim=1)
    torch.testing.assert_close(held.norm.double(), square.sqrt(), rtol=1e-6, atol=0)
