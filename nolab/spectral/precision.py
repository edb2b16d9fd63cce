"""In which floating-point type each part of a spectral layer runs, and what keeps half from overflowing.

A spectral layer is linear, so its input may be divided by any number and its output multiplied by
it: with a power of two per sample (the stabilizer `scale`) that changes no bit of a full-precision
result, and no value that the layer meets exceeds the range of float16. The gradients inside the layer
are not enlarged by it; keeping them from vanishing is the business of the loss's scale. The stabilizers of
arXiv 2307.15034 bound the input by a function instead, which makes them part of the model: they act
in every precision, in evaluation too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

Stabilizer = Literal["scale", "tanh", "hard_clip", "sigma_clip", "none"]
"""scale: divide each sample by a power of two, multiply the output by it; tanh: x → tanh x; hard_clip:
to [-1, 1]; sigma_clip: to mean ± 2 standard deviations of its sample and channel; none."""


@dataclass(frozen=True)
class SpectralPrecision:
    """Types of the three stages of a spectral layer: transform, channel mixing, inverse transform.

    A stage in float32 runs in float64 where its input is float64.
    """

    analysis: torch.dtype = torch.float32
    mixing: torch.dtype = torch.float32
    synthesis: torch.dtype = torch.float32
    stabilizer: Stabilizer = "scale"

    @property
    def is_reduced(self) -> bool:
        """Whether any stage runs below float32."""
        return {self.analysis, self.mixing, self.synthesis} != {torch.float32}


class Factor(NamedTuple):
    """By what :func:`stabilise` has divided: each sample by its power of two, (B, 1, ...), and their largest, ()."""

    each: Tensor
    largest: Tensor


_state = {"current": SpectralPrecision()}  # seen by every thread: CUDA's backward recomputes in its own


def current() -> SpectralPrecision:
    """The precision that spectral layers have to honour now."""
    return _state["current"]


@contextmanager
def spectral_precision(precision: SpectralPrecision) -> Iterator[None]:
    """Sets :func:`current` inside the block, which holds forward *and* backward."""
    before = _state["current"]
    _state["current"] = precision
    try:
        yield
    finally:
        _state["current"] = before


def stage_dtype(wanted: torch.dtype, x: Tensor) -> torch.dtype:
    """Type of a stage whose input is derived from `x`."""
    return torch.promote_types(x.dtype, wanted) if wanted == torch.float32 else wanted


def stabilise(x: Tensor, precision: SpectralPrecision) -> tuple[Tensor, Factor | None]:
    """Bound a layer's input (B, C, *S) so that no later stage overflows.

    Returns
    -------
    The input, in the type of the first stage, and the factor for :func:`restore` and
    :func:`scale_gradient`, or None.
    """
    dtype = stage_dtype(precision.analysis, x)
    match precision.stabilizer:
        case "tanh":
            return torch.tanh(x).to(dtype), None
        case "hard_clip":
            return x.clamp(-1, 1).to(dtype), None
        case "sigma_clip":
            return _clip_sigma(x).to(dtype), None
        case "scale" if precision.is_reduced:
            each = _power_of_two(x)
            factor = Factor(each, each.amax())
            return _Scaled.apply(x, 1 / each, factor.largest / each).to(dtype), factor
    return x.to(dtype), None


def restore(out: Tensor, factor: Factor | None, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    """A layer's output in type `dtype`, from what it computed of the input that :func:`stabilise` gave.

    Parameters
    ----------
    out : (B, O, *S), fresh: it may be overwritten.
    bias : added to it at last, or None.
    """
    if factor is not None:
        out = _Scaled.apply(out, factor.each, factor.each / factor.largest)
    if bias is not None:
        # In place: another copy of a field is not free.
        out = out.to(torch.promote_types(out.dtype, bias.dtype)).add_(bias)
    return out.to(dtype)


def scale_gradient(weight: Tensor, factor: Factor | None) -> Tensor:
    """The same weight; its gradient, computed from what :func:`restore` passes back, is made right.

    That is Σ_b (x_b / s_b) (g_b s_b / max s), over the samples b with their inputs x, gradients g and factors s.
    """
    return weight if factor is None else _Scaled.apply(weight, None, factor.largest)


class _Scaled(torch.autograd.Function):
    """Multiply by one number in the forward and by another in the backward; None is 1.

    Both directions are in float32 at least where there is something to multiply.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, forward: Tensor | None, backward: Tensor | None) -> Tensor:
        return x.view_as(x) if forward is None else _wide(x) * forward.to(_wide_dtype(x))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor | None, Tensor | None], output: Tensor) -> None:
        x, _, backward = inputs
        ctx.dtype = x.dtype
        ctx.save_for_backward(backward)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (factor,) = ctx.saved_tensors
        if factor is not None:
            grad = _wide(grad) * factor.to(_wide_dtype(grad))
        return grad.to(ctx.dtype), None, None


def _wide_dtype(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _wide(x: Tensor) -> Tensor:
    return x.to(_wide_dtype(x))


def _power_of_two(x: Tensor) -> Tensor:
    """The least power of two that is at least max |x| of each sample: (B, 1, ...), float32 at least."""
    largest = _wide(x.detach().abs().amax(dim=tuple(range(1, x.ndim)), keepdim=True))
    return torch.exp2(torch.ceil(torch.log2(largest.clamp(2.0**-100, 2.0**100))))


def _clip_sigma(x: Tensor) -> Tensor:
    dims = tuple(range(2, x.ndim))
    std, mean = torch.std_mean(_wide(x.detach()), dims, keepdim=True)
    return torch.minimum(torch.maximum(x, (mean - 2 * std).to(x.dtype)), (mean + 2 * std).to(x.dtype))


class SpectralLayer:
    """Marks a module whose stages honour :func:`current`."""

    @property
    def half_obstacle(self) -> str | None:
        """Why this layer can't run below float32, with the way out; None where it can."""
        return None
