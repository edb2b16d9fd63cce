"""Memory and energy of the process and its device."""

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
