"""`hierarchy.restriction=solve`: every level of a generated data set comes from a solver run on its own grid.

One seed shows the same inputs at every resolution, so the levels are paired sample by sample, as restricted ones
are; their outputs differ by the solver's own discretisation error. That is how levels come about where nobody can
afford the fine solution of every sample.
"""

from pathlib import Path

import numpy as np

from nolab.data.hierarchy import Kind
from nolab.data.opening import GeneratedSource
from nolab.data.source import FieldSource, Shape
from nolab.errors import InputError


def with_levels(source: FieldSource, shapes: list[Shape], kind: Kind) -> FieldSource:
    """The source of levels that come about like this: of the solved ones, or as it is.

    Raises
    ------
    InputError : levels that can't be solved, see :class:`SolvedLevels`.
    """
    return SolvedLevels(source, shapes) if kind == "solve" else source


class SolvedLevels:
    """A data set whose grids are solved each; a :class:`nolab.data.source.FieldSource`.

    Parameters
    ----------
    own : the data set on its own grid, which stays one of them.
    shapes : the other grids.

    Raises
    ------
    InputError : data that nolab does not generate, or a grid that no resolution of the problem gives.
    """

    def __init__(self, own: FieldSource, shapes: list[Shape]) -> None:
        if not isinstance(own, GeneratedSource):
            raise InputError(
                "hierarchy.restriction: solve runs the solver of data that nolab makes itself, e.g. dataset=darcy; "
                "use subsample, average or spectral"
            )
        self.domain, self.input_axes = own.domain, own.input_axes
        self.input_names, self.output_names = own.input_names, own.output_names
        if own.domain.is_scattered:
            raise InputError(
                "hierarchy.restriction: solve runs a solver per grid; scattered points come with levels of their own: "
                "use subsample, farthest or random"
            )
        (shape,) = own.shapes("train")
        self._own = own
        self._sources = {other: own.at(other) for other in shapes if other != shape} | {shape: own}

    def ensure(self) -> Path:
        """Generate what is not there; the path of the data set's own grid."""
        for source in self._sources.values():
            source.ensure()
        return self._own.ensure()

    def splits(self) -> list[str]:
        return self._own.splits()

    def shapes(self, split: str) -> list[Shape]:
        return sorted(self._sources, key=lambda shape: (int(np.prod(shape)), shape))

    def count(self, split: str) -> int:
        return self._own.count(split)

    def read(
        self, split: str, shape: Shape, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        return self._sources[shape].read(split, shape, indices)
