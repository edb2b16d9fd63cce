"""Batches of data that stay on disk, read ahead by a thread."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch

from nolab.data.hierarchy import Hierarchy
from nolab.data.loading import LoadedLevels
from nolab.data.pyramid import LevelTensors
from nolab.data.reading import read_level
from nolab.data.source import FieldSource
from nolab.errors import InputError, RunFailure
from nolab.fields import FieldBatch
from nolab.plan import Plan

_Key = tuple[int, bytes]
"""Of what is read ahead: level and indices."""


class _Staged(NamedTuple):
    """Samples on the device, and the event after which a GPU has them there."""

    tensors: LevelTensors
    ready: torch.cuda.Event | None


class StreamingBatcher:
    """Samples read from the source when asked for, ahead of time where a plan was announced.

    The thread reads, copies (on CUDA through pinned memory, on a stream of its own) and normalises. At
    most the samples of two plans are under way.
    """

    def __init__(
        self,
        source: FieldSource,
        split: str,
        hierarchy: Hierarchy,
        loaded: LoadedLevels,
        device: torch.device,
    ) -> None:
        self._source, self._split, self._hierarchy = source, split, hierarchy
        self._loaded, self._device = loaded, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        # OpenMP's thread count belongs to the thread that sets it: this one leaves the cores to training.
        self._reader = ThreadPoolExecutor(1, "nolab-reader", torch.set_num_threads, (1,))
        self._pending: dict[_Key, Future[_Staged]] = {}
        self._announced: tuple[set[_Key], set[_Key]] = (set(), set())  # of the step under way and the next

    def get(self, level: int, indices: np.ndarray) -> FieldBatch:
        """The samples, once they are read.

        Raises
        ------
        RunFailure : the source cannot be read any more.
        """
        future = self._pending.pop((level, indices.tobytes()), None)
        try:
            tensors, ready = future.result() if future else self._stage(level, indices)
        except (InputError, OSError) as error:
            raise RunFailure(f"the training data cannot be read any more: {error}") from error
        if ready is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(ready)
            tensors.record_stream(current)
        return tensors.batch(self._hierarchy.domain)

    def prefetch(self, plan: Plan) -> None:
        """Read a coming step's samples in the thread."""
        terms = {(term.level, term.indices.tobytes()): term for term in plan}
        self._announced = (self._announced[1], set(terms))
        for key in self._pending.keys() - self._announced[0] - self._announced[1]:
            self._pending.pop(key).cancel()  # of a plan that was replaced
        for key, term in terms.items():
            if key not in self._pending:
                self._pending[key] = self._reader.submit(self._stage, term.level, term.indices)

    def close(self) -> None:
        """End the thread."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        self._pending.clear()

    def _stage(self, level: int, indices: np.ndarray) -> _Staged:
        # Sources read ascending indices; a term of the random scheme may hold a sample twice.
        ascending, position = np.unique(indices, return_inverse=True)
        shape = self._hierarchy.levels[level].shape
        fields = read_level(self._source, self._split, shape, self._hierarchy.restriction, ascending)
        norm = self._loaded.norms[level][torch.from_numpy(ascending)]
        tables = self._loaded.tables[level]
        zero = self._loaded.normalizers.output.zero
        physical = LevelTensors.physical(fields, norm, zero, tables and tables.rows(ascending))
        if self._stream is None:
            return _Staged(self._finish(physical, position), None)
        with torch.cuda.stream(self._stream):
            tensors = self._finish(physical.pinned().to(self._device), position)
            return _Staged(tensors, self._stream.record_event())

    def _finish(self, physical: LevelTensors, position: np.ndarray) -> LevelTensors:
        order = torch.from_numpy(position).to(self._device)
        return physical.encoded(self._loaded.normalizers).take(order)
