"""Fields on a small hierarchy, and a batcher of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from nolab.data.arrays import ArraySource
from nolab.data.batcher import Batcher, open_batcher
from nolab.data.hierarchy import Hierarchy, HierarchyOptions, build_hierarchy
from nolab.data.pyramid import Normalizers
from nolab.grid import Domain

CPU = torch.device("cpu")
N = 11


def fields(channels: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(channels).standard_normal((N, channels, *shape)).astype(np.float32)


def nodal(method: str = "subsample") -> tuple[ArraySource, Hierarchy]:
    domain, shape = Domain.unit(2), (17, 17)
    data = {"train": {shape: (fields(2, *shape), 3 + 2 * fields(1, *shape))}}
    source = ArraySource(domain, data, ("a", "b"), ("u",))
    return source, build_hierarchy(HierarchyOptions(restriction=method), domain, shape, [shape])


@contextmanager
def opened(
    source: object, hierarchy: Hierarchy, residency: str, device: torch.device = CPU, gib: float | None = None
) -> Iterator[tuple[Batcher, Normalizers]]:
    batcher, normalizers = open_batcher(source, "train", hierarchy, device, residency, gib)
    try:
        yield batcher, normalizers
    finally:
        batcher.close()
