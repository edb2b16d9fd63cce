"""`.npy` and `.npz` files and folders of `.npy` files; object arrays are never unpickled."""

import zipfile
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from nolab.data.importers.array import LazyArray, in_memory, is_number, loaded_once
from nolab.data.importers.contents import UNSPLIT, Contents
from nolab.errors import InputError, first_line


def open_npz(path: Path) -> Contents:
    """The arrays of an `.npz` file; each is read as a whole on first use.

    Raises
    ------
    InputError : no `.npz` file, or a damaged one.
    """
    arrays, refused = {}, {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as file:
                    shape, dtype = _header(file)
                    start = file.tell()
                if (reason := _unreadable(shape, dtype)) is not None:
                    refused[name] = reason
                elif member.file_size - start != prod(shape) * dtype.itemsize:
                    refused[name] = f"declares shape {shape} and holds {member.file_size - start} bytes"
                else:
                    arrays[name] = loaded_once(f"{path}: {name}", shape, dtype, partial(_load, path, name))
    except Exception as error:  # as below
        raise InputError(f"{path}: not a complete .npz file ({first_line(error)})") from error
    return Contents(".npz", {UNSPLIT: [arrays]}, refused=refused)


def open_npy(path: Path) -> Contents:
    """The one array of an `.npy` file, under the file's name."""
    array = map_npy(path)
    if isinstance(array, str):
        raise InputError(f"{path}: {array}")
    return Contents(".npy", {UNSPLIT: [{path.stem: array}]})


def open_npy_folder(path: Path) -> Contents:
    """A folder of `.npy` files, one array each, under the files' names."""
    read = {file.stem: map_npy(file) for file in sorted(path.glob("*.npy"))}
    arrays = {name: array for name, array in read.items() if isinstance(array, LazyArray)}
    refused = {name: array for name, array in read.items() if isinstance(array, str)}
    return Contents("folder of .npy files", {UNSPLIT: [arrays]}, refused=refused)


def map_npy(path: Path) -> LazyArray | str:
    """The array in the file, memory-mapped, or why it is not read.

    Raises
    ------
    InputError : no `.npy` file, or a damaged one.
    """
    try:
        with open(path, "rb") as file:
            reason = _unreadable(*_header(file))
        return reason or in_memory(str(path), np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # a damaged header raises nearly anything; none of it is a bug of ours
        raise InputError(f"{path}: not a complete .npy file ({first_line(error)})") from error


def _header(file) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _unreadable(shape: tuple[int, ...], dtype: np.dtype) -> str | None:
    if dtype.hasobject:
        return "holds Python objects, which nolab never unpickles"
    if not is_number(dtype):
        return f"its type {dtype} is not a real number"
    return f"is empty: shape {shape}" if 0 in shape or not shape else None


def _load(path: Path, name: str) -> np.ndarray:
    with np.load(path, allow_pickle=False) as archive:
        return archive[name]
