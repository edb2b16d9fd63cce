"""Checkpoints: tensors and plain values only, written atomically, read without running code."""

import logging
import os
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch

from nolab.errors import InputError, first_line
from nolab.tracking.run_directory import NotWritten, replacing, reported

log = logging.getLogger(__name__)

FORMAT = 5  # 2: points and input_axes; 3: scaler, and the optimizer over reals; 4: estimator; 5: batch_costs

LAST, PREVIOUS, BEST, DAMAGED = "last.pt", "previous.pt", "best.pt", "damaged.pt"
CHOICES = ("last", "best", "previous")
"""What a run's model may be read from."""

_IS_FOLDER = 0x10
"""The bit of DOS' file attributes."""

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
    """Write `state` to `path`; a reader sees the old file or the new one, never a part.

    The file before a `last.pt` stays as `previous.pt`: whenever the process is killed, a whole one is there.

    Raises
    ------
    NotWritten : the disk is full or fails; the files before are untouched.
    """
    keep_as = path.with_name(PREVIOUS) if path.name == LAST else None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, keep_as) as file:
            _write(file, {"format": FORMAT, **state})
    except OSError as error:
        raise NotWritten(path, error) from error


def _write(file: IO[bytes], state: dict[str, Any]) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:  # PyTorch's writer hides what the file said
        raise (error.__context__ if isinstance(error.__context__, OSError) else error) from error


class Found(NamedTuple):
    """The checkpoint from which a run goes on."""

    path: Path
    state: dict[str, Any]


def newest_checkpoint(folder: Path) -> Found | None:
    """`last.pt`, or `previous.pt` where that is damaged or missing, with a warning; None where neither exists.

    Raises
    ------
    InputError : what there is can't be used.
    """
    reasons = []
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.exists():
            reasons.append(f"{path} is missing")
            continue
        try:
            found = Found(path, load_checkpoint(path))
        except InputError as error:
            reasons.append(str(error))
            continue
        if reasons:
            log.warning("%s; going on from %s, step %.20s", reasons[0], path, found.state["step"])
        return found
    if not any(path.exists() for path in (folder / LAST, folder / PREVIOUS)):
        return None
    way = f"copy {BEST} there to {LAST}" if (folder / BEST).is_file() else "restore a copy of your own"
    raise InputError(f"{'; '.join(reasons)}. To go on, {way}; or delete both, and it starts at step 0")


def set_aside_damaged(found: Found) -> None:
    """Before a run goes on from `previous.pt`: the damaged `last.pt` must not come to replace it."""
    last = found.path.with_name(LAST)
    if found.path.name == PREVIOUS and last.exists():
        with reported(last):
            os.replace(last, last.with_name(DAMAGED))


def load_checkpoint(path: Path, parts: Collection[str] = RUN_STATE) -> dict[str, Any]:
    """Read a checkpoint of nolab onto the CPU; it has to hold `parts`.

    Raises
    ------
    InputError : it is missing, damaged, holds more than tensors and plain values, or has another format.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint")
    try:
        with path.open("rb") as file:
            _verify(file)
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged or hostile file may raise has no end
        raise InputError(
            f"{path}: damaged, or holds more than tensors and plain values "
            f"({first_line(error)}); "
            "nolab never runs code from a checkpoint"
        ) from error
    found = state.get("format") if isinstance(state, dict) else type(state).__name__
    if type(found) is not int or found != FORMAT:
        raise InputError(f"{path}: not a checkpoint of this nolab (format {found!s:.40}, expected {FORMAT})")
    if missing := [part for part in parts if part not in state]:
        raise InputError(f"{path}: damaged checkpoint, it lacks: {', '.join(missing)}")
    return state


def _verify(file: IO[bytes]) -> None:
    """The sizes and the CRC-32 of every entry of a checkpoint's zip archive, which PyTorch does not look at.

    Raises
    ------
    ValueError, and what else zipfile raises : it is no whole zip archive of plainly stored entries.
    """
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if any(e.compress_type != zipfile.ZIP_STORED or e.file_size != e.compress_size for e in entries):
            raise ValueError("compressed entries")
        # PyTorch reads nothing of an entry that says it is a folder, and leaves the values as memory happens to be.
        if any(entry.is_dir() or entry.external_attr & _IS_FOLDER for entry in entries):
            raise ValueError("entries that are folders")
        if sum(entry.file_size for entry in entries) > size:
            raise ValueError("entries larger than the file")
        if (bad := archive.testzip()) is not None:
            raise ValueError(f"the checksum of {bad} is not that of its bytes")
    file.seek(0)
