"""What nolab asks of anything that holds fields: a store, imported files, a user's own class."""

from typing import Protocol

import numpy as np

from nolab.grid import Domain
from nolab.mesh import MeshFields

Shape = tuple[int, ...]


class FieldSource(Protocol):
    """Pairs of input and output fields on one or more grids of the same domain.

    Attributes
    ----------
    domain : the physical domain of every grid.
    input_axes : axes of the domain on which the input varies, None for all of them.
    input_names, output_names : one name per channel.
    """

    domain: Domain
    input_axes: tuple[int, ...] | None
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    def splits(self) -> list[str]:
        """Names of the splits, e.g. ``["train", "test"]``."""

    def shapes(self, split: str) -> list[Shape]:
        """Grids stored for the split, coarsest first; every grid holds the same samples."""

    def count(self, split: str) -> int:
        """Number of samples of the split."""

    def read(
        self, split: str, shape: Shape, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray] | MeshFields:
        """Input (n, C_in, *shape) and output (n, C_out, *shape), float32; on scattered points (the domain says it)
        :class:`nolab.mesh.MeshFields`, which begin with these two.

        The input's size is 1 on axes on which it does not vary.
        `indices` are ascending sample numbers; None reads all samples (and verifies checksums).
        """
