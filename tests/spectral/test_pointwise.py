"""Pointwise maps equal the convolutions and products that they stand for, forward and backward."""

import pytest
import torch
from torch.nn import functional as F

from nolab.spectral.pointwise import add_gated, pointwise

SHAPES = [(5,), (3, 4), (2, 3, 4)]


def tensors(shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    sizes = {"x": (2, 3, *shape), "weight": (4, 3, 1), "bias": (4,), "onto": (2, 4, *shape)}
    return {
        name: torch.randn(size, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
        for name, size in sizes.items()
    }


def by_convolution(x, weight, bias=None, onto=None):
    y = F.conv1d(x.flatten(2), weight, bias).unflatten(2, x.shape[2:])
    return y if onto is None else y + onto


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("parts", [(), ("bias",), ("onto",), ("bias", "onto")])
def test_equals_the_convolution_with_its_gradients(shape, parts):
    given = {name: value for name, value in tensors(shape).items() if name in ("x", "weight", *parts)}
    y, want = pointwise(**given), by_convolution(**given)
    assert y.shape == want.shape
    assert torch.allclose(y, want, rtol=1e-13)
    slopes = torch.randn_like(want)
    found = torch.autograd.grad(y, list(given.values()), slopes)
    for a, b in zip(found, torch.autograd.grad(want, list(given.values()), slopes), strict=True):
        assert torch.allclose(a, b, rtol=1e-12)


def test_what_is_given_stays_as_it_is():
    given = tensors((4, 4))
    before = {name: value.detach().clone() for name, value in given.items()}
    pointwise(**given)
    assert all(torch.equal(given[name], before[name]) for name in given)


@pytest.mark.parametrize("name", ["x", "weight", "bias", "onto"])
def test_a_gradient_that_nobody_needs_is_not_asked_for(name):
    given = {key: value.detach() for key, value in tensors((4,)).items()}
    given[name].requires_grad_()
    slopes = torch.randn(2, 4, 4, dtype=torch.float64)
    (found,) = torch.autograd.grad(pointwise(**given), given[name], slopes)
    (want,) = torch.autograd.grad(by_convolution(**given), given[name], slopes)
    assert torch.allclose(found, want, rtol=1e-12)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float16, 1e-3), (torch.bfloat16, 1e-2)])
def test_under_autocast_it_is_in_autocasts_type(dtype, bound):
    given = tensors((8, 8), torch.float32)
    with torch.autocast("cpu", dtype=dtype):
        y = pointwise(**given)
    assert y.dtype == dtype
    want = by_convolution(**given)
    assert 1e-6 < (y.float() - want).norm() / want.norm() < bound
    y.float().sum().backward()
    assert all(value.grad.dtype == torch.float32 for value in given.values())


@pytest.mark.parametrize("shape", SHAPES)
def test_gates(shape):
    generator = torch.Generator().manual_seed(1)
    y, x = (torch.randn(2, 3, *shape, generator=generator, dtype=torch.float64) for _ in range(2))
    gate = torch.randn(1, 3, *(1,) * len(shape), generator=generator, dtype=torch.float64)
    given = [tensor.requires_grad_() for tensor in (y, gate, x)]
    assert torch.equal(add_gated(y, gate, x), torch.addcmul(y, gate, x))
    assert torch.autograd.gradcheck(add_gated, given)


def test_per_sample_gradients():
    """Their functions carry over to torch.func, which vectorises them."""
    given = {name: value.detach() for name, value in tensors((3, 4)).items()}

    def loss(weight, x):
        return pointwise(x[None], weight, given["bias"]).square().sum()

    found = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(given["weight"], given["x"])
    want = torch.stack([torch.func.grad(loss)(given["weight"], x) for x in given["x"]])
    assert torch.allclose(found, want, rtol=1e-12)
