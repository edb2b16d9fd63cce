"""Channel mixing, one matrix per mode, with dense or factorised weights.

Coefficients come and go as pairs (real, imaginary): (B, C, *K, 2), with B samples, C input and O
output channels and K the kept modes per axis.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import opt_einsum
import torch
from torch import Tensor, nn

from nolab.spectral.modes import AxisModes


def mix(
    pairs: Tensor, weight: nn.Module, modes: tuple[AxisModes, ...], *, separable: bool, reconstruct: bool
) -> Tensor:
    """Multiply every kept mode by its weight: (B, C, *K, 2) -> (B, O, *K, 2).

    Parameters
    ----------
    pairs : the coefficients.
    weight : tltorch's complex FactorizedTensor of shape (C, O, *M), or (C, *M) if separable.
    modes : which of the M stored modes the K kept ones are.
    separable : one number per channel and mode instead of a matrix per mode.
    reconstruct : build the dense weight of the kept modes from its factors first, instead of
        contracting the coefficients with the factors.
    """
    kind, operands = _clipped_operands(weight, modes)
    if kind != "dense" and not reconstruct:
        return _mix_factors(pairs, kind, operands, separable)
    dense = operands[0] if kind == "dense" else _reconstruct(kind, operands, weight.order)
    real = torch.view_as_real(dense).to(pairs.dtype)  # (C, O, *K, 2) or (C, *K, 2)
    if separable:
        return torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(real))
    return _mix_dense(pairs, real)


def _mix_dense(pairs: Tensor, weight: Tensor) -> Tensor:
    """Complex matrix products as real ones with the modes as the batch.

    Real and imaginary part of the samples are rows, those of the weight are columns, so one
    product of twice the size yields the four real products that make up the complex one.
    """
    batch, channels, *kept, _ = pairs.shape
    out_channels, count = weight.shape[1], math.prod(kept)
    mode_dims = range(2, pairs.ndim)  # the pair's axis is the last of them
    x = pairs.permute(*mode_dims, 0, 1).reshape(count, 2 * batch, channels)
    w = weight.flatten(2, -2).permute(2, 0, 3, 1).reshape(count, channels, 2 * out_channels)
    products = torch.bmm(x, w).view(count, 2, batch, 2, out_channels)
    real = products[:, 0, :, 0] - products[:, 1, :, 1]  # (K, B, O)
    imag = products[:, 0, :, 1] + products[:, 1, :, 0]
    return torch.stack([real, imag], dim=-1).unflatten(0, kept).movedim((-3, -2), (0, 1))


def _mix_factors(pairs: Tensor, kind: str, operands: list[Tensor], separable: bool) -> Tensor:
    x = torch.view_as_complex(pairs)
    dims = _MODE_SYMBOLS[: x.ndim - 2]
    channels, out = ("i", "bi") if separable else ("io", "bo")
    equation = f"bi{dims},{_factor_symbols(kind, channels + dims)}->{out}{dims}"
    mixed = _contract(equation, [x, *(operand.to(x.dtype) for operand in operands)])
    return torch.view_as_real(mixed)


def _reconstruct(kind: str, operands: list[Tensor], order: int) -> Tensor:
    """Dense complex weight of the kept modes; its dimensions need no names of their own here."""
    dims = ("io" + _MODE_SYMBOLS)[:order]
    return _contract(f"{_factor_symbols(kind, dims)}->{dims}", operands)


def _clipped_operands(weight: nn.Module, modes: tuple[AxisModes, ...]) -> tuple[str, list[Tensor]]:
    """The weight's kind and its tensors, cut to the kept modes without building the dense weight."""
    kind = weight.name.lower().removeprefix("complex")
    cuts = [slice(None)] * (weight.order - len(modes)) + [mode.weights for mode in modes]
    if kind == "dense":
        return kind, [weight.tensor[tuple(cuts)]]
    factors = list(weight.factors)
    if kind == "tt":
        return kind, [factor[:, cut] for factor, cut in zip(factors, cuts, strict=True)]
    head = weight.core if kind == "tucker" else weight.weights
    return kind, [head, *(factor[cut] for factor, cut in zip(factors, cuts, strict=True))]


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


def _contract(equation: str, operands: Sequence[Tensor]) -> Tensor:
    return _expression(equation, *(tuple(operand.shape) for operand in operands))(*operands)


@lru_cache(maxsize=256)
def _expression(equation: str, *shapes: tuple[int, ...]) -> Callable[..., Tensor]:
    """The contraction with its order of least arithmetic; finding it costs more than many a forward."""
    return opt_einsum.contract_expression(equation, *shapes, optimize="optimal")
