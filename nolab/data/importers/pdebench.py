"""The HDF5 layouts of PDEBench (arXiv 2210.07182): one array of trajectories, Darcy, and a group per seed."""

import re

import numpy as np

from nolab.data.importers.array import LazyArray, concatenate, repeated
from nolab.data.importers.contents import UNSPLIT, Arrays, Contents, Hints
from nolab.data.importers.hdf5 import Hdf5File
from nolab.data.importers.options import SPACE
from nolab.errors import InputError

_FLOW = ("density", "pressure", "Vx", "Vy", "Vz")
_SEED = re.compile(r"\d+/data")


def read_pdebench(file: Hdf5File) -> Contents | None:
    """The contents where the file has one of the layouts, else None."""
    arrays = file.arrays
    if any(_SEED.fullmatch(name) for name in arrays):
        return _seeds(file)
    flow = tuple(name for name in _FLOW if name in arrays)
    if "tensor" not in arrays and "density" not in flow:
        return None
    coordinates = {
        letter: arrays[f"{letter}-coordinate"].all().ravel()
        for letter in ("t", *SPACE)
        if f"{letter}-coordinate" in arrays
    }
    if {"nu", "tensor"} <= set(arrays):
        axes, placement = {"nu": "nxy", "tensor": "ncxy"}, dict.fromkeys("xy", "cell")
        hints = Hints(("nu",), ("tensor",), axes, coordinates, placement)
        return Contents("PDEBench, Darcy flow", {UNSPLIT: [arrays]}, hints, file.refused)
    names = flow or ("tensor",)
    axes = {name: "nt" + SPACE[: len(arrays[name].shape) - 2] for name in names}
    placement = dict.fromkeys(SPACE, "periodic") | {"t": "nodal"}
    hints = Hints(names, names, axes, coordinates, placement)
    return Contents("PDEBench, trajectories", {UNSPLIT: [arrays]}, hints, file.refused)


def _seeds(file: Hdf5File) -> Contents:
    """A group per seed with `data` (T, *S, C) and `grid/{t,x,y}`: diffusion–reaction, shallow water."""
    seeds = sorted(name.removesuffix("/data") for name in file.arrays if _SEED.fullmatch(name))
    if broken := [name for name in file.refused if _SEED.fullmatch(name)]:
        raise InputError(f"{broken[0]}: {file.refused[broken[0]]}")
    data = concatenate([repeated(file.arrays[f"{seed}/data"], 1) for seed in seeds])
    space = SPACE[: len(data.shape) - 3]
    grid = {letter: file.arrays.get(f"{seeds[0]}/grid/{letter}") for letter in ("t", *space)}
    hints = Hints(
        ("data",),
        ("data",),
        {"data": f"nt{space}c"},
        {letter: _values(array) for letter, array in grid.items() if array is not None},
        dict.fromkeys(space, "cell") | {"t": "nodal"},
    )
    arrays: Arrays = {"data": data}
    return Contents(f"PDEBench, {len(seeds)} groups, one per seed", {UNSPLIT: [arrays]}, hints)


def _values(array: LazyArray) -> np.ndarray:
    return array.all().ravel()
