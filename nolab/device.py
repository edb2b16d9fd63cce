"""The device of a run."""

import os
import re

import torch

from nolab.errors import InputError


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA where there is one, else the CPU; `cpu`, `cuda` and `cuda:<index>` are explicit.

    Raises
    ------
    InputError : the name is none of these, or there is no such device.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise InputError(f"device: '{name}' is not known. Valid: auto, cpu, cuda, cuda:<index>.")
    index, count = int(match[1] or 0), torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        raise InputError(
            f"device: '{name}' is not there, this machine has {count} CUDA device(s); use device=auto"
        )
    return torch.device("cuda", index)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that was queued; a CPU has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def make_deterministic() -> None:
    """Only deterministic kernels from here on; an operation that has none raises."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
