"""What every problem says of its samples, and the random streams that they are drawn from."""

from dataclasses import dataclass

import numpy as np

from nolab.errors import unknown
from nolab.grid import Domain
from nolab.mesh import MeshSize

SPLITS = ("train", "test", "valid")
"""The splits, in the order of their stream numbers; a new one goes to the end."""


@dataclass(frozen=True)
class Description:
    """Names, units and grid of a problem's fields."""

    domain: Domain
    """The physical domain."""
    shape: tuple[int, ...]
    """The grid on which the fields are generated."""
    input_names: tuple[str, ...]
    """One name per input channel."""
    output_names: tuple[str, ...]
    """One name per output channel."""
    units: dict[str, str]
    """Unit of each field, ``"1"`` where it is dimensionless."""
    meshes: tuple[MeshSize, ...] = ()
    """On scattered points: the levels that are generated, coarsest first; `shape` is (N,) of the finest."""
    nested: bool = False
    """On scattered points: whether a level's points are among those of the next."""
    together: int = 1
    """Consecutive samples that are made at one cost, windows of one simulation for instance."""
    input_axes: tuple[int, ...] | None = None
    """Axes of the domain on which the input varies; None: all of them. On the others its size is 1."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """All grids that are generated."""
        return tuple((mesh.points,) for mesh in self.meshes) or (self.shape,)


def stream(seed: int, split: str, index: int) -> np.random.Generator:
    """The random stream of one sample: its own, so that no sample depends on the ones before it.

    Raises
    ------
    InputError : `split` is not one of :data:`SPLITS`.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    return np.random.default_rng([seed, SPLITS.index(split), index])
