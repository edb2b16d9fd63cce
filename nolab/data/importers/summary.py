"""What is in a data set's fields: statistics, values that are not finite, samples that splits share."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, prod

import numpy as np

from nolab.data._store_layout import sample_digest
from nolab.data.hierarchy import HierarchyOptions, build_hierarchy
from nolab.data.restriction import Restriction
from nolab.data.source import FieldSource, Shape
from nolab.errors import InputError
from nolab.grid import input_shape

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
    """One split on its finest grid; `read` samples were read, the first ones."""

    read: int
    channels: list[Channel]


def summarise(source: FieldSource, split: str, *, everything: bool = False) -> Summary:
    """Read a split, or the first gibibyte of it, and count.

    Raises
    ------
    InputError : it cannot be read.
    """
    totals = [_Totals(name) for name in (*source.input_names, *source.output_names)]
    read = 0
    for inputs, outputs in _blocks(source, split, source.shapes(split)[-1], everything):
        read += len(inputs)
        values = [*np.moveaxis(inputs, 1, 0), *np.moveaxis(outputs, 1, 0)]
        for total, channel in zip(totals, values, strict=True):
            total.add(channel)
    return Summary(read, [total.channel() for total in totals])


def shared_inputs(source: FieldSource, split: str, *, everything: bool = False) -> tuple[int, int] | None:
    """How many of a split's inputs are training inputs too, and of how many samples that were read.

    On the finest grid that both hold; None where they have none in common.
    """
    common = [shape for shape in source.shapes("train") if shape in source.shapes(split)]
    if not common:
        return None
    train, other = (
        [
            sample_digest(sample)
            for inputs, _ in _blocks(source, name, common[-1], everything)
            for sample in inputs
        ]
        for name in ("train", split)
    )
    known = set(train)
    return sum(value in known for value in other), len(other)


def derivable(source: FieldSource, shape: Shape) -> tuple[Restriction, list[Shape]]:
    """The restriction that gives most levels below `shape`, four at most, each half of the next; and the levels."""
    best: tuple[Restriction, list[Shape]] = ("subsample", [shape])
    for method in ("subsample", "average", "spectral"):
        for count in range(len(best[1]) + 1, 5):
            options = HierarchyOptions(count=count, restriction=method)
            try:
                levels = build_hierarchy(options, source.domain, shape, [shape]).levels
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


def _blocks(
    source: FieldSource, split: str, shape: Shape, everything: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Input and output of the split in blocks; imported files as they are, a store refuses unsound values."""
    read = getattr(source, "read_unchecked", source.read)
    sizes = (prod(input_shape(shape, source.input_axes)), prod(shape))
    channels = (len(source.input_names), len(source.output_names))
    per_sample = 4 * sum(n * size for n, size in zip(channels, sizes, strict=True))
    held = source.count(split)
    count = held if everything else min(held, max(1, READ_AT_MOST // per_sample))
    step = max(1, _BLOCK // per_sample)
    for start in range(0, count, step):
        yield read(split, shape, np.arange(start, min(start + step, count)))
