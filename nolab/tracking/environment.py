"""How a result was obtained: versions, device, command and git state."""

import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from typing import Any

import torch

from nolab import processes

_PACKAGES = ("nolab", "torch", "neuraloperator", "hydra-core", "omegaconf", "numpy", "h5py", "wandb")


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, device, command and git state: how the result was obtained."""
    return {
        "command": sys.argv,
        "cwd": os.getcwd(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "processes": processes.count(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "packages": package_versions(),
        "cuda": torch.version.cuda,
        "git": _git_state(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def device_name(device: torch.device) -> str:
    """The device in words, e.g. ``cpu (2 cores)`` or ``cuda:0 (NVIDIA H200)``."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({os.cpu_count()} cores)"


def package_versions() -> dict[str, str | None]:
    """Versions of nolab and of what its results depend on."""
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_state() -> dict[str, Any] | None:
    """Commit and cleanliness of the working directory's repository, None outside of one."""
    try:
        commit, status = (
            subprocess.run(
                ["git", *args], capture_output=True, text=True, timeout=5, check=True
            ).stdout.strip()
            for args in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": bool(status)}
