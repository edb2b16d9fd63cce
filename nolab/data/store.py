"""The HDF5 store: one file per data set, ``<split>/<grid>/{input,output}``, float32.

A store is written once, whole, and never changed: a reader either finds a complete file or none.
"""

import hashlib
import os
import threading
from collections.abc import Iterable
from dataclasses import replace
from math import prod
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import h5py
import numpy as np

from nolab.data._store_format import (
    CHECKSUM,
    DTYPE,
    FIELDS,
    StoreMeta,
    check_contents,
    read_meta,
    write_attributes,
)
from nolab.data.source import Shape
from nolab.errors import InputError, unknown
from nolab.grid import shape_name

__all__ = ["Store", "StoreChunk", "StoreMeta", "write_store"]


class StoreChunk(NamedTuple):
    """Consecutive samples of one split on one grid, as :func:`write_store` takes them."""

    split: str
    shape: Shape
    input: np.ndarray
    """(n, C_in, *shape)"""
    output: np.ndarray
    """(n, C_out, *shape)"""


class Store:
    """A store on disk, read only; a :class:`nolab.data.source.FieldSource`.

    The constructor checks the layout and closes the file again; the first :meth:`read` opens it
    until :meth:`close` or the end of a ``with`` block. Threads may share one store.

    Attributes
    ----------
    path : the file.
    meta : what it says of itself.
    domain, input_axes, input_names, output_names : taken from `meta`.

    Raises
    ------
    InputError : the file is missing, is no HDF5 file or does not keep to the layout.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._lock = threading.Lock()
        with _open(self.path) as file:
            try:
                self.meta = read_meta(file)
                check_contents(file, self.meta)
            except InputError as error:
                raise _bad(self.path, str(error)) from None
            except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
                raise _bad(self.path, f"cannot be read ({error})") from error
        self.domain = self.meta.domain
        self.input_axes = self.meta.input_axes
        self.input_names = self.meta.input_names
        self.output_names = self.meta.output_names

    def splits(self) -> list[str]:
        """Names of the splits."""
        return list(self.meta.counts)

    def shapes(self, split: str) -> list[Shape]:
        """Grids stored for the split, coarsest first."""
        self.count(split)
        return sorted(self.meta.shapes, key=lambda shape: (prod(shape), shape))

    def count(self, split: str) -> int:
        """Number of samples of the split."""
        if split not in self.meta.counts:
            raise unknown(f"{self.path}: split", split, self.meta.counts)
        return self.meta.counts[split]

    def read(
        self, split: str, shape: Shape, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Input (n, C_in, *shape) and output (n, C_out, *shape), float32.

        Parameters
        ----------
        indices : strictly ascending sample numbers, (n,); None reads all of them and compares
            their checksum with the one that was written.

        Raises
        ------
        InputError : no such split, grid or sample; a wrong checksum; values that are not finite.
        """
        count, shape = self.count(split), tuple(shape)
        if shape not in self.meta.shapes:
            raise unknown(f"{self.path}: grid", shape_name(shape), map(shape_name, self.meta.shapes))
        rows = None if indices is None else _check_indices(self.path, indices, count)
        fields = tuple(self._read_field(f"{split}/{shape_name(shape)}/{field}", rows) for field in FIELDS)
        return fields[0], fields[1]

    def _read_field(self, name: str, rows: np.ndarray | None) -> np.ndarray:
        try:
            with self._lock:
                if self._file is None:
                    self._file = _open(self.path)
                data = self._file[name]
                values = data[()] if rows is None else _read_rows(data, rows)
                checksum = data.attrs[CHECKSUM]
        except (OSError, RuntimeError, KeyError) as error:
            raise _bad(self.path, f"{name} cannot be read ({error})") from error
        if rows is None and hashlib.sha256(values.data).hexdigest() != checksum:
            raise _bad(self.path, f"{name} is damaged: its checksum is not the one that was written")
        if not np.isfinite(values).all():
            raise _bad(self.path, f"{name} holds values that are not finite")
        return values

    def close(self) -> None:
        """Close the file; a later :meth:`read` opens it again."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"


def write_store(path: str | Path, meta: StoreMeta, chunks: Iterable[StoreChunk]) -> None:
    """Write a store: all of it under its name, or nothing.

    Chunks are written as they come, so memory holds one at a time; those of one split and grid
    come in the order of their samples. Equal content gives equal bytes. Two writers of one path
    must be kept apart by the caller.

    Raises
    ------
    InputError : a chunk does not fit `meta`, is not finite, or samples are missing at the end.
    OSError : the file cannot be written.
    """
    path = Path(path)
    meta = replace(meta, shapes=tuple(tuple(shape) for shape in meta.shapes))
    temporary = path.with_name(path.name + ".tmp")
    try:
        # The name is private until it is complete, so HDF5's own lock (missing on some network
        # file systems) is not needed.
        with h5py.File(temporary, "w", locking=False) as file:
            write_attributes(file, meta)
            _write_fields(file, meta, chunks)
        publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def publish(temporary: Path, path: Path) -> None:
    """Give a complete file its name, durably: a power cut leaves the old state or the new one."""
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_fields(file: h5py.File, meta: StoreMeta, chunks: Iterable[StoreChunk]) -> None:
    datasets = {
        (split, shape, field): file.create_dataset(
            f"{split}/{shape_name(shape)}/{field}",
            shape=meta.dataset_shape(split, shape, field),
            dtype=DTYPE,
            track_times=False,
        )
        for split in meta.counts
        for shape in meta.shapes
        for field in FIELDS
    }
    digests = {key: hashlib.sha256() for key in datasets}
    written = dict.fromkeys(datasets, 0)
    for chunk in chunks:
        for field, values in (("input", chunk.input), ("output", chunk.output)):
            key = (chunk.split, tuple(chunk.shape), field)
            if key not in datasets:
                raise InputError(f"store: '{chunk.split}/{shape_name(chunk.shape)}' is not declared")
            values = np.ascontiguousarray(values, dtype=DTYPE)
            data, first = datasets[key], written[key]
            if values.shape[1:] != data.shape[1:] or first + len(values) > len(data):
                raise InputError(f"store: a chunk {values.shape} does not fit {data.name} {data.shape}")
            if not np.isfinite(values).all():
                raise InputError(f"store: {data.name} would hold values that are not finite")
            data[first : first + len(values)] = values
            digests[key].update(values.data)
            written[key] += len(values)
    for key, data in datasets.items():
        if written[key] != len(data):
            raise InputError(f"store: {data.name} was given {written[key]} of {len(data)} samples")
        data.attrs[CHECKSUM] = digests[key].hexdigest()


def _open(path: Path) -> h5py.File:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. Generate it with `nolab generate`.")
    try:
        # A store never changes once it has its name: readers need no lock.
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        if isinstance(error, PermissionError):
            raise InputError(f"{path}: not allowed to read it ({error.strerror})") from error
        raise _bad(path, f"is not a complete HDF5 file ({error})") from error


def _check_indices(path: Path, indices: np.ndarray, count: int) -> np.ndarray:
    rows = np.asarray(indices)
    if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu":
        raise InputError(f"{path}: indices must be a list of whole numbers, got {indices!r}")
    rows = rows.astype(np.int64)
    if (rows[1:] <= rows[:-1]).any():
        raise InputError(f"{path}: indices must be strictly ascending")
    if rows[0] < 0 or rows[-1] >= count:
        raise InputError(f"{path}: indices must lie in 0..{count - 1}, got {rows[0]}..{rows[-1]}")
    return rows


def _read_rows(data: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Rows of a dataset, read as runs of neighbours: HDF5's own index lists are slow."""
    values = np.empty((len(rows), *data.shape[1:]), DTYPE)
    starts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        first = int(rows[start])
        values[start:stop] = data[first : first + int(stop - start)]
    return values


def _bad(path: Path, found: str) -> InputError:
    return InputError(f"{path}: {found}. Delete the file and generate it again, or give another path.")
