"""Memory that does not suffice: recognised, given back, and put into words."""

import ctypes
import gc
import platform
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nolab.errors import RunFailure
from nolab.metrics.resources import free_memory, total_memory

_ALLOCATORS_SAY = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
"""CUDA's allocator and driver, the CPU's on Linux and on Windows, cuBLAS and cuFFT: all a RuntimeError."""


class OutOfMemory(RunFailure):
    """The device's memory does not suffice."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocator raised `error`."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    is_plain = isinstance(error, RuntimeError) and not isinstance(error, RunFailure)
    return is_plain and any(words in str(error) for words in _ALLOCATORS_SAY)


@contextmanager
def enough_for(what: str, way_out: str, device: torch.device) -> Iterator[None]:
    """Answer a block that asks for more memory than there is.

    Parameters
    ----------
    what : the block's work, e.g. ``the model's parameters``.

    Raises
    ------
    OutOfMemory : naming `what`, the memory of `device`, and the way out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        give_back(error, device)
        raise OutOfMemory(f"out of memory: {what} can't be had, {room(device)}; {way_out}") from None


def give_back(error: BaseException, device: torch.device) -> None:
    """Free what the frames of `error` hold, and hand unused memory back to the system."""
    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen = seen.__context__
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def room(device: torch.device) -> str:
    """Free and total memory of the device in words."""
    return f"{shown(free_memory(device))} of {shown(total_memory(device))} are free on {device}"


def shown(size: float) -> str:
    """Bytes in a unit that suits, e.g. ``1.50 GiB``."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1000:  # three digits show it
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.2f} GiB"
