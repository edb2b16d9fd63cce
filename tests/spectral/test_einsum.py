"""Contractions of complex tensors in real arithmetic, against torch.einsum of complex128."""

import math

import opt_einsum
import pytest
import torch

from nolab.spectral import einsum
from nolab.spectral.contraction import _factor_symbols
from nolab.spectral.einsum import contract

SIZES = {"b": 3, "i": 4, "o": 5, "w": 6, "x": 5, "y": 3, "z": 2}
RANKS = dict(zip("ABCDEFG", (2, 3, 4, 2, 3, 2, 3), strict=True))


def layer_equations():
    """Those that a layer contracts: with the coefficients, and of the weight alone."""
    for kind in ("cp", "tucker", "tt"):
        for dims in ("w", "wx", "wxy"):
            for channels, out in (("io", "bo"), ("i", "bi")):
                factors = _factor_symbols(kind, channels + dims)
                yield f"bi{dims},{factors}->{out}{dims}"
                yield f"{factors}->{channels}{dims}"


EQUATIONS = [
    *layer_equations(),
    "iA,A->i",
    "iA,oB->io",  # a lone summed index on either side
    "bi,ijk->b",
    "ijk,k->i",
    "iA,iA->i",
    "iA,iA->A",
    "ij,jk,ki->i",
    "wx,xw->xw",
    "iA->i",
]
SIZES |= {"j": 3, "k": 2}


def operands(equation, seed=0, **sizes):
    known, generator = {**SIZES, **RANKS, **sizes}, torch.Generator().manual_seed(seed)
    return [
        torch.randn([known[s] for s in term], dtype=torch.complex128, generator=generator)
        for term in equation.split("->")[0].split(",")
    ]


@pytest.mark.parametrize("minimise", ["flops", "memory"])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_equals_the_complex_contraction_with_its_gradients(equation, minimise):
    complex_ones = [x.requires_grad_() for x in operands(equation)]
    pairs = [torch.view_as_real(x.detach()).clone().requires_grad_() for x in complex_ones]
    result, expected = contract(equation, pairs, minimise), torch.einsum(equation, *complex_ones)
    assert not result.is_complex()
    assert close(result, expected)
    slopes = torch.randn(expected.shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    result.backward(torch.view_as_real(slopes))
    expected.backward(slopes)
    for pair, one in zip(pairs, complex_ones, strict=True):
        assert close(pair.grad, one.grad)


def close(pairs, expected):
    expected = torch.view_as_real(expected)
    return pairs.shape == expected.shape and (pairs - expected).norm() <= 1e-13 * expected.norm()


@pytest.mark.parametrize("equation", ["biw,A,iA,oA,wA->bow", "biw,AiB,BoC,CwD->bow", "bi,ijk->b"])
def test_gradcheck(equation):
    pairs = [torch.view_as_real(x).clone().requires_grad_() for x in operands(equation)]
    assert torch.autograd.gradcheck(lambda *x: contract(equation, list(x), "flops"), pairs, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_keeps_the_type(dtype):
    equation = "biwx,A,iA,oA,wA,xA->bowx"
    exact = operands(equation)
    pairs = [torch.view_as_real(x).to(dtype) for x in exact]
    result = contract(equation, pairs, "flops")
    expected = torch.view_as_real(torch.einsum(equation, *exact))
    assert result.dtype == dtype
    assert (result.double() - expected).norm() < 4 * torch.finfo(dtype).eps * expected.norm()


def test_the_search_runs_once_per_shape(monkeypatch):
    calls, original = [], opt_einsum.contract_path
    monkeypatch.setattr(einsum, "_found", {})
    monkeypatch.setattr(opt_einsum, "contract_path", lambda *a, **k: calls.append(a) or original(*a, **k))

    def run(minimise="flops", equation="biw,A,iA,oA,wA->bow", **sizes):
        contract(equation, [torch.view_as_real(x) for x in operands(equation, **sizes)], minimise)
        return len(calls)

    assert [run(), run(), run()] == [1, 1, 1]
    assert [run(b=7), run(b=7), run()] == [2, 2, 2]
    assert [run("memory"), run("memory"), run()] == [3, 3, 3]
    assert [run(equation="biw,ABC,iA,oB,wC->bow"), run()] == [4, 4]


CP = "biwx,A,iA,oA,wA,xA->bowx"


def products(equation, minimise, **sizes):
    """Numbers in the results of the products, and multiplications, of the real contraction."""
    results, work = [], []
    with pytest.MonkeyPatch.context() as patch:
        original = einsum.matmul

        def record(a, b):
            product = original(a, b)
            results.append(product.numel())
            work.append(product.numel() * a.shape[-1])
            return product

        patch.setattr(einsum, "matmul", record)
        contract(equation, [torch.view_as_real(x) for x in operands(equation, **sizes)], minimise)
    return max(results), sum(work)


@pytest.mark.parametrize(
    ("equation", "sizes"),
    [
        (CP, {"b": 4, "i": 4, "o": 4, "w": 6, "x": 6, "A": 40}),
        (CP, {"b": 1, "i": 16, "o": 16, "w": 4, "x": 4, "A": 24}),
        (CP, {"b": 16, "i": 4, "o": 4, "w": 8, "x": 4, "A": 8}),
        (
            "biwx,ABCD,iA,oB,wC,xD->bowx",
            {"b": 4, "i": 8, "o": 8, "w": 6, "x": 6, "A": 6, "B": 6, "C": 5, "D": 5},
        ),
    ],
)
def test_memory_needs_no_larger_tensor_and_flops_no_more_work(equation, sizes):
    largest, work = zip(*(products(equation, name, **sizes) for name in ("memory", "flops")), strict=True)
    assert largest[0] <= largest[1]
    assert work[1] <= work[0]


def test_the_two_differ_where_the_rank_exceeds_the_channels():
    """The order that needs least work here builds tensors of (batch, rank, modes)."""
    sizes = {"b": 4, "i": 8, "o": 8, "w": 8, "x": 8, "A": 40}
    (memory, more_work), (flops, least_work) = (products(CP, name, **sizes) for name in ("memory", "flops"))
    assert memory < flops
    assert least_work < more_work
    assert flops == 2 * math.prod((4, 40, 8, 8))
    assert memory == 2 * math.prod((8, 8, 8, 8))  # the dense weight
