"""The run directory: unique, complete without W&B, never half-written. Knows no PyTorch."""

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from nolab.errors import InputError

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"
CHECKPOINTS = "checkpoints"
PLOTS = "plots"


def create_run_directory(output_dir: Path, name: str) -> Path:
    """A new folder `output_dir/name/<time>-<random>`, owned by this run alone.

    Raises
    ------
    InputError : the folder can't be made there.
    """
    while True:
        path = output_dir / name / new_id()
        try:
            path.mkdir(parents=True, exist_ok=False)
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"output_dir: can't make {path}: {error.strerror}") from error
        return path


def new_id() -> str:
    """``<time>-<random>``: sorts by time, and two of one second differ."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


def write_text(path: Path, text: str) -> None:
    """Write atomically: a reader sees the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
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
