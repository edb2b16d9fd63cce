"""Memory and energy of the process and its device."""

import os
import resource
import sys

import torch

_GIB = 2**30


def reset_peak_memory(device: torch.device) -> None:
    """Start a new peak; a process's peak (CPU) can't be reset."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_gib(device: torch.device) -> float:
    """Peak memory in GiB: of the allocator on CUDA, of the process's resident set on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _GIB
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _GIB


def free_memory(device: torch.device) -> int:
    """Bytes free on the device; for the CPU, what the system reports as available and the process's limit leaves."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            available = next(line for line in lines if line.startswith("MemAvailable"))
        with open("/proc/self/statm", encoding="ascii") as sizes:
            mapped = int(sizes.read().split()[0]) * resource.getpagesize()
    except (OSError, StopIteration):  # not Linux: be modest
        return 4 * _GIB
    return max(0, min(int(available.split()[1]) * 1024, _limit() - mapped))


def total_memory(device: torch.device) -> int:
    """Bytes that the device has; for the CPU, that the process may have."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    return min(os.sysconf("SC_PHYS_PAGES") * resource.getpagesize(), _limit())


def _limit() -> int:
    """Bytes of address space that the process may have (``ulimit -v``)."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


class EnergyMeter:
    """Energy that the device has used since the meter was made, where it reports it."""

    def __init__(self, device: torch.device) -> None:
        self._handle = _nvml_handle(device)
        self._start = self._read()

    def joules(self) -> float | None:
        """Joules so far, or None where the device does not tell."""
        now = self._read()
        return None if now is None or self._start is None else now - self._start

    def _read(self) -> float | None:
        if self._handle is None:
            return None
        import pynvml

        try:
            return pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) / 1000
        except pynvml.NVMLError:
            return None


def _nvml_handle(device: torch.device):
    if device.type != "cuda":
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetHandleByUUID(
            f"GPU-{torch.cuda.get_device_properties(device).uuid}".encode()
        )
    except pynvml.NVMLError:  # no driver library, or a device that it does not know
        return None
