"""Physical fields of one split at one level: stored, or restricted from the finest stored level."""

import numpy as np

from nolab.data.restriction import restrict
from nolab.data.source import FieldSource, Shape
from nolab.data.thinning import thin
from nolab.grid import input_shape
from nolab.mesh import MeshFields

Fields = tuple[np.ndarray, np.ndarray] | MeshFields
"""Physical input (n, C_in, *S) and output (n, C_out, *S); on scattered points more."""


def read_level(
    source: FieldSource, split: str, shape: Shape, method: str, indices: np.ndarray | None = None
) -> Fields:
    """Physical input and output of the split at `shape`."""
    return read_pyramid(source, split, [shape], method, indices)[0]


def read_pyramid(
    source: FieldSource,
    split: str,
    shapes: list[Shape],
    method: str,
    indices: np.ndarray | None = None,
) -> list[Fields]:
    """Physical input and output at every level in `shapes`; each stored one is read once.

    Parameters
    ----------
    method : how levels that are not stored come of the finest stored one, see `nolab.data.hierarchy.Kind`.
    """
    stored = source.shapes(split)
    needed = {shape for shape in stored if shape in shapes}
    if any(shape not in stored for shape in shapes):
        needed.add(stored[-1])
    held = {shape: source.read(split, shape, indices) for shape in needed}
    numbers = np.arange(source.count(split)) if indices is None else indices
    return [
        held[shape] if shape in held else _restrict(held[stored[-1]], source, shape, method, numbers)
        for shape in shapes
    ]


def _restrict(level: Fields, source: FieldSource, shape: Shape, method: str, numbers: np.ndarray) -> Fields:
    if isinstance(level, MeshFields):
        return thin(level, shape[0], method, numbers)
    grids = input_shape(shape, source.input_axes), shape
    inputs, outputs = (
        restrict(field, source.domain, grid, method) for field, grid in zip(level, grids, strict=True)
    )
    return inputs, outputs
