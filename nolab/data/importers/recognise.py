"""From a path to its contents: which format it has."""

import re
from collections.abc import Callable
from pathlib import Path

from nolab.data.importers.contents import UNSPLIT, Contents
from nolab.data.importers.elasticity import is_elasticity, open_elasticity
from nolab.data.importers.hdf5 import open_hdf5
from nolab.data.importers.mat import open_mat
from nolab.data.importers.numpy_files import open_npy, open_npy_folder, open_npz
from nolab.data.importers.pdebench import read_pdebench
from nolab.data.importers.pt import open_pt, open_pt_folder
from nolab.data.importers.the_well import open_well, read_well, split_folders
from nolab.data.importers.zarr_folder import is_zarr, open_zarr
from nolab.errors import InputError, first_line


def _open_hdf5(path: Path) -> Contents:
    file = open_hdf5(path)
    plain = Contents("HDF5", {UNSPLIT: [file.arrays]}, refused=file.refused)
    return read_well(file) or read_pdebench(file) or plain


_READERS: dict[str, Callable[[Path], Contents]] = {
    ".mat": open_mat,
    ".pt": open_pt,
    ".h5": _open_hdf5,
    ".hdf5": _open_hdf5,
    ".npz": open_npz,
    ".npy": open_npy,
}
# Li et al.'s Darcy files: the models are trained on smooth1 and tested on smooth2.
_TOKENS = {
    "train": "train",
    "test": "test",
    "valid": "valid",
    "val": "valid",
    "smooth1": "train",
    "smooth2": "test",
}


def recognise(path: Path, test_path: Path | None = None) -> Contents:
    """What a file or folder holds, and a second file as its test split where one is given.

    Raises
    ------
    InputError : nothing there, no format that nolab knows, or a damaged file.
    """
    contents = _recognise(path, "dataset.path")
    if test_path is None:
        return contents
    test = _recognise(test_path, "dataset.test_path")
    if contents.points is not None or test.points is not None:
        scattered = path if contents.points is not None else test_path
        raise InputError(
            f"dataset.test_path: {scattered} holds scattered points, which nolab reads from one file; leave the key "
            "out and give dataset.n_test"
        )
    if set(contents.splits) != {UNSPLIT} or set(test.splits) != {UNSPLIT}:
        divided = path if set(contents.splits) != {UNSPLIT} else test_path
        raise InputError(f"dataset.test_path: {divided} has splits of its own; leave the key out")
    return _merged({"train": contents, "test": test})


def _recognise(path: Path, key: str) -> Contents:
    if not path.exists():
        raise InputError(f"{key}: {path} does not exist")
    if is_elasticity(path):
        return open_elasticity(path)
    if path.is_dir():
        return _folder(path, key)
    if path.suffix.lower() not in _READERS:
        raise InputError(f"{key}: {path} has no ending that nolab knows: {', '.join(_READERS)}, or a folder")
    return _read(path)


def _read(path: Path) -> Contents:
    try:
        contents = _READERS[path.suffix.lower()](path)
    except InputError:
        raise
    except Exception as error:  # what formats say of themselves may be anything; none of it is a bug of ours
        raise InputError(f"{path}: damaged, or not what its ending says ({first_line(error)})") from error
    for name in (
        *contents.refused,
        *(name for grids in contents.splits.values() for part in grids for name in part),
    ):
        if not name.isprintable():
            raise InputError(f"{path}: damaged: an array is named {name!r:.80}")
    return contents


def _folder(path: Path, key: str) -> Contents:
    if is_zarr(path):
        return open_zarr(path)
    if folders := split_folders(path):
        return open_well(folders)
    endings = {file.suffix for file in path.iterdir() if file.suffix in _READERS}
    if ".pt" in endings:
        return open_pt_folder(path)
    if files := _split_files(path, key):
        return _merged({split: _read(file) for split, file in files.items()})
    if ".npy" in endings:
        return open_npy_folder(path)
    found = ", ".join(sorted(file.name for file in path.iterdir())[:8]) or "nothing"
    raise InputError(
        f"{key}: {path} holds no data set that nolab knows: files named like darcy_train_16.pt, one file with train "
        f"and one with test in its name (.mat, .npz, .h5), folders train/ and test/ of The Well, .npy files or "
        f"Zarr; it holds: {found}"
    )


def _split_files(path: Path, key: str) -> dict[str, Path]:
    """One file per split, told by a word of its name; `.npy` files hold one array and are no splits."""
    found: dict[str, Path] = {}
    for file in sorted(file for file in path.iterdir() if file.suffix in set(_READERS) - {".npy", ".pt"}):
        words = [word for word in re.split(r"[^a-z0-9]+", file.stem.lower()) if word in _TOKENS]
        if not words:
            continue
        split = _TOKENS[words[-1]]
        if split in found:
            raise InputError(
                f"{key}: {path} holds several {split} files, {found[split].name} and {file.name}; name one with "
                "dataset.path=… and its test file with dataset.test_path=…"
            )
        found[split] = file
    return found


def _merged(parts: dict[str, Contents]) -> Contents:
    first = next(iter(parts.values()))
    splits = {split: contents.splits[UNSPLIT] for split, contents in parts.items()}
    refused = {name: why for contents in parts.values() for name, why in contents.refused.items()}
    return Contents(first.format, splits, first.hints, refused)
