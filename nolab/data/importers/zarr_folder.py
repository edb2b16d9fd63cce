"""Zarr folders, v2 and v3; the metadata are read here, the values by the package zarr."""

import json
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from nolab.data.importers.array import Key, LazyArray, is_number
from nolab.data.importers.contents import UNSPLIT, Contents
from nolab.errors import InputError, first_line

_MARKERS = (".zgroup", ".zarray", "zarr.json")
# Codecs that only unpack numbers. Others, above all `pickle`, could run code.
_CODECS = {
    *("blosc", "zstd", "gzip", "zlib", "lz4", "bz2", "lzma", "shuffle", "delta", "fixedscaleoffset", "crc32"),
    *("crc32c", "bytes", "transpose", "sharding_indexed", "adler32", "astype", "bitround", "packbits"),
}


def is_zarr(path: Path) -> bool:
    """Whether the folder is a Zarr array or group."""
    return any((path / marker).is_file() for marker in _MARKERS)


def open_zarr(path: Path) -> Contents:
    """The arrays of a Zarr folder.

    Raises
    ------
    InputError : damaged metadata, or the package zarr is not installed.
    """
    if find_spec("zarr") is None:
        raise InputError(f"{path}: Zarr needs a package of its own: pip install 'nolab[zarr]'")
    arrays, refused = {}, {}
    for folder, about in _array_folders(path):
        name = str(folder.relative_to(path)) if folder != path else path.stem
        if (reason := _unreadable(about)) is not None:
            refused[name] = reason
        else:
            arrays[name] = _lazy(folder, name, tuple(about["shape"]), _dtype(about))
    return Contents("Zarr", {UNSPLIT: [arrays]}, refused=refused)


def _array_folders(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for marker in (".zarray", "zarr.json"):
        for file in sorted(path.rglob(marker)):
            about = _metadata(file)
            if marker == ".zarray" or about.get("node_type") == "array":
                yield file.parent, about


def _metadata(file: Path) -> dict[str, Any]:
    try:
        about = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: damaged metadata ({first_line(error)})") from error
    if not isinstance(about, dict):
        raise InputError(f"{file}: damaged metadata: expected an object, found {type(about).__name__}")
    return about


def _unreadable(about: dict[str, Any]) -> str | None:
    shape = about.get("shape")
    if not isinstance(shape, list) or not shape or not all(isinstance(n, int) and n > 0 for n in shape):
        return f"has no usable shape: {shape}"
    try:
        dtype = _dtype(about)
    except TypeError:
        return f"its type {about.get('dtype', about.get('data_type'))} is not a real number"
    if not is_number(dtype):
        return f"its type {dtype} is not a real number"
    if strange := sorted(_codecs(about) - _CODECS):
        return f"is packed by {', '.join(strange)}, which nolab does not open"
    return None


def _dtype(about: dict[str, Any]) -> np.dtype:
    named = about.get("dtype", about.get("data_type"))
    if not isinstance(named, str):
        raise TypeError
    return np.dtype(named)


def _codecs(about: object) -> set[str]:
    """Names of all codecs anywhere in the metadata: v2's `id`, v3's `name` of codecs inside codecs."""
    if isinstance(about, list):
        return set().union(*map(_codecs, about))
    if not isinstance(about, dict):
        return set()
    own = {about["id"]} if isinstance(about.get("id"), str) else set()
    for entry in about.get("codecs") or []:
        own.add(str(entry.get("name")) if isinstance(entry, dict) else str(entry))
    nested = [value for key, value in about.items() if key != "attributes"]
    return {name.removeprefix("numcodecs.") for name in own}.union(*map(_codecs, nested))


def _lazy(folder: Path, name: str, shape: tuple[int, ...], dtype: np.dtype) -> LazyArray:
    @cache
    def opened():
        import zarr

        return zarr.open_array(str(folder), mode="r")

    def fetch(key: Key) -> np.ndarray:
        return np.asarray(opened()[key])

    return LazyArray(f"{folder}: {name}", shape, str(dtype), fetch)
