"""Channel mixing, one matrix per mode, with dense or factorised weights, in real arithmetic only.

Coefficients come and go as pairs (real, imaginary): (B, C, *K, 2), with B samples, C input and O
output channels and K the kept modes per axis.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nolab.spectral.arithmetic import plain_matmul
from nolab.spectral.einsum import contract
from nolab.spectral.modes import AxisModes
from nolab.spectral.precision import Factor, scale_gradient

Order = Literal["flops", "memory"]
"""What the order in which a coefficient meets the factors minimises: arithmetic, or the largest tensor in between."""


def mix(
    pairs: Tensor,
    weight: nn.Module,
    modes: tuple[AxisModes, ...],
    *,
    separable: bool,
    reconstruct: bool,
    order: Order = "flops",
    factor: Factor | None = None,
) -> Tensor:
    """Multiply every kept mode by its weight: (B, C, *K, 2) -> (B, O, *K, 2).

    Parameters
    ----------
    pairs : the coefficients, whose type the products are in; half is summed in float32.
    weight : tltorch's complex FactorizedTensor of shape (C, O, *M), or (C, *M) if separable.
    modes : which of the M stored modes the K kept ones are.
    separable : one number per channel and mode instead of a matrix per mode.
    reconstruct : build the dense weight of the kept modes from its factors first, instead of
        contracting the coefficients with the factors.
    order : of the contraction with factors; the best one is searched once per shape.
    factor : by which the samples were divided, see :func:`nolab.spectral.precision.stabilise`.
    """
    kind, operands = _clipped_operands(weight, modes)
    operands = [scale_gradient(operand, factor) for operand in operands]
    dims = _MODE_SYMBOLS[: pairs.ndim - 3]
    channels, out = ("i", "bi") if separable else ("io", "bo")
    if kind == "dense":
        dense = operands[0]  # (C, O, *K, 2) or (C, *K, 2)
    elif reconstruct:
        dense = contract(f"{_factor_symbols(kind, channels + dims)}->{channels}{dims}", operands, order)
    else:
        equation = f"bi{dims},{_factor_symbols(kind, channels + dims)}->{out}{dims}"
        return contract(equation, [pairs, *(operand.to(pairs.dtype) for operand in operands)], order)
    return _mix_separable(pairs, dense) if separable else _mix_dense(pairs, dense)


def _mix_dense(pairs: Tensor, weight: Tensor) -> Tensor:
    """Complex matrix products as real ones with the modes as the batch.

    Real and imaginary part of the samples are rows, those of the weight are columns, so one
    product of twice the size yields the four real products that make up the complex one.
    """
    batch, channels, *kept, _ = pairs.shape
    out_channels, count = weight.shape[1], math.prod(kept)
    mode_dims = range(2, pairs.ndim)  # the pair's axis is the last of them
    x = pairs.permute(*mode_dims, 0, 1).reshape(count, 2 * batch, channels)
    products = _ModeProducts.apply(x, weight.flatten(2, -2)).view(count, 2, batch, 2, out_channels)
    real = products[:, 0, :, 0] - products[:, 1, :, 1]  # (K, B, O)
    imag = products[:, 0, :, 1] + products[:, 1, :, 0]
    return torch.stack([real, imag], dim=-1).unflatten(0, kept).movedim((-3, -2), (0, 1))


class _ModeProducts(torch.autograd.Function):
    """(K, R, C) and weight (C, O, K, 2) to (K, R, 2 O), in the type of the former.

    The weight in the order of the products is made again in the backward: kept, it would be the
    largest thing that a layer of many modes keeps.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return plain_matmul(x, _as_columns(weight, x.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        to_x = to_weight = None
        if ctx.needs_input_grad[0]:
            to_x = plain_matmul(grad, _as_columns(weight, x.dtype).mT)
        if ctx.needs_input_grad[1]:
            columns = plain_matmul(x.mT, grad).unflatten(2, (2, -1))  # (K, C, 2, O)
            to_weight = columns.permute(1, 3, 0, 2).to(weight.dtype)
        return to_x, to_weight


def _as_columns(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """(C, O, K, 2) to (K, C, 2 O)."""
    return weight.to(dtype).permute(2, 0, 3, 1).flatten(2)


def _mix_separable(pairs: Tensor, weight: Tensor) -> Tensor:
    (a, b), (c, d) = pairs.unbind(-1), weight.to(pairs.dtype).unbind(-1)
    return torch.stack([a * c - b * d, a * d + b * c], dim=-1)


def _clipped_operands(weight: nn.Module, modes: tuple[AxisModes, ...]) -> tuple[str, list[Tensor]]:
    """The weight's kind and its tensors as pairs, cut to the kept modes without building the dense weight."""
    kind = weight.name.lower().removeprefix("complex")
    cuts = [slice(None)] * (weight.order - len(modes)) + [mode.weights for mode in modes]
    if kind == "dense":
        operands = [weight.tensor[tuple(cuts)]]
    elif kind == "tt":
        operands = [factor[:, cut] for factor, cut in zip(weight.factors, cuts, strict=True)]
    else:
        head = weight.core if kind == "tucker" else weight.weights
        operands = [head, *(factor[cut] for factor, cut in zip(weight.factors, cuts, strict=True))]
    return kind, [_pairs(operand) for operand in operands]


def _pairs(operand: Tensor) -> Tensor:
    if operand.is_complex():
        return torch.view_as_real(operand)
    return torch.stack([operand, torch.zeros_like(operand)], dim=-1)


_MODE_SYMBOLS = "wxyz"
_RANK_SYMBOLS = "ABCDEFG"


def _factor_symbols(kind: str, dims: str) -> str:
    """Einsum symbols of the factors whose contraction has the symbols `dims`."""
    if kind == "cp":
        return ",".join(["A", *(dim + "A" for dim in dims)])
    ranks = _RANK_SYMBOLS[: len(dims) + 1]
    if kind == "tucker":
        return ",".join([ranks[:-1], *(dim + rank for dim, rank in zip(dims, ranks, strict=False))])
    return ",".join(ranks[i] + dim + ranks[i + 1] for i, dim in enumerate(dims))
