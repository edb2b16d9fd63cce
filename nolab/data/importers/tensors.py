"""Tensors in a `.pt` file, loaded without running code from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nolab.data.importers.array import Key, LazyArray
from nolab.data.importers.contents import Arrays
from nolab.errors import InputError, first_line


def load_tensors(path: Path) -> object:
    """What `torch.save` wrote, of tensors and plain types; nothing else is unpickled.

    Raises
    ------
    InputError : the file holds other objects, or is damaged.
    """
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


def readable(path: Path, content: Mapping[Any, Any]) -> tuple[Arrays, dict[str, str]]:
    """The tensors of a dictionary in a file by their names, and why others are not read."""
    tensors = {str(name): value for name, value in content.items() if torch.is_tensor(value)}
    refused = {name: reason for name, value in tensors.items() if (reason := unreadable(value)) is not None}
    kept = {name: value for name, value in tensors.items() if name not in refused}
    return {name: as_array(f"{path}: {name}", value) for name, value in kept.items()}, refused


def unreadable(tensor: Tensor) -> str | None:
    """Why a tensor is not read; None where it is."""
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


def as_array(where: str, tensor: Tensor) -> LazyArray:
    """A tensor of a file as an array, float32."""

    def fetch(key: Key):
        return tensor.detach()[key].to(torch.float32).numpy()

    return LazyArray(where, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), fetch)
