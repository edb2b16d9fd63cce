"""Small data on scattered points, of samples of different size."""

import numpy as np
from scipy.spatial import Delaunay

from nolab.data.arrays import ArraySource
from nolab.grid import Domain
from nolab.mesh import MeshFields, MeshSize, padded, vertex_weights

BOX = Domain.cloud((0.0, 1.0), (0.0, 2.0))


def mesh_sample(rng: np.random.Generator, n: int) -> MeshFields:
    """One triangulated cloud of n points with smooth fields, without a leading axis."""
    coords = rng.random((n, 2)) * (1, 2)
    cells = Delaunay(coords).simplices
    x, y = coords.T
    a, b = rng.normal(size=2)
    inputs, outputs = np.stack([a * x + b * y, np.cos(a * x)]), np.stack([np.sin(a * x) * y])
    return MeshFields(inputs, outputs, coords, vertex_weights(coords, cells), cells)


def mesh_level(seed: int, n_samples: int, room: MeshSize) -> MeshFields:
    """Samples that fill two thirds of the room or more."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2 * room.points // 3, room.points + 1, n_samples)
    return padded([mesh_sample(rng, int(n)) for n in sizes], room)


ROOMS = (MeshSize(12, 30), MeshSize(24, 60), MeshSize(48, 120))


def scattered_source(n_train: int = 6, n_test: int = 3) -> ArraySource:
    """Three levels of different clouds; enough for everything that does not compare levels."""
    data = {
        split: {(room.points,): mesh_level(seed, n, room) for room in ROOMS}
        for split, n, seed in (("train", n_train, 1), ("test", n_test, 2))
    }
    return ArraySource(BOX, data, ("slope", "wave"), ("height",))
