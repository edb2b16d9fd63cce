"""Fields of one split at one level: stored, or restricted from the finest stored grid."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nolab.data.normalizer import Normalizer
from nolab.data.restriction import Restriction, restrict
from nolab.data.source import FieldSource, Shape
from nolab.fields import FieldBatch
from nolab.grid import Domain

Fields = tuple[np.ndarray, np.ndarray]
"""Physical input (n, C_in, *S) and output (n, C_out, *S)."""


@dataclass(frozen=True)
class Normalizers:
    """The input's and the output's normaliser."""

    input: Normalizer
    output: Normalizer

    @classmethod
    def fit(cls, fields: Fields, domain: Domain) -> "Normalizers":
        """Statistics of physical input and output fields, each (n, C, *S)."""
        return cls(*(Normalizer.fit(field, domain) for field in fields))


@dataclass(frozen=True)
class LevelTensors:
    """Normalised fields of one level and the physical norms of the targets.

    input: (n, C_in, *S), target: (n, C_out, *S), norm: (n,), float32.
    """

    input: Tensor
    target: Tensor
    norm: Tensor

    def to(self, device: torch.device) -> "LevelTensors":
        """On `device`; pinned tensors are copied without waiting."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "LevelTensors":
        """In page-locked host memory."""
        return self._map(Tensor.pin_memory)

    def take(self, indices: Tensor) -> "LevelTensors":
        """The samples `indices` (n,)."""
        return self._map(lambda tensor: tensor.index_select(0, indices))

    def batch(self, domain: Domain) -> FieldBatch:
        """As the batch that models receive."""
        return FieldBatch(self.input, domain, self.target, self.norm)

    def _map(self, function: Callable[[Tensor], Tensor]) -> "LevelTensors":
        return LevelTensors(function(self.input), function(self.target), function(self.norm))


def read_level(
    source: FieldSource, split: str, shape: Shape, method: Restriction, indices: np.ndarray | None = None
) -> Fields:
    """Physical input and output of the split at grid `shape`, (n, C, *shape)."""
    stored = source.shapes(split)
    if shape in stored:
        return source.read(split, shape, indices)
    fields = source.read(split, stored[-1], indices)
    return tuple(restrict(field, source.domain, shape, method) for field in fields)


def read_pyramid(source: FieldSource, split: str, shapes: list[Shape], method: Restriction) -> list[Fields]:
    """Physical input and output of every grid in `shapes`; each stored grid is read once."""
    stored = source.shapes(split)
    needed = {shape for shape in stored if shape in shapes}
    if any(shape not in stored for shape in shapes):
        needed.add(stored[-1])
    held = {shape: source.read(split, shape) for shape in needed}
    return [
        held[shape]
        if shape in held
        else tuple(restrict(field, source.domain, shape, method) for field in held[stored[-1]])
        for shape in shapes
    ]


def normalize_level(fields: Fields, normalizers: Normalizers, domain: Domain) -> LevelTensors:
    """Physical fields of one level as the tensors that training uses."""
    inputs, outputs = fields
    return LevelTensors(
        torch.from_numpy(normalizers.input.encode(inputs)),
        torch.from_numpy(normalizers.output.encode(outputs)),
        torch.from_numpy(l2_norm(outputs, domain).astype(np.float32)),
    )


def l2_norm(fields: np.ndarray, domain: Domain) -> np.ndarray:
    """Root of the mean square over domain (by quadrature) and channels of (n, C, *S): (n,)."""
    weights = domain.weights(fields.shape[2:]).numpy()
    squares = (fields.astype(np.float64) ** 2).mean(axis=1).reshape(len(fields), -1)
    return np.sqrt(squares @ weights.ravel())


def pyramid_bytes(n_samples: int, channels: int, shapes: list[Shape]) -> int:
    """Size of all levels' tensors in float32."""
    return sum(4 * n_samples * (channels * int(np.prod(shape)) + 1) for shape in shapes)
