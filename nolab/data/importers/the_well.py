"""The Well's HDF5 files (arXiv 2412.00568): fields by tensor order, boundary conditions, folders per split."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nolab.data.importers.array import LazyArray, concatenate, repeated
from nolab.data.importers.contents import UNSPLIT, Arrays, Contents, Hints
from nolab.data.importers.hdf5 import Hdf5File, open_hdf5
from nolab.data.importers.options import SPACE
from nolab.errors import InputError
from nolab.grid import Placement

SPLITS = ("train", "valid", "test")
_GROUPS = ("t0_fields", "t1_fields", "t2_fields")
_ENDINGS = (".h5", ".hdf5")


def split_folders(path: Path) -> dict[str, list[Path]]:
    """HDF5 files per split of a data set's folder, or of its folder `data`; empty where it has none."""
    for root in (path, path / "data"):
        files = {
            split: sorted(file for file in (root / split).iterdir() if file.suffix in _ENDINGS)
            for split in SPLITS
            if (root / split).is_dir()
        }
        if any(files.values()):
            return {split: found for split, found in files.items() if found}
    return {}


def open_well(folders: Mapping[str, list[Path]]) -> Contents:
    """A data set with a folder per split; a split's files follow one another.

    Raises
    ------
    InputError : a file that is not one of The Well's, or files of one split that do not fit each other.
    """
    splits, hints = {}, Hints()
    for split, files in folders.items():
        read = []
        for file in files:
            if (contents := read_well(open_hdf5(file))) is None:
                raise InputError(f"{file}: not a file of The Well: it has no n_spatial_dims and no t0_fields")
            read.append(contents)
        hints = read[0].hints
        splits[split] = [_joined([contents.arrays for contents in read], files)]
    return Contents("The Well", splits, hints)


def read_well(file: Hdf5File) -> Contents | None:
    """The contents of one file, or None where it is no file of The Well.

    All fields that vary in time are input and output, constant ones input.
    """
    root = file.attributes("/")
    names = [name for name in file.arrays if name.split("/")[0] in _GROUPS and name.count("/") == 1]
    if not names or not {"n_spatial_dims", "n_trajectories"} <= set(root):
        return None
    if str(root.get("grid_type", "cartesian")).lower() != "cartesian":
        raise InputError(
            f"{file.arrays[names[0]].where}: its grid is {root['grid_type']}; nolab reads cartesian"
        )
    space, count = SPACE[: int(root["n_spatial_dims"])], int(root["n_trajectories"])
    arrays: Arrays = {}
    axes: dict[str, str] = {}
    for name in names:
        short = name.split("/")[1]
        arrays[short], axes[short] = _field(file, name, space, count)
    series = tuple(name for name in arrays if "t" in axes[name])
    hints = Hints(
        input=tuple(arrays),
        output=series or None,
        axes=axes,
        coordinates=_coordinates(file, space),
        placement=_placement(file, space) | {"t": "nodal"},
    )
    return Contents("The Well", {UNSPLIT: [arrays]}, hints, file.refused)


def _field(file: Hdf5File, name: str, space: str, count: int) -> tuple[LazyArray, str]:
    array, about = file.arrays[name], file.attributes(name)
    varying = [bool(v) for v in about.get("dim_varying", [True] * len(space))]
    order = _GROUPS.index(name.split("/")[0])
    letters = "n" * bool(about.get("sample_varying", True)) + "t" * bool(about.get("time_varying", True))
    letters += "".join(letter for letter, varies in zip(space, varying, strict=True) if varies) + "cd"[:order]
    if len(letters) != len(array.shape):
        raise InputError(f"{array.where} has shape {array.shape}, its attributes declare the axes {letters}")
    if letters.startswith("n"):
        return array, letters
    return repeated(array, count), "n" + letters


def _dimensions(file: Hdf5File, space: str) -> dict[str, str]:
    """Letter of each spatial dimension by its name in the file."""
    named = file.attributes("dimensions").get("spatial_dims", [])
    return {_text(name): letter for name, letter in zip(named, space, strict=False)}


def _coordinates(file: Hdf5File, space: str) -> dict[str, Any]:
    names = {"time": "t", **_dimensions(file, space)}
    found = {letter: file.arrays.get(f"dimensions/{name}") for name, letter in names.items()}
    return {k: a.all() for k, a in found.items() if a is not None and len(a.shape) == 1}


def _placement(file: Hdf5File, space: str) -> dict[str, Placement]:
    """Periodic where a boundary condition says so; else the first and last samples are the domain's ends."""
    placement: dict[str, Placement] = dict.fromkeys(space, "nodal")
    dimensions = _dimensions(file, space)
    groups = {name.split("/")[1] for name in file.arrays if name.startswith("boundary_conditions/")}
    for group in groups:
        about = file.attributes(f"boundary_conditions/{group}")
        if _text(about.get("bc_type", "")).lower() == "periodic":
            placement |= {dimensions[_text(d)]: "periodic" for d in about.get("associated_dims", [])}
    return placement


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _joined(parts: list[Arrays], files: list[Path]) -> Arrays:
    for part, file in zip(parts, files, strict=True):
        if set(part) != set(parts[0]):
            raise InputError(f"{file}: holds the fields {sorted(part)}, {files[0]} holds {sorted(parts[0])}")
    joined = {name: concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: replace(array, where=f"{files[0].parent}: {name}") for name, array in joined.items()}
