"""`.pt` dictionaries of tensors, as neuraloperator ships them: `{x, y}` per split and resolution; or its cars."""

import re
from pathlib import Path

import torch

from nolab.data.importers.array import LazyArray
from nolab.data.importers.contents import UNSPLIT, Arrays, Contents, Hints
from nolab.data.importers.neuralop_car import is_cars, open_cars
from nolab.data.importers.tensors import load_tensors, readable
from nolab.errors import InputError

_NAME = re.compile(r"(?P<stem>.*_)?(?P<split>train|test|valid)_(?P<size>\d+)\.pt")
_XY = ("x", "y")


def open_pt(path: Path) -> Contents:
    """The tensors of one file. A name like darcy_train_16.pt says the axes: x and y on a grid of 16 a side.

    neuraloperator's Darcy files sit on every s-th point of a 421² grid counted from the first corner,
    which is placement ``periodic`` (left end in, right end out); Burgers' y is a time series, (n, T, 16).

    Raises
    ------
    InputError : a file that is not a plain dictionary of tensors, or shapes that its name does not allow.
    """
    content = load_tensors(path)
    return open_cars(path, content) if is_cars(content) else _open_dictionary(path, content)


def _open_dictionary(path: Path, content: object) -> Contents:
    arrays, refused = _tensors(path, content)
    match = _NAME.fullmatch(path.name)
    if match is None:
        return Contents(".pt", {UNSPLIT: [arrays]}, refused=refused)
    if not set(_XY) <= set(arrays):
        why = "".join(f"; {name} {reason}" for name, reason in refused.items())
        raise InputError(f"{path}: expected a dictionary with tensors 'x' and 'y', found {list(arrays)}{why}")
    in_time = (match["stem"] or "").startswith("burgers")
    axes = {name: _axes(arrays[name], int(match["size"]), in_time and name == "y") for name in _XY}
    x, y = (arrays[name].shape for name in _XY)
    if x[0] != y[0] or axes["x"].replace("c", "") != axes["y"].replace("c", "").replace("t", ""):
        raise InputError(f"{path}: x {x} and y {y} differ in samples or grid")
    placement = dict.fromkeys("xyz", "periodic") | {"t": "nodal"}
    hints = Hints(("x",), ("y",), axes, placement=placement)
    return Contents("neuraloperator .pt", {UNSPLIT: [arrays]}, hints, refused)


def open_pt_folder(path: Path) -> Contents:
    """All files named like darcy_train_16.pt as one data set, every size of a split one of its grids."""
    files = sorted(path.glob("*.pt"))
    matches = {file: match for file in files if (match := _NAME.fullmatch(file.name))}
    if not matches:
        raise InputError(
            f"dataset.path: {path} holds no file named like darcy_train_16.pt (…_{{train|test|valid}}_{{size}}.pt), "
            f"but: {', '.join(file.name for file in files)}"
        )
    splits: dict[str, list[Arrays]] = {}
    sizes: set[tuple[str, str]] = set()
    axes: dict[str, Path] = {}
    for file, match in matches.items():
        if (match["split"], match["size"]) in sizes:
            raise InputError(
                f"dataset.path: {path} holds several {match['split']} files of size {match['size']}, {file.name} "
                "among them; keep one data set per folder"
            )
        sizes.add((match["split"], match["size"]))
        contents = _open_dictionary(file, load_tensors(file))
        axes.setdefault(str(contents.hints.axes), file)
        if len(axes) > 1:
            raise InputError(
                f"dataset.path: the arrays of {next(iter(axes.values())).name} and {file.name} have different axes; "
                "keep one data set per folder"
            )
        splits.setdefault(match["split"], []).append(contents.arrays)
    return Contents("neuraloperator .pt files", splits, contents.hints, contents.refused)


def _tensors(path: Path, content: object) -> tuple[Arrays, dict[str, str]]:
    if not isinstance(content, dict) or not any(map(torch.is_tensor, content.values())):
        found = list(content) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: expected a dictionary with tensors 'x' and 'y', found {found}")
    return readable(path, content)


def _axes(array: LazyArray, size: int, in_time: bool) -> str:
    """Letters of an array (n, *S) or (n, C, *S) whose grid has `size` points a side; (n, T, *S) in time."""
    shape = array.shape
    ndim = 1 if in_time else sum(n == size for n in shape[1:])
    extra = len(shape) - 1 - ndim
    if ndim == 0 or ndim > 3 or extra not in (0, 1) or shape[len(shape) - ndim :] != (size,) * ndim:
        raise InputError(
            f"{array.where} has shape {shape}, expected (n, {size}, …) or (n, C, {size}, …) by the file's name"
        )
    return "n" + ("t" if in_time else "c") * extra + "xyz"[:ndim]
