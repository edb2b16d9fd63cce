"""Matrix products in reduced precision: operands and result in half, sums in float32."""

from typing import Any

import torch
from torch import Tensor


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b`` of one type; half operands are summed in float32 and rounded once.

    Accelerators do so themselves. CPUs without half arithmetic are some ten times slower in it than
    in float32, so there the operands are widened for the product: the same numbers, and what is
    kept for the backward is half all the same.

    Parameters
    ----------
    a : (..., n, k).
    b : (k, m), constant; or (..., k, m) with the leading dimensions of `a`.
    """
    return _WidenedProduct.apply(a, b) if _is_widened(a) else a @ b


def plain_matmul(a: Tensor, b: Tensor) -> Tensor:
    """The same product for the inside of autograd functions, where nothing is recorded."""
    return (a.float() @ b.float()).to(a.dtype) if _is_widened(a) else a @ b


def _is_widened(a: Tensor) -> bool:
    return a.dtype in (torch.float16, torch.bfloat16) and a.device.type == "cpu"


class _WidenedProduct(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        return plain_matmul(a, b)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        a, b = inputs
        ctx.save_for_backward(a if ctx.needs_input_grad[1] else None, b)  # b is mostly a constant

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        to_a = plain_matmul(grad, b.mT) if ctx.needs_input_grad[0] else None
        to_b = plain_matmul(a.mT, grad) if ctx.needs_input_grad[1] else None
        return to_a, to_b
