"""The tensors of one split at one level, normalised, and as the batches that models receive."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from math import prod

import numpy as np
import torch
from torch import Tensor

from nolab.data.normalizer import Normalizer, domain_means
from nolab.data.reading import Fields
from nolab.data.source import FieldSource, Shape
from nolab.data.tables import Tables
from nolab.fields import FieldBatch
from nolab.grid import Domain, input_shape
from nolab.mesh import MeshFields
from nolab.neighbourhood import Neighbourhood


@dataclass(frozen=True)
class Normalizers:
    """The input's and the output's normaliser."""

    input: Normalizer
    output: Normalizer


@dataclass(frozen=True)
class LevelTensors:
    """Fields of one level, normalised once they are served, and the physical norms of the targets.

    input: (n, C_in, *S), 1 on axes on which it does not vary, target: (n, C_out, *S), norm: (n,),
    zero: (C_out,) the normalised value of a physical zero, float32. On scattered points coords (n, N, ndim) and
    weights (n, N), float32, and what the model asked for, neighbours int32 and centres: see :class:`FieldBatch`.
    """

    input: Tensor
    target: Tensor
    norm: Tensor
    zero: Tensor
    coords: Tensor | None = None
    weights: Tensor | None = None
    neighbours: Tensor | None = None
    centres: Tensor | None = None

    @classmethod
    def physical(
        cls, level: Fields, norm: Tensor, zero: tuple[float, ...], tables: Tables | None
    ) -> "LevelTensors":
        """Fields as they were read; `norm` (n,) of the targets, the tables of these samples."""
        inputs, targets = map(torch.from_numpy, level[:2])
        if not isinstance(level, MeshFields):
            return cls(inputs, targets, norm, torch.tensor(zero))
        geometry = torch.from_numpy(level.coords), torch.from_numpy(level.weights)
        # Copies: tables may be parts of a file that is not to be written to.
        found = (None if t is None else torch.from_numpy(np.array(t)) for t in tables or (None, None))
        neighbours, centres = found
        return cls(inputs, targets, norm, torch.tensor(zero), *geometry, neighbours, centres)

    def __len__(self) -> int:
        return len(self.input)

    def to(self, device: torch.device) -> "LevelTensors":
        """On `device`; pinned tensors are copied without waiting."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "LevelTensors":
        """In page-locked host memory."""
        return self._map(Tensor.pin_memory)

    def record_stream(self, stream: torch.cuda.Stream) -> None:
        """Tell CUDA's allocator that `stream` uses these tensors too."""
        for tensor in self._tensors().values():
            tensor.record_stream(stream)

    def take(self, indices: Tensor) -> "LevelTensors":
        """The samples `indices` (n,)."""
        return self._map(lambda tensor: tensor.index_select(0, indices), keep="zero")

    def encoded(self, normalizers: Normalizers) -> "LevelTensors":
        """Normalised, where these fields are physical."""
        encode_input, encode_target = normalizers.input.encode_tensor, normalizers.output.encode_tensor
        return replace(self, input=encode_input(self.input), target=encode_target(self.target))

    def write(self, rows: slice, part: "LevelTensors") -> None:
        """Copy the samples of `part` into the rows of this one."""
        into, given = self._tensors(), part._tensors()
        for name in into.keys() - {"zero"}:
            into[name][rows] = given[name]

    def resized(self, count: int) -> "LevelTensors":
        """Room for `count` such samples."""
        return self._map(lambda tensor: tensor.new_empty(count, *tensor.shape[1:]), keep="zero")

    def batch(self, domain: Domain) -> FieldBatch:
        """As the batch that models receive."""
        return FieldBatch(
            self.input,
            domain,
            self.target,
            self.norm,
            tuple(self.target.shape[2:]),
            self.zero,
            coords=self.coords,
            weights=self.weights,
            neighbours=None if self.neighbours is None else self.neighbours.long(),
            centres=self.centres,
        )

    def _tensors(self) -> dict[str, Tensor]:
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: tensor for name, tensor in named.items() if tensor is not None}

    def _map(self, function: Callable[[Tensor], Tensor], keep: str = "") -> "LevelTensors":
        changed = {name: function(tensor) for name, tensor in self._tensors().items() if name != keep}
        return replace(self, **changed)


def normalize_level(
    level: Fields, normalizers: Normalizers, domain: Domain, tables: Tables | None = None
) -> LevelTensors:
    """Physical fields of one level as the tensors that training uses."""
    norm = torch.from_numpy(l2_norm(level[1], quadrature(level, domain)[1]).astype(np.float32))
    return LevelTensors.physical(level, norm, normalizers.output.zero, tables).encoded(normalizers)


def quadrature(level: Fields, domain: Domain) -> tuple[np.ndarray, np.ndarray]:
    """Quadrature weights of the input's and of the output's points, float64: (N,) of a grid, (n, N) of scattered
    points."""
    if isinstance(level, MeshFields):
        return (level.weights.astype(np.float64),) * 2
    return tuple(domain.weights(field.shape[2:]).numpy().ravel() for field in level)


def l2_norm(field: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Root of the mean square over domain (by quadrature) and channels of (n, C, *S): (n,)."""
    squares = (field.astype(np.float64) ** 2).mean(axis=1).reshape(len(field), 1, -1)
    return np.sqrt(domain_means(squares, weights)[:, 0])


def pyramid_bytes(
    source: FieldSource, split: str, shapes: list[Shape], wanted: Neighbourhood | None = None
) -> int:
    """Size of all levels' tensors of a split, numbers of four bytes."""
    per_sample = 0
    for shape in shapes:
        inputs = len(source.input_names) * prod(input_shape(shape, source.input_axes))
        per_sample += inputs + len(source.output_names) * prod(shape) + 1
        if source.domain.is_scattered:
            per_sample += (source.domain.ndim + 1) * shape[0]
        if wanted is not None:
            per_sample += wanted.most * (wanted.centres or shape[0])
            per_sample += source.domain.ndim * (wanted.centres or 0)
    return 4 * source.count(split) * per_sample
