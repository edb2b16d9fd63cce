"""Where a store's samples lie in its file, and the check that they lie there.

``<split>/<grid>/<field>`` is one contiguous range of the file, sample after sample, so a sample is
one read. ``<split>/<grid>/<field>_sha256`` holds the SHA-256 of each sample, (n, 32); the SHA-256 of
that table is an attribute of the field. So any sample can be verified alone.
"""

import hashlib
from dataclasses import dataclass
from itertools import combinations
from math import prod

import h5py
import numpy as np

from nolab.data._store_format import CHECKSUM, StoreMeta, check_attributes, dtype_of, read_text
from nolab.errors import InputError
from nolab.grid import shape_name

DIGEST = 32
"""Bytes of a SHA-256."""


@dataclass(frozen=True)
class Extent:
    """One field on one grid: its samples follow each other from `offset` on.

    sample_shape: (C, *S) of a field; digests: (n, 32) uint8.
    """

    offset: int
    sample_shape: tuple[int, ...]
    dtype: np.dtype
    digests: np.ndarray

    @property
    def sample_bytes(self) -> int:
        return prod(self.sample_shape) * self.dtype.itemsize


def table_name(field: str) -> str:
    """Name of the dataset that holds the digests of a field's samples."""
    return f"{field}_{CHECKSUM}"


def sample_digest(values: np.ndarray) -> bytes:
    """SHA-256 of one sample's values, (C, *S)."""
    return hashlib.sha256(np.ascontiguousarray(values).data).digest()


def table_digest(digests: np.ndarray) -> str:
    """SHA-256 of the digests of all samples, as the field's attribute holds it."""
    return hashlib.sha256(np.ascontiguousarray(digests).data).hexdigest()


def read_layout(file: h5py.File, meta: StoreMeta, size: int) -> dict[str, Extent]:
    """The extents of all fields by their names; nothing of the file is left unchecked but the values.

    Parameters
    ----------
    size : bytes of the file; what is declared has to lie in it, so nothing larger is ever allocated.

    Raises
    ------
    InputError : what was found and what was expected; splits that share a sample.
    """
    extents = {}
    _check_members(file, set(meta.counts), h5py.Group)
    for split, count in meta.counts.items():
        _check_members(file[split], {shape_name(shape) for shape in meta.shapes}, h5py.Group)
        for shape in meta.shapes:
            group, fields = file[split][shape_name(shape)], meta.fields(shape)
            _check_members(group, {*fields, *map(table_name, fields)}, h5py.Dataset)
            for field in fields:
                data, table = group[field], group[table_name(field)]
                dtype = dtype_of(field)
                offset = _check_dataset(data, meta.dataset_shape(split, shape, field), dtype, size)
                _check_dataset(table, (count, DIGEST), np.dtype(np.uint8), size)
                digests = table[()]
                if read_text(data, CHECKSUM) != table_digest(digests):
                    raise InputError(f"{table.name} is damaged: its checksum is not the one that was written")
                name = f"{split}/{shape_name(shape)}/{field}"
                extents[name] = Extent(offset, meta.sample_shape(shape, field), dtype, digests)
    check_attributes(file, meta)
    _check_splits(extents, meta)
    return extents


def _check_members(group: h5py.Group, expected: set[str], kind: type) -> None:
    if set(group) != expected:
        raise InputError(f"{group.name} holds {sorted(group)}, expected {sorted(expected)}")
    for name in group:
        # Links are looked at before anything is opened: one to another file is never followed.
        link = group.get(name, getlink=True)
        where = f"{group.name.rstrip('/')}/{name}"
        if not isinstance(link, h5py.HardLink):
            raise InputError(f"{where} is a link to elsewhere, which a store may not hold")
        if group.get(name, getclass=True) is not kind:
            raise InputError(f"{where} is not a {kind.__name__.lower()}")


def _check_dataset(data: h5py.Dataset, shape: tuple[int, ...], dtype: np.dtype, size: int) -> int:
    """Offset of the dataset's values in the file."""
    if data.dtype != dtype:
        raise InputError(f"{data.name} has type {data.dtype}, expected {dtype.name}")
    if data.shape != shape:
        raise InputError(f"{data.name} has shape {data.shape}, its attributes declare {shape}")
    if data.is_virtual or data.external:
        raise InputError(f"{data.name} keeps its values in another file, which a store may not do")
    if data.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS:
        raise InputError(f"{data.name} is stored in pieces, expected one contiguous range")
    # A few bytes of HDF5 can declare terabytes; what is declared has to be there.
    nbytes, offset = prod(shape) * dtype.itemsize, data.id.get_offset()
    stored = 0 if offset is None else min(data.id.get_storage_size(), size - offset)
    if stored != nbytes:
        raise InputError(f"{data.name} stores {max(stored, 0)} bytes, expected {nbytes}")
    return offset


def _check_splits(extents: dict[str, Extent], meta: StoreMeta) -> None:
    """No input stands in two splits, or the test set would say nothing of unseen data."""
    grid = shape_name(max(meta.shapes, key=prod))
    given = ("input", "coords") if meta.meshes else ("input",)  # on scattered points inputs lie on a geometry

    def keys_of(split: str) -> np.ndarray:
        # 8 of the 32 bytes tell a million samples apart from a million others but for a chance of 1e-7.
        parts = (extents[f"{split}/{grid}/{field}"].digests[:, :8].copy().view(np.uint64) for field in given)
        return sum(parts)[:, 0]  # wraps around

    for one, other in combinations(meta.counts, 2):
        keys = keys_of(one), keys_of(other)
        common, first, second = np.intersect1d(*keys, return_indices=True)
        if common.size:
            raise InputError(
                f"has splits that overlap: {common.size} inputs of '{one}' stand in '{other}' too (sample "
                f"{first[0]} is its sample {second[0]})"
            )
