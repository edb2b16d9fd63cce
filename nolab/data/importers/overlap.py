"""No sample of one split in another: what has been read is remembered by the hash of its input."""

import numpy as np

from nolab.data._store_layout import sample_digest
from nolab.data.source import Shape
from nolab.errors import InputError
from nolab.grid import shape_name
from nolab.mesh import MeshFields


def given(fields: tuple[np.ndarray, np.ndarray] | MeshFields) -> np.ndarray:
    """What is asked about every sample, (n, …): its input, on scattered points with the points that it lies on."""
    inputs = fields[0]
    if not isinstance(fields, MeshFields):
        return inputs
    return np.concatenate([values.reshape(len(inputs), -1) for values in (inputs, fields.coords)], axis=1)


class OverlapGuard:
    """Compares every input that is read, once, with those of the other splits read before."""

    def __init__(self, counts: dict[str, int]) -> None:
        self._counts = counts
        self._seen: dict[tuple[str, Shape], np.ndarray] = {}
        self._owners: dict[tuple[Shape, bytes], tuple[str, int]] = {}

    def check(self, split: str, shape: Shape, rows: np.ndarray, inputs: np.ndarray) -> None:
        """Remember `inputs` (n, C, *S), the samples `rows` (n,) of the split.

        Raises
        ------
        InputError : one of them is a sample of another split too.
        """
        seen = self._seen.setdefault((split, shape), np.zeros(self._counts[split], bool))
        for i in np.flatnonzero(~seen[rows]):
            owner, index = self._owners.setdefault((shape, sample_digest(inputs[i])), (split, int(rows[i])))
            if owner != split:
                raise InputError(
                    f"dataset.path: the splits overlap: the input of {split} sample {rows[i]} at {shape_name(shape)} "
                    f"is that of {owner} sample {index}, so the test error would flatter; `nolab info data` counts "
                    "them; remove them, or choose other dataset.n_train and dataset.n_test"
                )
        seen[rows] = True
