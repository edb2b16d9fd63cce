"""The run directory that belongs to a job, held by one process at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from nolab.errors import InputError
from nolab.sweeps.identity import job_identity
from nolab.tracking.run_directory import (
    CHECKPOINTS,
    CONFIG,
    SUMMARY,
    create_run_directory,
    write_json,
)
from nolab.tracking.run_files import read_mapping


class HeldElsewhere(Exception):
    """Another process runs this very job, in `run_dir` if that is known yet."""

    def __init__(self, run_dir: Path | None) -> None:
        super().__init__(run_dir)
        self.run_dir = run_dir


@dataclass(frozen=True)
class Claim:
    """A job's run directory, ours alone until the claim ends."""

    run_dir: Path

    @property
    def finished(self) -> bool:
        """The job ended before."""
        return (self.run_dir / SUMMARY).is_file()

    @property
    def resumable(self) -> bool:
        """An interrupted run left a checkpoint, whole or not."""
        return any((self.run_dir / CHECKPOINTS / name).is_file() for name in ("last.pt", "previous.pt"))


@contextmanager
def claim(config: Mapping[str, Any]) -> Iterator[Claim]:
    """Hold the job of a resolved config: its earlier run directory, or a new and empty one.

    A new directory that is still empty at the end (bad input, found before training) is taken away.

    Raises
    ------
    HeldElsewhere : another process holds it.
    InputError : the folders can't be made.
    """
    output_dir, name = Path(config["output_dir"]), str(config["name"])
    identity = job_identity(config)
    jobs = output_dir / name / ".jobs"
    try:
        jobs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"output_dir: can't make {jobs}: {error.strerror}") from error
    pointer = jobs / f"{identity}.json"
    lock = filelock.FileLock(jobs / f"{identity}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise HeldElsewhere(_earlier(pointer, identity)) from None
    try:
        run_dir = _earlier(pointer, identity)
        if run_dir is None:
            run_dir = create_run_directory(output_dir, name)
            write_json(pointer, {"run": run_dir.name})
        try:
            yield Claim(run_dir)
        finally:
            if not any(run_dir.iterdir()):
                run_dir.rmdir()
                pointer.unlink()
    finally:
        lock.release()


def _earlier(pointer: Path, identity: str) -> Path | None:
    """The directory that an earlier attempt used, if it still is that job's."""
    try:
        name = str(read_mapping(pointer)["run"])
    except (InputError, KeyError):
        return None
    run_dir = pointer.parent.parent / name
    if run_dir.name != name or name.startswith(".") or not run_dir.is_dir():  # "../x" is no run of ours
        return None
    if not (run_dir / CONFIG).is_file():  # killed before its first file
        return run_dir
    try:
        config = read_mapping(run_dir / CONFIG)
    except InputError:
        return None
    # A finished run may have been trained on with a larger budget: then it is another job's.
    return run_dir if job_identity(config) == identity else None
