"""Checkpoints: tensors and plain values only, written atomically, read without running code."""

import os
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from nolab.errors import InputError, first_line

FORMAT = 5  # 2: points and input_axes; 3: scaler, and the optimizer over reals; 4: estimator; 5: batch_costs

_MOST_PROGRESS = 2**53

RUN_STATE = (
    "step",
    "samples",
    "best",
    "target_seconds",
    "energy",
    "errors",
    "model",
    "optimizer",
    "scaler",
    "ema",
    "clock",
    "points",
    "estimator",
    "slots",
    "batch_costs",
    "rng",
    "spec",
)
"""Everything that a run's checkpoint holds."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` to `path`; a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load_checkpoint(path: Path, parts: Collection[str] = RUN_STATE) -> dict[str, Any]:
    """Read a checkpoint of nolab onto the CPU; it has to hold `parts`.

    Raises
    ------
    InputError : it is missing, damaged, holds more than tensors and plain values, or has another format.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint")
    _check_unpacked(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises nearly anything; none of it is a bug of ours
        raise InputError(
            f"{path}: damaged, or holds more than tensors and plain values "
            f"({first_line(error)}); "
            "nolab never runs code from a checkpoint"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise InputError(f"{path}: not a checkpoint of this nolab (format {found}, expected {FORMAT})")
    if missing := [part for part in parts if part not in state]:
        raise InputError(f"{path}: damaged checkpoint, it lacks: {', '.join(missing)}")
    return state


def check_progress(path: Path, state: dict[str, Any]) -> None:
    """Refuse a checkpoint that does not say how far its run is.

    Raises
    ------
    InputError : naming the part.
    """
    reached, clock = state["target_seconds"], state["clock"]
    train = clock.get("train") if isinstance(clock, dict) else None
    for part, value, kinds in (
        ("step", state["step"], (int,)),
        ("clock", train, (int, float)),
        ("target_seconds", 0 if reached is None else reached, (int, float)),
    ):
        if type(value) not in kinds or not 0 <= value < _MOST_PROGRESS:
            raise InputError(f"{path}: damaged checkpoint: {part} is no number of steps or seconds")


def _check_unpacked(path: Path) -> None:
    """PyTorch's archives are not compressed; one that is may be a thousand times larger in memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path}: damaged: no archive of PyTorch ({first_line(error)})") from error
    if declared > (size := path.stat().st_size):
        raise InputError(f"{path}: damaged: declares {declared} bytes, and holds {size}")
