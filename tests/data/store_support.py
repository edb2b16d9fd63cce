"""A small store, and what it holds."""

import numpy as np

from nolab.data.store import StoreChunk, StoreMeta
from nolab.grid import Domain

META = StoreMeta(
    problem="demo",
    parameters={"a": 1.5, "sizes": [1, 2]},
    version="1",
    seed=3,
    domain=Domain.unit(2),
    input_names=("u", "v"),
    output_names=("w",),
    units={"u": "1", "v": "m", "w": "Pa"},
    counts={"train": 5, "test": 2},
    shapes=((5, 5), (3, 3)),
)


def fields(split: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([*split.encode(), *shape])
    n = META.counts[split]
    return rng.random((n, 2, *shape), dtype=np.float32), rng.random((n, 1, *shape), dtype=np.float32)


def chunks(size: int = 2, meta: StoreMeta = META):
    for split, count in meta.counts.items():
        for shape in meta.shapes:
            x, y = fields(split, shape)
            for start in range(0, count, size):
                yield StoreChunk(split, shape, x[start : start + size], y[start : start + size])
