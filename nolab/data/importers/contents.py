"""What a file holds, and what its format says of how to read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from nolab.data.importers.array import LazyArray
from nolab.grid import Domain, Placement
from nolab.mesh import MeshFields

Arrays = dict[str, LazyArray]

UNSPLIT = "all"
"""The split of a file that does not divide its samples."""


@dataclass(frozen=True)
class Hints:
    """What a format says; what it leaves open the user does.

    Parameters
    ----------
    input, output : names of the arrays that are read.
    axes : per array, a letter per axis: n samples, c and d channels, t time, x, y, z space.
    coordinates : per letter, the coordinates along that axis.
    placement : per letter, where the samples lie.
    """

    input: tuple[str, ...] | None = None
    output: tuple[str, ...] | None = None
    axes: Mapping[str, str] = field(default_factory=dict)
    coordinates: Mapping[str, np.ndarray] = field(default_factory=dict)
    placement: Mapping[str, Placement] = field(default_factory=dict)


@dataclass(frozen=True)
class Points:
    """Samples on scattered points: their format leaves nothing open but the number of samples of each split.

    Parameters
    ----------
    count : number of samples.
    domain : the box that holds the points of all samples.
    read : numbers of samples -> their fields; InputError where these are not sound.
    counts : training samples (the first) and test samples (the last) of the benchmark; None: the user says it.
    """

    count: int
    domain: Domain
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    read: Callable[[range], MeshFields]
    counts: tuple[int, int] | None = None


@dataclass(frozen=True)
class Contents:
    """A file or folder, recognised.

    Parameters
    ----------
    format : its name, for people.
    splits : per split, the arrays on each grid; UNSPLIT alone where the file has no splits.
    refused : arrays that nolab does not read, and why.
    points : the samples of a format of scattered points; `splits` then only shows its arrays to people.
    """

    format: str
    splits: Mapping[str, list[Arrays]]
    hints: Hints = Hints()
    refused: Mapping[str, str] = field(default_factory=dict)
    points: Points | None = None

    @property
    def arrays(self) -> Arrays:
        """Those of the first split and grid."""
        return next(iter(self.splits.values()))[0]
