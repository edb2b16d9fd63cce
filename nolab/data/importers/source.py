"""Imported files as a source of fields: read lazily, refused where they are not sound."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from nolab.data._rows import neighbours
from nolab.data.importers.array import check_memory
from nolab.data.importers.fields import Field
from nolab.data.importers.overlap import OverlapGuard
from nolab.data.source import Shape
from nolab.errors import InputError, unknown
from nolab.grid import Domain, input_shape, shape_name


@dataclass(frozen=True)
class SplitFields:
    """One split on one grid."""

    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]


class ImportedSource:
    """A :class:`nolab.data.source.FieldSource` over arrays of files.

    Parameters
    ----------
    space : letter of each axis of the domain.
    counts : samples of each split.
    grids : per split and grid, its fields.
    """

    def __init__(
        self,
        domain: Domain,
        space: str,
        input_axes: tuple[int, ...] | None,
        counts: dict[str, int],
        grids: Mapping[str, Mapping[Shape, SplitFields]],
    ) -> None:
        self.domain, self.input_axes = domain, input_axes
        self._space, self._counts, self._grids = space, counts, grids
        some = next(iter(next(iter(grids.values())).values()))
        self.input_names = tuple(name for field in some.inputs for name in field.names())
        self.output_names = tuple(name for field in some.outputs for name in field.names())
        self._guard = OverlapGuard(counts)

    def splits(self) -> list[str]:
        """Names of the splits."""
        return list(self._counts)

    def shapes(self, split: str) -> list[Shape]:
        """Grids of the split, coarsest first."""
        return sorted(self._of(split), key=lambda shape: (prod(shape), shape))

    def count(self, split: str) -> int:
        """Number of samples of the split."""
        self._of(split)
        return self._counts[split]

    def read(
        self, split: str, shape: Shape, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Input and output of the samples, float32; see :class:`~nolab.data.source.FieldSource`.

        Raises
        ------
        InputError : damaged files, values that are not finite, samples of another split.
        """
        rows = np.arange(self.count(split)) if indices is None else np.asarray(indices)
        inputs, outputs = self.read_unchecked(split, shape, rows)
        for field, values in (("input", inputs), ("output", outputs)):
            bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
            if bad.any():
                raise InputError(
                    f"dataset.path: {split}/{shape_name(shape)}/{field} holds values that are not finite, in samples "
                    f"{rows[bad][:5].tolist()}; remove them from the file"
                )
        self._guard.check(split, shape, rows, inputs)
        return inputs, outputs

    def read_unchecked(self, split: str, shape: Shape, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same as :meth:`read`, whatever the values are."""
        grids = self._of(split)
        if tuple(shape) not in grids:
            raise unknown(f"dataset: grid of split '{split}'", shape_name(shape), map(shape_name, grids))
        if len(rows) and not (rows[0] >= 0 and rows[-1] < self._counts[split] and (np.diff(rows) > 0).all()):
            raise InputError(f"dataset: samples must be ascending numbers below {self._counts[split]}")
        fields = grids[tuple(shape)]
        sizes = (len(self.input_names) * prod(input_shape(shape, self.input_axes)), self._width(shape))
        check_memory(4 * len(rows) * sum(sizes), f"dataset.path: split '{split}'")
        inputs = self._channels(fields.inputs, rows, input_shape(shape, self.input_axes))
        return inputs, self._channels(fields.outputs, rows, shape)

    def _width(self, shape: Shape) -> int:
        return len(self.output_names) * prod(shape)

    def _channels(self, fields: tuple[Field, ...], rows: np.ndarray, shape: Shape) -> np.ndarray:
        values = np.empty((len(rows), sum(len(field.names()) for field in fields), *shape), np.float32)
        for start, stop in neighbours(rows):
            first, channel = int(rows[start]), 0
            for field in fields:
                part = field.read(first, first + stop - start, self._space)
                values[start:stop, channel : channel + part.shape[1]] = part
                channel += part.shape[1]
        return values

    def _of(self, split: str) -> Mapping[Shape, SplitFields]:
        if split not in self._grids:
            raise unknown("dataset: split", split, self._grids)
        return self._grids[split]
