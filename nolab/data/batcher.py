"""The multi-resolution batcher: (level, indices) -> FieldBatch, with no work per sample.

The pyramid of all levels lives on the device when it fits the memory budget, else in (pinned)
host memory, else each batch is read from the source and restricted in a thread that works ahead.
"""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, Protocol

import numpy as np
import torch

from nolab.data.hierarchy import Hierarchy
from nolab.data.pyramid import (
    LevelTensors,
    Normalizers,
    normalize_level,
    pyramid_bytes,
    read_level,
    read_pyramid,
)
from nolab.data.source import FieldSource
from nolab.fields import FieldBatch
from nolab.plan import Plan

log = logging.getLogger(__name__)

Residency = Literal["auto", "device", "host", "stream"]
_GIB = 2**30
_STATISTICS_SAMPLES = 4096  # of a streamed data set, for its normalisers


class Batcher(Protocol):
    """Serves the training samples at every level of a hierarchy."""

    def get(self, level: int, indices: np.ndarray) -> FieldBatch:
        """The samples `indices` (n,) at `level`, normalised, on the device."""

    def prefetch(self, plan: Plan) -> None:
        """Start reading a coming step's samples, where they are not in memory."""

    def close(self) -> None:
        """Release files and threads."""


def open_batcher(
    source: FieldSource,
    split: str,
    hierarchy: Hierarchy,
    device: torch.device,
    residency: Residency = "auto",
    memory_gib: float | None = None,
) -> tuple[Batcher, Normalizers]:
    """The batcher of a split, and the normalisers fitted on it at the hierarchy's finest level.

    Parameters
    ----------
    residency : where the pyramid lives; ``auto`` chooses by size (see :func:`choose_residency`).
    memory_gib : budget of ``auto``; None takes half of the memory that is free.
    """
    shapes = [level.shape for level in hierarchy.levels]
    count = source.count(split)
    size = pyramid_bytes(source, split, shapes)
    if residency == "auto":
        residency = choose_residency(size, device, memory_gib)
    log.info("pyramid of '%s': %.3f GiB, %s", split, size / _GIB, _PLACES[residency])
    if residency == "stream":
        some = np.arange(min(count, _STATISTICS_SAMPLES))
        fields = read_level(source, split, shapes[-1], hierarchy.restriction, some)
        normalizers = Normalizers.fit(fields, hierarchy.domain)
        return StreamingBatcher(source, split, hierarchy, normalizers, device), normalizers
    pyramid = read_pyramid(source, split, shapes, hierarchy.restriction)
    normalizers = Normalizers.fit(pyramid[-1], hierarchy.domain)
    levels = [normalize_level(fields, normalizers, hierarchy.domain) for fields in pyramid]
    return ResidentBatcher(levels, hierarchy, device, on_device=residency == "device"), normalizers


class ResidentBatcher:
    """The whole pyramid in memory, on the device or (pinned) on the host."""

    def __init__(
        self, levels: list[LevelTensors], hierarchy: Hierarchy, device: torch.device, *, on_device: bool
    ) -> None:
        self._device, self._domain, self._on_device = device, hierarchy.domain, on_device
        pin = not on_device and device.type == "cuda"
        self._levels = [
            level.to(device) if on_device else (level.pinned() if pin else level) for level in levels
        ]

    def get(self, level: int, indices: np.ndarray) -> FieldBatch:
        index = torch.from_numpy(indices)
        if self._on_device:
            index = index.to(self._device, non_blocking=True)
        return self._levels[level].take(index).to(self._device).batch(self._domain)

    def prefetch(self, plan: Plan) -> None:
        """Nothing to read ahead."""

    def close(self) -> None:
        """Nothing to release."""


_Key = tuple[int, bytes]
"""Of what is read ahead: level and indices."""


class StreamingBatcher:
    """Samples read from the source when asked for, ahead of time where a plan was announced."""

    def __init__(
        self,
        source: FieldSource,
        split: str,
        hierarchy: Hierarchy,
        normalizers: Normalizers,
        device: torch.device,
    ) -> None:
        self._source, self._split, self._hierarchy = source, split, hierarchy
        self._normalizers, self._device = normalizers, device
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nolab-reader")
        self._pending: dict[_Key, Future] = {}
        self._announced: tuple[set[_Key], set[_Key]] = (set(), set())  # of the step under way and the next

    def get(self, level: int, indices: np.ndarray) -> FieldBatch:
        future = self._pending.pop((level, indices.tobytes()), None)
        tensors = future.result() if future else self._read(level, indices)
        return tensors.to(self._device).batch(self._hierarchy.domain)

    def prefetch(self, plan: Plan) -> None:
        terms = {(term.level, term.indices.tobytes()): term for term in plan}
        self._announced = (self._announced[1], set(terms))
        for key in self._pending.keys() - self._announced[0] - self._announced[1]:
            self._pending.pop(key).cancel()  # of a plan that was replaced
        for key, term in terms.items():
            if key not in self._pending:
                self._pending[key] = self._reader.submit(self._read, term.level, term.indices)

    def close(self) -> None:
        self._reader.shutdown(wait=True, cancel_futures=True)

    def _read(self, level: int, indices: np.ndarray) -> LevelTensors:
        # Sources read ascending indices; a term of the random scheme may hold a sample twice.
        ascending, position = np.unique(indices, return_inverse=True)
        shape = self._hierarchy.levels[level].shape
        fields = read_level(self._source, self._split, shape, self._hierarchy.restriction, ascending)
        tensors = normalize_level(fields, self._normalizers, self._hierarchy.domain)
        return tensors.take(torch.from_numpy(position))


_PLACES = {
    "device": "kept on the device",
    "host": "kept in host memory",
    "stream": "streamed from the source, reading ahead",
}


def choose_residency(size: int, device: torch.device, memory_gib: float | None) -> Residency:
    """``device`` if `size` bytes fit the budget there, else ``host`` if they fit there, else ``stream``.

    The budget is `memory_gib` in either place, or half of the memory that is free there.
    """
    for place, where in (("device", device), ("host", torch.device("cpu"))):
        budget = free_memory(where) / 2 if memory_gib is None else memory_gib * _GIB
        if size <= budget:
            return place
    return "stream"


def free_memory(device: torch.device) -> int:
    """Bytes free on the device; for the CPU, the memory that the system reports as available."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            available = next(line for line in lines if line.startswith("MemAvailable"))
        return int(available.split()[1]) * 1024
    except (OSError, StopIteration):  # not Linux: be modest
        return 4 * _GIB
