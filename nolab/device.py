"""The device of a run."""

import ctypes
import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from nolab import processes
from nolab.errors import InputError, RunFailure

_auto_cuda: int | None = None  # the GPU that `auto` takes in this process


def prefer_gpu(choose: Callable[[int], int]) -> None:
    """Settle, once, which GPU `device=auto` takes in this process, where there is more than one.

    Parameters
    ----------
    choose : from the number of GPUs to the index of one.
    """
    global _auto_cuda
    if _auto_cuda is None and torch.cuda.is_available() and torch.cuda.device_count() > 1:
        _auto_cuda = choose(torch.cuda.device_count())


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA where there is one, else the CPU; `cpu`, `cuda` and `cuda:<index>` are explicit.

    Of several processes of a run each takes the GPU of its own number on its machine.

    Raises
    ------
    InputError : the name is none of these, or there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cuda" and processes.count() == 1:
            return torch.device("cuda", _auto_cuda or 0)
    if name == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise InputError(f"device: '{name}' is not known. Valid: auto, cpu, cuda, cuda:<index>.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if processes.count() > 1:
        return _own_gpu(name, match[1], count)
    index = int(match[1] or 0)
    if index >= count:
        raise InputError(
            f"device: '{name}' is not there, this machine has {count} CUDA device(s); use device=auto"
        )
    return torch.device("cuda", index)


def _own_gpu(name: str, index: str | None, count: int) -> torch.device:
    """The GPU of this one of a run's processes."""
    own = processes.local_rank()
    if index is not None:
        raise InputError(
            f"device: '{name}' is one GPU, and each of the run's processes takes its own; use device=auto"
        )
    if own >= count:
        raise InputError(
            f"device: this is process {own + 1} of this machine, which has {count} CUDA device(s); start as many "
            "processes as GPUs, or use device=cpu"
        )
    return torch.device("cuda", own)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that was queued; a CPU has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Have the C library keep the memory that tensors on the CPU free, as CUDA's allocator does.

    By default glibc gives large blocks back to the system, which then clears them page by page for
    the next tensor: a quarter to a half of a training step. The process's memory stays at its peak, which
    fragmentation makes up to a third higher. Without glibc nothing is changed.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(_M_MMAP_MAX, 0)
    library.mallopt(_M_TRIM_THRESHOLD, -1)


_made_deterministic = False  # by a run of this process, not by its user


def make_deterministic(wanted: bool) -> None:
    """Only deterministic kernels from here on, or, after a run that wanted them, any again.

    An operation that has none raises, see :func:`deterministic_kernels`.
    """
    global _made_deterministic
    if not wanted and not _made_deterministic:
        return  # what the user of this process has set stays
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        _made_deterministic |= not torch.are_deterministic_algorithms_enabled()
    else:
        _made_deterministic = False
    torch.use_deterministic_algorithms(wanted)


@contextmanager
def deterministic_kernels() -> Iterator[None]:
    """Answer an operation without a deterministic kernel, which PyTorch refuses in the middle of a step.

    Raises
    ------
    RunFailure : naming the operation, and the way out.
    """
    try:
        yield
    except RuntimeError as error:
        if (operation := _refused(str(error))) is None:
            raise
        raise RunFailure(
            f"deterministic=true: {operation} has no deterministic kernel on this device; use a model without it, "
            "another device, or deterministic=false"
        ) from error


def _refused(message: str) -> str | None:
    """The operation that PyTorch refuses for being non-deterministic, None if the message is of something else."""
    if match := re.match(r"(\S+) does not have a deterministic implementation", message):
        return match[1]
    return "CuBLAS" if message.startswith("Deterministic behavior was enabled") else None
