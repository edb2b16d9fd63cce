"""MATLAB files, v5 and v7.3, and the layouts of Li et al. (arXiv 2010.08895) in them."""

from functools import partial
from pathlib import Path

import numpy as np
import scipy.io

from nolab.data.importers.array import LazyArray, loaded_once
from nolab.data.importers.contents import UNSPLIT, Arrays, Contents, Hints
from nolab.data.importers.hdf5 import open_hdf5
from nolab.errors import InputError, first_line

_NUMBERS = {"double": "f8", "single": "f4", "logical": "b1"} | {
    f"{sign}int{bits}": f"{sign or 'i'}{bits // 8}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}


def open_mat(path: Path) -> Contents:
    """The numeric arrays of a `.mat` file, axes in MATLAB's order.

    Raises
    ------
    InputError : no `.mat` file, or a damaged one.
    """
    with open(path, "rb") as file:
        version = "7.3" if file.read(19).startswith(b"MATLAB 7.3") else "5"
    if version == "7.3":
        arrays, refused, _ = open_hdf5(path, reverse=True)
    else:
        arrays, refused = _open_v5(path)
    return Contents(f"MATLAB {version}", {UNSPLIT: [arrays]}, li_hints(arrays), refused)


def li_hints(arrays: Arrays) -> Hints:
    """Roles and axes in Li et al.'s files: Darcy, Burgers and Navier–Stokes; nothing for other files."""
    sizes = {name: array.shape for name, array in arrays.items()}
    if {"coeff", "sol"} <= set(sizes):
        # −∇·(a∇u) = f with the boundary's zeros among the samples.
        axes = dict.fromkeys(("coeff", "sol"), "nxy")
        return Hints(("coeff",), ("sol",), axes, placement=dict.fromkeys("xy", "nodal"))
    if len(sizes.get("u", ())) == 4:
        axes = {"a": "nxy", "u": "nxyt"}
        times = {"t": arrays["t"].all().ravel()} if "t" in sizes and max(sizes["t"]) == sizes["u"][3] else {}
        return Hints(("u",), ("u",), axes, times, {"x": "periodic", "y": "periodic", "t": "nodal"})
    if len(sizes.get("u", ())) == 2 and sizes.get("a") == sizes["u"]:
        return Hints(("a",), ("u",), {"a": "nx", "u": "nx"}, placement={"x": "periodic"})
    return Hints()


def _open_v5(path: Path) -> tuple[Arrays, dict[str, str]]:
    try:
        listed = scipy.io.whosmat(path)
    except Exception as error:  # a damaged file raises nearly anything; none of it is a bug of ours
        raise InputError(f"{path}: not a complete .mat file ({first_line(error)})") from error
    arrays, refused = {}, {}
    for name, shape, kind in listed:
        if kind not in _NUMBERS:
            refused[name] = f"its MATLAB class '{kind}' is not an array of numbers"
        elif 0 in shape:
            refused[name] = f"is empty: shape {shape}"
        else:
            arrays[name] = _lazy(path, name, shape, np.dtype(_NUMBERS[kind]))
    return arrays, refused


def _lazy(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype) -> LazyArray:
    return loaded_once(f"{path}: {name}", shape, dtype, partial(_load, path, name))


def _load(path: Path, name: str) -> np.ndarray:
    values = scipy.io.loadmat(path, variable_names=[name])[name]
    if values.dtype.kind not in "fiub":
        raise InputError(f"{path}: {name} is complex; store real and imaginary part as two arrays")
    return values
