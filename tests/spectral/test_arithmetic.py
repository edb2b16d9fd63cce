"""Products of half matrices: summed in float32 and rounded once, forward and backward."""

import pytest
import torch

from nolab.spectral.arithmetic import matmul

HALF = [torch.float16, torch.bfloat16]
# Shapes of a and b: a constant b for any leading dimensions, or equal leading dimensions.
SHAPES = [
    ((5, 64), (64, 7)),
    ((2, 3, 5, 64), (64, 7)),
    ((4, 5, 64), (4, 64, 7)),
    ((2, 3, 5, 64), (2, 3, 64, 7)),
]


def draw(shape, dtype, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def pair(shapes, dtype):
    return draw(shapes[0], dtype, 0), draw(shapes[1], dtype, 1)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", HALF)
def test_half_is_the_float32_product_rounded_once(dtype, shapes):
    a, b = pair(shapes, dtype)
    product = matmul(a, b)
    assert product.dtype == dtype
    assert torch.equal(product, (a.float() @ b.float()).to(dtype))


@pytest.mark.parametrize("dtype", HALF)
def test_sums_are_not_in_half(dtype):
    """In half, 1 + 1 + … stops at 2^11 (2^8); in float32 it does not."""
    ones = torch.ones(1, 3000, dtype=dtype)
    total = matmul(ones, ones.T).item()
    assert total == torch.tensor(3000.0).to(dtype).item()


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", HALF)
def test_gradients_are_rounded_once_too(dtype, shapes):
    a, b = (x.requires_grad_() for x in pair(shapes, dtype))
    wide_a, wide_b = (x.detach().float().requires_grad_() for x in (a, b))
    product = matmul(a, b)
    slopes = draw(product.shape, dtype, 2)
    product.backward(slopes)
    (wide_a @ wide_b).backward(slopes.float())
    assert a.grad.dtype == b.grad.dtype == dtype
    assert torch.equal(a.grad, wide_a.grad.to(dtype))
    if len(shapes[0]) == len(shapes[1]):
        assert torch.equal(b.grad, wide_b.grad.to(dtype))
    else:  # the sum over the leading dimensions may be taken in another order
        assert (b.grad.float() - wide_b.grad).norm() < torch.finfo(dtype).eps * wide_b.grad.norm()


@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
def test_one_operand_may_be_constant(wanted):
    a, b = pair(SHAPES[2], torch.float16)
    a.requires_grad_(wanted[0]), b.requires_grad_(wanted[1])
    matmul(a, b).sum().backward()
    assert (a.grad is not None, b.grad is not None) == wanted


def test_a_field_times_a_constant_is_not_kept():
    """Transforms multiply fields by constant matrices: no gradient needs the field's values."""
    a, b = pair(((2, 50, 64), (64, 7)), torch.float16)
    a.requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.shape) or x, lambda x: x):
        matmul(a, b)
    assert kept == [b.shape]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_wider_types_are_plain_products(dtype, shapes):
    a, b = (x.requires_grad_() for x in pair(shapes, dtype))
    product = matmul(a, b)
    assert torch.equal(product, a @ b)
    ours = torch.autograd.grad(product.square().sum(), (a, b))
    theirs = torch.autograd.grad((a @ b).square().sum(), (a, b))
    assert all(torch.equal(x, y) for x, y in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("dtype", [*HALF, torch.float32])
def test_vmap(dtype):
    a, b = pair(((6, 5, 64), (6, 64, 7)), dtype)
    assert torch.equal(torch.func.vmap(matmul)(a, b), matmul(a, b))
    assert torch.equal(torch.func.vmap(matmul, in_dims=(0, None))(a, b[0]), matmul(a, b[0]))


@pytest.mark.parametrize("dtype", [*HALF, torch.float32])
def test_gradients_per_sample(dtype):
    a, b = pair(((6, 5, 64), (64, 7)), dtype)
    slope = torch.func.grad(lambda b, a: matmul(a, b).float().square().sum())
    single = torch.stack([slope(b, one) for one in a])
    batched = torch.func.vmap(slope, in_dims=(None, 0))(b, a)
    assert (batched.float() - single.float()).norm() <= 2 * torch.finfo(dtype).eps * single.float().norm()
