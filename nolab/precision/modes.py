"""Precision modes: the arithmetic in which a level's forward and backward run.

Spectral transforms and contractions run in fp32 under `amp_bf16` (`nolab.spectral` sees to it).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, get_args

import torch

from nolab.errors import InputError, unknown

Mode = Literal["fp32", "tf32", "amp_bf16"]
"""fp32: IEEE single precision; tf32: fp32 tensors, TF32 matrix products on CUDA devices that have
them; amp_bf16: bfloat16 autocast around everything but the spectral parts."""


def check_mode(mode: str, device: torch.device, where: str = "precision.mode") -> None:
    """Refuse an unknown mode, or one that the device does not have.

    Raises
    ------
    InputError : with the reason and the way out.
    """
    if mode not in get_args(Mode):
        raise unknown(where, mode, get_args(Mode))
    if mode == "tf32" and not _has_tf32(device):
        raise InputError(
            f"{where}: tf32 needs a CUDA device of compute capability 8.0 or more, the run's device is "
            f"'{device}'; use precision=fp32 or precision=amp_bf16"
        )


def _has_tf32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8


@contextmanager
def matmul_mode(mode: Mode, device: torch.device) -> Iterator[None]:
    """Sets the matrix products' arithmetic for forward *and* backward inside the block."""
    if device.type != "cuda":
        yield
        return
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
    before = [backend.fp32_precision for backend in backends]
    for backend in backends:
        backend.fp32_precision = "tf32" if mode == "tf32" else "ieee"
    try:
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.fp32_precision = value


def autocast(mode: Mode, device: torch.device) -> AbstractContextManager:
    """The autocast context of the mode, for the forward only."""
    if mode == "amp_bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
