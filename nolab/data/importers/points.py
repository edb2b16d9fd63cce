"""Imported fields on scattered points: in memory, and refused where splits share a sample."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nolab.data.arrays import ArraySource
from nolab.data.importers.contents import UNSPLIT, Points
from nolab.data.importers.counts import divide
from nolab.data.importers.options import FileOptions
from nolab.data.importers.overlap import OverlapGuard, given
from nolab.data.source import Shape
from nolab.mesh import MeshFields


@dataclass(frozen=True)
class ImportedPoints(ArraySource):
    """Samples of a file, at one number of points in all splits."""

    def read(self, split: str, shape: Shape, indices: np.ndarray | None = None) -> MeshFields:
        """Fields of the samples; see :class:`~nolab.data.source.FieldSource`.

        Raises
        ------
        InputError : one of them is a sample of another split too.
        """
        rows = np.arange(self.count(split)) if indices is None else np.asarray(indices)
        fields = self.read_unchecked(split, shape, rows)
        self._guard.check(split, shape, rows, given(fields))
        return fields

    def read_unchecked(self, split: str, shape: Shape, rows: np.ndarray) -> MeshFields:
        """The same as :meth:`read`, whatever other splits hold."""
        return super().read(split, shape, rows)

    @cached_property
    def _guard(self) -> OverlapGuard:
        return OverlapGuard({split: self.count(split) for split in self.splits()})


def read_points(points: Points, options: FileOptions) -> ImportedPoints:
    """The samples of each split, read now.

    Raises
    ------
    InputError : more samples are asked for than there are, or they are not sound.
    """
    n_train, n_test = points.counts or (None, None)
    asked = replace(options, n_train=options.n_train or n_train, n_test=options.n_test or n_test)
    rows = divide({UNSPLIT: points.count}, asked)
    data = {split: points.read(part) for split, part in rows.items()}
    levels = {split: {(fields.coords.shape[1],): fields} for split, fields in data.items()}
    return ImportedPoints(points.domain, levels, points.input_names, points.output_names)
