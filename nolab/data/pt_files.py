"""Import of `.pt` dictionaries as neuraloperator ships them: `{x, y}` per split and resolution."""

import re
from pathlib import Path

import numpy as np
import torch

from nolab.data.arrays import ArraySource
from nolab.data.source import Shape
from nolab.errors import InputError
from nolab.grid import Domain, Placement

_NAME = re.compile(r"(?:.*_)?(?P<split>train|test|valid)_(?P<size>\d+)\.pt")


def read_pt_folder(path: Path, placement: Placement) -> ArraySource:
    """All ``*_{train|test|valid}_{size}.pt`` files of a folder as one source.

    Each file is a dictionary of tensors ``x`` and ``y``, (n, *S) or (n, C, *S), on the unit box.
    neuraloperator's Darcy files sit on every s-th point of a 421² grid counted from the first
    corner, which is placement ``periodic`` (left end in, right end out).

    Raises
    ------
    InputError : no such file, a file that is not a plain dictionary of tensors, shapes that differ.
    """
    files = sorted(f for f in path.iterdir() if f.suffix == ".pt")
    matches = {f: m for f in files if (m := _NAME.fullmatch(f.name))}
    if not matches:
        found = ", ".join(f.name for f in files) or "no .pt file"
        raise InputError(
            f"dataset.path: {path} holds no file named like darcy_train_16.pt "
            f"(…_{{train|test|valid}}_{{size}}.pt), but: {found}"
        )
    data: dict[str, dict[Shape, tuple[np.ndarray, np.ndarray]]] = {}
    for file, match in matches.items():
        x, y = read_pt(file, int(match["size"]))
        levels = data.setdefault(match["split"], {})
        if x.shape[2:] in levels:
            raise InputError(
                f"dataset.path: {path} holds several {match['split']} files of size {match['size']}, "
                f"{file.name} among them; keep one data set per folder"
            )
        levels[x.shape[2:]] = (x, y)
    if missing := {"train", "test"} - set(data):
        raise InputError(f"dataset.path: {path} has no {' and no '.join(sorted(missing))} file")
    x, y = next(iter(data["train"].values()))
    names = [
        tuple(f"{name}{i}" for i in range(a.shape[1])) if a.shape[1] > 1 else (name,)
        for name, a in (("x", x), ("y", y))
    ]
    return ArraySource(Domain.unit(x.ndim - 2, placement), data, *names)


def read_pt(file: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of one file, (n, C, *S) float32, checked against the size in the file's name."""
    try:
        content = torch.load(file, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged pickle raises nearly anything; none of it is a bug of ours
        reason = str(error).split("\n", 1)[0]
        raise InputError(
            f"{file}: not a file of plain tensors ({reason}); nolab never runs code from a data file: "
            "save it as torch.save({'x': x, 'y': y}, path)"
        ) from error
    if not isinstance(content, dict) or not all(torch.is_tensor(content.get(key)) for key in "xy"):
        found = list(content) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{file}: expected a dictionary with tensors 'x' and 'y', found {found}")
    x, y = (_with_channel(content[key], size, f"{file}: {key}") for key in "xy")
    if x.shape[0] != y.shape[0] or x.shape[2:] != y.shape[2:]:
        raise InputError(f"{file}: x {x.shape} and y {y.shape} differ in samples or grid")
    return x, y


def _with_channel(tensor: torch.Tensor, size: int, where: str) -> np.ndarray:
    spatial = [n for n in tensor.shape[1:] if n == size]
    ndim = len(spatial)
    if (
        ndim == 0
        or tensor.ndim - 1 - ndim not in (0, 1)
        or tensor.shape[tensor.ndim - ndim :] != (size,) * ndim
    ):
        raise InputError(
            f"{where} has shape {tuple(tensor.shape)}, expected (n, {size}, …) or (n, C, {size}, …)"
        )
    if tensor.ndim == 1 + ndim:
        tensor = tensor.unsqueeze(1)
    if tensor.is_complex():
        raise InputError(f"{where} is complex; store real and imaginary part as two channels")
    return tensor.detach().to(torch.float32).numpy()
