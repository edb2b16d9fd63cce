"""Where the training data live: on the device, in host memory, or on disk, by a budget of memory."""

from typing import Literal

import torch

from nolab.metrics.resources import free_memory

Residency = Literal["auto", "device", "host", "stream"]
GIB = 2**30


def choose_residency(size: int, device: torch.device, memory_gib: float | None) -> Residency:
    """``device`` if `size` bytes fit the budget there, else ``host`` if they fit there, else ``stream``."""
    for place, where in (("device", device), ("host", torch.device("cpu"))):
        if size <= memory_budget(where, memory_gib):
            return place
    return "stream"


def levels_in_memory(sizes: list[int], memory_gib: float | None) -> int:
    """How many levels of a streamed pyramid are held in host memory: the coarsest that fit the budget.

    Parameters
    ----------
    sizes : bytes of each level, coarsest first. The finest is streamed in any case.
    """
    left, held = memory_budget(torch.device("cpu"), memory_gib), 0
    for size in sizes[:-1]:
        if (left := left - size) < 0:
            break
        held += 1
    return held


def memory_budget(device: torch.device, memory_gib: float | None) -> float:
    """Bytes that data may take on the device: `memory_gib`, or half of what is free there."""
    return free_memory(device) / 2 if memory_gib is None else memory_gib * GIB
