"""Values that come back from a checkpoint are taken if they are what was written: the file may be anybody's.

Everything here raises ValueError, saying which value it is, what was found and what was expected.
"""

from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

MOST = 2**53
"""Largest count: beyond it float64, in which shares are computed, no longer holds every whole number."""


def whole(value: Any, what: str, *, least: int = 0, most: int = MOST) -> int:
    """A whole number in [least, most]."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{what} is {value!r:.40}, expected a whole number from {least} to {most}")
    return value


def number(value: Any, what: str, *, least: float = 0.0) -> float:
    """A finite number from `least` on."""
    if type(value) not in (int, float) or not isfinite(value) or value < least:
        raise ValueError(f"{what} is {value!r:.40}, expected a finite number >= {least:g}")
    return float(value)


def numbers(values: Any, what: str, shape: tuple[int, ...]) -> np.ndarray:
    """Finite float64 of that shape, from nested lists."""
    array = np.array(values)
    if array.shape != shape or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ValueError(f"{what} is not {shape} finite numbers")
    return array.astype(np.float64)


def tensor_like(value: Any, like: Tensor, what: str) -> Tensor:
    """A copy of a dense tensor with the shape and the type of `like`, in memory of its own."""
    if not isinstance(value, Tensor):
        raise ValueError(f"{what} is a {type(value).__name__}, expected a tensor")
    if value.layout != torch.strided or value.is_meta:
        raise ValueError(f"{what} is a tensor without dense values")
    if (value.shape, value.dtype) != (like.shape, like.dtype):
        raise ValueError(
            f"{what} is {tuple(value.shape)} of {value.dtype}, expected {tuple(like.shape)} of {like.dtype}"
        )
    return value.detach().clone()


def tensors_like(values: Any, like: list[Tensor], what: str) -> list[Tensor]:
    """A list of such tensors."""
    if not isinstance(values, list) or len(values) != len(like):
        raise ValueError(f"{what} is no list of {len(like)} tensors")
    return [
        tensor_like(v, t, f"{what}, tensor {i}") for i, (v, t) in enumerate(zip(values, like, strict=True))
    ]
