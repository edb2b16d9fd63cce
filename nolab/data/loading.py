"""One pass over the training data, a block of samples at a time: statistics, norms, levels to hold.

It reads every sample, so a store verifies all that training will read. Beside what it returns it takes the
memory of some blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nolab.data.hierarchy import Hierarchy
from nolab.data.normalizer import Normalizer, sample_moments
from nolab.data.pyramid import LevelTensors, Normalizers, l2_norm, pyramid_bytes, read_pyramid
from nolab.data.source import FieldSource, Shape
from nolab.frames import follow_on
from nolab.grid import input_shape

BLOCK_BYTES = 4 * 2**20
"""Of the finest stored grid's samples that are worked on at a time; one sample where that is more."""


@dataclass(frozen=True)
class LoadedLevels:
    """What one pass gives.

    held : the coarsest levels, as many as were asked for, normalised, in host memory.
    norms : physical norms of the targets (n,) at every level.
    """

    held: list[LevelTensors]
    norms: list[Tensor]
    normalizers: Normalizers


def load_levels(source: FieldSource, split: str, hierarchy: Hierarchy, held: int) -> LoadedLevels:
    """Read a split once; hold its `held` coarsest levels; fit the normalisers on the finest one.

    The bits depend neither on the blocks nor on `held`.

    Raises
    ------
    InputError : samples that cannot be read or are damaged.
    """
    shapes, count = [level.shape for level in hierarchy.levels], source.count(split)
    levels = [_empty_level(source, count, shape) for shape in shapes[:held]]
    norms = [torch.empty(count) for _ in shapes]
    moments = [np.empty((2, count, len(names))) for names in (source.input_names, source.output_names)]
    for rows in _blocks(count, pyramid_bytes(source, split, source.shapes(split)[-1:])):
        block = slice(int(rows[0]), int(rows[-1]) + 1)
        pyramid = read_pyramid(source, split, shapes, hierarchy.restriction, rows)
        for statistics, field in zip(moments, pyramid[-1], strict=True):
            statistics[:, block] = sample_moments(field, hierarchy.domain)
        for norm, (_, outputs) in zip(norms, pyramid, strict=True):
            norm[block] = torch.from_numpy(l2_norm(outputs, hierarchy.domain))
        for level, fields in zip(levels, pyramid, strict=False):
            level[0][block], level[1][block] = map(torch.from_numpy, fields)
    frames = follow_on(source.input_names, source.output_names)
    normalizers = _shared(*moments) if frames else Normalizers(*(Normalizer.of_samples(*m) for m in moments))
    zero = torch.tensor(normalizers.output.zero)
    for inputs, targets in levels:
        for normalizer, field in ((normalizers.input, inputs), (normalizers.output, targets)):
            for rows in _blocks(count, field.nbytes):  # in place
                part = field[rows[0] : rows[-1] + 1]
                part.copy_(normalizer.encode_tensor(part))
    held_levels = [LevelTensors(*fields, norm, zero) for fields, norm in zip(levels, norms, strict=False)]
    return LoadedLevels(held_levels, norms, normalizers)


def _shared(inputs: np.ndarray, outputs: np.ndarray) -> Normalizers:
    """One mean and deviation for all frames of a field, so that a predicted frame can be an input.

    Parameters
    ----------
    inputs, outputs : (2, n, C), means and variances of every channel's samples.
    """
    means, variances = np.concatenate([inputs, outputs], axis=2).reshape(2, -1, 1)
    common = Normalizer.of_samples(means, variances)
    sizes = inputs.shape[2], outputs.shape[2]
    return Normalizers(*(Normalizer(common.mean * size, common.std * size) for size in sizes))


def _empty_level(source: FieldSource, count: int, shape: Shape) -> tuple[Tensor, Tensor]:
    """Memory of the input (n, C_in, *S) and the target (n, C_out, *S) of a level."""
    inputs = torch.empty(count, len(source.input_names), *input_shape(shape, source.input_axes))
    return inputs, torch.empty(count, len(source.output_names), *shape)


def _blocks(count: int, nbytes: int) -> Iterator[np.ndarray]:
    """All samples in consecutive blocks, where all of them together take `nbytes`."""
    size = max(1, BLOCK_BYTES * count // nbytes)
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))
