"""The run directory: unique, held by one process at a time, never half-written. Knows no PyTorch."""

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import filelock

from nolab.errors import InputError, RunFailure, first_line

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"
CHECKPOINTS = "checkpoints"
PLOTS = "plots"
LOCK = ".lock"


class NotWritten(RunFailure):
    """A file of a run could not be written; what stood under its name before is whole."""

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(path, error)  # what it is made of again in another process
        self._path, self._error = path, error

    def __str__(self) -> str:
        error = self._error
        reason = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
        return f"{self._path} can't be written ({reason})"


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


@contextmanager
def held(run_dir: Path) -> Iterator[None]:
    """This process alone trains the run; temporary files that a killed one left are taken away.

    The system lets go of the lock when the process ends, however it ends.

    Raises
    ------
    InputError : another process holds it, or the folder can't be written to.
    """
    lock = filelock.FileLock(run_dir / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise InputError(
            f"{run_dir}: another process trains this run; wait for its end, or stop it and resume again"
        ) from None
    except OSError as error:
        raise InputError(f"{run_dir}: can't be locked for training ({error.strerror})") from error
    try:
        for folder in (run_dir, run_dir / CHECKPOINTS):
            for leftover in folder.glob(_temporary(Path("*")).name):
                leftover.unlink()
        yield
    finally:
        lock.release()


@contextmanager
def replacing(path: Path, keep_as: Path | None = None) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when the block ends well: a reader sees the old one or the new one.

    Parameters
    ----------
    keep_as : name under which the file that is replaced stays.

    Raises
    ------
    OSError : it can't be written; nothing has changed then.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if keep_as is not None and path.is_file():
            _keep(path, keep_as)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _keep(path: Path, keep_as: Path) -> None:
    """Give `path` a second name; at no instant is there neither."""
    link = _temporary(keep_as)
    try:
        os.link(path, link)
        os.replace(link, keep_as)
    except OSError:  # some file systems know one name for a file
        os.replace(path, keep_as)
    finally:
        link.unlink(missing_ok=True)  # two names of one file are not renamed


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Writing `path` in the block.

    Raises
    ------
    NotWritten : in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise NotWritten(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write atomically: a reader sees the old file or the new one, never a part."""
    with replacing(path) as file:
        file.write(text.encode(errors="backslashreplace"))


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
