"""Checkpoints: tensors and plain values only, written atomically, read without running code."""

import os
from collections.abc import Collection
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from nolab.errors import InputError, first_line

FORMAT = 5  # 2: points and input_axes; 3: scaler, and the optimizer over reals; 4: estimator; 5: batch_costs

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
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
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
