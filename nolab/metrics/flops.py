"""Floating-point operations of a forward and backward, with the spectral transforms counted.

Products and convolutions are counted as PyTorch counts them, complex products as 4 real ones, and
FFTs as 5 N log2 N per complex transform of N points (half of it for a real one). Point-wise
operations are not counted.
"""

from collections.abc import Callable
from math import log2, prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, bmm_flop, mm_flop

aten = torch.ops.aten


def count_flops(run: Callable[[], Any]) -> int:
    """FLOPs of calling `run`."""
    with FlopCounterMode(display=False, custom_mapping=_MAPPING) as counter:
        run()
    return counter.get_total_flops()


def _raw(function: Callable[..., int]) -> Callable[..., int]:
    function._get_raw = True  # the counter then passes tensors, whose dtype we need
    return function


def _product(formula: Callable[..., int], first: int) -> Callable[..., int]:
    def flops(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        a, b = args[first : first + 2]
        return formula(tuple(a.shape), tuple(b.shape)) * (4 if a.is_complex() else 1)

    return _raw(flops)


def _mm(a: tuple, b: tuple) -> int:
    return mm_flop(a, b)


def _bmm(a: tuple, b: tuple) -> int:
    return bmm_flop(a, b)


def _transform(factor: float) -> Callable[..., int]:
    def flops(x: torch.Tensor, dim: list[int], *args: Any, out_val: Any = None, **kwargs: Any) -> int:
        larger = max(x, out_val, key=lambda t: t.numel())  # of a real transform, the real side
        points = prod(larger.shape[d] for d in dim)
        return int(factor * larger.numel() * log2(max(points, 2)))

    return _raw(flops)


_MAPPING = {
    aten.mm: _product(_mm, 0),
    aten.bmm: _product(_bmm, 0),
    aten.addmm: _product(_mm, 1),
    aten.baddbmm: _product(_bmm, 1),
    aten._fft_r2c: _transform(2.5),
    aten._fft_c2r: _transform(2.5),
    aten._fft_c2c: _transform(5.0),
}
