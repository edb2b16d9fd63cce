"""Channels of a field out of an array of a file."""

from dataclasses import dataclass

import numpy as np

from nolab.data.importers.array import LazyArray

_CHANNELS = "cd"


@dataclass(frozen=True)
class Field:
    """An array read as channels on a grid.

    Parameters
    ----------
    axes : a letter per axis of the array, see :class:`~nolab.data.importers.contents.Hints`.
    frames : the times that become channels; None: time is an axis of the domain, or the array has none.
    first : the array's first sample of the split.
    """

    name: str
    array: LazyArray
    axes: str
    frames: range | None = None
    first: int = 0

    def size(self, letter: str) -> int:
        """Number of samples along an axis; 1 along one that the array does not have."""
        return self.array.shape[self.axes.index(letter)] if letter in self.axes else 1

    def names(self) -> tuple[str, ...]:
        """A name per channel."""
        components = self.size("c") * self.size("d")
        numbered = [f"{self.name}{i}" for i in range(components)] if components > 1 else [self.name]
        if self.frames is None:
            return tuple(numbered)
        return tuple(f"{name}_t{k}" for name in numbered for k in self.frames)

    def read(self, start: int, stop: int, space: str) -> np.ndarray:
        """Samples start … stop-1 of the split: (n, C, *S), float32, 1 along axes of `space` not in the array."""
        parts = {"n": slice(self.first + start, self.first + stop)}
        if self.frames is not None:
            parts["t"] = slice(self.frames.start, self.frames.stop)
        values = self.array.read(tuple(parts.get(letter, slice(None)) for letter in self.axes))
        leading = "n" + _CHANNELS + ("" if self.frames is None else "t")
        order = [letter for letter in leading + space if letter in self.axes]
        values = values.transpose([self.axes.index(letter) for letter in order])
        with np.errstate(over="ignore"):  # what float32 does not hold is refused as not finite
            values = values.astype(np.float32, copy=False)
        grid = [values.shape[order.index(letter)] if letter in order else 1 for letter in space]
        return values.reshape(stop - start, len(self.names()), *grid)
