"""Sums of products of complex tensors, kept as pairs (real, imaginary), in real arithmetic only.

opt_einsum finds the order of pairwise products; each of them is one batched real matrix product.
"""

import opt_einsum
import torch
from torch import Tensor

from nolab.spectral.arithmetic import matmul

Steps = tuple[tuple[tuple[int, ...], str], ...]
"""In order: places of the one or two operands, and their equation. The result is appended."""


def contract(equation: str, operands: list[Tensor], minimise: str) -> Tensor:
    """Complex ``einsum(equation, *operands)`` of pairs (..., 2).

    Parameters
    ----------
    equation : of the complex tensors, with no symbol for the pair's axis; no symbol occurs twice in
        one operand, and neither p nor q occurs.
    minimise : ``flops`` or ``memory``, what the order of the products is best in.
    """
    left = list(operands)
    for places, step in _steps(equation, minimise, tuple(tuple(x.shape[:-1]) for x in operands)):
        taken = [left.pop(place) for place in places]  # places descend
        inputs, out = step.split("->")
        symbols = inputs.split(",")
        if len(taken) == 1:
            left.append(_sum_lone(symbols[0], out, taken[0])[1])
        else:
            left.append(_product(symbols, out, taken))
    return left[0]


_found: dict[tuple, Steps] = {}


@torch.compiler.assume_constant_result
def _steps(equation: str, minimise: str, shapes: tuple[tuple[int, ...], ...]) -> Steps:
    """The best order, searched once per shape: finding it costs more than many a forward."""
    key = equation, minimise, shapes
    if key not in _found:
        search = opt_einsum.DynamicProgramming(minimize={"flops": "flops", "memory": "size"}[minimise])
        _, info = opt_einsum.contract_path(equation, *shapes, shapes=True, optimize=search)
        _found[key] = tuple(
            (tuple(sorted(places, reverse=True)), text) for places, _, text, *_ in info.contraction_list
        )
    return _found[key]


def _sum_lone(symbols: str, others: str, x: Tensor) -> tuple[str, Tensor]:
    """The tensor, and its symbols, summed over the axes that nothing else has."""
    lone = [axis for axis, s in enumerate(symbols) if s not in others]
    return "".join(s for s in symbols if s in others), x.sum(lone) if lone else x


def _product(symbols: list[str], out: str, operands: list[Tensor]) -> Tensor:
    """Complex product of two operands: a batch of real matrix products.

    The smaller operand is expanded to the 2x2 real matrices that complex numbers are.
    """
    first, a = _sum_lone(symbols[0], symbols[1] + out, operands[0])
    second, b = _sum_lone(symbols[1], symbols[0] + out, operands[1])
    if a.numel() < b.numel():
        first, second, a, b = second, first, b, a
    batch = [s for s in out if s in first and s in second]
    rows, columns = ([s for s in dims if s not in batch and s in out] for dims in (first, second))
    summed = [s for s in first if s in second and s not in out]
    size = dict(zip(first + second, a.shape[:-1] + b.shape[:-1], strict=True))
    x = _arrange(a, first, [batch, rows, [*summed, "p"]], "p")
    y = _arrange(_as_matrices(b), second, [batch, [*summed, "p"], [*columns, "q"]], "pq")
    product = matmul(x, y)  # (batch, rows, columns and q)
    product = product.reshape([size[s] for s in batch + rows + columns] + [2])
    places = batch + rows + columns
    return product.permute(*(places.index(s) for s in out), -1)


def _as_matrices(b: Tensor) -> Tensor:
    """(..., 2) -> (..., 2, 2): row p of the left operand's pair, column q of the product's."""
    real, imag = b.unbind(-1)
    return torch.stack([torch.stack([real, imag], -1), torch.stack([-imag, real], -1)], -2)


def _arrange(x: Tensor, symbols: str, groups: list[list[str]], pair: str) -> Tensor:
    """The tensor with the axes of each group flattened into one, in the groups' order."""
    order = [(symbols + pair).index(s) for group in groups for s in group]
    sizes, x = [], x.permute(order)
    start = 0
    for group in groups:
        sizes.append(x.shape[start : start + len(group)].numel())
        start += len(group)
    return x.reshape(sizes)
