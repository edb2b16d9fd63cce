"""What is in a data set's fields: statistics, values that are not finite, samples that splits share."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, prod

import numpy as np

from nolab.data._store_layout import sample_digest
from nolab.data.hierarchy import HierarchyOptions, Kind, build_hierarchy
from nolab.data.importers.overlap import given
from nolab.data.reading import Fields
from nolab.data.source import FieldSource, Shape
from nolab.errors import InputError
from nolab.grid import input_shape
from nolab.mesh import MeshFields

_BLOCK = 2**24
READ_AT_MOST = 2**30
"""Bytes of a split that are read for its statistics, unless all are asked for."""


@dataclass(frozen=True)
class Channel:
    """One channel over the samples that were read; minimum, mean and maximum of its finite values."""

    name: str
    minimum: float
    mean: float
    maximum: float
    not_finite: int


@dataclass(frozen=True)
class Summary:
    """One split on its finest grid; `read` samples were read, the first ones.

    points : the fewest and the most points of a sample, padding aside; None on grids.
    """

    read: int
    channels: list[Channel]
    points: tuple[int, int] | None


def summarise(source: FieldSource, split: str, *, everything: bool = False) -> Summary:
    """Read a split, or the first gibibyte of it, and count.

    Raises
    ------
    InputError : it cannot be read.
    """
    totals = [_Totals(name) for name in (*source.input_names, *source.output_names)]
    read, counts = 0, []
    for fields in _blocks(source, split, source.shapes(split)[-1], everything):
        inputs, outputs = fields[:2]
        read += len(inputs)
        there = slice(None)
        if isinstance(fields, MeshFields):
            there = fields.weights > 0
            counts += there.sum(axis=1).tolist()
        values = [*np.moveaxis(inputs, 1, 0), *np.moveaxis(outputs, 1, 0)]
        for total, channel in zip(totals, values, strict=True):
            total.add(channel[there])
    return Summary(
        read, [total.channel() for total in totals], (min(counts), max(counts)) if counts else None
    )


def shared_inputs(source: FieldSource, split: str, *, everything: bool = False) -> tuple[int, int] | None:
    """How many of a split's inputs (and points) are training inputs too, and of how many samples that were read.

    On the finest grid that both hold; None where they have none in common.
    """
    common = [shape for shape in source.shapes("train") if shape in source.shapes(split)]
    if not common:
        return None
    train, other = (
        [
            sample_digest(sample)
            for fields in _blocks(source, name, common[-1], everything)
            for sample in given(fields)
        ]
        for name in ("train", split)
    )
    known = set(train)
    return sum(value in known for value in other), len(other)


def derivable(source: FieldSource, split: str) -> tuple[Kind, list[Shape]]:
    """The restriction that gives most levels of a split, four at most; and the levels.

    Each has half of the next one's intervals or points, but for scattered points that are stored at several levels.
    """
    stored = source.shapes(split)
    shape, methods = stored[-1], ("subsample", "average", "spectral")
    if source.domain.is_scattered:
        methods = ("subsample",) if len(stored) > 1 else ("farthest",)
    best: tuple[Kind, list[Shape]] = ("subsample", [shape])
    for method in methods:
        for count in range(len(best[1]) + 1, 5):
            options = HierarchyOptions(count=count, restriction=method)
            try:
                levels = build_hierarchy(options, source.domain, shape, stored).levels
            except InputError:
                break
            best = (method, [level.shape for level in levels])
    return best


class _Totals:
    def __init__(self, name: str) -> None:
        self._name, self._count, self._bad, self._sum = name, 0, 0, 0.0
        self._min, self._max = inf, -inf

    def add(self, values: np.ndarray) -> None:
        finite = values[np.isfinite(values)]
        self._bad += values.size - finite.size
        if finite.size:
            self._count += finite.size
            self._sum += float(finite.sum(dtype=np.float64))
            self._min, self._max = min(self._min, float(finite.min())), max(self._max, float(finite.max()))

    def channel(self) -> Channel:
        return Channel(self._name, self._min, self._sum / max(self._count, 1), self._max, self._bad)


def _blocks(source: FieldSource, split: str, shape: Shape, everything: bool) -> Iterator[Fields]:
    """Fields of the split in blocks; imported files as they are, a store refuses unsound values."""
    read = getattr(source, "read_unchecked", source.read)
    sizes = (prod(input_shape(shape, source.input_axes)), prod(shape))
    channels = (len(source.input_names), len(source.output_names))
    per_sample = 4 * sum(n * size for n, size in zip(channels, sizes, strict=True))
    held = source.count(split)
    count = held if everything else min(held, max(1, READ_AT_MOST // per_sample))
    step = max(1, _BLOCK // per_sample)
    for start in range(0, count, step):
        yield read(split, shape, np.arange(start, min(start + step, count)))
