"""HDF5 files of any origin: their arrays and attributes, without following links out of the file."""

from collections.abc import Callable
from math import ceil, prod
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from nolab.data._store_format import says_store
from nolab.data.importers.array import Key, LazyArray, is_number
from nolab.errors import InputError

_MOST_OBJECTS = 100_000
_DEEPEST = 6
_MATLAB_CACHE = 2**28


class Hdf5File(NamedTuple):
    """Arrays by their path in the file, what is refused and why, and the attributes of any object."""

    arrays: dict[str, LazyArray]
    refused: dict[str, str]
    attributes: Callable[[str], dict[str, Any]]


def open_hdf5(path: Path, *, reverse: bool = False) -> Hdf5File:
    """The numeric arrays of a file; values are read when asked for.

    Parameters
    ----------
    reverse : turn the order of the axes round (MATLAB writes its arrays that way).

    Raises
    ------
    InputError : no HDF5 file, or a truncated one.
    """
    try:
        # MATLAB's chunks hold many samples: they are kept unpacked until the next ones are read.
        cache = {"rdcc_nbytes": _MATLAB_CACHE} if reverse else {}
        file = h5py.File(path, "r", locking=False, **cache)
        datasets: dict[str, h5py.Dataset] = {}
        refused: dict[str, str] = {}
        _walk(file, "", datasets, refused, set())
    except PermissionError as error:
        raise InputError(f"{path}: not allowed to read it ({error.strerror})") from error
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"{path}: not a complete HDF5 file ({error})") from error
    arrays = {}
    for name, dataset in datasets.items():
        if (reason := _unreadable(dataset)) is not None:
            refused[name] = reason
        elif dataset.ndim:
            arrays[name] = _lazy(f"{path}: {name}", dataset, reverse)
    return Hdf5File(arrays, refused, lambda name: dict(file[name].attrs))


def is_store(path: Path) -> bool:
    """Whether the file says that it is a store of nolab; any other file, damaged ones too, is none."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return says_store(file)
    except (OSError, RuntimeError, KeyError, ValueError):
        return False


def _walk(
    group: h5py.Group, prefix: str, found: dict[str, h5py.Dataset], refused: dict[str, str], seen: set[int]
) -> None:
    address = h5py.h5o.get_info(group.id).addr
    if address in seen or prefix.count("/") > _DEEPEST:
        return
    seen.add(address)
    for name in group:
        if len(found) + len(refused) > _MOST_OBJECTS:
            raise InputError(f"{group.file.filename}: holds more than {_MOST_OBJECTS} objects")
        if isinstance(name, bytes) or not name.isprintable():
            refused[f"{prefix}{name!r}"] = "its name is no plain text"
            continue
        if name.startswith("#"):  # MATLAB's own bookkeeping
            continue
        # Links are looked at before anything is opened: one to another file is never followed.
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            refused[prefix + name] = "a link to elsewhere, which nolab does not follow"
        elif isinstance(member := group[name], h5py.Group):
            _walk(member, f"{prefix}{name}/", found, refused, seen)
        elif isinstance(member, h5py.Dataset):
            found[prefix + name] = member


def _unreadable(dataset: h5py.Dataset) -> str | None:
    if dataset.is_virtual or dataset.external:
        return "keeps its values in another file, which nolab does not open"
    if not is_number(dataset.dtype):
        return f"its type {dataset.dtype} is not a real number"
    if dataset.shape is None or 0 in dataset.shape:
        return f"is empty: shape {dataset.shape}"
    # A few bytes of HDF5 can declare terabytes; what is declared has to be there.
    if dataset.chunks is None:
        expected, stored = prod(dataset.shape) * dataset.dtype.itemsize, dataset.id.get_storage_size()
        return None if stored >= expected else f"is incomplete: {stored} of {expected} bytes were written"
    chunks = prod(ceil(n / m) for n, m in zip(dataset.shape, dataset.chunks, strict=True))
    written = dataset.id.get_num_chunks()
    return None if written == chunks else f"is incomplete: {written} of {chunks} chunks were written"


def _lazy(where: str, dataset: h5py.Dataset, reverse: bool) -> LazyArray:
    def fetch(key: Key) -> np.ndarray:
        return dataset[key[::-1]].T if reverse else dataset[key]

    shape = dataset.shape[::-1] if reverse else dataset.shape
    return LazyArray(where, shape, str(dataset.dtype), fetch)
