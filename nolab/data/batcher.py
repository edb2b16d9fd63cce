"""The multi-resolution batcher: (level, indices) -> FieldBatch, with no work per sample.

The pyramid of all levels lives on the device when it fits the budget of memory, else in host memory. What
fits neither stays on disk: its coarsest levels are held in host memory as far as they fit, the others
are read in a thread that works ahead.
"""

import logging
from typing import Protocol

import numpy as np
import torch

from nolab.data.hierarchy import Hierarchy
from nolab.data.loading import load_levels
from nolab.data.pyramid import LevelTensors, Normalizers, pyramid_bytes
from nolab.data.residency import GIB, Residency, choose_residency, levels_in_memory
from nolab.data.source import FieldSource
from nolab.data.streaming import StreamingBatcher
from nolab.fields import FieldBatch
from nolab.neighbourhood import Neighbourhood
from nolab.plan import Plan

log = logging.getLogger(__name__)


class Batcher(Protocol):
    """Serves the training samples at every level of a hierarchy."""

    def get(self, level: int, indices: np.ndarray) -> FieldBatch:
        """The samples `indices` (n,) at `level`, normalised, on the device.

        Raises
        ------
        RunFailure : they cannot be read any more.
        """

    def prefetch(self, plan: Plan) -> None:
        """Start reading a coming step's samples, where they are not in memory."""

    def close(self) -> None:
        """Release threads."""


def open_batcher(
    source: FieldSource,
    split: str,
    hierarchy: Hierarchy,
    device: torch.device,
    residency: Residency = "auto",
    memory_gib: float | None = None,
    wanted: Neighbourhood | None = None,
) -> tuple[Batcher, Normalizers]:
    """The batcher of a split, and the normalisers fitted on it at the hierarchy's finest level.

    Every sample is read once now, a block at a time. The normalisers and batches have the same bits
    wherever the data live.

    Parameters
    ----------
    residency : where the pyramid lives; ``auto`` chooses by size (see :func:`choose_residency`).
    memory_gib : budget of ``auto``, and of what ``stream`` holds in host memory; None takes half of the
        memory that is free. Streaming takes beside it the batches of two steps, in float64 where they
        are normalised, and some blocks (``loading.BLOCK_BYTES``) or samples.
    wanted : the neighbours of scattered points that the model asks for.

    Raises
    ------
    InputError : samples that cannot be read or are damaged.
    """
    sizes = [pyramid_bytes(source, split, [level.shape], wanted) for level in hierarchy.levels]
    if residency == "auto":
        residency = choose_residency(sum(sizes), device, memory_gib)
    held = levels_in_memory(sizes, memory_gib) if residency == "stream" else len(sizes)
    log.info("%s", _describe(split, residency, hierarchy, sizes, held))
    loaded = load_levels(source, split, hierarchy, held, wanted)
    resident = ResidentBatcher(loaded.held, hierarchy, device, on_device=residency == "device")
    if held == len(sizes):
        return resident, loaded.normalizers
    streaming = StreamingBatcher(source, split, hierarchy, loaded, device)
    return MixedBatcher(resident, streaming, held), loaded.normalizers


class ResidentBatcher:
    """Levels in memory, on the device or on the host (then batches are copied through pinned memory)."""

    def __init__(
        self, levels: list[LevelTensors], hierarchy: Hierarchy, device: torch.device, *, on_device: bool
    ) -> None:
        self._device, self._domain, self._on_device = device, hierarchy.domain, on_device
        self._pin = not on_device and device.type == "cuda"
        self._levels = [level.to(device) if on_device else level for level in levels]

    def get(self, level: int, indices: np.ndarray) -> FieldBatch:
        index = torch.from_numpy(indices)
        if self._on_device:
            index = index.to(self._device, non_blocking=True)
        samples = self._levels[level].take(index)
        return (samples.pinned() if self._pin else samples).to(self._device).batch(self._domain)

    def prefetch(self, plan: Plan) -> None:
        """Nothing to read ahead."""

    def close(self) -> None:
        """Nothing to release."""


class MixedBatcher:
    """The coarsest levels resident, the others streamed."""

    def __init__(self, resident: ResidentBatcher, streaming: StreamingBatcher, held: int) -> None:
        self._resident, self._streaming, self._held = resident, streaming, held

    def get(self, level: int, indices: np.ndarray) -> FieldBatch:
        return (self._resident if level < self._held else self._streaming).get(level, indices)

    def prefetch(self, plan: Plan) -> None:
        """Read the terms that are streamed ahead."""
        self._streaming.prefetch(tuple(term for term in plan if term.level >= self._held))

    def close(self) -> None:
        """End the reader's thread."""
        self._streaming.close()


def _describe(split: str, residency: Residency, hierarchy: Hierarchy, sizes: list[int], held: int) -> str:
    text = f"pyramid of '{split}': {sum(sizes) / GIB:.3f} GiB, "
    if residency != "stream":
        return text + {"device": "kept on the device", "host": "kept in host memory"}[residency]
    streamed = ", ".join(level.name for level in hierarchy.levels[held:])
    text += f"{streamed} streamed from the source, reading ahead"
    if held:
        names = ", ".join(level.name for level in hierarchy.levels[:held])
        text += f"; {names} ({sum(sizes[:held]) / GIB:.3f} GiB) kept in host memory"
    return text
