"""Bytes of a file that does not change, read by position."""

import os
import threading
import weakref
from pathlib import Path

import numpy as np

from nolab.errors import InputError


class RawFile:
    """A file that is opened by the first read, until :meth:`close`; threads may share it.

    It must still be the file that it was when this object was made. Reads ask for a range of bytes
    each, without HDF5's lock, buffers and read-ahead in between.

    Attributes
    ----------
    path : the file.
    size : its bytes.

    Raises
    ------
    OSError : it cannot be found.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        status = os.stat(path)
        self.size, self._identity = status.st_size, _identity(status)
        self._lock = threading.Lock()
        self._close: weakref.finalize | None = None  # closes the descriptor
        self._descriptor = -1

    @property
    def is_open(self) -> bool:
        return self._close is not None and self._close.alive

    def read_into(self, values: np.ndarray, offset: int) -> None:
        """Fill `values`, contiguous, with the bytes from `offset` on.

        Raises
        ------
        InputError : the file ends before, or is another one by now.
        OSError : it cannot be read.
        """
        descriptor = self._opened()
        left = memoryview(values.reshape(-1).view(np.uint8))
        while left:
            count = os.preadv(descriptor, [left], offset)  # the system reads 2 GiB at most in one call
            if count == 0:
                raise InputError(f"ends at byte {offset}, it has been cut short since it was opened")
            left, offset = left[count:], offset + count

    def close(self) -> None:
        """Close the file, once no thread reads; a later read opens it again."""
        with self._lock:
            if self._close is not None:
                self._close()

    def _opened(self) -> int:
        with self._lock:
            if not self.is_open:
                descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
                self._descriptor, self._close = descriptor, weakref.finalize(self, os.close, descriptor)
                if _identity(os.fstat(descriptor)) != self._identity:
                    self._close()
                    raise InputError("has been changed since it was opened")
            return self._descriptor


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
