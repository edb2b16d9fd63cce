"""Fields of one split at one level: stored, or restricted from the finest stored grid."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from nolab.data.normalizer import Normalizer
from nolab.data.restriction import Restriction, restrict
from nolab.data.source import FieldSource, Shape
from nolab.fields import FieldBatch
from nolab.grid import Domain, input_shape

Fields = tuple[np.ndarray, np.ndarray]
"""Physical input (n, C_in, *S) and output (n, C_out, *S)."""


@dataclass(frozen=True)
class Normalizers:
    """The input's and the output's normaliser."""

    input: Normalizer
    output: Normalizer


@dataclass(frozen=True)
class LevelTensors:
    """Fields of one level, normalised once they are served, and the physical norms of the targets.

    input: (n, C_in, *S), 1 on axes on which it does not vary, target: (n, C_out, *S), norm: (n,),
    zero: (C_out,) the normalised value of a physical zero, float32.
    """

    input: Tensor
    target: Tensor
    norm: Tensor
    zero: Tensor

    def to(self, device: torch.device) -> "LevelTensors":
        """On `device`; pinned tensors are copied without waiting."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "LevelTensors":
        """In page-locked host memory."""
        return self._map(Tensor.pin_memory)

    def record_stream(self, stream: torch.cuda.Stream) -> None:
        """Tell CUDA's allocator that `stream` uses these tensors too."""
        for tensor in (self.input, self.target, self.norm, self.zero):
            tensor.record_stream(stream)

    def take(self, indices: Tensor) -> "LevelTensors":
        """The samples `indices` (n,)."""
        fields = (tensor.index_select(0, indices) for tensor in (self.input, self.target, self.norm))
        return LevelTensors(*fields, self.zero)

    def encoded(self, normalizers: Normalizers) -> "LevelTensors":
        """Normalised, where these fields are physical."""
        fields = normalizers.input.encode_tensor(self.input), normalizers.output.encode_tensor(self.target)
        return LevelTensors(*fields, self.norm, self.zero)

    def batch(self, domain: Domain) -> FieldBatch:
        """As the batch that models receive."""
        grid = tuple(self.target.shape[2:])
        return FieldBatch(self.input, domain, self.target, self.norm, grid, self.zero)

    def _map(self, function: Callable[[Tensor], Tensor]) -> "LevelTensors":
        return LevelTensors(*map(function, (self.input, self.target, self.norm, self.zero)))


def read_level(
    source: FieldSource, split: str, shape: Shape, method: Restriction, indices: np.ndarray | None = None
) -> Fields:
    """Physical input and output of the split at grid `shape`, (n, C, *shape)."""
    stored = source.shapes(split)
    if shape in stored:
        return source.read(split, shape, indices)
    return _restrict(source.read(split, stored[-1], indices), source, shape, method)


def read_pyramid(
    source: FieldSource,
    split: str,
    shapes: list[Shape],
    method: Restriction,
    indices: np.ndarray | None = None,
) -> list[Fields]:
    """Physical input and output of every grid in `shapes`; each stored grid is read once."""
    stored = source.shapes(split)
    needed = {shape for shape in stored if shape in shapes}
    if any(shape not in stored for shape in shapes):
        needed.add(stored[-1])
    held = {shape: source.read(split, shape, indices) for shape in needed}
    return [
        held[shape] if shape in held else _restrict(held[stored[-1]], source, shape, method)
        for shape in shapes
    ]


def _restrict(fields: Fields, source: FieldSource, shape: Shape, method: Restriction) -> Fields:
    grids = input_shape(shape, source.input_axes), shape
    inputs, outputs = (
        restrict(field, source.domain, grid, method) for field, grid in zip(fields, grids, strict=True)
    )
    return inputs, outputs


def normalize_level(fields: Fields, normalizers: Normalizers, domain: Domain) -> LevelTensors:
    """Physical fields of one level as the tensors that training uses."""
    inputs, outputs = fields
    return LevelTensors(
        torch.from_numpy(normalizers.input.encode(inputs)),
        torch.from_numpy(normalizers.output.encode(outputs)),
        torch.from_numpy(l2_norm(outputs, domain).astype(np.float32)),
        torch.tensor(normalizers.output.zero),
    )


def l2_norm(fields: np.ndarray, domain: Domain) -> np.ndarray:
    """Root of the mean square over domain (by quadrature) and channels of (n, C, *S): (n,)."""
    weights = domain.weights(fields.shape[2:]).numpy()
    squares = (fields.astype(np.float64) ** 2).mean(axis=1).reshape(len(fields), 1, -1)
    return np.sqrt(squares @ weights.ravel())[:, 0]  # one product per sample: see restrict


def pyramid_bytes(source: FieldSource, split: str, shapes: list[Shape]) -> int:
    """Size of all levels' tensors of a split in float32."""
    per_sample = 0
    for shape in shapes:
        inputs = len(source.input_names) * prod(input_shape(shape, source.input_axes))
        per_sample += inputs + len(source.output_names) * prod(shape) + 1
    return 4 * source.count(split) * per_sample
