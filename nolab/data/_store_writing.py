"""Write a store: once, whole, or not at all."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from nolab.data._store_format import CHECKSUM, StoreMeta, dtype_of, write_attributes, write_text
from nolab.data._store_layout import DIGEST, sample_digest, table_digest, table_name
from nolab.data.source import Shape
from nolab.errors import InputError, RunFailure, first_line
from nolab.grid import shape_name

_HEADER = 2**16
"""Bytes that a store's attributes and groups take, at most."""


class StoreChunk(NamedTuple):
    """Consecutive samples of one split on one grid, as :func:`write_store` takes them."""

    split: str
    shape: Shape
    input: np.ndarray
    """(n, C_in, *shape)"""
    output: np.ndarray
    """(n, C_out, *shape)"""
    coords: np.ndarray | None = None
    """This and what follows: on scattered points, see :class:`nolab.mesh.MeshFields`."""
    weights: np.ndarray | None = None
    cells: np.ndarray | None = None


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
        _reserve(temporary, meta)
        with _create(temporary) as file:
            _reserve(temporary, meta)  # HDF5 has emptied it
            write_attributes(file, meta)
            _write_fields(file, meta, chunks)
        publish(temporary, path)
    except RunFailure:
        raise
    except RuntimeError as error:  # what h5py makes of an error while it closes or flushes
        raise OSError(first_line(error)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _reserve(path: Path, meta: StoreMeta) -> None:
    """Take the room of the store before HDF5 writes to it, which crashes the process where the disk is full.

    HDF5 gives back at the end what it has not used.

    Raises
    ------
    OSError : there is too little.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    tables = sum(
        4096 + DIGEST * count
        for count in meta.counts.values()
        for shape in meta.shapes
        for _ in meta.fields(shape)
    )
    with open(path, "ab") as file:
        os.posix_fallocate(file.fileno(), 0, meta.nbytes() + tables + _HEADER)


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


def _create(path: Path) -> h5py.File:
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    # Since this version of HDF5's format all of its own structures have checksums.
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V18)
    # The name is private until it is complete, so HDF5's own lock (missing on some network file
    # systems) is not needed.
    access.set_file_locking(False, True)
    creation = _without_times(h5py.h5p.FILE_CREATE)
    return h5py.File(h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, creation, access))


def _create_group(parent: h5py.Group, name: str) -> h5py.Group:
    creation = _without_times(h5py.h5p.GROUP_CREATE)
    return h5py.Group(h5py.h5g.create(parent.id, name.encode(), None, creation))


def _without_times(kind: h5py.h5p.PropClassID) -> h5py.h5p.PropOCID:
    """Equal content gives equal bytes only where no time is written."""
    properties = h5py.h5p.create(kind)
    properties.set_obj_track_times(False)
    return properties


def _write_fields(file: h5py.File, meta: StoreMeta, chunks: Iterable[StoreChunk]) -> None:
    datasets = {}
    for split in meta.counts:
        grids = _create_group(file, split)
        for shape in meta.shapes:
            group = _create_group(grids, shape_name(shape))
            for field in meta.fields(shape):
                size, dtype = meta.dataset_shape(split, shape, field), dtype_of(field)
                datasets[split, shape, field] = group.create_dataset(field, size, dtype, track_times=False)
    digests = {key: np.empty((len(data), DIGEST), np.uint8) for key, data in datasets.items()}
    written = dict.fromkeys(datasets, 0)
    for chunk in chunks:
        if (chunk.split, tuple(chunk.shape), "input") not in datasets:
            raise InputError(f"store: '{chunk.split}/{shape_name(chunk.shape)}' is not declared")
        for field in meta.fields(chunk.shape):
            key = (chunk.split, tuple(chunk.shape), field)
            values = np.ascontiguousarray(getattr(chunk, field), dtype=dtype_of(field))
            data, first = datasets[key], written[key]
            if values.shape[1:] != data.shape[1:] or first + len(values) > len(data):
                raise InputError(f"store: a chunk {values.shape} does not fit {data.name} {data.shape}")
            if not np.isfinite(values).all():
                raise InputError(f"store: {data.name} would hold values that are not finite")
            data[first : first + len(values)] = values
            for row, sample in enumerate(values, first):
                digests[key][row] = np.frombuffer(sample_digest(sample), np.uint8)
            written[key] += len(values)
    for key, data in datasets.items():
        if written[key] != len(data):
            raise InputError(f"store: {data.name} was given {written[key]} of {len(data)} samples")
        write_text(data, CHECKSUM, table_digest(digests[key]))
        data.parent.create_dataset(table_name(key[2]), data=digests[key], track_times=False)
