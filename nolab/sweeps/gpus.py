"""One GPU per process of a sweep."""

import logging
import os
import tempfile
from pathlib import Path

import filelock

log = logging.getLogger(__name__)

_held: list[filelock.BaseFileLock] = []  # until the process ends


def take_gpu(count: int) -> int:
    """The first GPU that no other process of a sweep on this machine has taken.

    It stays this process's until it ends: launchers that use their workers again (joblib) run every
    job of a worker on it. Where all are taken the jobs share the first one.

    Parameters
    ----------
    count : GPUs that this process sees, at least 1.

    Returns
    -------
    Its index among those.
    """
    meeting_place = Path(tempfile.gettempdir())
    seen = (os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(count)))).split(",")
    for index in range(count):
        physical = seen[index].strip().replace("/", "-")  # a MIG device's name may be a path
        lock = filelock.FileLock(meeting_place / f"nolab-gpu-{os.getuid()}-{physical}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            continue
        _held.append(lock)
        return index
    log.warning(
        "more jobs at once than GPUs: they share one; hydra.launcher.n_jobs=%d gives each its own", count
    )
    return 0
