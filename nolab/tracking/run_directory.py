"""The run directory: unique, complete without W&B, never half-written."""

import json
import os
import platform
import secrets
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from nolab.errors import InputError

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"
CHECKPOINTS = "checkpoints"
PLOTS = "plots"

_PACKAGES = ("nolab", "torch", "neuraloperator", "hydra-core", "omegaconf", "numpy", "h5py", "wandb")


def create_run_directory(output_dir: Path, name: str) -> Path:
    """A new folder `output_dir/name/<time>-<random>`, owned by this run alone.

    Raises
    ------
    InputError : the folder can't be made there.
    """
    while True:
        run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        path = output_dir / name / run_id
        try:
            path.mkdir(parents=True, exist_ok=False)
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"output_dir: can't make {path}: {error.strerror}") from error
        return path


def write_text(path: Path, text: str) -> None:
    """Write atomically: a reader sees the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically; NaN and infinities become null, as JSON knows none."""
    write_text(path, json.dumps(finite(data), indent=2) + "\n")


def finite(data: Any) -> Any:
    """`data` with floats that are not finite replaced by None."""
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))):
        return None
    return data


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, device, command and git state: how the result was obtained."""
    return {
        "command": sys.argv,
        "cwd": os.getcwd(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
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
