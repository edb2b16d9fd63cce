"""Precision modes: the arithmetic in which a level's forward and backward run.

`half`, `mixed` and their schedule are those of Tu et al., Guaranteed Approximation Bounds for
Mixed-Precision Neural Operators, ICLR 2024, arXiv 2307.15034.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from neuralop.layers.base_spectral_conv import BaseSpectralConv
from torch import nn

from nolab.errors import InputError, unknown
from nolab.spectral.precision import SpectralLayer, SpectralPrecision, Stabilizer, spectral_precision

Mode = Literal["fp32", "tf32", "amp_bf16", "amp_fp16", "half", "mixed", "mixed_fp32_transform"]
"""One arithmetic. A run's precision may also be `schedule`, a sequence of them."""


@dataclass(frozen=True)
class Arithmetic:
    """What a mode means.

    autocast : type of PyTorch's autocast around everything but the spectral layers, None: off.
    spectral : types of transform, channel mixing and inverse transform of the spectral layers.
    tf32 : matrix products and convolutions of float32 tensors in TF32, on CUDA.
    """

    autocast: torch.dtype | None = None
    spectral: tuple[torch.dtype, torch.dtype, torch.dtype] = (torch.float32,) * 3
    tf32: bool = False

    @property
    def has_float16(self) -> bool:
        """Whether gradients may underflow, so that the loss has to be scaled."""
        return torch.float16 in (self.autocast, *self.spectral)

    @property
    def is_spectral(self) -> bool:
        """Whether it asks spectral layers for less than float32."""
        return SpectralPrecision(*self.spectral).is_reduced


_HALF = torch.float16
MODES: dict[Mode, Arithmetic] = {
    "fp32": Arithmetic(),
    "tf32": Arithmetic(tf32=True),
    "amp_bf16": Arithmetic(autocast=torch.bfloat16),
    "amp_fp16": Arithmetic(autocast=_HALF),
    "half": Arithmetic(spectral=(_HALF,) * 3),
    "mixed": Arithmetic(autocast=_HALF, spectral=(_HALF,) * 3),
    "mixed_fp32_transform": Arithmetic(autocast=_HALF, spectral=(torch.float32, _HALF, _HALF)),
}
assert tuple(MODES) == get_args(Mode)


def check_mode(mode: str, device: torch.device, where: str = "precision.mode") -> None:
    """Refuse an unknown mode, or one that the device does not have.

    Raises
    ------
    InputError : with the reason and the way out.
    """
    if mode not in MODES:
        raise unknown(where, mode, MODES)
    if MODES[mode].tf32 and not _has_tf32(device):
        raise InputError(
            f"{where}: tf32 needs a CUDA device of compute capability 8.0 or more, the run's device is "
            f"'{device}'; use precision=fp32 or precision=amp_bf16"
        )


def check_model(model: nn.Module, mode: Mode, where: str = "precision.mode") -> None:
    """Refuse a mode of the spectral layers that the model would ignore, or could not run.

    Raises
    ------
    InputError : with the reason and the way out.
    """
    if not MODES[mode].is_spectral:
        return
    others = [module for module in model.modules() if _would_ignore(module)]
    if others:
        raise InputError(
            f"{where}: {mode} would be ignored by {len(others)} layers of the kind "
            f"{type(others[0]).__module__}.{type(others[0]).__name__}; build the model with "
            "conv_module=nolab.spectral.SpectralConv, or use precision=amp_bf16"
        )
    layers = [module for module in model.modules() if isinstance(module, SpectralLayer)]
    if not layers:
        raise InputError(
            f"{where}: {mode} sets the arithmetic of spectral layers, and {type(model).__name__} has none of "
            "nolab's; use precision=amp_bf16 or precision=amp_fp16"
        )
    for layer in layers:
        if (obstacle := layer.half_obstacle) is not None:
            raise InputError(f"{where}: {mode} can't be used with this model: {obstacle}")


def _would_ignore(module: nn.Module) -> bool:
    """Whether it is a spectral layer that knows nothing of nolab's precision."""
    return isinstance(module, BaseSpectralConv) and not isinstance(module, SpectralLayer)


def _has_tf32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8


@contextmanager
def arithmetic(mode: Mode, device: torch.device, stabilizer: Stabilizer = "scale") -> Iterator[None]:
    """The arithmetic of products and spectral layers, for forward *and* backward inside the block.

    The forward needs :func:`autocast` as well.
    """
    with spectral_precision(SpectralPrecision(*MODES[mode].spectral, stabilizer)), _products(mode, device):
        yield


def autocast(mode: Mode, device: torch.device, *, remember: bool = True) -> AbstractContextManager:
    """The autocast context of the mode, for the forward only.

    Parameters
    ----------
    remember : keep the lowered weights for the rest of the block.
    """
    dtype = MODES[mode].autocast
    if dtype is None:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype, cache_enabled=remember)


@contextmanager
def _products(mode: Mode, device: torch.device) -> Iterator[None]:
    """TF32 as the mode says, and sums of half products in float32 without exception."""
    if device.type != "cuda":
        yield
        return
    matmul = torch.backends.cuda.matmul
    conv = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # torch makes it at run time
    before = (
        matmul.fp32_precision,
        conv.fp32_precision,
        matmul.allow_fp16_reduced_precision_reduction,
        matmul.allow_bf16_reduced_precision_reduction,
    )
    matmul.fp32_precision = conv.fp32_precision = "tf32" if MODES[mode].tf32 else "ieee"
    matmul.allow_fp16_reduced_precision_reduction = False
    matmul.allow_bf16_reduced_precision_reduction = False
    try:
        yield
    finally:
        matmul.fp32_precision, conv.fp32_precision = before[:2]
        matmul.allow_fp16_reduced_precision_reduction = before[2]
        matmul.allow_bf16_reduced_precision_reduction = before[3]
