"""An array in a file: its shape is known at once, its values are read in slices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch

from nolab.errors import InputError, first_line
from nolab.metrics.resources import free_memory

Key = tuple[slice, ...]
_SMALL = 2**26
_GIB = 2**30


@dataclass(frozen=True)
class LazyArray:
    """A numeric array whose values stay in the file until they are asked for.

    Parameters
    ----------
    where : file and name, for messages.
    fetch : slices with start and stop, one per axis -> the values.
    """

    where: str
    shape: tuple[int, ...]
    dtype: str
    fetch: Callable[[Key], np.ndarray]

    def read(self, key: Key) -> np.ndarray:
        """The values at `key` (one slice per axis).

        Raises
        ------
        InputError : the file is damaged there, or the memory does not hold them.
        """
        key = tuple(slice(*part.indices(n)) for part, n in zip(key, self.shape, strict=True))
        expected = tuple(len(range(part.start, part.stop)) for part in key)
        check_memory(8 * prod(expected), self.where)
        try:
            values = np.asarray(self.fetch(key))
        except InputError:
            raise
        except Exception as error:  # damaged files raise nearly anything; none of it is a bug of ours
            raise InputError(f"{self.where} cannot be read: {first_line(error)}") from error
        if values.shape != expected:
            raise InputError(f"{self.where}: the file holds {values.shape} where {expected} is declared")
        return values

    def all(self) -> np.ndarray:
        """All values."""
        return self.read((slice(None),) * len(self.shape))


def is_number(dtype: np.dtype) -> bool:
    """Whether nolab reads this type: real numbers and truth values."""
    return dtype.kind in "fiub" and dtype.itemsize <= 16


def in_memory(where: str, values: np.ndarray) -> LazyArray:
    """An array that can be sliced without a copy: memory-mapped, or read already."""
    return LazyArray(where, values.shape, str(values.dtype), values.__getitem__)


def loaded_once(
    where: str, shape: tuple[int, ...], dtype: np.dtype, load: Callable[[], np.ndarray]
) -> LazyArray:
    """An array that its format gives as a whole only: read on first use, and kept."""
    held: list[np.ndarray] = []

    def fetch(key: Key) -> np.ndarray:
        if not held:
            check_memory(prod(shape) * dtype.itemsize, where)
            held.append(load())
        return held[0][key]

    return LazyArray(where, shape, str(dtype), fetch)


def concatenate(arrays: Sequence[LazyArray]) -> LazyArray:
    """Arrays one after another along their first axis.

    Raises
    ------
    InputError : their other axes differ.
    """
    first = arrays[0]
    for array in arrays:
        if array.shape[1:] != first.shape[1:]:
            raise InputError(f"{array.where} has shape {array.shape}, {first.where} has {first.shape}")
    stops = np.cumsum([array.shape[0] for array in arrays]).tolist()

    def fetch(key: Key) -> np.ndarray:
        rows, parts = key[0], []
        for array, stop in zip(arrays, stops, strict=True):
            start = stop - array.shape[0]
            lower, upper = max(rows.start, start), min(rows.stop, stop)
            if lower < upper:
                parts.append(array.read((slice(lower - start, upper - start), *key[1:])))
        return np.concatenate(parts)

    return LazyArray(first.where, (stops[-1], *first.shape[1:]), first.dtype, fetch)


def repeated(array: LazyArray, count: int) -> LazyArray:
    """`array` behind a new first axis along which it does not vary."""

    def fetch(key: Key) -> np.ndarray:
        values = array.read(key[1:])
        return np.broadcast_to(values, (key[0].stop - key[0].start, *values.shape))

    return replace(array, shape=(count, *array.shape), fetch=fetch)


def check_memory(size: int, where: str) -> None:
    """Refuse to read what the memory does not hold; small reads pass unasked."""
    if size > _SMALL and size > (free := free_memory(torch.device("cpu"))):
        raise InputError(
            f"{where}: reading it takes {size / _GIB:.1f} GiB, {free / _GIB:.1f} GiB are free; take fewer samples "
            "(dataset.n_train, dataset.n_test) or dataset.residency=stream"
        )
