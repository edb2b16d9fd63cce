"""Tiny files in the layouts that others' data come in, and the fields that they hold."""

from pathlib import Path

import h5py
import numpy as np
import scipy.io

from nolab.data.importers.options import FileOptions
from nolab.data.opening import open_file
from nolab.data.source import FieldSource


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def opened(path: Path, **keys) -> FieldSource:
    """The source as `dataset=file` opens it."""
    return open_file(FileOptions(str(path), **keys))


def write_mat(path: Path, version: str, **arrays: np.ndarray) -> Path:
    """A `.mat` file; v7.3 is HDF5 behind MATLAB's header, with the axes in reverse."""
    if version == "5":
        scipy.io.savemat(path, arrays)
        return path
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            reverse = np.ascontiguousarray(values.T)
            data = file.create_dataset(name, data=reverse, chunks=tuple(min(n, 3) for n in reverse.shape))
            data.attrs["MATLAB_class"] = np.bytes_("double")
        file.create_group("#refs#")
    content = bytearray(path.read_bytes())
    content[:35] = b"MATLAB 7.3 MAT-file, Platform: test"
    path.write_bytes(content)
    return path


def write_hdf5(path: Path, **arrays: np.ndarray) -> Path:
    """Plain HDF5; two underscores in a name are a slash, one is a hyphen."""
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/").replace("_", "-")] = values
    return path


def centres(n: int, length: float = 1.0) -> np.ndarray:
    return ((np.arange(n) + 0.5) * length / n).astype(np.float32)


def write_well(
    path: Path, count: int, *, seed: int = 0, periodic: bool = True, steps: int = 5, grid: str = "cartesian"
) -> dict[str, np.ndarray]:
    """One file of The Well on an 8×6 grid: a scalar, a vector, a constant field and one without samples."""
    fields = {
        "t0_fields/density": numbers(count, steps, 8, 6, seed=seed),
        "t0_fields/depth": numbers(count, 8, 6, seed=seed + 1),
        "t0_fields/profile": numbers(6, seed=seed + 2),
        "t1_fields/velocity": numbers(count, steps, 8, 6, 2, seed=seed + 3),
    }
    flags = {
        "density": (True, True, [True, True]),
        "depth": (True, False, [True, True]),
        "profile": (False, False, [False, True]),
        "velocity": (True, True, [True, True]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update(dataset_name="demo", grid_type=grid, n_spatial_dims=2, n_trajectories=count)
        for name, values in fields.items():
            samples, time, dims = flags[name.split("/")[1]]
            file[name] = values
            file[name].attrs.update(sample_varying=samples, time_varying=time, dim_varying=dims)
        file["dimensions/time"] = np.arange(steps, dtype=np.float32)
        file["dimensions/x"] = (np.arange(8) * 0.25).astype(np.float32)
        file["dimensions/y"] = np.linspace(0, 3, 6).astype(np.float32)
        file["dimensions"].attrs["spatial_dims"] = ["x", "y"]
        file["scalars/Re"] = np.float32(100)
        boundary = file.create_group("boundary_conditions/x_edges")
        boundary.attrs.update(bc_type="PERIODIC" if periodic else "WALL", associated_dims=["x"])
        boundary["mask"] = np.ones(8, bool)
    return {name.split("/")[1]: values for name, values in fields.items()}
