"""`.pt` dictionaries of tensors, as neuraloperator ships them: `{x, y}` per split and resolution."""

import re
from pathlib import Path

import torch
from torch import Tensor

from nolab.data.importers.array import Key, LazyArray
from nolab.data.importers.contents import UNSPLIT, Arrays, Contents, Hints
from nolab.errors import InputError, first_line

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
    arrays, refused = _tensors(path)
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
        contents = open_pt(file)
        axes.setdefault(str(contents.hints.axes), file)
        if len(axes) > 1:
            raise InputError(
                f"dataset.path: the arrays of {next(iter(axes.values())).name} and {file.name} have different axes; "
                "keep one data set per folder"
            )
        splits.setdefault(match["split"], []).append(contents.arrays)
    return Contents("neuraloperator .pt files", splits, contents.hints, contents.refused)


def _tensors(path: Path) -> tuple[Arrays, dict[str, str]]:
    content = _load(path)
    if not isinstance(content, dict) or not any(map(torch.is_tensor, content.values())):
        found = list(content) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: expected a dictionary with tensors 'x' and 'y', found {found}")
    tensors = {str(name): value for name, value in content.items() if torch.is_tensor(value)}
    refused = {name: reason for name, value in tensors.items() if (reason := _unreadable(value)) is not None}
    arrays = {name: _lazy(f"{path}: {name}", value) for name, value in tensors.items() if name not in refused}
    return arrays, refused


def _load(path: Path) -> object:
    try:
        try:
            return torch.load(path, weights_only=True, map_location="cpu", mmap=True)
        except RuntimeError:  # files of before PyTorch 1.6 can't be mapped
            return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged pickle raises nearly anything; none of it is a bug of ours
        reason = first_line(error)
        raise InputError(
            f"{path}: not a file of plain tensors ({reason}); nolab never runs code from a data file: "
            "save it as torch.save({'x': x, 'y': y}, path)"
        ) from error


def _unreadable(tensor: Tensor) -> str | None:
    if tensor.is_complex():
        return "is complex; store real and imaginary part as two channels"
    if tensor.layout != torch.strided or tensor.is_quantized:
        return "is not a plain dense tensor"
    if tensor.ndim == 0 or tensor.numel() == 0:
        return f"is empty: shape {tuple(tensor.shape)}"
    # Strides of zero make terabytes of a few bytes.
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return f"declares shape {tuple(tensor.shape)} and holds {tensor.untyped_storage().nbytes()} bytes"
    return None


def _lazy(where: str, tensor: Tensor) -> LazyArray:
    def fetch(key: Key):
        return tensor.detach()[key].to(torch.float32).numpy()

    return LazyArray(where, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), fetch)


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
