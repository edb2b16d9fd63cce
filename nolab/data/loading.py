"""One pass over the training data, a block of samples at a time: statistics, norms, levels to hold.

It reads every sample, so a store verifies all that training will read. Beside what it returns it takes the
memory of some blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nolab.data.hierarchy import Hierarchy
from nolab.data.normalizer import Normalizer, sample_moments
from nolab.data.pyramid import LevelTensors, Normalizers, l2_norm, pyramid_bytes, quadrature
from nolab.data.reading import read_pyramid
from nolab.data.source import FieldSource
from nolab.data.tables import Tables, find_tables
from nolab.frames import follow_on
from nolab.neighbourhood import Neighbourhood

BLOCK_BYTES = 4 * 2**20
"""Of the finest stored grid's samples that are worked on at a time; one sample where that is more."""


@dataclass(frozen=True)
class LoadedLevels:
    """What one pass gives.

    held : the coarsest levels, as many as were asked for, normalised, in host memory.
    norms : physical norms of the targets (n,) at every level.
    tables : the neighbours that the model asked for, at every level; None where it did not.
    """

    held: list[LevelTensors]
    norms: list[Tensor]
    tables: list[Tables | None]
    normalizers: Normalizers


def load_levels(
    source: FieldSource, split: str, hierarchy: Hierarchy, held: int, wanted: Neighbourhood | None = None
) -> LoadedLevels:
    """Read a split once; hold its `held` coarsest levels; fit the normalisers on the finest one.

    The bits depend neither on the blocks nor on `held`.

    Raises
    ------
    InputError : samples that cannot be read or are damaged.
    """
    shapes, count, domain = [level.shape for level in hierarchy.levels], source.count(split), hierarchy.domain
    tables = [find_tables(source, split, shape, hierarchy.restriction, wanted, shapes[0]) for shape in shapes]
    levels: list[LevelTensors] = []
    norms = [torch.empty(count) for _ in shapes]
    moments = [np.empty((2, count, len(names))) for names in (source.input_names, source.output_names)]
    for rows in _blocks(count, pyramid_bytes(source, split, source.shapes(split)[-1:])):
        block = slice(int(rows[0]), int(rows[-1]) + 1)
        pyramid = read_pyramid(source, split, shapes, hierarchy.restriction, rows)
        weights = [quadrature(level, domain) for level in pyramid]
        for statistics, field, of in zip(moments, pyramid[-1][:2], weights[-1], strict=True):
            statistics[:, block] = sample_moments(field, of)
        for norm, level, (_, of) in zip(norms, pyramid, weights, strict=True):
            norm[block] = torch.from_numpy(l2_norm(level[1], of))
        zero = (0.0,) * len(source.output_names)  # not known before all samples are read
        parts = [
            LevelTensors.physical(level, norm[block], zero, table and table.rows(block))
            for level, norm, table in zip(pyramid[:held], norms, tables, strict=False)
        ]
        levels = levels or [part.resized(count) for part in parts]
        for level, part in zip(levels, parts, strict=True):
            level.write(block, part)
    frames = follow_on(source.input_names, source.output_names)
    normalizers = _shared(*moments) if frames else Normalizers(*(Normalizer.of_samples(*m) for m in moments))
    for level in levels:
        for normalizer, field in ((normalizers.input, level.input), (normalizers.output, level.target)):
            for rows in _blocks(count, field.nbytes):  # in place
                part = field[rows[0] : rows[-1] + 1]
                part.copy_(normalizer.encode_tensor(part))
    zero = torch.tensor(normalizers.output.zero)
    return LoadedLevels([replace(level, zero=zero) for level in levels], norms, tables, normalizers)


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


def _blocks(count: int, nbytes: int) -> Iterator[np.ndarray]:
    """All samples in consecutive blocks, where all of them together take `nbytes`."""
    size = max(1, BLOCK_BYTES * count // nbytes)
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))
